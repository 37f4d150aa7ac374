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
