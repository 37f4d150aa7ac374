//! Function URLs, as they are kept: one for each function and one for each of its aliases.

use std::sync::Arc;

use ids::{Entropy, Qualifier};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use store::Migration;
use wire::lambda::{Cors, FunctionUrlAuthType, InvokeMode};

use super::key::FunctionKey;
use super::tables::{Outcome, Tables, rows};

/// The table of this module. A function or an alias takes its URL with it.
pub(crate) const MIGRATION: Migration = Migration {
    name: "function URLs",
    sql: "
        CREATE TABLE lambda_url (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            qualifier TEXT NOT NULL,
            id TEXT NOT NULL UNIQUE,
            record TEXT NOT NULL,
            PRIMARY KEY (account, region, name, qualifier),
            FOREIGN KEY (account, region, name)
                REFERENCES lambda_function (account, region, name) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER lambda_url_of_alias AFTER DELETE ON lambda_alias BEGIN
            DELETE FROM lambda_url
            WHERE account = OLD.account AND region = OLD.region AND name = OLD.name
                AND qualifier = OLD.alias;
        END;
    ",
};

/// How many characters an id has, as on AWS.
pub(crate) const ID_LENGTH: usize = 32;

/// A function URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct UrlRecord {
    pub(crate) auth_type: FunctionUrlAuthType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cors: Option<Cors>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) invoke_mode: Option<InvokeMode>,
    pub(crate) created: String,
    pub(crate) modified: String,
}

/// A function URL and what it leads to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FunctionUrl {
    pub(crate) id: Arc<str>,
    pub(crate) key: FunctionKey,
    /// `$LATEST` or an alias.
    pub(crate) qualifier: Qualifier,
    pub(crate) record: UrlRecord,
}

impl FunctionUrl {
    /// The alias that it leads to, if it is one's.
    pub(crate) fn alias(&self) -> Option<&str> {
        match &self.qualifier {
            Qualifier::Alias(alias) => Some(alias),
            Qualifier::Latest | Qualifier::Version(_) => None,
        }
    }

    /// The ARN of the function or the alias.
    pub(crate) fn arn(&self) -> String {
        match self.alias() {
            Some(alias) => self.key.qualified_arn(alias),
            None => self.key.arn(),
        }
    }
}

/// A new id: letters and digits that fit a host name, and too many to be guessed.
pub(crate) fn draw_id(entropy: &dyn Entropy) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    const BITS: usize = 5;
    let of = |bits: u128| {
        (0..ID_LENGTH / 2).map(move |at| {
            let index = (bits >> (at * BITS)) & 0b1_1111;
            let index = usize::try_from(index).unwrap_or_default();
            char::from(LETTERS.get(index).copied().unwrap_or(b'a'))
        })
    };
    of(entropy.bits()).chain(of(entropy.bits())).collect()
}

/// A row, of which the record is still text.
type Kept = (FunctionKey, String, Arc<str>, String);

fn read(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let key = FunctionKey {
        account: row.get(0)?,
        region: row.get(1)?,
        name: row.get(2)?,
    };
    Ok((key, row.get(3)?, row.get(4)?, row.get(5)?))
}

fn complete((key, qualifier, id, record): Kept) -> Outcome<FunctionUrl> {
    Ok(FunctionUrl {
        id,
        key,
        qualifier: Qualifier::parse(&qualifier),
        record: serde_json::from_str(&record)?,
    })
}

impl Tables<'_> {
    /// The URL of a function or an alias.
    pub(crate) fn url(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Outcome<Option<FunctionUrl>> {
        self.0
            .prepare_cached(
                "SELECT account, region, name, qualifier, id, record FROM lambda_url
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier = ?4",
            )?
            .query_row(
                params![key.account, key.region, key.name, qualifier.to_string()],
                read,
            )
            .optional()?
            .map(complete)
            .transpose()
    }

    /// The URL of that id.
    pub(crate) fn url_by_id(&self, id: &str) -> Outcome<Option<FunctionUrl>> {
        self.0
            .prepare_cached(
                "SELECT account, region, name, qualifier, id, record FROM lambda_url
                 WHERE id = ?1",
            )?
            .query_row([id], read)
            .optional()?
            .map(complete)
            .transpose()
    }

    /// Up to `limit` URLs of a function and its aliases, from qualifier `from` on.
    pub(crate) fn urls(
        &self,
        key: &FunctionKey,
        from: &str,
        limit: usize,
    ) -> Outcome<Vec<FunctionUrl>> {
        let mut statement = self.0.prepare_cached(
            "SELECT account, region, name, qualifier, id, record FROM lambda_url
             WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier >= ?4
             ORDER BY qualifier LIMIT ?5",
        )?;
        let found = statement.query_map(
            params![key.account, key.region, key.name, from, rows(limit)],
            read,
        )?;
        found.map(|row| complete(row?)).collect()
    }

    /// Writes a URL, new or old.
    pub(crate) fn put_url(&self, url: &FunctionUrl) -> Outcome<()> {
        let FunctionKey {
            account,
            region,
            name,
        } = &url.key;
        self.0
            .prepare_cached(
                "INSERT INTO lambda_url (account, region, name, qualifier, id, record)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (account, region, name, qualifier)
                     DO UPDATE SET record = excluded.record",
            )?
            .execute(params![
                account,
                region,
                name,
                url.qualifier.to_string(),
                url.id,
                serde_json::to_string(&url.record)?
            ])?;
        Ok(())
    }

    /// Removes the URL of a function or an alias; `false` where there is none.
    pub(crate) fn remove_url(&self, key: &FunctionKey, qualifier: &Qualifier) -> Outcome<bool> {
        let removed = self
            .0
            .prepare_cached(
                "DELETE FROM lambda_url
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier = ?4",
            )?
            .execute(params![
                key.account,
                key.region,
                key.name,
                qualifier.to_string()
            ])?;
        Ok(removed == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::SeededEntropy;

    #[test]
    fn an_id_is_a_label_of_a_host_name() {
        let entropy = SeededEntropy::new(1);
        let (one, other) = (draw_id(&entropy), draw_id(&entropy));
        assert_ne!(one, other);
        assert_eq!(one.len(), ID_LENGTH);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(one.chars().all(fits), "{one}");
    }
}
