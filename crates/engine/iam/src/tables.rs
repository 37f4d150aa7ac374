//! The tables that identities lie in.
//!
//! Names are kept as they were given and compared without case, as IAM compares them when something
//! is made; whoever asks for one must spell it exactly.

mod credentials;
mod policies;

use ids::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use store::{Migration, Schema};

use crate::error::ApiError;
use crate::record::{Entity, Kind};

/// The tables of this crate.
pub const SCHEMA: Schema = Schema {
    component: "iam",
    migrations: &[
        Migration {
            name: "roles, users, policies, access keys, sessions",
            sql: "
                CREATE TABLE iam_entity (
                    account TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    key TEXT NOT NULL,
                    record TEXT NOT NULL,
                    PRIMARY KEY (account, kind, key)
                ) STRICT, WITHOUT ROWID;
                CREATE TABLE iam_policy_version (
                    account TEXT NOT NULL,
                    policy TEXT NOT NULL,
                    number INTEGER NOT NULL,
                    record TEXT NOT NULL,
                    PRIMARY KEY (account, policy, number)
                ) STRICT, WITHOUT ROWID;
                CREATE TABLE iam_inline_policy (
                    account TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    owner TEXT NOT NULL,
                    name TEXT NOT NULL,
                    document TEXT NOT NULL,
                    PRIMARY KEY (account, kind, owner, name)
                ) STRICT, WITHOUT ROWID;
                CREATE TABLE iam_attachment (
                    account TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    owner TEXT NOT NULL,
                    policy TEXT NOT NULL,
                    PRIMARY KEY (account, kind, owner, policy)
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX iam_attachment_policy ON iam_attachment (account, policy);
                CREATE TABLE iam_access_key (
                    id TEXT NOT NULL PRIMARY KEY,
                    account TEXT NOT NULL,
                    owner TEXT NOT NULL,
                    record TEXT NOT NULL
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX iam_access_key_owner ON iam_access_key (account, owner);
                CREATE TABLE iam_session (
                    id TEXT NOT NULL PRIMARY KEY,
                    expires INTEGER NOT NULL,
                    record TEXT NOT NULL
                ) STRICT, WITHOUT ROWID;
            ",
        },
        Migration {
            name: "when sessions end, whom a boundary bounds",
            sql: "
                CREATE INDEX iam_session_expires ON iam_session (expires);
                CREATE INDEX iam_entity_boundary
                    ON iam_entity (account, json_extract(record, '$.boundary'))
                    WHERE json_extract(record, '$.boundary') IS NOT NULL;
            ",
        },
    ],
};

const BOUNDED_BY: &str = "SELECT count(*) FROM iam_entity
     WHERE account = ?1 AND json_extract(record, '$.boundary') = ?2";

/// A transaction's view of the tables.
#[derive(Debug)]
pub(crate) struct Tables<'c>(pub(crate) &'c Connection);

pub(crate) type Outcome<T> = Result<T, ApiError>;

/// Whose policies: a role or a user, by the name it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) account: String,
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

impl Owner {
    fn key(&self) -> String {
        key(&self.name)
    }
}

/// Names differ by more than case.
pub(crate) fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl Tables<'_> {
    /// The entity of that name, spelled so.
    pub(crate) fn entity<E: Entity>(&self, account: &str, name: &str) -> Outcome<Option<E>> {
        let text = self
            .0
            .prepare_cached(
                "SELECT record FROM iam_entity WHERE account = ?1 AND kind = ?2 AND key = ?3",
            )?
            .query_row(params![account, E::KIND.text(), key(name)], |row| {
                row.get::<_, String>(0)
            })
            .optional()?;
        let found: Option<E> = text.map(|text| serde_json::from_str(&text)).transpose()?;
        Ok(found.filter(|entity| entity.name() == name))
    }

    /// Adds an entity; `false` where there is one of that name.
    pub(crate) fn add<E: Entity>(&self, account: &str, entity: &E) -> Outcome<bool> {
        let added = self
            .0
            .prepare_cached(
                "INSERT OR IGNORE INTO iam_entity (account, kind, key, record)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                account,
                E::KIND.text(),
                key(entity.name()),
                serde_json::to_string(entity)?
            ])?;
        Ok(added == 1)
    }

    /// Writes an entity in place of what was kept of it.
    pub(crate) fn replace<E: Entity>(&self, account: &str, entity: &E) -> Outcome<()> {
        self.0
            .prepare_cached(
                "UPDATE iam_entity SET record = ?4
                 WHERE account = ?1 AND kind = ?2 AND key = ?3",
            )?
            .execute(params![
                account,
                E::KIND.text(),
                key(entity.name()),
                serde_json::to_string(entity)?
            ])?;
        Ok(())
    }

    /// Removes an entity.
    pub(crate) fn remove(&self, account: &str, kind: Kind, name: &str) -> Outcome<()> {
        self.0
            .prepare_cached("DELETE FROM iam_entity WHERE account = ?1 AND kind = ?2 AND key = ?3")?
            .execute(params![account, kind.text(), key(name)])?;
        Ok(())
    }

    /// Up to `limit` entities whose path begins with `prefix`, from key `from` on.
    pub(crate) fn entities<E: Entity>(
        &self,
        account: &str,
        prefix: &str,
        from: &str,
        limit: usize,
    ) -> Outcome<Vec<E>> {
        let mut statement = self.0.prepare_cached(
            "SELECT record FROM iam_entity
             WHERE account = ?1 AND kind = ?2 AND key >= ?3
                 AND substr(json_extract(record, '$.path'), 1, length(?4)) = ?4
             ORDER BY key LIMIT ?5",
        )?;
        let found = statement.query_map(
            params![account, E::KIND.text(), from, prefix, rows(limit)],
            |row| row.get::<_, String>(0),
        )?;
        found.map(|row| Ok(serde_json::from_str(&row?)?)).collect()
    }

    /// How many entities of a kind there are.
    pub(crate) fn count(&self, account: &str, kind: Kind) -> Outcome<usize> {
        self.number(
            "SELECT count(*) FROM iam_entity WHERE account = ?1 AND kind = ?2",
            params![account, kind.text()],
        )
    }

    /// How many roles and users have the policy as their boundary.
    pub(crate) fn bounded_by(&self, account: &str, policy: &str) -> Outcome<usize> {
        self.number(BOUNDED_BY, params![account, policy])
    }

    fn number(&self, sql: &str, params: impl rusqlite::Params) -> Outcome<usize> {
        let count: i64 = self
            .0
            .prepare_cached(sql)?
            .query_row(params, |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }
}

/// SQLite's integers are signed.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Microseconds, as the column of sessions has them.
fn micros(at: Timestamp) -> i64 {
    at.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_boundaries_are_found_by_index() {
        let connection = Connection::open_in_memory().unwrap();
        for migration in SCHEMA.migrations {
            connection.execute_batch(migration.sql).unwrap();
        }
        for (sql, index) in [
            (credentials::FORGET_SESSIONS, "iam_session_expires"),
            (BOUNDED_BY, "iam_entity_boundary"),
        ] {
            let explain = format!("EXPLAIN QUERY PLAN {sql}");
            let mut statement = connection.prepare(&explain).unwrap();
            let values = ["1", "2"].into_iter().take(statement.parameter_count());
            let plan: String = statement
                .query_row(rusqlite::params_from_iter(values), |row| row.get(3))
                .unwrap();
            assert!(plan.starts_with("SEARCH") && plan.contains(index), "{plan}");
        }
    }
}
