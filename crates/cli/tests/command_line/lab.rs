//! A folder with a `lambdalab` of its own.

#![expect(
    clippy::unwrap_used,
    reason = "part of the tests, where a surprise is a failure"
)]

use std::path::PathBuf;
use std::process::{Command, Output};

use control::EngineFile;
use tempfile::TempDir;

/// A folder, its data folder, and whatever engine runs for it; all gone at the end.
pub(crate) struct Lab {
    folder: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn engine_file(&self) -> PathBuf {
        EngineFile::path(&self.data_dir())
    }

    /// Where the engine of this folder answers.
    pub(crate) fn endpoint(&self) -> String {
        EngineFile::read(&self.data_dir())
            .unwrap()
            .unwrap()
            .endpoint
    }

    /// A command in this folder that knows nothing of the surroundings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambdalab"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("LAMBDALAB_HOME", self.data_dir());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Also after a test that failed half-way.
        let _ = self.command(&["down"]).output();
    }
}
