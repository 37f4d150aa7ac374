//! The tables that functions lie in.
//!
//! Versions are numbered; 0 stands for `$LATEST`. Listing goes by the primary key, so a page costs
//! what it returns, however many functions there are.

use rusqlite::{Connection, OptionalExtension, Params, params};
use serde::de::DeserializeOwned;
use store::{Digest, Migration};

use super::key::FunctionKey;
use super::record::{AliasRecord, VersionRecord};
use crate::error::ApiError;

/// The tables that came first.
pub(crate) const MIGRATION: Migration = Migration {
    name: "functions, versions, aliases",
    sql: "
        CREATE TABLE lambda_function (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            next_version INTEGER NOT NULL,
            tags TEXT NOT NULL,
            PRIMARY KEY (account, region, name)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE lambda_version (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            version INTEGER NOT NULL,
            code TEXT NOT NULL,
            code_before TEXT,
            unsettled INTEGER NOT NULL,
            record TEXT NOT NULL,
            PRIMARY KEY (account, region, name, version),
            FOREIGN KEY (account, region, name)
                REFERENCES lambda_function (account, region, name) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX lambda_version_code ON lambda_version (code);
        CREATE INDEX lambda_version_code_before ON lambda_version (code_before)
            WHERE code_before IS NOT NULL;
        CREATE INDEX lambda_version_unsettled ON lambda_version (unsettled) WHERE unsettled;
        CREATE TABLE lambda_alias (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            alias TEXT NOT NULL,
            record TEXT NOT NULL,
            PRIMARY KEY (account, region, name, alias),
            FOREIGN KEY (account, region, name)
                REFERENCES lambda_function (account, region, name) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
    ",
};

/// Where version numbers go on that a deleted function had given.
pub(crate) const FORMER: Migration = Migration {
    name: "version numbers of deleted functions",
    sql: "
        CREATE TABLE lambda_former_function (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            next_version INTEGER NOT NULL,
            PRIMARY KEY (account, region, name)
        ) STRICT, WITHOUT ROWID;
    ",
};

/// A transaction's view of the tables.
#[derive(Debug)]
pub(crate) struct Tables<'c>(pub(crate) &'c Connection);

/// What a query comes to.
pub(crate) type Outcome<T> = Result<T, ApiError>;

impl Tables<'_> {
    /// The record that a query finds, which selects it alone.
    pub(crate) fn record<T: DeserializeOwned>(
        &self,
        query: &str,
        place: impl Params,
    ) -> Outcome<Option<T>> {
        self.0
            .prepare_cached(query)?
            .query_row(place, |row| row.get::<_, String>(0))
            .optional()?
            .map(|text| Ok(serde_json::from_str(&text)?))
            .transpose()
    }

    /// Adds a function; `false` where there is one of that name.
    pub(crate) fn add_function(&self, key: &FunctionKey, tags: &str) -> Outcome<bool> {
        let added = self
            .0
            .prepare_cached(
                "INSERT OR IGNORE INTO lambda_function (account, region, name, next_version, tags)
                 VALUES (?1, ?2, ?3, coalesce((SELECT next_version FROM lambda_former_function
                     WHERE account = ?1 AND region = ?2 AND name = ?3), 1), ?4)",
            )?
            .execute(params![key.account, key.region, key.name, tags])?;
        Ok(added == 1)
    }

    /// Removes a function with its versions and aliases; `false` where there is none. Its version
    /// numbers are never given again, also not to a function of the same name.
    pub(crate) fn remove_function(&self, key: &FunctionKey) -> Outcome<bool> {
        self.0
            .prepare_cached(
                "INSERT OR REPLACE INTO lambda_former_function (account, region, name, next_version)
                 SELECT account, region, name, next_version FROM lambda_function
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND next_version > 1",
            )?
            .execute(params![key.account, key.region, key.name])?;
        let removed = self
            .0
            .prepare_cached(
                "DELETE FROM lambda_function WHERE account = ?1 AND region = ?2 AND name = ?3",
            )?
            .execute(params![key.account, key.region, key.name])?;
        Ok(removed == 1)
    }

    /// The number for the next published version.
    pub(crate) fn take_version_number(&self, key: &FunctionKey) -> Outcome<u64> {
        let number: i64 = self
            .0
            .prepare_cached(
                "UPDATE lambda_function SET next_version = next_version + 1
                 WHERE account = ?1 AND region = ?2 AND name = ?3 RETURNING next_version - 1",
            )?
            .query_row(params![key.account, key.region, key.name], |row| row.get(0))?;
        Ok(number.unsigned_abs())
    }

    /// The tags, as JSON.
    pub(crate) fn tags(&self, key: &FunctionKey) -> Outcome<Option<String>> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT tags FROM lambda_function
                 WHERE account = ?1 AND region = ?2 AND name = ?3",
            )?
            .query_row(params![key.account, key.region, key.name], |row| row.get(0))
            .optional()?)
    }

    /// One version.
    pub(crate) fn version(&self, key: &FunctionKey, number: u64) -> Outcome<Option<VersionRecord>> {
        self.record(
            "SELECT record FROM lambda_version
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND version = ?4",
            params![key.account, key.region, key.name, sql(number)],
        )
    }

    /// Writes one version, new or old.
    pub(crate) fn put_version(
        &self,
        key: &FunctionKey,
        number: u64,
        record: &VersionRecord,
        unsettled: bool,
    ) -> Outcome<()> {
        let [code, code_before] = record.code();
        self.0
            .prepare_cached(
                // Replaced, the row would take with it what hangs on it.
                "INSERT INTO lambda_version
                     (account, region, name, version, code, code_before, unsettled, record,
                      code_size)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT DO UPDATE SET code = excluded.code,
                     code_before = excluded.code_before, unsettled = excluded.unsettled,
                     record = excluded.record, code_size = excluded.code_size",
            )?
            .execute(params![
                key.account,
                key.region,
                key.name,
                sql(number),
                code.unwrap_or_default(),
                code_before,
                unsettled,
                serde_json::to_string(record)?,
                record.configuration.code_size.unwrap_or(0)
            ])?;
        self.put_layer_uses(key, number, record)
    }

    /// Removes one version; `false` where there is none.
    pub(crate) fn remove_version(&self, key: &FunctionKey, number: u64) -> Outcome<bool> {
        let removed = self
            .0
            .prepare_cached(
                "DELETE FROM lambda_version
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND version = ?4",
            )?
            .execute(params![key.account, key.region, key.name, sql(number)])?;
        Ok(removed == 1)
    }

    /// The newest published version.
    pub(crate) fn newest_version(
        &self,
        key: &FunctionKey,
    ) -> Outcome<Option<(u64, VersionRecord)>> {
        let found = self
            .0
            .prepare_cached(
                "SELECT version, record FROM lambda_version
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND version > 0
                 ORDER BY version DESC LIMIT 1",
            )?
            .query_row(params![key.account, key.region, key.name], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })
            .optional()?;
        found
            .map(|(number, text)| Ok((number.unsigned_abs(), serde_json::from_str(&text)?)))
            .transpose()
    }

    /// Up to `limit` versions of a function, from number `from` on.
    pub(crate) fn versions(
        &self,
        key: &FunctionKey,
        from: u64,
        limit: usize,
    ) -> Outcome<Vec<(u64, VersionRecord)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT version, record FROM lambda_version
             WHERE account = ?1 AND region = ?2 AND name = ?3 AND version >= ?4
             ORDER BY version LIMIT ?5",
        )?;
        let found = statement.query_map(
            params![key.account, key.region, key.name, sql(from), rows(limit)],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
        )?;
        found
            .map(|row| {
                let (number, text) = row?;
                Ok((number.unsigned_abs(), serde_json::from_str(&text)?))
            })
            .collect()
    }

    /// Up to `limit` functions (their `$LATEST`) of an account and region, from name `from` on.
    pub(crate) fn functions(
        &self,
        account: &str,
        region: &str,
        from: &str,
        limit: usize,
    ) -> Outcome<Vec<(String, VersionRecord)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT f.name, v.record FROM lambda_function f
             JOIN lambda_version v ON v.account = f.account AND v.region = f.region
                 AND v.name = f.name AND v.version = 0
             WHERE f.account = ?1 AND f.region = ?2 AND f.name >= ?3
             ORDER BY f.name LIMIT ?4",
        )?;
        let found = statement.query_map(params![account, region, from, rows(limit)], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        found
            .map(|row| {
                let (name, text) = row?;
                Ok((name, serde_json::from_str(&text)?))
            })
            .collect()
    }

    /// Up to `limit` versions of all functions of an account and region, from version `number` of
    /// function `name` on, by name and number.
    pub(crate) fn all_versions(
        &self,
        (account, region): (&str, &str),
        (name, number): (&str, u64),
        limit: usize,
    ) -> Outcome<Vec<(FunctionKey, u64, VersionRecord)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT name, version, record FROM lambda_version
             WHERE account = ?1 AND region = ?2 AND (name, version) >= (?3, ?4)
             ORDER BY name, version LIMIT ?5",
        )?;
        let found = statement.query_map(
            params![account, region, name, sql(number), rows(limit)],
            |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, String>(2)?,
                ))
            },
        )?;
        found
            .map(|row| {
                let (name, number, text) = row?;
                let key = FunctionKey {
                    account: account.into(),
                    region: region.into(),
                    name: name.into(),
                };
                Ok((key, number.unsigned_abs(), serde_json::from_str(&text)?))
            })
            .collect()
    }

    /// Versions that were being created or updated when they were written.
    pub(crate) fn unsettled(&self) -> Outcome<Vec<(FunctionKey, u64)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT account, region, name, version FROM lambda_version WHERE unsettled",
        )?;
        let found = statement.query_map([], |row| {
            let key = FunctionKey {
                account: row.get(0)?,
                region: row.get(1)?,
                name: row.get(2)?,
            };
            Ok((key, row.get::<_, i64>(3)?.unsigned_abs()))
        })?;
        found.map(|row| Ok(row?)).collect()
    }

    /// Whether any version, or any layer, needs what is kept under that digest.
    pub(crate) fn uses_code(&self, code: &Digest) -> Outcome<bool> {
        let of_versions: bool = self
            .0
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM lambda_version WHERE code = ?1)
                     OR EXISTS (SELECT 1 FROM lambda_version WHERE code_before = ?1)",
            )?
            .query_row([code.base64()], |row| row.get(0))?;
        Ok(of_versions || self.layers_use(code)?)
    }

    /// Whether any version runs the container image of that digest.
    pub(crate) fn uses_image(&self, image: &Digest) -> Outcome<bool> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM lambda_version WHERE code = ?1)
                     OR EXISTS (SELECT 1 FROM lambda_version WHERE code_before = ?1)",
            )?
            .query_row([image.to_string()], |row| row.get(0))?)
    }

    /// One alias.
    pub(crate) fn alias(&self, key: &FunctionKey, alias: &str) -> Outcome<Option<AliasRecord>> {
        self.record(
            "SELECT record FROM lambda_alias
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND alias = ?4",
            params![key.account, key.region, key.name, alias],
        )
    }

    /// Writes one alias, new or old.
    pub(crate) fn put_alias(
        &self,
        key: &FunctionKey,
        alias: &str,
        record: &AliasRecord,
    ) -> Outcome<()> {
        self.0
            .prepare_cached(
                "INSERT INTO lambda_alias (account, region, name, alias, record)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET record = excluded.record",
            )?
            .execute(params![
                key.account,
                key.region,
                key.name,
                alias,
                serde_json::to_string(record)?
            ])?;
        Ok(())
    }

    /// Removes one alias; `false` where there is none.
    pub(crate) fn remove_alias(&self, key: &FunctionKey, alias: &str) -> Outcome<bool> {
        let removed = self
            .0
            .prepare_cached(
                "DELETE FROM lambda_alias
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND alias = ?4",
            )?
            .execute(params![key.account, key.region, key.name, alias])?;
        Ok(removed == 1)
    }

    /// The names of the aliases that send invocations to a version.
    pub(crate) fn aliases_of_version(
        &self,
        key: &FunctionKey,
        number: u64,
    ) -> Outcome<Vec<String>> {
        let mut statement = self.0.prepare_cached(
            "SELECT alias FROM lambda_alias
             WHERE account = ?1 AND region = ?2 AND name = ?3
                 AND (json_extract(record, '$.configuration.FunctionVersion') = ?4
                     OR EXISTS (SELECT 1 FROM json_each(record,
                         '$.configuration.RoutingConfig.AdditionalVersionWeights')
                         WHERE key = ?4))
             ORDER BY alias",
        )?;
        let found = statement.query_map(
            params![key.account, key.region, key.name, number.to_string()],
            |row| row.get(0),
        )?;
        found.map(|row| Ok(row?)).collect()
    }

    /// Up to `limit` aliases of a function, from name `from` on.
    pub(crate) fn aliases(
        &self,
        key: &FunctionKey,
        from: &str,
        limit: usize,
    ) -> Outcome<Vec<AliasRecord>> {
        let mut statement = self.0.prepare_cached(
            "SELECT record FROM lambda_alias
             WHERE account = ?1 AND region = ?2 AND name = ?3 AND alias >= ?4
             ORDER BY alias LIMIT ?5",
        )?;
        let found = statement.query_map(
            params![key.account, key.region, key.name, from, rows(limit)],
            |row| row.get::<_, String>(0),
        )?;
        found.map(|row| Ok(serde_json::from_str(&row?)?)).collect()
    }
}

/// SQLite's integers are signed; version numbers stay far below the limit.
pub(crate) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The same for how many rows are asked for.
pub(crate) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
