//! The constraints of a service's model, checked and reported in AWS's words.
//!
//! AWS checks a request's members against the model before the operation runs, and reports every
//! violation in one message:
//!
//! ```text
//! 2 validation errors detected: Value 'a b' at 'functionName' failed to satisfy constraint: Member
//! must satisfy regular expression pattern: …; Value null at 'role' failed to satisfy constraint:
//! Member must not be null
//! ```
//!
//! [`Validate`] is generated for every shape that a request can hold. It walks the shape with a
//! [`Place`] (where it is) and [`Violations`] (what it found), and holds each member against a
//! [`Constraint`]. Nothing is allocated for a request that breaks none.
//!
//! Two orders are not AWS's. AWS lists violations and an enum's values in the iteration order of
//! hash sets, which is no contract; here both follow the model, except where the generator's
//! settings hold an order that was recorded.

mod constraint;
mod pattern;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::ServiceError;

pub use constraint::{Choice, Constraint, Free, KeyChoice, Number, Size, Text};
pub use pattern::Pattern;

const NOT_NULL: &str = "Member must not be null";

/// Violations beyond this many are counted and not listed: the request decides how many there are.
const LISTED: usize = 50;

/// A shape whose members have constraints.
pub trait Validate {
    /// Reports what breaks the model, in the order of the model.
    fn validate(&self, at: &Place<'_>, found: &mut Violations);

    /// The verdict on a whole input.
    ///
    /// # Errors
    /// 400 `ValidationException` that lists every violation; some services call it otherwise, see
    /// [`Protocol::check`](crate::protocol::Protocol::check).
    fn check(&self) -> Result<(), ServiceError> {
        let mut found = Violations::default();
        self.validate(&Place::ROOT, &mut found);
        found.verdict().map_err(ServiceError::validation)
    }

    /// The first required member that is not there, by its name in the model.
    fn missing(&self) -> Option<String> {
        let mut found = Violations::default();
        self.validate(&Place::ROOT, &mut found);
        let name = found.missing?;
        let (first, rest) = name.split_at_checked(1)?;
        Some(first.to_ascii_uppercase() + rest)
    }
}

impl Validate for () {
    fn validate(&self, _: &Place<'_>, _: &mut Violations) {}
}

/// Where in the input a member is: `destinationConfig.onFailure`, `configs.1.member`,
/// `attributes.key.member`.
#[derive(Debug)]
pub struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Debug)]
enum Step<'a> {
    Root,
    Member(&'static str),
    /// Counted from zero; printed from one.
    Item(usize),
    /// A map's entry.
    Entry(&'a str),
}

impl Place<'_> {
    /// The input itself.
    pub const ROOT: Place<'static> = Place {
        parent: None,
        step: Step::Root,
    };

    /// A member of the structure here, by its name in lower camel case.
    #[must_use]
    pub fn member<'a>(&'a self, name: &'static str) -> Place<'a> {
        Place {
            parent: Some(self),
            step: Step::Member(name),
        }
    }

    fn item(&self, index: usize) -> Place<'_> {
        Place {
            parent: Some(self),
            step: Step::Item(index),
        }
    }

    fn entry<'a>(&'a self, key: &'a str) -> Place<'a> {
        Place {
            parent: Some(self),
            step: Step::Entry(key),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent
            && !matches!(parent.step, Step::Root)
        {
            write!(f, "{parent}.")?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Member(name) => f.write_str(name),
            Step::Item(index) => write!(f, "{}.member", index + 1),
            Step::Entry(key) => write!(f, "{key}.member"),
        }
    }
}

/// The violations found so far.
#[derive(Debug, Default)]
pub struct Violations {
    listed: Vec<String>,
    count: usize,
    /// The first required member that is not there.
    missing: Option<&'static str>,
}

impl Violations {
    /// Adds that `value` at `place` breaks `constraint`. Without a value it is a sensitive one,
    /// which AWS does not repeat.
    pub fn add(&mut self, place: &Place<'_>, value: Option<&str>, constraint: &str) {
        let value = value.map_or_else(String::new, |value| format!(" '{value}'"));
        self.push(format!(
            "Value{value} at '{place}' failed to satisfy constraint: {constraint}"
        ));
    }

    fn push(&mut self, violation: String) {
        self.count += 1;
        if self.listed.len() < LISTED {
            self.listed.push(violation);
        }
    }

    /// The message that lists them, if there are any.
    ///
    /// # Errors
    /// The message.
    pub fn verdict(self) -> Result<(), String> {
        let errors = match self.count {
            0 => return Ok(()),
            1 => "error",
            _ => "errors",
        };
        Err(format!(
            "{} validation {errors} detected: {}",
            self.count,
            self.listed.join("; ")
        ))
    }

    /// A required member.
    pub fn required(&mut self, at: &Place<'_>, name: &'static str, present: bool) {
        if !present {
            let place = at.member(name);
            self.missing.get_or_insert(name);
            self.push(format!(
                "Value null at '{place}' failed to satisfy constraint: {NOT_NULL}"
            ));
        }
    }

