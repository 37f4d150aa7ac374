//! `engine.json`: where a running engine answers.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Written into the data folder once the engine answers, removed when it stops.
///
/// A file may outlive its engine (`kill -9`), so a reader must still ask the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineFile {
    /// `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// The engine's process id.
    pub pid: u32,
    /// The engine's version.
    pub version: String,
}

/// Why `engine.json` could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum EngineFileError {
    /// The file system refused.
    #[error("cannot access {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The content is not what an engine writes.
    #[error("{path} is not an engine file: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
}

impl EngineFile {
    /// Where it lies in a data folder.
    #[must_use]
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("engine.json")
    }

    /// Reads it; `None` where no engine has written one.
    ///
    /// # Errors
    /// The file exists but cannot be read or understood.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, EngineFileError> {
        let path = Self::path(data_dir);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| EngineFileError::Malformed { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(EngineFileError::Io { path, source }),
        }
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// The data folder cannot be written.
    pub fn write(&self, data_dir: &Path) -> Result<(), EngineFileError> {
        let path = Self::path(data_dir);
        let draft = data_dir.join("engine.json.new");
        let attempt = || -> io::Result<()> {
            let mut file = fs::File::create(&draft)?;
            serde_json::to_writer(&mut file, self)?;
            file.write_all(b"\n")?;
            fs::rename(&draft, &path)
        };
        attempt().map_err(|source| EngineFileError::Io {
            path: path.clone(),
            source,
        })
    }

    /// Removes it, if it is there.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub fn remove(data_dir: &Path) -> Result<(), EngineFileError> {
        let path = Self::path(data_dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EngineFileError::Io {
                path,
                source: error,
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_written_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(EngineFile::read(folder.path()).unwrap(), None);
        let file = EngineFile {
            endpoint: "http://127.0.0.1:4566".into(),
            pid: 7,
            version: "0.1.0".into(),
        };
        file.write(folder.path()).unwrap();
        assert_eq!(EngineFile::read(folder.path()).unwrap(), Some(file));
        EngineFile::remove(folder.path()).unwrap();
        EngineFile::remove(folder.path()).unwrap();
        assert_eq!(EngineFile::read(folder.path()).unwrap(), None);
    }

    #[test]
    fn names_a_file_that_it_cannot_understand() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(EngineFile::path(folder.path()), "{").unwrap();
        let error = EngineFile::read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("engine.json"), "{error}");
    }
}
