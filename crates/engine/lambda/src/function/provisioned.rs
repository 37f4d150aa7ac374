//! The concurrency that is provisioned for versions and aliases.

use ids::Timestamp;
use rusqlite::{OptionalExtension, params};
use store::Migration;

use super::key::FunctionKey;
use super::tables::{Outcome, Tables, rows};

/// The table, by the qualifier that a configuration is for.
pub(crate) const MIGRATION: Migration = Migration {
    name: "provisioned concurrency",
    sql: "
        CREATE TABLE lambda_provisioned_concurrency (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            qualifier TEXT NOT NULL,
            requested INTEGER NOT NULL,
            last_modified INTEGER NOT NULL,
            PRIMARY KEY (account, region, name, qualifier),
            FOREIGN KEY (account, region, name)
                REFERENCES lambda_function (account, region, name) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
    ",
};

/// The configuration of one version or alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Provisioned {
    /// How many environments are to be kept.
    pub(crate) requested: u32,
    pub(crate) last_modified: Timestamp,
}

impl Tables<'_> {
    /// The configuration of a qualifier.
    pub(crate) fn provisioned(
        &self,
        key: &FunctionKey,
        qualifier: &str,
    ) -> Outcome<Option<Provisioned>> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT requested, last_modified FROM lambda_provisioned_concurrency
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier = ?4",
            )?
            .query_row(
                params![key.account, key.region, key.name, qualifier],
                |row| {
                    Ok(Provisioned {
                        requested: row.get(0)?,
                        last_modified: Timestamp(row.get(1)?),
                    })
                },
            )
            .optional()?)
    }

    /// Writes the configuration of a qualifier, new or old.
    pub(crate) fn put_provisioned(
        &self,
        key: &FunctionKey,
        qualifier: &str,
        config: &Provisioned,
    ) -> Outcome<()> {
        self.0
            .prepare_cached(
                "INSERT OR REPLACE INTO lambda_provisioned_concurrency
                     (account, region, name, qualifier, requested, last_modified)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                key.account,
                key.region,
                key.name,
                qualifier,
                config.requested,
                config.last_modified.0,
            ])?;
        Ok(())
    }

    /// Removes the configuration of a qualifier; `false` where there is none.
    pub(crate) fn remove_provisioned(&self, key: &FunctionKey, qualifier: &str) -> Outcome<bool> {
        let removed = self
            .0
            .prepare_cached(
                "DELETE FROM lambda_provisioned_concurrency
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier = ?4",
            )?
            .execute(params![key.account, key.region, key.name, qualifier])?;
        Ok(removed == 1)
    }

    /// Up to `limit` configurations of a function with their qualifiers, from qualifier `from` on.
    pub(crate) fn provisioned_of(
        &self,
        key: &FunctionKey,
        from: &str,
        limit: usize,
    ) -> Outcome<Vec<(String, Provisioned)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT qualifier, requested, last_modified FROM lambda_provisioned_concurrency
             WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier >= ?4
             ORDER BY qualifier LIMIT ?5",
        )?;
        let found = statement.query_map(
            params![key.account, key.region, key.name, from, rows(limit)],
            |row| {
                let config = Provisioned {
                    requested: row.get(1)?,
                    last_modified: Timestamp(row.get(2)?),
                };
                Ok((row.get(0)?, config))
            },
        )?;
        found.map(|row| Ok(row?)).collect()
    }

    /// What is provisioned for a function, all together.
    pub(crate) fn provisioned_total(&self, key: &FunctionKey) -> Outcome<u32> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT coalesce(sum(requested), 0) FROM lambda_provisioned_concurrency
                 WHERE account = ?1 AND region = ?2 AND name = ?3",
            )?
            .query_row(params![key.account, key.region, key.name], |row| row.get(0))?)
    }

    /// What functions of an account and region without a reservation cannot share: what is reserved
    /// for others, and what is provisioned for themselves.
    pub(crate) fn set_aside(&self, account: &str, region: &str) -> Outcome<u32> {
        let provisioned: u32 = self
            .0
            .prepare_cached(
                "SELECT coalesce(sum(requested), 0) FROM lambda_provisioned_concurrency
                 JOIN lambda_function USING (account, region, name)
                 WHERE account = ?1 AND region = ?2 AND reserved_concurrency IS NULL",
            )?
            .query_row([account, region], |row| row.get(0))?;
        Ok(provisioned.saturating_add(self.reserved_concurrency(account, region)?))
    }

    /// Every function for which concurrency is reserved or provisioned.
    pub(crate) fn functions_with_concurrency(&self) -> Outcome<Vec<FunctionKey>> {
        let mut statement = self.0.prepare_cached(
            "SELECT account, region, name FROM lambda_function
             WHERE reserved_concurrency IS NOT NULL
             UNION SELECT account, region, name FROM lambda_provisioned_concurrency",
        )?;
        let found = statement.query_map([], |row| {
            Ok(FunctionKey {
                account: row.get(0)?,
                region: row.get(1)?,
                name: row.get(2)?,
            })
        })?;
        found.map(|row| Ok(row?)).collect()
    }
}