    /// A member that is one value.
    pub fn value<T: ?Sized, C: Constraint<T>>(
        &mut self,
        at: &Place<'_>,
        name: &'static str,
        value: Option<&T>,
        constraint: &C,
    ) {
        let Some(value) = value else { return };
        for broken in constraint.broken(value) {
            let shown = (!constraint.sensitive()).then(|| constraint.show(value));
            self.add(&at.member(name), shown.as_deref(), &broken);
        }
    }

    /// A member that is a list of values. A value that breaks its constraint is reported once, as
    /// the list's violation of all that its values must satisfy.
    pub fn list<T, C: Constraint<T>>(
        &mut self,
        at: &Place<'_>,
        name: &'static str,
        values: Option<&Vec<T>>,
        size: Size,
        constraint: &C,
    ) {
        let Some(values) = values else { return };
        let mut broken = size.broken(values.len());
        if values
            .iter()
            .any(|value| !constraint.broken(value).is_empty())
        {
            broken.push(format!(
                "Member must satisfy constraint: {}",
                all(constraint)
            ));
        }
        for broken in broken {
            let shown = (!constraint.sensitive()).then(|| {
                let texts: Vec<String> = values.iter().map(|v| constraint.show(v)).collect();
                format!("[{}]", texts.join(", "))
            });
            self.add(&at.member(name), shown.as_deref(), &broken);
        }
    }

    /// A member that is a map from text to values.
    pub fn map<V, K: Constraint<String>, C: Constraint<V>>(
        &mut self,
        at: &Place<'_>,
        name: &'static str,
        map: Option<&BTreeMap<String, V>>,
        size: Size,
        keys: &K,
        values: &C,
    ) {
        let Some(map) = map else { return };
        let mut broken = size.broken(map.len());
        if map.keys().any(|key| !keys.broken(key).is_empty()) {
            broken.push(format!("Map keys must satisfy constraint: {}", all(keys)));
        }
        if map.values().any(|value| !values.broken(value).is_empty()) {
            broken.push(format!(
                "Map value must satisfy constraint: {}",
                all(values)
            ));
        }
        for broken in broken {
            let shown = (!keys.sensitive() && !values.sensitive()).then(|| {
                let texts: Vec<String> = map
                    .iter()
                    .map(|(key, value)| format!("{}={}", keys.show(key), values.show(value)))
                    .collect();
                format!("{{{}}}", texts.join(", "))
            });
            self.add(&at.member(name), shown.as_deref(), &broken);
        }
    }

    /// A member that is a structure.
    pub fn structure<T: Validate>(
        &mut self,
        at: &Place<'_>,
        name: &'static str,
        structure: Option<&T>,
    ) {
        if let Some(structure) = structure {
            structure.validate(&at.member(name), self);
        }
    }

    /// A member that is a list of structures.
    pub fn structures<T: Validate + Serialize>(
        &mut self,
        at: &Place<'_>,
        name: &'static str,
        structures: Option<&Vec<T>>,
        size: Size,
    ) {
        let Some(structures) = structures else { return };
        let place = at.member(name);
        for broken in size.broken(structures.len()) {
            let texts: Vec<String> = structures.iter().map(describe).collect();
            self.add(&place, Some(&format!("[{}]", texts.join(", "))), &broken);
        }
        for (index, structure) in structures.iter().enumerate() {
            structure.validate(&place.item(index), self);
        }
    }

    /// A member that is a map from text to structures.
    pub fn structure_map<T: Validate + Serialize, K: Constraint<String>>(
        &mut self,
        at: &Place<'_>,
        name: &'static str,
        map: Option<&BTreeMap<String, T>>,
        size: Size,
        keys: &K,
    ) {
        let Some(map) = map else { return };
        let place = at.member(name);
        let mut broken = size.broken(map.len());
        if map.keys().any(|key| !keys.broken(key).is_empty()) {
            broken.push(format!("Map keys must satisfy constraint: {}", all(keys)));
        }
        for broken in broken {
            let texts: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}={}", keys.show(key), describe(value)))
                .collect();
            self.add(&place, Some(&format!("{{{}}}", texts.join(", "))), &broken);
        }
        for (key, structure) in map {
            structure.validate(&place.entry(key), self);
        }
    }
}

/// Everything that a constraint asks of the elements of a list or map; null is never among them.
fn all<T: ?Sized, C: Constraint<T>>(constraint: &C) -> String {
    let mut all = constraint.all();
    all.push(NOT_NULL.to_owned());
    format!("[{}]", all.join(", "))
}

/// A structure as Java prints it: `FileSystemConfig(arn=…, localMountPath=…)`.
fn describe<T: Serialize>(structure: &T) -> String {
    fn text(value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(text).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Object(members) => format!("{{{}}}", list(members)),
            other => other.to_string(),
        }
    }

    fn list(members: &serde_json::Map<String, Value>) -> String {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| {
                let (first, rest) = name.split_at_checked(1).unwrap_or(("", name));
                format!("{}{rest}={}", first.to_ascii_lowercase(), text(value))
            })
            .collect();
        members.join(", ")
    }

    let path = std::any::type_name::<T>();
    let name = path.rsplit("::").next().unwrap_or(path);
    match serde_json::to_value(structure) {
        Ok(Value::Object(members)) => format!("{name}({})", list(&members)),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
