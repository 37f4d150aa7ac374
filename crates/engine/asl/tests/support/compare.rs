//! Comparing events with recorded ones, in which what varies is replaced by placeholders, and texts of
//! objects by the objects.

use serde_json::Value;

/// Why two values differ, with the way to the difference.
pub(crate) fn difference(ours: &Value, theirs: &Value, at: &str) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            if let Some(name) = theirs.keys().find(|name| !ours.contains_key(*name)) {
                return Some(format!("{at}/{name}: missing, AWS has {}", theirs[name]));
            }
            if let Some(name) = ours.keys().find(|name| !theirs.contains_key(*name)) {
                return Some(format!("{at}/{name}: {} is too much", ours[name]));
            }
            theirs
                .iter()
                .find_map(|(name, value)| difference(&ours[name], value, &format!("{at}/{name}")))
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            let mut pairs = ours.iter().zip(theirs).enumerate();
            pairs.find_map(|(index, (ours, theirs))| {
                difference(ours, theirs, &format!("{at}[{index}]"))
            })
        }
        (Value::String(ours), theirs @ (Value::Object(_) | Value::Array(_))) => {
            match serde_json::from_str(ours) {
                Ok(parsed) => difference(&parsed, theirs, at),
                Err(_) => Some(format!("{at}: {ours} is no JSON, AWS has {theirs}")),
            }
        }
        (ours, Value::String(pattern)) => {
            let text = ours
                .as_str()
                .map_or_else(|| ours.to_string(), str::to_owned);
            (!fits(&text, pattern)).then(|| format!("{at}: {text:?}, AWS has {pattern:?}"))
        }
        (ours, theirs) => (ours != theirs).then(|| format!("{at}: {ours}, AWS has {theirs}")),
    }
}

/// Whether a text is what the recording has, or could be what a placeholder stands for.
fn fits(text: &str, pattern: &str) -> bool {
    if text == pattern
        || [
            "date",
            "datetime",
            "timestamp",
            "start-date",
            "snf_role_arn",
        ]
        .contains(&pattern)
    {
        return true;
    }
    if let (Ok(ours @ (Value::Array(_) | Value::Object(_))), Ok(theirs)) = (
        serde_json::from_str::<Value>(text),
        serde_json::from_str::<Value>(pattern),
    ) {
        return difference(&ours, &theirs, "").is_none();
    }
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('<') {
        let Some((_, after)) = after.split_once('>') else {
            break;
        };
        pieces.push(before);
        rest = after;
    }
    if pieces.is_empty() {
        return false;
    }
    let Some(mut tail) = text.strip_prefix(pieces[0]) else {
        return false;
    };
    for piece in &pieces[1..] {
        match tail.find(piece) {
            Some(at) => tail = &tail[at + piece.len()..],
            None => return false,
        }
    }
    tail.ends_with(rest)
}

/// Whether a history was sorted by the recorder, and its order and numbers are lost.
pub(crate) fn is_unordered(events: &[Value]) -> bool {
    events.iter().any(|event| event["id"].is_array())
}

/// Why a history differs from the recorded one.
pub(crate) fn histories(ours: &[Value], theirs: &[Value]) -> Option<String> {
    if is_unordered(theirs) {
        let sorted = |events: &[Value]| {
            let mut events: Vec<Value> = events.to_vec();
            for event in &mut events {
                for field in ["id", "previousEventId", "timestamp"] {
                    event.as_object_mut().expect("an event").remove(field);
                }
            }
            events
        };
        let mut left = sorted(ours);
        for wanted in sorted(theirs) {
            let Some(at) = left
                .iter()
                .position(|event| difference(event, &wanted, "").is_none())
            else {
                return Some(format!("no event is {wanted}"));
            };
            left.remove(at);
        }
        // The recorder also leaves out what is not the same in every run.
        return None;
    }
    for (ours, theirs) in ours.iter().zip(theirs) {
        if let Some(difference) = difference(ours, theirs, &format!("event {}", theirs["id"])) {
            return Some(difference);
        }
    }
    (ours.len() != theirs.len()).then(|| {
        let more = ours.get(theirs.len()).or_else(|| theirs.get(ours.len()));
        format!(
            "{} events, AWS has {}; then {}",
            ours.len(),
            theirs.len(),
            more.unwrap_or(&Value::Null)
        )
    })
}
