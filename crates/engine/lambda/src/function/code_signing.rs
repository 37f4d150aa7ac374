//! Code signing configurations, as they are kept.

use rusqlite::{OptionalExtension, params};
use store::Migration;
use wire::lambda::CodeSigningConfig;

use super::tables::{Outcome, Tables, rows};

/// The table of this module.
pub(crate) const MIGRATION: Migration = Migration {
    name: "code signing configurations",
    sql: "
        CREATE TABLE lambda_code_signing_config (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            id TEXT NOT NULL,
            tags TEXT NOT NULL,
            record TEXT NOT NULL,
            PRIMARY KEY (account, region, id)
        ) STRICT, WITHOUT ROWID;
    ",
};

/// Which code signing configuration is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigKey {
    pub(crate) account: String,
    pub(crate) region: String,
    /// `csc-` and seventeen letters or digits.
    pub(crate) id: String,
}

impl ConfigKey {
    /// `arn:aws:lambda:…:code-signing-config:ID`.
    pub(crate) fn arn(&self) -> String {
        let resource = format!("code-signing-config:{}", self.id);
        ids::Arn::new("lambda", &self.region, &self.account, resource).to_string()
    }
}

impl Tables<'_> {
    /// One configuration.
    pub(crate) fn code_signing_config(
        &self,
        key: &ConfigKey,
    ) -> Outcome<Option<CodeSigningConfig>> {
        self.record(
            "SELECT record FROM lambda_code_signing_config
                 WHERE account = ?1 AND region = ?2 AND id = ?3",
            [&key.account, &key.region, &key.id],
        )
    }

    /// Up to `limit` configurations of an account and region, from `from` on.
    pub(crate) fn code_signing_configs(
        &self,
        (account, region): (&str, &str),
        from: &str,
        limit: usize,
    ) -> Outcome<Vec<CodeSigningConfig>> {
        let mut statement = self.0.prepare_cached(
            "SELECT record FROM lambda_code_signing_config
             WHERE account = ?1 AND region = ?2 AND id >= ?3 ORDER BY id LIMIT ?4",
        )?;
        let found = statement.query_map(params![account, region, from, rows(limit)], |row| {
            row.get::<_, String>(0)
        })?;
        found.map(|row| Ok(serde_json::from_str(&row?)?)).collect()
    }

    /// Adds a configuration with its tags, which are JSON.
    pub(crate) fn add_code_signing_config(
        &self,
        key: &ConfigKey,
        config: &CodeSigningConfig,
        tags: &str,
    ) -> Outcome<()> {
        self.0
            .prepare_cached(
                "INSERT INTO lambda_code_signing_config (account, region, id, tags, record)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                key.account,
                key.region,
                key.id,
                tags,
                serde_json::to_string(config)?
            ])?;
        Ok(())
    }

    /// Replaces a configuration.
    pub(crate) fn put_code_signing_config(
        &self,
        key: &ConfigKey,
        config: &CodeSigningConfig,
    ) -> Outcome<()> {
        self.0
            .prepare_cached(
                "UPDATE lambda_code_signing_config SET record = ?4
                 WHERE account = ?1 AND region = ?2 AND id = ?3",
            )?
            .execute(params![
                key.account,
                key.region,
                key.id,
                serde_json::to_string(config)?
            ])?;
        Ok(())
    }

    /// Removes a configuration.
    pub(crate) fn remove_code_signing_config(&self, key: &ConfigKey) -> Outcome<()> {
        self.0
            .prepare_cached(
                "DELETE FROM lambda_code_signing_config
                 WHERE account = ?1 AND region = ?2 AND id = ?3",
            )?
            .execute([&key.account, &key.region, &key.id])?;
        Ok(())
    }

    /// The tags of a configuration, as JSON; `None` where there is no such configuration.
    pub(crate) fn code_signing_tags(&self, key: &ConfigKey) -> Outcome<Option<String>> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT tags FROM lambda_code_signing_config
                 WHERE account = ?1 AND region = ?2 AND id = ?3",
            )?
            .query_row([&key.account, &key.region, &key.id], |row| row.get(0))
            .optional()?)
    }

    /// Replaces the tags of a configuration, which are JSON.
    pub(crate) fn put_code_signing_tags(&self, key: &ConfigKey, tags: &str) -> Outcome<()> {
        self.0
            .prepare_cached(
                "UPDATE lambda_code_signing_config SET tags = ?4
                 WHERE account = ?1 AND region = ?2 AND id = ?3",
            )?
            .execute([&key.account, &key.region, &key.id, tags])?;
        Ok(())
    }
}
