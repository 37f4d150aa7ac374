//! Versions of managed policies, policies in line, and what is attached to whom.

use rusqlite::{OptionalExtension, params};

use super::{Outcome, Owner, Tables, key};
use crate::record::{Entity, VersionRecord};

impl Tables<'_> {
    /// One version of a managed policy.
    pub(crate) fn policy_version(
        &self,
        account: &str,
        policy: &str,
        number: u32,
    ) -> Outcome<Option<VersionRecord>> {
        self.0
            .prepare_cached(
                "SELECT record FROM iam_policy_version
                 WHERE account = ?1 AND policy = ?2 AND number = ?3",
            )?
            .query_row(params![account, key(policy), number], |row| {
                row.get::<_, String>(0)
            })
            .optional()?
            .map(|text| Ok(serde_json::from_str(&text)?))
            .transpose()
    }

    /// Adds a version.
    pub(crate) fn put_policy_version(
        &self,
        account: &str,
        policy: &str,
        number: u32,
        version: &VersionRecord,
    ) -> Outcome<()> {
        self.0
            .prepare_cached(
                "INSERT INTO iam_policy_version (account, policy, number, record)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                account,
                key(policy),
                number,
                serde_json::to_string(version)?
            ])?;
        Ok(())
    }

    /// Removes a version; `false` where there is none.
    pub(crate) fn remove_policy_version(
        &self,
        account: &str,
        policy: &str,
        number: u32,
    ) -> Outcome<bool> {
        let removed = self
            .0
            .prepare_cached(
                "DELETE FROM iam_policy_version
                 WHERE account = ?1 AND policy = ?2 AND number = ?3",
            )?
            .execute(params![account, key(policy), number])?;
        Ok(removed == 1)
    }

    /// Every version of a policy with its number, newest first: there are five at most.
    pub(crate) fn policy_versions(
        &self,
        account: &str,
        policy: &str,
    ) -> Outcome<Vec<(u32, VersionRecord)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT number, record FROM iam_policy_version
             WHERE account = ?1 AND policy = ?2 ORDER BY number DESC",
        )?;
        let found = statement.query_map(params![account, key(policy)], |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?))
        })?;
        found
            .map(|row| {
                let (number, text) = row?;
                Ok((number, serde_json::from_str(&text)?))
            })
            .collect()
    }

    /// An inline policy's document.
    pub(crate) fn inline(&self, owner: &Owner, name: &str) -> Outcome<Option<String>> {
        Ok(self
            .0
            .prepare_cached(
                "SELECT document FROM iam_inline_policy
                 WHERE account = ?1 AND kind = ?2 AND owner = ?3 AND name = ?4",
            )?
            .query_row(
                params![owner.account, owner.kind.text(), owner.key(), name],
                |row| row.get(0),
            )
            .optional()?)
    }

    /// Every inline policy, by name, with its document.
    pub(crate) fn inlines(&self, owner: &Owner) -> Outcome<Vec<(String, String)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT name, document FROM iam_inline_policy
             WHERE account = ?1 AND kind = ?2 AND owner = ?3 ORDER BY name",
        )?;
        let found = statement.query_map(
            params![owner.account, owner.kind.text(), owner.key()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        found.map(|row| Ok(row?)).collect()
    }

    /// Writes an inline policy, new or old.
    pub(crate) fn put_inline(&self, owner: &Owner, name: &str, document: &str) -> Outcome<()> {
        self.0
            .prepare_cached(
                "INSERT OR REPLACE INTO iam_inline_policy (account, kind, owner, name, document)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                owner.account,
                owner.kind.text(),
                owner.key(),
                name,
                document
            ])?;
        Ok(())
    }

    /// Removes an inline policy; `false` where there is none.
    pub(crate) fn remove_inline(&self, owner: &Owner, name: &str) -> Outcome<bool> {
        let removed = self
            .0
            .prepare_cached(
                "DELETE FROM iam_inline_policy
                 WHERE account = ?1 AND kind = ?2 AND owner = ?3 AND name = ?4",
            )?
            .execute(params![owner.account, owner.kind.text(), owner.key(), name])?;
        Ok(removed == 1)
    }

    /// Attaches a managed policy; again does no harm.
    pub(crate) fn attach(&self, owner: &Owner, policy: &str) -> Outcome<()> {
        self.0
            .prepare_cached(
                "INSERT OR IGNORE INTO iam_attachment (account, kind, owner, policy)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                owner.account,
                owner.kind.text(),
                owner.key(),
                policy
            ])?;
        Ok(())
    }

    /// Detaches a managed policy; `false` where it was not attached.
    pub(crate) fn detach(&self, owner: &Owner, policy: &str) -> Outcome<bool> {
        let removed = self
            .0
            .prepare_cached(
                "DELETE FROM iam_attachment
                 WHERE account = ?1 AND kind = ?2 AND owner = ?3 AND policy = ?4",
            )?
            .execute(params![
                owner.account,
                owner.kind.text(),
                owner.key(),
                policy
            ])?;
        Ok(removed == 1)
    }

    /// The ARNs of what is attached to `owner`.
    pub(crate) fn attached(&self, owner: &Owner) -> Outcome<Vec<String>> {
        let mut statement = self.0.prepare_cached(
            "SELECT policy FROM iam_attachment
             WHERE account = ?1 AND kind = ?2 AND owner = ?3 ORDER BY policy",
        )?;
        let found = statement.query_map(
            params![owner.account, owner.kind.text(), owner.key()],
            |row| row.get(0),
        )?;
        found.map(|row| Ok(row?)).collect()
    }

    /// How many roles and users a policy is attached to.
    pub(crate) fn attachments(&self, account: &str, policy: &str) -> Outcome<usize> {
        self.number(
            "SELECT count(*) FROM iam_attachment WHERE account = ?1 AND policy = ?2",
            params![account, policy],
        )
    }

    /// The records of the roles or the users, as `E` says, that a policy is attached to.
    pub(crate) fn attached_to<E: Entity>(&self, account: &str, policy: &str) -> Outcome<Vec<E>> {
        let mut statement = self.0.prepare_cached(
            "SELECT e.record FROM iam_attachment a
             JOIN iam_entity e ON e.account = a.account AND e.kind = a.kind AND e.key = a.owner
             WHERE a.account = ?1 AND a.policy = ?2 AND a.kind = ?3 ORDER BY a.owner",
        )?;
        let found = statement.query_map(params![account, policy, E::KIND.text()], |row| {
            row.get::<_, String>(0)
        })?;
        found.map(|row| Ok(serde_json::from_str(&row?)?)).collect()
    }
}
