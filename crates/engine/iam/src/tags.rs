//! What tags of roles, users and policies must be, and how they are shown.

use std::collections::HashSet;

use wire::iam::Tag;

use crate::error::{ApiError, invalid, limit};
use crate::record::Tags;

/// The most tags that one entity has.
const MOST: usize = 50;

/// What is wrong with tags that name a key twice.
pub(crate) const DUPLICATE: &str =
    "Duplicate tag keys found. Please note that Tag keys are case insensitive.";

/// Whether two of the tags have the same key.
pub(crate) fn has_duplicates(tags: &Tags) -> bool {
    let mut keys = HashSet::new();
    tags.iter()
        .any(|(key, _)| !keys.insert(key.to_ascii_lowercase()))
}

/// The tags of a request, which must not name a key twice.
pub(crate) fn asked(tags: Option<Vec<Tag>>) -> Result<Tags, ApiError> {
    let tags = tags.unwrap_or_default().into_iter();
    let asked: Tags = tags
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
        .collect();
    if has_duplicates(&asked) {
        return Err(invalid(DUPLICATE));
    }
    check_number(&asked)?;
    Ok(asked)
}

/// As shapes have them; `None` where there are none.
pub(crate) fn shown(tags: &Tags) -> Option<Vec<Tag>> {
    let tag = |(key, value): &(String, String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    (!tags.is_empty()).then(|| tags.iter().map(tag).collect())
}

fn check_number(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() > MOST {
        return Err(limit(format!(
            "The number of tags has reached the maximum limit of {MOST}."
        )));
    }
    Ok(())
}

/// Adds tags; a key that is there already gets the new value.
pub(crate) fn merge(tags: &mut Tags, more: Tags) -> Result<(), ApiError> {
    for (key, value) in more {
        match tags
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(&key))
        {
            Some(known) => *known = (key, value),
            None => tags.push((key, value)),
        }
    }
    check_number(tags)
}

/// Removes the tags of these keys.
pub(crate) fn without(tags: &mut Tags, keys: &[String]) {
    tags.retain(|(known, _)| !keys.iter().any(|key| key.eq_ignore_ascii_case(known)));
}
