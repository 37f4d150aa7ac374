//! Which fields a state of each type has, in which query language: one table for reading, for
//! "is not supported", and for nothing else to disagree with.

use super::QueryLanguage;

/// The values of `Type`, in the order in which AWS lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateType {
    Task,
    Wait,
    Pass,
    Succeed,
    Fail,
    Choice,
    Parallel,
    Map,
}

use StateType::{Choice, Fail, Map, Parallel, Pass, Succeed, Task, Wait};

impl StateType {
    pub(super) const ALL: [(&'static str, Self); 8] = [
        ("Task", Task),
        ("Wait", Wait),
        ("Pass", Pass),
        ("Succeed", Succeed),
        ("Fail", Fail),
        ("Choice", Choice),
        ("Parallel", Parallel),
        ("Map", Map),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, it)| *it)
    }

    /// Whether it says with `Next` or `End` where it leads.
    pub(super) fn has_transition(self) -> bool {
        !matches!(self, Choice | Succeed | Fail)
    }
}

/// In which language a field may stand: one, or both.
type Language = Option<QueryLanguage>;

const BOTH: Language = None;
const PATH: Language = Some(QueryLanguage::JsonPath);
const JSONATA: Language = Some(QueryLanguage::Jsonata);

/// Every field of states: its name, its language, and the types that have it; none is all.
const FIELDS: &[(&str, Language, &[StateType])] = &[
    ("Type", BOTH, &[]),
    ("Comment", BOTH, &[]),
    ("QueryLanguage", BOTH, &[]),
    ("Next", BOTH, &[Task, Wait, Pass, Parallel, Map]),
    ("End", BOTH, &[Task, Wait, Pass, Parallel, Map]),
    (
        "InputPath",
        PATH,
        &[Task, Wait, Pass, Succeed, Choice, Parallel, Map],
    ),
    (
        "OutputPath",
        PATH,
        &[Task, Wait, Pass, Succeed, Choice, Parallel, Map],
    ),
    ("Parameters", PATH, &[Task, Pass, Parallel, Map]),
    ("ResultSelector", PATH, &[Task, Parallel, Map]),
    ("ResultPath", PATH, &[Task, Pass, Parallel, Map]),
    ("Arguments", JSONATA, &[Task, Parallel]),
    (
        "Output",
        JSONATA,
        &[Task, Wait, Pass, Succeed, Choice, Parallel, Map],
    ),
    ("Assign", BOTH, &[Task, Wait, Pass, Choice, Parallel, Map]),
    ("Result", PATH, &[Pass]),
    ("Resource", BOTH, &[Task]),
    ("TimeoutSeconds", BOTH, &[Task]),
    ("TimeoutSecondsPath", PATH, &[Task]),
    ("HeartbeatSeconds", BOTH, &[Task]),
    ("HeartbeatSecondsPath", PATH, &[Task]),
    ("Credentials", BOTH, &[Task]),
    ("Retry", BOTH, &[Task, Parallel, Map]),
    ("Catch", BOTH, &[Task, Parallel, Map]),
    ("Seconds", BOTH, &[Wait]),
    ("SecondsPath", PATH, &[Wait]),
    ("Timestamp", BOTH, &[Wait]),
    ("TimestampPath", PATH, &[Wait]),
    ("Choices", BOTH, &[Choice]),
    ("Default", BOTH, &[Choice]),
    ("Error", BOTH, &[Fail]),
    ("ErrorPath", PATH, &[Fail]),
    ("Cause", BOTH, &[Fail]),
    ("CausePath", PATH, &[Fail]),
    ("Branches", BOTH, &[Parallel]),
    ("ItemProcessor", BOTH, &[Map]),
    ("Iterator", BOTH, &[Map]),
    ("Items", JSONATA, &[Map]),
    ("ItemsPath", PATH, &[Map]),
    ("ItemSelector", BOTH, &[Map]),
    ("ItemReader", BOTH, &[Map]),
    ("ItemBatcher", BOTH, &[Map]),
    ("ResultWriter", BOTH, &[Map]),
    ("MaxConcurrency", BOTH, &[Map]),
    ("MaxConcurrencyPath", PATH, &[Map]),
    ("ToleratedFailurePercentage", BOTH, &[Map]),
    ("ToleratedFailurePercentagePath", PATH, &[Map]),
    ("ToleratedFailureCount", BOTH, &[Map]),
    ("ToleratedFailureCountPath", PATH, &[Map]),
    ("Label", BOTH, &[Map]),
];

/// Why a state has no such field; `None` where it has.
pub(super) fn refusal(field: &str, of: StateType, language: QueryLanguage) -> Option<String> {
    let known = FIELDS
        .iter()
        .find(|(name, _, types)| *name == field && (types.is_empty() || types.contains(&of)));
    match known {
        None => Some(format!("Field '{field}' is not supported")),
        Some((_, Some(only), _)) if *only != language => Some(format!(
            "The QueryLanguage is set to '{}', but field '{field}' is only supported for the '{}' QueryLanguage",
            language.as_str(),
            only.as_str(),
        )),
        Some(_) => None,
    }
}

/// Pairs of fields of which a state has one at most.
pub(super) const EXCLUSIVE: &[[&str; 2]] = &[
    ["Next", "End"],
    ["TimeoutSeconds", "TimeoutSecondsPath"],
    ["HeartbeatSeconds", "HeartbeatSecondsPath"],
    ["Error", "ErrorPath"],
    ["Cause", "CausePath"],
    ["ItemProcessor", "Iterator"],
    ["Items", "ItemsPath"],
    ["ItemSelector", "Parameters"],
    ["MaxConcurrency", "MaxConcurrencyPath"],
    [
        "ToleratedFailurePercentage",
        "ToleratedFailurePercentagePath",
    ],
    ["ToleratedFailureCount", "ToleratedFailureCountPath"],
];

#[cfg(test)]
mod tests {
    use super::*;

    // As measured on AWS (https://github.com/floci-io/floci/issues/2735, .../issues/2968).
    #[test]
    fn refusals_read_as_aws_has_them() {
        let path = QueryLanguage::JsonPath;
        assert_eq!(
            refusal("TimeoutSeconds", Map, path).as_deref(),
            Some("Field 'TimeoutSeconds' is not supported")
        );
        assert_eq!(
            refusal("Output", Pass, path).as_deref(),
            Some(
                "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage"
            )
        );
        assert_eq!(refusal("Catch", Map, path), None);
        assert_eq!(refusal("Parameters", Map, path), None);
        assert!(refusal("Result", Pass, QueryLanguage::Jsonata).is_some());
    }
}
