//! What expressions see beside their input.

use std::sync::Arc;

use ids::{Entropy, Timestamp};

use crate::value::{Map, Value};

/// The surroundings of an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The context object: `$$` in JSONPath, `$states.context` in JSONata.
    pub context: &'a Value,
    /// The variables that can be read here.
    pub variables: &'a Variables,
    /// The time, for JSONata's `$now` and `$millis`.
    pub now: Timestamp,
    /// The dice, for `States.UUID`, `States.MathRandom` and their JSONata counterparts.
    pub random: &'a dyn Entropy,
}

/// Workflow variables by name, shared between the states that read them.
///
/// A branch or an iteration begins with its surrounding's variables and adds its own to a copy: it
/// reads the outer ones, and what it assigns ends with it. A state that holds branches waits for
/// them, so the outer ones cannot change meanwhile and a copy is as good as a chain of scopes.
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>)
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variables(Arc<Map>);

impl Variables {
    /// The value of `name`, which is without its `$`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Sets all of `assigned` at once; who shares the old variables keeps them.
    pub fn assign(&mut self, assigned: &Map) {
        if assigned.is_empty() {
            return;
        }
        let variables = Arc::make_mut(&mut self.0);
        for (name, value) in assigned {
            variables.insert(Arc::clone(name), value.clone());
        }
    }

    /// All of them, in the order of their first assignment.
    #[must_use]
    pub fn all(&self) -> &Map {
        &self.0
    }

    /// Bytes of all of them together, written as one JSON object.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size()
    }
}

impl From<Map> for Variables {
    fn from(map: Map) -> Self {
        Self(Arc::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigning_leaves_other_holders_alone() {
        let outer: Variables = [("x", Value::from(1))].into_iter().collect::<Map>().into();
        let mut inner = outer.clone();
        inner.assign(&[("y", Value::from(2))].into_iter().collect());
        assert_eq!(inner.get("x"), Some(&Value::from(1)));
        assert_eq!(inner.get("y"), Some(&Value::from(2)));
        assert_eq!(outer.get("y"), None);
    }
}
