//! Code as Lambda takes it: a zip of a folder, the same bytes every time.
//!
//! Entries are sorted and carry one fixed time and one of two modes, so that the same files give
//! the same `CodeSha256` on every machine. What is no code (`__pycache__`, `.git`) stays out, and
//! a link that leads out of the folder is refused rather than followed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Names that are left out wherever they occur.
const SKIPPED: [&str; 5] = ["__pycache__", ".git", ".lambdalab", ".venv", ".DS_Store"];

/// Why a folder could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It holds more than a function may.
    #[error("{} holds more than {UNZIPPED_LIMIT} bytes, the most that a function may have", .0.display())]
    TooLarge(PathBuf),
    /// The file system refused.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Nothing to pack.
    #[error("{0} holds no file to pack")]
    Empty(PathBuf),
    /// Not a folder.
    #[error("{0} is not a folder")]
    NotAFolder(PathBuf),
    /// A link that leads elsewhere.
    #[error(
        "{link} leads out of {folder}, to {destination}: copy what it points to into the folder"
    )]
    Escapes {
        /// The link.
        link: PathBuf,
        /// The folder that is packed.
        folder: PathBuf,
        /// Where it leads.
        destination: PathBuf,
    },
    /// A name that a zip cannot carry.
    #[error("the name of {0} is not valid UTF-8")]
    Name(PathBuf),
    /// Neither a file nor a folder.
    #[error("{0} is neither a file nor a folder")]
    Special(PathBuf),
    /// The archive could not be written.
    #[error("cannot pack {path}: {source}")]
    Zip {
        /// The file that was being packed.
        path: String,
        /// The reason.
        source: zip::result::ZipError,
    },
}

/// What a function and its layers may unpack to.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const UNZIPPED_LIMIT: u64 = 262_144_000;

/// One file of an archive.
struct Entry {
    content: Vec<u8>,
    executable: bool,
}

/// Packs a folder.
///
/// # Errors
/// The folder cannot be read, is empty, or holds something that has no place in a package.
pub fn pack_folder(folder: &Path) -> Result<Vec<u8>, ArchiveError> {
    if !folder.is_dir() {
        return Err(ArchiveError::NotAFolder(folder.to_owned()));
    }
    let root = canonical(folder)?;
    let mut walk = Walk {
        folder,
        root: &root,
        entries: BTreeMap::new(),
        above: vec![root.clone()],
        left: UNZIPPED_LIMIT,
    };
    walk.folder(folder, "")?;
    if walk.entries.is_empty() {
        return Err(ArchiveError::Empty(folder.to_owned()));
    }
    write(&walk.entries)
}

/// Packs files that are given by name and content.
///
/// # Errors
/// A name is longer than a zip can carry.
pub fn pack_files(files: &[(&str, &[u8])]) -> Result<Vec<u8>, ArchiveError> {
    let entry = |content: &[u8]| Entry {
        content: content.to_vec(),
        executable: false,
    };
    let entries = files
        .iter()
        .map(|(name, content)| ((*name).to_owned(), entry(content)))
        .collect();
    write(&entries)
}

struct Walk<'a> {
    folder: &'a Path,
    root: &'a Path,
    entries: BTreeMap<String, Entry>,
    /// The real folders that are being walked, so that a link to one of them cannot loop.
    above: Vec<PathBuf>,
    /// How many bytes may still come.
    left: u64,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, prefix: &str) -> Result<(), ArchiveError> {
        for item in fs::read_dir(path).map_err(|source| io_error(path, source))? {
            let item = item.map_err(|source| io_error(path, source))?;
            let path = item.path();
            let name = item
                .file_name()
                .into_string()
                .map_err(|_| ArchiveError::Name(path.clone()))?;
            if SKIPPED.contains(&name.as_str()) || has_extension(&name, "pyc") {
                continue;
            }
            self.item(&path, format!("{prefix}{name}"))?;
        }
        Ok(())
    }

    fn item(&mut self, path: &Path, name: String) -> Result<(), ArchiveError> {
        let real = canonical(path)?;
        if !real.starts_with(self.root) {
            return Err(ArchiveError::Escapes {
                link: path.to_owned(),
                folder: self.folder.to_owned(),
                destination: real,
            });
        }
        let metadata = fs::metadata(&real).map_err(|source| io_error(path, source))?;
        if metadata.is_dir() {
            if self.above.contains(&real) {
                return Ok(());
            }
            self.above.push(real);
            self.folder(path, &format!("{name}/"))?;
            self.above.pop();
        } else if metadata.is_file() {
            let left = self.left.checked_sub(metadata.len());
            self.left = left.ok_or_else(|| ArchiveError::TooLarge(self.folder.to_owned()))?;
            let content = fs::read(&real).map_err(|source| io_error(path, source))?;
            let executable = is_executable(&metadata);
            self.entries.insert(
                name,
                Entry {
                    content,
                    executable,
                },
            );
        } else {
            return Err(ArchiveError::Special(path.to_owned()));
        }
        Ok(())
    }
}

