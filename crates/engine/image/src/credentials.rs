//! Credentials for registries, from a file as `docker login` writes it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Credentials by registry.
#[derive(Clone, Default)]
pub struct Credentials {
    by_registry: BTreeMap<String, (String, String)>,
}

/// Why a file of credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not what `docker login` writes.
    #[error("{} is not a file as `docker login` writes it: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It keeps a registry's credentials elsewhere, or in another way.
    #[error(
        "{} has no user and password for {registry}: credential helpers are not asked; log in with \
         a file of its own, as by `docker --config FOLDER login`",
        path.display()
    )]
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// The registry.
        registry: String,
    },
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    auth: String,
}

impl Credentials {
    /// Reads a `config.json` of Docker's or an `auth.json` of Podman's.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn read(path: &Path) -> Result<Self, CredentialsError> {
        let text = std::fs::read(path).map_err(|source| CredentialsError::File {
            path: path.to_owned(),
            source,
        })?;
        let file: File =
            serde_json::from_slice(&text).map_err(|source| CredentialsError::Format {
                path: path.to_owned(),
                source,
            })?;
        let mut by_registry = BTreeMap::new();
        for (registry, login) in file.auths {
            let host = host_of(&registry);
            let login = login.pair().ok_or_else(|| CredentialsError::Elsewhere {
                path: path.to_owned(),
                registry: host.clone(),
            })?;
            by_registry.insert(host, login);
        }
        Ok(Self { by_registry })
    }

    /// User and password for a registry.
    pub(crate) fn of(&self, registry: &str) -> Option<&(String, String)> {
        self.by_registry.get(registry)
    }
}

impl Login {
    fn pair(&self) -> Option<(String, String)> {
        let text = String::from_utf8(STANDARD.decode(&self.auth).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }
}

/// The host, where a registry is written as an address.
fn host_of(registry: &str) -> String {
    let (_, rest) = registry.split_once("://").unwrap_or(("", registry));
    rest.split('/').next().unwrap_or_default().to_owned()
}

impl fmt::Debug for Credentials {
    /// Names the registries alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_registry.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Credentials, CredentialsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        Credentials::read(&path)
    }

    #[test]
    fn logins_are_found_by_host() {
        let auth = STANDARD.encode("AWS:token:with:colons");
        let text = format!(
            r#"{{"auths": {{"https://a.example/v1/": {{"auth": "{auth}"}}, "b:5000": {{"auth": "{auth}"}}}}}}"#
        );
        let credentials = read(&text).unwrap();
        let login = ("AWS".to_owned(), "token:with:colons".to_owned());
        assert_eq!(credentials.of("a.example"), Some(&login));
        assert_eq!(credentials.of("b:5000"), Some(&login));
        assert_eq!(credentials.of("b"), None);
        assert!(!format!("{credentials:?}").contains("token"));
    }

    #[test]
    fn a_file_without_passwords_is_refused() {
        let refused = read(r#"{"auths": {"a.example": {}}, "credsStore": "desktop"}"#).unwrap_err();
        assert!(refused.to_string().contains("a.example"), "{refused}");
        assert!(read("no json").is_err());
        assert!(read("{}").is_ok());
    }
}
