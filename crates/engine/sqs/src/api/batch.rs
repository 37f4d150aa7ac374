//! What all batches have in common: entries with ids of their own, each with an outcome of its own.

use std::collections::HashSet;

use wire::sqs::{BatchResultErrorEntry, errors};
use wire::{Fault, ServiceError};

/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.
const MAX_ENTRIES: usize = 10;

/// Refuses a batch whose entries cannot be told apart, or are none or too many.
pub(super) fn check<'i>(ids: impl Iterator<Item = Option<&'i str>>) -> Result<(), ServiceError> {
    let ids: Vec<&str> = ids.map(Option::unwrap_or_default).collect();
    if ids.is_empty() {
        return Err(errors::empty_batch_request(
            "There should be at least one entry in the request.",
        ));
    }
    if ids.len() > MAX_ENTRIES {
        return Err(errors::too_many_entries_in_batch_request(format!(
            "Maximum number of entries per request are {MAX_ENTRIES}. You have sent {}.",
            ids.len()
        )));
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_id = |id: &&str| (1..=80).contains(&id.len()) && id.bytes().all(is_allowed);
    if !ids.iter().all(is_id) {
        return Err(errors::invalid_batch_entry_id(
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It \
             can be at most 80 letters long.",
        ));
    }
    let mut seen = HashSet::new();
    match ids.iter().find(|id| !seen.insert(**id)) {
        None => Ok(()),
        Some(twice) => Err(errors::batch_entry_ids_not_distinct(format!(
            "Id {twice} repeated."
        ))),
    }
}

/// An entry that failed, by the code that the query protocol has for it: this one both use.
pub(super) fn failed(id: String, error: ServiceError) -> BatchResultErrorEntry {
    let code = match &*error.code {
        "InvalidParameterValueException" => "InvalidParameterValue",
        "MissingRequiredParameterException" => "MissingParameter",
        other => other,
    };
    BatchResultErrorEntry {
        id: Some(id),
        sender_fault: Some(error.fault == Fault::Client),
        code: Some(code.to_owned()),
        message: error.message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(ids: &[&str]) -> Option<String> {
        let refused = check(ids.iter().map(|id| Some(*id))).err();
        refused.map(|error| error.code.into_owned())
    }

    #[test]
    fn entries_are_told_apart() {
        assert_eq!(code(&["a", "b_1", "c-2"]), None);
        assert_eq!(code(&[]).unwrap(), "EmptyBatchRequest");
        assert_eq!(code(&["a", "a"]).unwrap(), "BatchEntryIdsNotDistinct");
        assert_eq!(code(&["a:b"]).unwrap(), "InvalidBatchEntryId");
        assert_eq!(code(&["a"; 11]).unwrap(), "TooManyEntriesInBatchRequest");
    }
}
