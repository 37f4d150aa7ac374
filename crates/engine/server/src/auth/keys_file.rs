//! The file of access keys that an engine is started with.
//!
//! ```toml
//! [[keys]]
//! access_key_id = "LABROOT"
//! secret_access_key = "…"
//! principal = "root"            # or "user/alice", or "role/deployer"
//! account = "111122223333"      # the engine's own where it is missing
//! ```

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use iam::{Credential, Holder, Identity, Secret};
use serde::Deserialize;
use toml::Spanned;

/// Why the keys cannot be used. No message shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot read the access keys in {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not in the form of a file of keys.
    #[error("{}, line {line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A key that cannot be.
    #[error("{}, line {line}: access key `{id}`: {problem}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// The key.
        id: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// There is none.
    #[error(
        "{} holds no access key, so nobody could call; add one under [[keys]]", path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// What is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Ids stand in credential scopes.
    #[error("an access_key_id has 3 to 128 letters, digits, `-` and `_`")]
    Id,
    /// Two keys of one id.
    #[error("the id is taken by an earlier key of the file")]
    Twice,
    /// Whoever guesses it may do everything that the key may.
    #[error("a secret_access_key has at least 8 characters")]
    Secret,
    /// Nobody that a key can belong to.
    #[error("principal must be \"root\", \"user/NAME\" or \"role/NAME\"")]
    Principal,
    /// No account.
    #[error("an account has twelve digits")]
    Account,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    keys: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    access_key_id: Spanned<String>,
    /// Any value: what complains of another type would show it.
    secret_access_key: Spanned<toml::Value>,
    principal: Spanned<String>,
    account: Option<Spanned<String>>,
}

/// Reads the keys; those that name no account are `account`'s.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub(crate) fn read(path: &Path, account: &str) -> Result<Vec<Credential>, KeysError> {
    let text = std::fs::read_to_string(path).map_err(|source| KeysError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    warn_of_readers(path);
    parse(path, &text, account)
}

