//! Reading events.

use serde_json::Value;

/// An event of a history.
#[derive(Clone, Copy)]
pub(crate) struct Event<'e> {
    json: &'e Value,
}

impl<'e> Event<'e> {
    pub(crate) fn new(json: &'e Value) -> Self {
        Self { json }
    }

    pub(crate) fn id(self) -> u64 {
        self.json["id"].as_u64().unwrap_or_default()
    }

    pub(crate) fn previous(self) -> u64 {
        self.json["previousEventId"].as_u64().unwrap_or_default()
    }

    pub(crate) fn timestamp(self) -> Option<f64> {
        self.json["timestamp"].as_f64()
    }

    pub(crate) fn kind(self) -> &'e str {
        self.json["type"].as_str().unwrap_or_default()
    }

    /// The field of the event's details, whatever those are called.
    fn detail(self, name: &str) -> Option<&'e Value> {
        let fields = self.json.as_object()?;
        let details = fields
            .iter()
            .find(|(field, _)| field.ends_with("EventDetails"))?;
        details.1.get(name)
    }

    pub(crate) fn name(self) -> &'e str {
        self.detail("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn number(self, name: &str) -> Option<u64> {
        self.detail(name)?.as_u64()
    }

    /// The data of that name, read; nothing where the history was asked for without data.
    pub(crate) fn data(self, name: &str) -> Option<Value> {
        serde_json::from_str(self.detail(name)?.as_str()?).ok()
    }
}
