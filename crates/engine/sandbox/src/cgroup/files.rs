//! Reading and writing control files.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Writes a value in one call, as the kernel wants it. Never creates the file.
pub(crate) fn write(path: &Path, value: &impl Display) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(value.to_string().as_bytes())
}

/// Reads the number behind `key` in a file of `key value` lines.
pub(crate) fn read_key(path: &Path, key: &str) -> io::Result<Option<u64>> {
    Ok(find_key(&read(path)?, key))
}

/// The number behind `key` in a text of `key value` lines.
pub(crate) fn find_key(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?
        .trim()
        .parse()
        .ok()
}

/// Reads a control file. `std::fs::read_to_string` would ask for its size first, which is a lie.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::with_capacity(256);
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// `None` for a file that is not there.
pub(crate) fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A control file of a group that was removed while it was open.
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}