fn parse(path: &Path, text: &str, account: &str) -> Result<Vec<Credential>, KeysError> {
    let line = |span: Range<usize>| {
        let before = text.get(..span.start).unwrap_or(text);
        before.matches('\n').count() + 1
    };
    let file: File = toml::from_str(text).map_err(|error| KeysError::Syntax {
        path: path.to_owned(),
        line: line(error.span().unwrap_or_default()),
        message: error.message().to_owned(),
    })?;
    let mut ids = HashSet::new();
    let mut credentials = Vec::new();
    for entry in file.keys {
        let entry = entry.into_inner();
        let wrong = |span, problem| KeysError::Key {
            path: path.to_owned(),
            line: line(span),
            id: entry.access_key_id.get_ref().clone(),
            problem,
        };
        let credential = entry
            .credential(account)
            .map_err(|(span, problem)| wrong(span, problem))?;
        if !ids.insert(Arc::clone(&credential.access_key_id)) {
            return Err(wrong(entry.access_key_id.span(), Problem::Twice));
        }
        credentials.push(credential);
    }
    if credentials.is_empty() {
        return Err(KeysError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(credentials)
}

impl Entry {
    fn credential(&self, account: &str) -> Result<Credential, (Range<usize>, Problem)> {
        let id = self.access_key_id.get_ref();
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if !(3..=128).contains(&id.len()) || !id.bytes().all(fits) {
            return Err((self.access_key_id.span(), Problem::Id));
        }
        let secret = self.secret_access_key.get_ref().as_str();
        let Some(secret) = secret.filter(|secret| secret.len() >= 8) else {
            return Err((self.secret_access_key.span(), Problem::Secret));
        };
        let account = match &self.account {
            None => account,
            Some(own) => {
                let digits = own.get_ref().bytes().all(|b| b.is_ascii_digit());
                if !digits || own.get_ref().len() != 12 {
                    return Err((own.span(), Problem::Account));
                }
                own.get_ref()
            }
        };
        let holder = holder(self.principal.get_ref(), id)
            .ok_or((self.principal.span(), Problem::Principal))?;
        Ok(Credential {
            access_key_id: id.as_str().into(),
            secret: Secret::new(secret),
            token: None,
            expires: None,
            active: true,
            identity: Identity {
                account: account.into(),
                holder,
            },
        })
    }
}

/// Whose a key is. A role's is a session that is called like the key.
fn holder(principal: &str, id: &str) -> Option<Holder> {
    let named = |name: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@-_".contains(&b);
        ((1..=64).contains(&name.len()) && name.bytes().all(fits)).then(|| name.into())
    };
    match principal.split_once('/') {
        None => (principal == "root").then_some(Holder::Root),
        Some(("user", name)) => Some(Holder::User { name: named(name)? }),
        Some(("role", name)) => Some(Holder::Session {
            role: named(name)?,
            session: id.into(),
            policies: Arc::default(),
            tags: Arc::default(),
        }),
        Some(_) => None,
    }
}

/// Others on this machine should not read secrets; the engine works all the same, for files come
/// out of archives and mounts whose modes nobody chose.
#[cfg(unix)]
fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0, |found| found.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!(
            file = %path.display(),
            mode = format!("{:04o}", mode & 0o7777),
            "other users of this machine may read the access keys: chmod 600 the file"
        );
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Credential>, KeysError> {
        parse(Path::new("keys.toml"), text, "000000000000")
    }

    fn entry(id: &str, secret: &str, rest: &str) -> String {
        format!("[[keys]]\naccess_key_id = \"{id}\"\nsecret_access_key = \"{secret}\"\n{rest}\n")
    }

    #[test]
    fn every_kind_of_principal_is_read() {
        let text = [
            entry("LABROOT", "sesame-open", "principal = \"root\""),
            entry(
                "ALICE",
                "sesame-open",
                "principal = \"user/alice\"\naccount = \"111122223333\"",
            ),
            entry("CIKEY", "sesame-open", "principal = \"role/deployer\""),
        ]
        .concat();
        let keys = parsed(&text).unwrap();
        assert_eq!(keys[0].identity.holder, Holder::Root);
        assert_eq!(&*keys[0].identity.account, "000000000000");
        assert_eq!(&*keys[1].identity.account, "111122223333");
        let Holder::Session { role, session, .. } = &keys[2].identity.holder else {
            panic!("a role's key is a session");
        };
        assert_eq!((&**role, &**session), ("deployer", "CIKEY"));
    }

    #[test]
    fn what_is_wrong_is_told_with_file_line_and_key_but_no_secret() {
        let good = entry("ONE", "sesame-open", "principal = \"root\"");
        for (text, expected) in [
            (
                entry("a b", "sesame-open", "principal = \"root\""),
                "keys.toml, line 2: access key `a b`: an access_key_id has 3 to 128 letters, \
                 digits, `-` and `_`",
            ),
            (
                entry("ONE", "sesame", "principal = \"root\""),
                "keys.toml, line 3: access key `ONE`: a secret_access_key has at least 8 \
                 characters",
            ),
            (
                entry("ONE", "sesame-open", "principal = \"root\"")
                    .replace("\"sesame-open\"", "123456789"),
                "keys.toml, line 3: access key `ONE`: a secret_access_key has at least 8 \
                 characters",
            ),
            (
                entry("ONE", "sesame-open", "principal = \"group/x\""),
                "keys.toml, line 4: access key `ONE`: principal must be \"root\", \"user/NAME\" \
                 or \"role/NAME\"",
            ),
            (
                entry(
                    "ONE",
                    "sesame-open",
                    "principal = \"root\"\naccount = \"12\"",
                ),
                "keys.toml, line 5: access key `ONE`: an account has twelve digits",
            ),
            (
                format!("{good}{good}"),
                "keys.toml, line 6: access key `ONE`: the id is taken by an earlier key of the \
                 file",
            ),
            (
                String::new(),
                "keys.toml holds no access key, so nobody could call; add one under [[keys]]",
            ),
        ] {
            let error = parsed(&text).unwrap_err().to_string();
            assert_eq!(error, expected);
            assert!(
                !error.contains("sesame") && !error.contains("1234"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_file_of_keys_is_told_with_its_line() {
        for text in [
            "[[keys]]\naccess_key_id = \"ONE\"\n",
            "[[keys]]\nsecret = \"sesame-open\"\n",
            "keys = 1",
            "[[keys\n",
        ] {
            let error = parsed(text).unwrap_err().to_string();
            assert!(error.starts_with("keys.toml, line "), "{error}");
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}
