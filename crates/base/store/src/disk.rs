//! The few file operations that durability needs beyond what SQLite does itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Makes the entries of a folder durable: files created in it, renamed into it, deleted from it.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere than on Unix a folder cannot be opened for flushing; the file system journals it.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes a file's content over itself and flushes it; a file that does not exist is left alone.
///
/// After a flush has failed, Linux keeps the unwritten pages in its cache and calls them clean:
/// reading still shows them, flushing again reports success, and a power cut loses them. SQLite,
/// opening the file in the same boot, would take a log in that state for durable. Written anew,
/// the pages are dirty again and the flush means what it says.
///
/// Nobody else may have the file open: what they wrote meanwhile would be overwritten.
pub(crate) fn rewrite(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut buffer = vec![0; 256 * 1024];
    let mut position = 0;
    loop {
        file.seek(SeekFrom::Start(position))?;
        let length = file.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        file.seek(SeekFrom::Start(position))?;
        file.write_all(&buffer[..length])?;
        position += length as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewriting_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..700_001_u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        rewrite(&path).unwrap();
        assert!(std::fs::read(&path).unwrap() == content);
    }

    #[test]
    fn rewriting_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent");
        rewrite(&path).unwrap();
        assert!(!path.exists());
    }
}
