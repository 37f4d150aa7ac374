//! What states, labels and variables may be called.

/// Why a state may not be called so.
pub(super) fn state_name(name: &str) -> Option<String> {
    match name.chars().count() {
        0 => Some("The state name cannot be empty".to_owned()),
        1..=80 => None,
        _ => Some(format!(
            "The state name '{name}' exceeds the maximum length of 80 characters"
        )),
    }
}

/// Why a Map state may not be labelled so
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>).
pub(super) fn label(label: &str) -> Option<String> {
    if label.is_empty() {
        return Some("Label cannot be empty".to_owned());
    }
    if label.chars().count() > 40 {
        return Some("Label cannot exceed 40 characters".to_owned());
    }
    let bad = label
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || "?*<>{}[]:;,\\|^~$#%&`\"/".contains(*c));
    bad.map(|bad| format!("Label contains invalid character: '{bad}'"))
}

/// Why a variable may not be called so
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>).
pub(super) fn variable(name: &str) -> Option<String> {
    let mut characters = name.chars();
    let first = characters
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_');
    if !first || !characters.all(|c| c.is_alphanumeric() || c == '_') {
        return Some(format!(
            "The variable name '{name}' is not a valid identifier"
        ));
    }
    if name.chars().count() > 80 {
        return Some(format!(
            "The variable name '{name}' exceeds the maximum length of 80 characters"
        ));
    }
    (name == "states").then(|| format!("The variable name '{name}' is reserved"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(state_name("Ünïcode with blanks"), None);
        assert!(state_name(&"x".repeat(81)).is_some());
        assert!(label("a?b").is_some());
        assert_eq!(label("Map-1"), None);
        assert_eq!(variable("größe_2"), None);
        for name in ["", "2a", "a-b", "states"] {
            assert!(variable(name).is_some(), "{name}");
        }
    }
}
