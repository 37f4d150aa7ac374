//! Log groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};

use super::ArchiveError;

/// How many tags a group may have.
pub(crate) const MAX_TAGS: usize = 50;

/// By what a group is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
    pub(crate) name: String,
}

impl GroupKey {
    /// `arn:aws:logs:region:account:log-group:name`, as most operations want it.
    pub(crate) fn arn(&self) -> String {
        let Self {
            account,
            region,
            name,
        } = self;
        format!("arn:aws:logs:{region}:{account}:log-group:{name}")
    }

    /// The group's ARN as IAM policies want it: that of everything in the group.
    pub(crate) fn arn_with_content(&self) -> String {
        format!("{}:*", self.arn())
    }

    pub(crate) fn stream_arn(&self, stream: &str) -> String {
        format!("{}:log-stream:{stream}", self.arn())
    }
}

/// A group to be made.
#[derive(Debug, Default)]
pub(crate) struct NewGroup {
    pub(crate) class: String,
    pub(crate) retention: Option<i64>,
    pub(crate) kms_key: Option<String>,
    pub(crate) protected: bool,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A group as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// Milliseconds since the epoch.
    pub(crate) created: i64,
    pub(crate) class: String,
    /// Days.
    pub(crate) retention: Option<i64>,
    pub(crate) kms_key: Option<String>,
    pub(crate) protected: bool,
    /// What its events count, with [`super::EVENT_OVERHEAD`] for each.
    pub(crate) bytes: i64,
}

const COLUMNS: &str = "id, name, created, class, retention, kms_key, protected, bytes";

fn read(row: &Row<'_>) -> rusqlite::Result<GroupRow> {
    Ok(GroupRow {
        id: row.get(0)?,
        name: row.get(1)?,
        created: row.get(2)?,
        class: row.get(3)?,
        retention: row.get(4)?,
        kms_key: row.get(5)?,
        protected: row.get(6)?,
        bytes: row.get(7)?,
    })
}

/// Makes a group.
pub(crate) fn create_group(
    connection: &Connection,
    key: &GroupKey,
    group: &NewGroup,
    now: i64,
) -> Result<(), ArchiveError> {
    if find_group_id(connection, key)?.is_some() {
        return Err(ArchiveError::GroupExists);
    }
    connection
        .prepare_cached(
            "INSERT INTO log_group
                 (account, region, name, created, class, retention, kms_key, protected, tags)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            &*key.account,
            &*key.region,
            &key.name,
            now,
            &group.class,
            group.retention,
            &group.kms_key,
            group.protected,
            serde_json::to_string(&group.tags)?,
        ))?;
    Ok(())
}

/// Marks a group as deleted, with everything in it.
pub(crate) fn delete_group(connection: &Connection, key: &GroupKey) -> Result<(), ArchiveError> {
    let group = find_group(connection, key)?;
    if group.protected {
        return Err(ArchiveError::Protected(group.name));
    }
    connection
        .prepare_cached("UPDATE log_group SET deleted = 1 WHERE id = ?1")?
        .execute([group.id])?;
    Ok(())
}

fn find_group_id(connection: &Connection, key: &GroupKey) -> Result<Option<i64>, ArchiveError> {
    let id = connection
        .prepare_cached(
            "SELECT id FROM log_group
             WHERE account = ?1 AND region = ?2 AND name = ?3 AND deleted = 0",
        )?
        .query_row((&*key.account, &*key.region, &key.name), |row| row.get(0))
        .optional()?;
    Ok(id)
}

/// The id of a group.
pub(crate) fn group_id(connection: &Connection, key: &GroupKey) -> Result<i64, ArchiveError> {
    find_group_id(connection, key)?.ok_or(ArchiveError::NoGroup)
}

/// A group.
pub(crate) fn find_group(
    connection: &Connection,
    key: &GroupKey,
) -> Result<GroupRow, ArchiveError> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM log_group
             WHERE account = ?1 AND region = ?2 AND name = ?3 AND deleted = 0"
        ))?
        .query_row((&*key.account, &*key.region, &key.name), read)
        .optional()?
        .ok_or(ArchiveError::NoGroup)
}

/// Groups in the order of their names, behind `after`, beginning with `prefix` and `wanted`; and
/// whether there are more than `limit`.
pub(crate) fn list_groups(
    connection: &Connection,
    account: &str,
    region: &str,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    wanted: impl Fn(&GroupRow) -> bool,
) -> Result<(Vec<GroupRow>, bool), ArchiveError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM log_group
         WHERE account = ?1 AND region = ?2 AND name >= ?3 AND (?4 IS NULL OR name > ?4)
               AND deleted = 0
         ORDER BY name"
    ))?;
    let mut rows = statement.query((
        account,
        region,
        prefix.max(after.unwrap_or_default()),
        after,
    ))?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next()? {
        let group = read(row)?;
        if !group.name.starts_with(prefix) {
            break;
        }
        if !wanted(&group) {
            continue;
        }
        if groups.len() == limit {
            return Ok((groups, true));
        }
        groups.push(group);
    }
    Ok((groups, false))
}

