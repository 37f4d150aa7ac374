//! What becomes of the asynchronous invocations of a function, version or alias: how often they are
//! tried, how old they get, and where their outcomes go.

use ids::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use store::Migration;

use super::key::FunctionKey;
use super::tables::{Outcome, Tables, rows};

/// The table, by the qualifier that a configuration is for.
pub(crate) const MIGRATION: Migration = Migration {
    name: "event invoke configurations",
    sql: "
        CREATE TABLE lambda_event_invoke_config (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            qualifier TEXT NOT NULL,
            last_modified INTEGER NOT NULL,
            retries INTEGER,
            age INTEGER,
            on_success TEXT,
            on_failure TEXT,
            PRIMARY KEY (account, region, name, qualifier),
            FOREIGN KEY (account, region, name)
                REFERENCES lambda_function (account, region, name) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
    ",
};

/// The configuration of one qualifier. What was never said is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EventInvoke {
    pub(crate) last_modified: Timestamp,
    /// How often an event runs again after the function failed over it.
    pub(crate) retries: Option<u32>,
    /// How old an event gets, in seconds.
    pub(crate) age: Option<u32>,
    /// The ARN of what gets a record of each event that succeeded.
    pub(crate) on_success: Option<String>,
    /// The ARN of what gets a record of each event that is given up.
    pub(crate) on_failure: Option<String>,
}

impl Tables<'_> {
    /// The configuration of a qualifier.
    pub(crate) fn event_invoke(
        &self,
        key: &FunctionKey,
        qualifier: &str,
    ) -> Outcome<Option<EventInvoke>> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT last_modified, retries, age, on_success, on_failure
                 FROM lambda_event_invoke_config
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier = ?4",
            )?
            .query_row(
                params![key.account, key.region, key.name, qualifier],
                |row| event_invoke(row, 0),
            )
            .optional()?)
    }

    /// Writes the configuration of a qualifier, new or old.
    pub(crate) fn put_event_invoke(
        &self,
        key: &FunctionKey,
        qualifier: &str,
        config: &EventInvoke,
    ) -> Outcome<()> {
        self.0
            .prepare_cached(
                "INSERT OR REPLACE INTO lambda_event_invoke_config
                     (account, region, name, qualifier, last_modified, retries, age, on_success,
                      on_failure)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                key.account,
                key.region,
                key.name,
                qualifier,
                config.last_modified.0,
                config.retries,
                config.age,
                config.on_success,
                config.on_failure,
            ])?;
        Ok(())
    }

    /// Removes the configuration of a qualifier; `false` where there is none.
    pub(crate) fn remove_event_invoke(&self, key: &FunctionKey, qualifier: &str) -> Outcome<bool> {
        let removed = self
            .0
            .prepare_cached(
                "DELETE FROM lambda_event_invoke_config
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier = ?4",
            )?
            .execute(params![key.account, key.region, key.name, qualifier])?;
        Ok(removed == 1)
    }

    /// Up to `limit` configurations of a function with their qualifiers, from qualifier `from` on.
    pub(crate) fn event_invokes(
        &self,
        key: &FunctionKey,
        from: &str,
        limit: usize,
    ) -> Outcome<Vec<(String, EventInvoke)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT qualifier, last_modified, retries, age, on_success, on_failure
             FROM lambda_event_invoke_config
             WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier >= ?4
             ORDER BY qualifier LIMIT ?5",
        )?;
        let found = statement.query_map(
            params![key.account, key.region, key.name, from, rows(limit)],
            |row| Ok((row.get(0)?, event_invoke(row, 1)?)),
        )?;
        found.map(|row| Ok(row?)).collect()
    }
}

/// The configuration in the columns from `first` on.
fn event_invoke(row: &Row<'_>, first: usize) -> rusqlite::Result<EventInvoke> {
    Ok(EventInvoke {
        last_modified: Timestamp(row.get(first)?),
        retries: row.get(first + 1)?,
        age: row.get(first + 2)?,
        on_success: row.get(first + 3)?,
        on_failure: row.get(first + 4)?,
    })
}
