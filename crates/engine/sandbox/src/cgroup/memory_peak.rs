//! The highest charge of a memory control group.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::files::optional;

/// The control file that tells the highest charge so far, kept open: every invocation's report looks
/// at it.
#[derive(Debug)]
pub(crate) struct MemoryPeak {
    file: File,
}

impl MemoryPeak {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self { file })
    }

    /// The figure at the moment, in bytes; `None` once the group is gone.
    pub(crate) fn read(&self) -> io::Result<Option<u64>> {
        // A decimal `u64` and the end of the line are at most 21 bytes, which come in one piece.
        let mut text = [0; 32];
        let length = optional(self.file.read_at(&mut text, 0))?.unwrap_or_default();
        let text = text.get(..length).unwrap_or_default();
        let number = str::from_utf8(text).ok().map(str::trim);
        Ok(number.and_then(|number| number.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_reading_is_of_the_moment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory.peak");
        fs::write(&path, "4096\n").unwrap();
        let peak = MemoryPeak::open(&path).unwrap();
        assert_eq!(peak.read().unwrap(), Some(4096));
        assert_eq!(peak.read().unwrap(), Some(4096));
        fs::write(&path, format!("{}\n", u64::MAX)).unwrap();
        assert_eq!(peak.read().unwrap(), Some(u64::MAX));
        fs::write(&path, "max\n").unwrap();
        assert_eq!(peak.read().unwrap(), None);
    }
}