fn write(entries: &BTreeMap<String, Entry>) -> Result<Vec<u8>, ArchiveError> {
    let failed = |path: &str, source| ArchiveError::Zip {
        path: path.to_owned(),
        source,
    };
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, entry) in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(if entry.executable { 0o755 } else { 0o644 });
        archive
            .start_file(name.as_str(), options)
            .map_err(|source| failed(name, source))?;
        archive
            .write_all(&entry.content)
            .map_err(|source| failed(name, source.into()))?;
    }
    let bytes = archive
        .finish()
        .map_err(|source| failed("the end", source))?;
    Ok(bytes.into_inner())
}

fn canonical(path: &Path) -> Result<PathBuf, ArchiveError> {
    fs::canonicalize(path).map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Io {
        path: path.to_owned(),
        source,
    }
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == extension)
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn put(folder: &Path, name: &str, content: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn names(bytes: &[u8]) -> Vec<String> {
        let archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        archive
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect()
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = [("b.py", "b"), ("a/x.py", "x"), ("a/y.py", "y"), ("c", "c")];
        for (name, content) in files {
            put(one.path(), name, content);
        }
        for (name, content) in files.iter().rev() {
            put(two.path(), name, content);
        }
        put(two.path(), "a/__pycache__/x.pyc", "noise");
        put(two.path(), "a/z.pyc", "noise");
        put(two.path(), ".git/HEAD", "noise");
        let packed = pack_folder(one.path()).unwrap();
        assert_eq!(packed, pack_folder(two.path()).unwrap());
        let expected = ["a/x.py", "a/y.py", "b.py", "c"];
        assert_eq!(names(&packed), expected);
        assert_eq!(
            packed,
            pack_files(&[
                ("c", b"c"),
                ("b.py", b"b"),
                ("a/y.py", b"y"),
                ("a/x.py", b"x")
            ])
            .unwrap()
        );
    }

    #[test]
    fn content_and_mode_arrive() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "bootstrap", "#!/bin/sh\n");
        let path = folder.path().join("bootstrap");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        put(folder.path(), "data.txt", "data");
        let packed = pack_folder(folder.path()).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(packed)).unwrap();
        let mut text = String::new();
        {
            let mut bootstrap = archive.by_name("bootstrap").unwrap();
            assert_eq!(bootstrap.unix_mode().unwrap() & 0o777, 0o755);
            bootstrap.read_to_string(&mut text).unwrap();
        }
        assert_eq!(text, "#!/bin/sh\n");
        let data = archive.by_name("data.txt").unwrap();
        assert_eq!(data.unix_mode().unwrap() & 0o777, 0o644);
    }

    #[test]
    fn links_stay_inside() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "real/x.py", "x");
        symlink("real/x.py", folder.path().join("inside.py")).unwrap();
        symlink("..", folder.path().join("real/loop")).unwrap();
        let packed = pack_folder(folder.path()).unwrap();
        assert_eq!(names(&packed), ["inside.py", "real/x.py"]);

        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        symlink(elsewhere.path(), folder.path().join("outside")).unwrap();
        let error = pack_folder(folder.path()).unwrap_err();
        assert!(matches!(error, ArchiveError::Escapes { .. }), "{error}");
    }

    #[test]
    fn nothing_to_pack_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let empty = pack_folder(folder.path()).unwrap_err();
        assert!(matches!(empty, ArchiveError::Empty(_)), "{empty}");
        let absent = pack_folder(&folder.path().join("absent")).unwrap_err();
        assert!(matches!(absent, ArchiveError::NotAFolder(_)), "{absent}");
    }

    #[test]
    fn a_folder_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let large = fs::File::create(folder.path().join("model.bin")).unwrap();
        large.set_len(UNZIPPED_LIMIT + 1).unwrap();
        let refused = pack_folder(folder.path()).unwrap_err();
        assert!(matches!(refused, ArchiveError::TooLarge(_)), "{refused}");
    }
}
