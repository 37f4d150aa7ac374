//! Access keys and sessions.

use ids::Timestamp;
use rusqlite::params;

use super::{Outcome, Tables, key, micros};
use crate::record::{KeyRecord, SessionRecord};

pub(super) const FORGET_SESSIONS: &str = "DELETE FROM iam_session WHERE expires < ?1";

impl Tables<'_> {
    /// Writes an access key, new or old.
    pub(crate) fn put_access_key(
        &self,
        id: &str,
        account: &str,
        key_of: &KeyRecord,
    ) -> Outcome<()> {
        self.0
            .prepare_cached(
                "INSERT OR REPLACE INTO iam_access_key (id, account, owner, record)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                id,
                account,
                key(&key_of.user),
                serde_json::to_string(key_of)?
            ])?;
        Ok(())
    }

    /// Removes an access key.
    pub(crate) fn remove_access_key(&self, id: &str) -> Outcome<()> {
        self.0
            .prepare_cached("DELETE FROM iam_access_key WHERE id = ?1")?
            .execute([id])?;
        Ok(())
    }

    /// A user's access keys, with their ids: there are two at most.
    pub(crate) fn access_keys(
        &self,
        account: &str,
        user: &str,
    ) -> Outcome<Vec<(String, KeyRecord)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT id, record FROM iam_access_key
             WHERE account = ?1 AND owner = ?2 ORDER BY id",
        )?;
        let found = statement.query_map(params![account, key(user)], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        found
            .map(|row| {
                let (id, text) = row?;
                Ok((id, serde_json::from_str(&text)?))
            })
            .collect()
    }

    /// Every access key there is: id, account, record.
    pub(crate) fn all_access_keys(&self) -> Outcome<Vec<(String, String, KeyRecord)>> {
        let mut statement = self
            .0
            .prepare("SELECT id, account, record FROM iam_access_key")?;
        let found = statement.query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
        })?;
        found
            .map(|row| {
                let (id, account, text) = row?;
                Ok((id, account, serde_json::from_str(&text)?))
            })
            .collect()
    }

    /// Adds a session.
    pub(crate) fn put_session(&self, id: &str, session: &SessionRecord) -> Outcome<()> {
        self.0
            .prepare_cached("INSERT INTO iam_session (id, expires, record) VALUES (?1, ?2, ?3)")?
            .execute(params![
                id,
                micros(session.expires),
                serde_json::to_string(session)?
            ])?;
        Ok(())
    }

    /// Forgets the sessions that ended before `now`.
    pub(crate) fn forget_sessions(&self, now: Timestamp) -> Outcome<()> {
        self.0
            .prepare_cached(FORGET_SESSIONS)?
            .execute([micros(now)])?;
        Ok(())
    }

    /// Every session there is, with its access key id.
    pub(crate) fn all_sessions(&self) -> Outcome<Vec<(String, SessionRecord)>> {
        let mut statement = self.0.prepare("SELECT id, record FROM iam_session")?;
        let found = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        found
            .map(|row| {
                let (id, text) = row?;
                Ok((id, serde_json::from_str(&text)?))
            })
            .collect()
    }
}
