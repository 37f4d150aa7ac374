//! What is kept beside a function: its share of the account's concurrency, what becomes of a loop
//! that it is part of, its code signing configuration, its tags, and how the runtime of each version
//! is updated.

use rusqlite::{OptionalExtension, params};
use store::Migration;
use wire::lambda::{RecursiveLoop, UpdateRuntimeOn};

use super::key::FunctionKey;
use super::tables::{Outcome, Tables, rows, sql};

/// The columns and tables of this module. The size of code has a column and an index of its own, so
/// that adding it up reads nothing else.
pub(crate) const MIGRATION: Migration = Migration {
    name: "what is kept beside functions",
    sql: "
        ALTER TABLE lambda_function ADD COLUMN reserved_concurrency INTEGER;
        ALTER TABLE lambda_function ADD COLUMN recursive_loop TEXT;
        ALTER TABLE lambda_function ADD COLUMN code_signing_config TEXT;
        CREATE INDEX lambda_function_reserved
            ON lambda_function (account, region, reserved_concurrency)
            WHERE reserved_concurrency IS NOT NULL;
        CREATE INDEX lambda_function_code_signing
            ON lambda_function (account, region, code_signing_config, name)
            WHERE code_signing_config IS NOT NULL;
        ALTER TABLE lambda_version ADD COLUMN code_size INTEGER NOT NULL DEFAULT 0;
        UPDATE lambda_version
            SET code_size = coalesce(json_extract(record, '$.configuration.CodeSize'), 0);
        CREATE INDEX lambda_version_code_size
            ON lambda_version (account, region, version, code_size);
        CREATE TABLE lambda_runtime_management (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            version INTEGER NOT NULL,
            update_on TEXT NOT NULL,
            runtime_version TEXT,
            PRIMARY KEY (account, region, name, version),
            FOREIGN KEY (account, region, name, version)
                REFERENCES lambda_version (account, region, name, version) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
    ",
};

/// What is kept once for each function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How many invocations of it may run at a time, of those that the account may run.
    pub(crate) reserved_concurrency: Option<u32>,
    /// What becomes of a loop that it is part of; `Terminate` unless said otherwise.
    pub(crate) recursive_loop: Option<RecursiveLoop>,
    /// The id of its code signing configuration.
    pub(crate) code_signing_config: Option<String>,
}

/// How the runtime of a version is updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuntimeManagement {
    pub(crate) update_on: UpdateRuntimeOn,
    /// The version of the runtime that it stays at, where it is updated by hand.
    pub(crate) runtime_version: Option<String>,
}

/// What an account has in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) functions: i64,
    /// Bytes of packages, each version of a function or a layer counted.
    pub(crate) code_bytes: i64,
}

impl Tables<'_> {
    /// The settings of a function; `None` where there is no such function.
    pub(crate) fn settings(&self, key: &FunctionKey) -> Outcome<Option<Settings>> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT reserved_concurrency, recursive_loop, code_signing_config
                 FROM lambda_function WHERE account = ?1 AND region = ?2 AND name = ?3",
            )?
            .query_row(params![key.account, key.region, key.name], |row| {
                Ok(Settings {
                    reserved_concurrency: row.get(0)?,
                    recursive_loop: row.get::<_, Option<String>>(1)?.map(Into::into),
                    code_signing_config: row.get(2)?,
                })
            })
            .optional()?)
    }

    /// Replaces the settings of a function.
    pub(crate) fn put_settings(&self, key: &FunctionKey, settings: &Settings) -> Outcome<()> {
        self.0
            .prepare_cached(
                "UPDATE lambda_function
                 SET reserved_concurrency = ?4, recursive_loop = ?5, code_signing_config = ?6
                 WHERE account = ?1 AND region = ?2 AND name = ?3",
            )?
            .execute(params![
                key.account,
                key.region,
                key.name,
                settings.reserved_concurrency,
                settings.recursive_loop.as_ref().map(RecursiveLoop::as_str),
                settings.code_signing_config,
            ])?;
        Ok(())
    }

    /// Replaces the tags of a function, which are JSON.
    pub(crate) fn put_tags(&self, key: &FunctionKey, tags: &str) -> Outcome<()> {
        self.0
            .prepare_cached(
                "UPDATE lambda_function SET tags = ?4
                 WHERE account = ?1 AND region = ?2 AND name = ?3",
            )?
            .execute(params![key.account, key.region, key.name, tags])?;
        Ok(())
    }

    /// The concurrency that functions of an account and region have reserved, all together.
    pub(crate) fn reserved_concurrency(&self, account: &str, region: &str) -> Outcome<u32> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT coalesce(sum(reserved_concurrency), 0) FROM lambda_function
                 WHERE account = ?1 AND region = ?2 AND reserved_concurrency IS NOT NULL",
            )?
            .query_row([account, region], |row| row.get(0))?)
    }

    /// What an account has in a region.
    pub(crate) fn usage(&self, account: &str, region: &str) -> Outcome<Usage> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT count(*) FILTER (WHERE version = 0), coalesce(sum(code_size), 0)
                     + (SELECT coalesce(sum(code_size), 0) FROM lambda_layer_version
                        WHERE account = ?1 AND region = ?2 AND deleted = 0)
                 FROM lambda_version WHERE account = ?1 AND region = ?2",
            )?
            .query_row([account, region], |row| {
                Ok(Usage {
                    functions: row.get(0)?,
                    code_bytes: row.get(1)?,
                })
            })?)
    }

    /// Up to `limit` names of the functions with a code signing configuration, from `from` on.
    pub(crate) fn functions_signed_by(
        &self,
        (account, region): (&str, &str),
        config: &str,
        from: &str,
        limit: usize,
    ) -> Outcome<Vec<String>> {
        let mut statement = self.0.prepare_cached(
            "SELECT name FROM lambda_function
             WHERE account = ?1 AND region = ?2 AND code_signing_config = ?3 AND name >= ?4
             ORDER BY name LIMIT ?5",
        )?;
        let found = statement
            .query_map(params![account, region, config, from, rows(limit)], |row| {
                row.get(0)
            })?;
        found.map(|row| Ok(row?)).collect()
    }

    /// How the runtime of a version is updated, where that was ever said.
    pub(crate) fn runtime_management(
        &self,
        key: &FunctionKey,
        version: u64,
    ) -> Outcome<Option<RuntimeManagement>> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT update_on, runtime_version FROM lambda_runtime_management
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND version = ?4",
            )?
            .query_row(
                params![key.account, key.region, key.name, sql(version)],
                |row| {
                    Ok(RuntimeManagement {
                        update_on: row.get::<_, String>(0)?.into(),
                        runtime_version: row.get(1)?,
                    })
                },
            )
            .optional()?)
    }

    /// Says how the runtime of a version is updated.
    pub(crate) fn put_runtime_management(
        &self,
        key: &FunctionKey,
        version: u64,
        management: &RuntimeManagement,
    ) -> Outcome<()> {
        self.0
            .prepare_cached(
                "INSERT OR REPLACE INTO lambda_runtime_management
                     (account, region, name, version, update_on, runtime_version)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                key.account,
                key.region,
                key.name,
                sql(version),
                management.update_on.as_str(),
                management.runtime_version,
            ])?;
        Ok(())
    }
}
