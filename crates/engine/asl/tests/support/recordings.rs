//! The recordings of AWS, where they are: beside the repository, or where the environment says.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder of the recordings of Step Functions; `None`, and said so, where there is none.
pub(crate) fn folder() -> Option<PathBuf> {
    Some(super::shared("aws-recordings")?.join("stepfunctions"))
}

/// A template: its name, and the definition as JSON.
pub(crate) struct Template {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The templates of state machines.
pub(crate) fn templates(folder: &Path) -> Vec<Template> {
    let files = super::files(&folder.join("templates"), &[".json5"]);
    let read = files.into_iter().map(|path| Template {
        name: path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned(),
        text: super::relaxed(&std::fs::read_to_string(&path).expect("a template")),
    });
    read.collect()
}

/// The scenarios: their names and what was recorded.
pub(crate) fn scenarios(folder: &Path) -> Vec<(String, Value)> {
    let mut scenarios = Vec::new();
    for file in super::files(&folder.join("v2"), &[".snapshot.json"]) {
        let text = std::fs::read_to_string(&file).expect("a snapshot");
        let Value::Object(snapshot) = serde_json::from_str(&text).expect("JSON") else {
            panic!("{} is no object", file.display());
        };
        scenarios.extend(
            snapshot
                .into_iter()
                .map(|(name, mut scenario)| (name, scenario["recorded-content"].take())),
        );
    }
    scenarios
}

/// The whole histories in what was recorded.
pub(crate) fn histories(content: &Value) -> Vec<Vec<Value>> {
    let mut found = Vec::new();
    match content {
        Value::Object(fields) => {
            let events = fields.get("events").and_then(Value::as_array);
            match events.filter(|events| {
                events
                    .first()
                    .is_some_and(|first| first.get("previousEventId").is_some())
            }) {
                Some(events) => found.push(events.clone()),
                None => fields
                    .values()
                    .for_each(|value| found.extend(histories(value))),
            }
        }
        Value::Array(items) => items.iter().for_each(|item| found.extend(histories(item))),
        _ => {}
    }
    found
}
