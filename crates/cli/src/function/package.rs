//! A function's code, from a file, a folder or standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use lab_aws::pack_folder;

use crate::error::CliError;

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct NeededPackage {
    /// The package, a zip; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    zip: Option<PathBuf>,
    /// A folder to pack
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct PackageArguments {
    /// The new package, a zip; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    zip: Option<PathBuf>,
    /// A folder to pack
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl NeededPackage {
    /// The zip.
    pub(crate) fn read(&self) -> Result<Vec<u8>, CliError> {
        Ok(read(self.zip.as_deref(), self.dir.as_deref())?.unwrap_or_default())
    }
}

impl PackageArguments {
    /// The zip, where one is named.
    pub(crate) fn read(&self) -> Result<Option<Vec<u8>>, CliError> {
        read(self.zip.as_deref(), self.dir.as_deref())
    }
}

fn read(zip: Option<&Path>, dir: Option<&Path>) -> Result<Option<Vec<u8>>, CliError> {
    match (zip, dir) {
        (Some(file), _) => read_file(file).map(Some),
        (None, Some(folder)) => Ok(Some(pack_folder(folder)?)),
        (None, None) => Ok(None),
    }
}

/// Reads a file; `-` is standard input.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    let named = |what: &str| {
        let what = what.to_owned();
        move |source: io::Error| CliError::Input { what, source }
    };
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(named("standard input"))?;
        return Ok(bytes);
    }
    fs::read(path).map_err(named(&path.display().to_string()))
}