/// Sets for how many days events are kept; `None` keeps them for ever.
pub(crate) fn set_retention(
    connection: &Connection,
    key: &GroupKey,
    days: Option<i64>,
) -> Result<(), ArchiveError> {
    let id = group_id(connection, key)?;
    connection
        .prepare_cached("UPDATE log_group SET retention = ?2 WHERE id = ?1")?
        .execute((id, days))?;
    Ok(())
}

/// A group's tags.
pub(crate) fn tags(
    connection: &Connection,
    key: &GroupKey,
) -> Result<BTreeMap<String, String>, ArchiveError> {
    let id = group_id(connection, key)?;
    tags_of(connection, id)
}

/// The tags of the group `id`.
pub(crate) fn tags_of(
    connection: &Connection,
    id: i64,
) -> Result<BTreeMap<String, String>, ArchiveError> {
    let text: String = connection
        .prepare_cached("SELECT tags FROM log_group WHERE id = ?1")?
        .query_row([id], |row| row.get(0))?;
    Ok(serde_json::from_str(&text)?)
}

/// Changes a group's tags.
pub(crate) fn change_tags(
    connection: &Connection,
    key: &GroupKey,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<(), ArchiveError> {
    let id = group_id(connection, key)?;
    let mut tags = tags_of(connection, id)?;
    change(&mut tags);
    if tags.len() > MAX_TAGS {
        return Err(ArchiveError::TooManyTags);
    }
    connection
        .prepare_cached("UPDATE log_group SET tags = ?2 WHERE id = ?1")?
        .execute((id, serde_json::to_string(&tags)?))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, key, store};
    use super::*;

    #[test]
    fn a_name_is_taken_until_its_group_is_deleted() {
        let (_folder, store) = store();
        let again = store.write_blocking(|c| {
            create_group(c, &key("a"), &NewGroup::default(), NOW)?;
            create_group(c, &key("a"), &NewGroup::default(), NOW)
        });
        assert!(matches!(again, Err(ArchiveError::GroupExists)));
        store
            .write_blocking(|c| {
                create_group(c, &key("a"), &NewGroup::default(), NOW)?;
                delete_group(c, &key("a"))?;
                create_group(c, &key("a"), &NewGroup::default(), NOW)
            })
            .unwrap();
    }

    #[test]
    fn a_protected_group_stays() {
        let (_folder, store) = store();
        let refused = store.write_blocking(|c| {
            let protected = NewGroup {
                protected: true,
                ..NewGroup::default()
            };
            create_group(c, &key("a"), &protected, NOW)?;
            delete_group(c, &key("a"))
        });
        assert!(matches!(refused, Err(ArchiveError::Protected(_))));
    }

    #[test]
    fn groups_are_listed_by_name_and_in_pages() {
        let (_folder, store) = store();
        store
            .write_blocking(|c| {
                for name in ["b2", "a1", "b1", "b3", "c"] {
                    create_group(c, &key(name), &NewGroup::default(), NOW)?;
                }
                Ok::<_, ArchiveError>(())
            })
            .unwrap();
        let list = move |prefix: &'static str, after: Option<&'static str>, limit| {
            let listed = store.read_blocking(move |c| {
                list_groups(c, "000000000000", "us-east-1", prefix, after, limit, |_| {
                    true
                })
            });
            let (groups, more) = listed.unwrap();
            (groups.into_iter().map(|g| g.name).collect::<Vec<_>>(), more)
        };
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            list("", None, 9),
            (names(&["a1", "b1", "b2", "b3", "c"]), false)
        );
        assert_eq!(list("b", None, 2), (names(&["b1", "b2"]), true));
        assert_eq!(list("b", Some("b2"), 2), (names(&["b3"]), false));
        assert_eq!(list("x", None, 2), (names(&[]), false));
    }

    #[test]
    fn tags_are_bounded() {
        let (_folder, store) = store();
        let refused = store.write_blocking(|c| {
            create_group(c, &key("a"), &NewGroup::default(), NOW)?;
            change_tags(c, &key("a"), |tags| {
                tags.extend((0..=MAX_TAGS).map(|n| (n.to_string(), String::new())));
            })
        });
        assert!(matches!(refused, Err(ArchiveError::TooManyTags)));
    }
}
