//! The tables that layers lie in.

use rusqlite::{OptionalExtension, Row, params};
use store::{Digest, Migration};

use super::key::LayerKey;
use super::policy::LayerPolicy;
use super::record::LayerVersionRecord;
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::record::VersionRecord;
use crate::function::tables::{Tables, rows, sql};
use crate::package::opt;
use wire::lambda::FunctionConfiguration;

/// Adds the tables of layers.
pub(crate) const MIGRATION: Migration = Migration {
    name: "layers",
    sql: "
        CREATE TABLE lambda_layer (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            layer TEXT NOT NULL,
            next_version INTEGER NOT NULL,
            PRIMARY KEY (account, region, layer)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE lambda_layer_version (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            layer TEXT NOT NULL,
            version INTEGER NOT NULL,
            code TEXT NOT NULL,
            deleted INTEGER NOT NULL,
            policy TEXT,
            record TEXT NOT NULL,
            PRIMARY KEY (account, region, layer, version)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX lambda_layer_version_code ON lambda_layer_version (code) WHERE NOT deleted;
        CREATE TABLE lambda_layer_use (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            version INTEGER NOT NULL,
            code TEXT NOT NULL,
            PRIMARY KEY (account, region, name, version, code),
            FOREIGN KEY (account, region, name, version)
                REFERENCES lambda_version (account, region, name, version) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX lambda_layer_use_code ON lambda_layer_use (code);
    ",
};

/// The size of code is taken from the records and indexed, so that adding it up reads nothing else.
pub(crate) const SIZES: Migration = Migration {
    name: "sizes of layer versions",
    sql: "
        ALTER TABLE lambda_layer_version ADD COLUMN code_size INTEGER
            GENERATED ALWAYS AS (json_extract(record, '$.code_size')) VIRTUAL;
        CREATE INDEX lambda_layer_version_code_size
            ON lambda_layer_version (account, region, deleted, code_size);
    ",
};

type Outcome<T> = Result<T, ApiError>;

/// What a list of layers or of versions is narrowed to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compatible {
    pub(crate) runtime: Option<String>,
    pub(crate) architecture: Option<String>,
}

/// Holds for records that declare to be compatible with `?4` and `?5`, where those are given.
const COMPATIBLE: &str = "
    (?4 IS NULL OR EXISTS
        (SELECT 1 FROM json_each(record, '$.compatible_runtimes') WHERE value = ?4))
    AND (?5 IS NULL OR EXISTS
        (SELECT 1 FROM json_each(record, '$.compatible_architectures') WHERE value = ?5))";

impl Tables<'_> {
    /// Adds a layer version and returns its number, which no other version ever had or gets.
    pub(crate) fn add_layer_version(
        &self,
        key: &LayerKey,
        record: &LayerVersionRecord,
    ) -> Outcome<u64> {
        let number: i64 = self
            .0
            .prepare_cached(
                "INSERT INTO lambda_layer (account, region, layer, next_version)
                 VALUES (?1, ?2, ?3, 2)
                 ON CONFLICT DO UPDATE SET next_version = next_version + 1
                 RETURNING next_version - 1",
            )?
            .query_row(params![key.account, key.region, key.name], |row| row.get(0))?;
        self.0
            .prepare_cached(
                "INSERT INTO lambda_layer_version
                     (account, region, layer, version, code, deleted, record)
                 VALUES (?1, ?2, ?3, ?4, ?5, FALSE, ?6)",
            )?
            .execute(params![
                key.account,
                key.region,
                key.name,
                number,
                record.code_sha256,
                serde_json::to_string(record)?
            ])?;
        Ok(number.unsigned_abs())
    }

    /// One layer version that is not deleted.
    pub(crate) fn layer_version(
        &self,
        key: &LayerKey,
        number: u64,
    ) -> Outcome<Option<LayerVersionRecord>> {
        self.record(
            "SELECT record FROM lambda_layer_version
                 WHERE account = ?1 AND region = ?2 AND layer = ?3 AND version = ?4
                     AND NOT deleted",
            params![key.account, key.region, key.name, sql(number)],
        )
    }

    /// Hides a layer version and forgets its policy. Returns its package; `None` where there is no
    /// such version.
    pub(crate) fn delete_layer_version(
        &self,
        key: &LayerKey,
        number: u64,
    ) -> Outcome<Option<String>> {
        Ok(self
            .0
            .prepare_cached(
                "UPDATE lambda_layer_version SET deleted = TRUE, policy = NULL
                 WHERE account = ?1 AND region = ?2 AND layer = ?3 AND version = ?4
                     AND NOT deleted
                 RETURNING code",
            )?
            .query_row(
                params![key.account, key.region, key.name, sql(number)],
                |row| row.get(0),
            )
            .optional()?)
    }

    /// Up to `limit` versions of a layer, the newest first, from number `from` on downwards.
    pub(crate) fn layer_versions(
        &self,
        key: &LayerKey,
        compatible: &Compatible,
        from: u64,
        limit: usize,
    ) -> Outcome<Vec<(u64, LayerVersionRecord)>> {
        let mut statement = self.0.prepare_cached(&format!(
            "SELECT version, record FROM lambda_layer_version
             WHERE account = ?1 AND region = ?2 AND layer = ?3 AND {COMPATIBLE}
                 AND version <= ?6 AND NOT deleted
             ORDER BY version DESC LIMIT ?7"
        ))?;
        let found = statement.query_map(
            params![
                key.account,
                key.region,
                key.name,
                compatible.runtime,
                compatible.architecture,
                sql(from),
                rows(limit)
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        found.map(|row| numbered(row?)).collect()
    }

    /// Up to `limit` layers of an account and region, from name `from` on, each with its newest
    /// version that fits.
    pub(crate) fn layers(
        &self,
        (account, region): (&str, &str),
        compatible: &Compatible,
        from: &str,
        limit: usize,
    ) -> Outcome<Vec<(String, u64, LayerVersionRecord)>> {
        // With MAX, SQLite takes the other columns from the row that has the maximum.
        let mut statement = self.0.prepare_cached(&format!(
            "SELECT MAX(version), record, layer FROM lambda_layer_version
             WHERE account = ?1 AND region = ?2 AND layer >= ?3 AND {COMPATIBLE} AND NOT deleted
             GROUP BY layer ORDER BY layer LIMIT ?6"
        ))?;
        let found = statement.query_map(
            params![
                account,
                region,
                from,
                compatible.runtime,
                compatible.architecture,
                rows(limit)
            ],
            |row: &Row<'_>| Ok((row.get::<_, String>(2)?, (row.get(0)?, row.get(1)?))),
        )?;
        found
            .map(|row| {
                let (layer, version) = row?;
                let (number, record) = numbered(version)?;
                Ok((layer, number, record))
            })
            .collect()
    }

    /// The policy of a layer version; `None` where there is no such version.
    pub(crate) fn layer_policy(&self, key: &LayerKey, number: u64) -> Outcome<Option<LayerPolicy>> {
        self.0
            .prepare_cached(
                "SELECT policy FROM lambda_layer_version
                 WHERE account = ?1 AND region = ?2 AND layer = ?3 AND version = ?4
                     AND NOT deleted",
            )?
            .query_row(
                params![key.account, key.region, key.name, sql(number)],
                |row| row.get::<_, Option<String>>(0),
            )
            .optional()?
            .map(|text| match text {
                Some(text) => Ok(serde_json::from_str(&text)?),
                None => Ok(LayerPolicy::default()),
            })
            .transpose()
    }

    /// Writes the policy of a layer version; an empty one is none.
    pub(crate) fn put_layer_policy(
        &self,
        key: &LayerKey,
        number: u64,
        policy: &LayerPolicy,
    ) -> Outcome<()> {
        let text = (!policy.is_empty())
            .then(|| serde_json::to_string(policy))
            .transpose()?;
        self.0
            .prepare_cached(
                "UPDATE lambda_layer_version SET policy = ?5
                 WHERE account = ?1 AND region = ?2 AND layer = ?3 AND version = ?4",
            )?
            .execute(params![
                key.account,
                key.region,
                key.name,
                sql(number),
                text
            ])?;
        Ok(())
    }

    /// The layers of a function, in their order. Deleted ones count.
    fn layers_of(&self, configuration: &FunctionConfiguration) -> Outcome<Vec<LayerVersionRecord>> {
        let layers = configuration.layers.iter().flatten();
        let arns = layers.filter_map(|layer| layer.arn.as_deref());
        let mut found = Vec::new();
        for (key, number) in arns.filter_map(LayerKey::version_of_arn) {
            let text: Option<String> = self
                .0
                .prepare_cached(
                    "SELECT record FROM lambda_layer_version
                     WHERE account = ?1 AND region = ?2 AND layer = ?3 AND version = ?4",
                )?
                .query_row(
                    params![key.account, key.region, key.name, sql(number)],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(text) = text {
                found.push(serde_json::from_str(&text)?);
            }
        }
        Ok(found)
    }

    /// The packages of a function's layers, in their order.
    pub(crate) fn layer_packages(
        &self,
        configuration: &FunctionConfiguration,
    ) -> Outcome<Vec<Digest>> {
        let layers = self.layers_of(configuration)?;
        let packages = layers
            .iter()
            .filter_map(|layer| Digest::from_base64(&layer.code_sha256).ok());
        Ok(packages.collect())
    }

    /// How many bytes a function's layers hold unpacked, all together.
    pub(crate) fn layers_unzipped_size(
        &self,
        configuration: &FunctionConfiguration,
    ) -> Outcome<u64> {
        let layers = self.layers_of(configuration)?;
        Ok(layers.iter().map(|layer| layer.unzipped_size).sum())
    }

    /// Notes what a function version needs for its `/opt`, now and until an update is through.
    pub(crate) fn put_layer_uses(
        &self,
        key: &FunctionKey,
        number: u64,
        record: &VersionRecord,
    ) -> Outcome<()> {
        self.0
            .prepare_cached(
                "DELETE FROM lambda_layer_use
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND version = ?4",
            )?
            .execute(params![key.account, key.region, key.name, sql(number)])?;
        for configuration in record.configurations() {
            for code in opt::contents(&self.layer_packages(configuration)?) {
                self.0
                    .prepare_cached(
                        "INSERT OR IGNORE INTO lambda_layer_use
                             (account, region, name, version, code) VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![
                        key.account,
                        key.region,
                        key.name,
                        sql(number),
                        code.base64()
                    ])?;
            }
        }
        Ok(())
    }

    /// Whether a layer, or a function's `/opt`, needs what is kept under that digest.
    pub(crate) fn layers_use(&self, code: &Digest) -> Outcome<bool> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM lambda_layer_version
                                WHERE code = ?1 AND NOT deleted)
                     OR EXISTS (SELECT 1 FROM lambda_layer_use WHERE code = ?1)",
            )?
            .query_row([code.base64()], |row| row.get(0))?)
    }
}

fn numbered((number, text): (i64, String)) -> Outcome<(u64, LayerVersionRecord)> {
    Ok((number.unsigned_abs(), serde_json::from_str(&text)?))
}
