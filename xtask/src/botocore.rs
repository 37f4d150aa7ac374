//! The installed package botocore, and the service models in it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;

use crate::model::Model;

/// Where botocore is, and which one it is.
#[derive(Debug)]
pub struct Botocore {
    package: PathBuf,
    /// Its version, as it says itself.
    pub version: String,
}

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BotocoreError {
    /// No Python on this machine has it.
    #[error(
        "botocore is not installed: `python3 -m venv .venv && .venv/bin/pip install \
         botocore=={pinned}`, or name its folder with --botocore"
    )]
    Missing {
        /// The version to install.
        pinned: String,
    },
    /// The folder is not the package.
    #[error("{0} is not the package botocore: it has no __init__.py that names its version")]
    NotBotocore(String),
    /// It is another one than the pinned one.
    #[error("botocore is {found}, but xtask/served.toml pins {pinned}: install that one")]
    Version {
        /// The version that is installed.
        found: String,
        /// The version that is pinned.
        pinned: String,
    },
    /// The model is not there or not readable.
    #[error("cannot read the model {path}: {reason}")]
    Model {
        /// Its file.
        path: String,
        /// What went wrong.
        reason: String,
    },
}

impl Botocore {
    /// The package in the folder `package`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn at(package: PathBuf) -> Result<Self, BotocoreError> {
        let init = std::fs::read_to_string(package.join("__init__.py")).unwrap_or_default();
        let version = init
            .lines()
            .find_map(|line| line.strip_prefix("__version__ = "))
            .map(|quoted| quoted.trim().trim_matches(['\'', '"']).to_owned())
            .ok_or_else(|| BotocoreError::NotBotocore(package.display().to_string()))?;
        Ok(Self { package, version })
    }

    /// The package of the workspace's virtual environment, or else of `python3`.
    ///
    /// # Errors
    /// When neither has it; `pinned` is the version to install then.
    pub fn find(root: &Path, pinned: &str) -> Result<Self, BotocoreError> {
        let pythons = [root.join(".venv/bin/python"), PathBuf::from("python3")];
        pythons
            .iter()
            .find_map(|python| {
                let output = Command::new(python)
                    .args(["-c", "import botocore; print(botocore.__file__)"])
                    .output()
                    .ok()
                    .filter(|output| output.status.success())?;
                let init = String::from_utf8(output.stdout).ok()?;
                Path::new(init.trim()).parent().map(Path::to_path_buf)
            })
            .map_or_else(
                || {
                    Err(BotocoreError::Missing {
                        pinned: pinned.to_owned(),
                    })
                },
                Self::at,
            )
    }

    /// Refuses another version than `pinned`.
    ///
    /// # Errors
    /// When it is another one.
    pub fn require(&self, pinned: &str) -> Result<(), BotocoreError> {
        if self.version == pinned {
            return Ok(());
        }
        Err(BotocoreError::Version {
            found: self.version.clone(),
            pinned: pinned.to_owned(),
        })
    }

    /// The model of `service`.
    ///
    /// # Errors
    /// When the package has no readable one.
    pub fn model(&self, service: &str, api_version: &str) -> Result<Model, BotocoreError> {
        let path = self
            .package
            .join("data")
            .join(service)
            .join(api_version)
            .join("service-2.json.gz");
        let fail = |reason: String| BotocoreError::Model {
            path: path.display().to_string(),
            reason,
        };
        let file = File::open(&path).map_err(|error| fail(error.to_string()))?;
        serde_json::from_reader(GzDecoder::new(file)).map_err(|error| fail(error.to_string()))
    }
}
