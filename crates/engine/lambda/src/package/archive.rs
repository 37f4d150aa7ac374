//! Zip archives from outside: measured before they are believed, and unpacked only inside their
//! folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

/// The most that a package may hold unpacked, in bytes.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
pub(crate) const UNZIPPED_LIMIT: u64 = 262_144_000;

/// The most entries that a package may have: more is a bomb, not a function.
const ENTRY_LIMIT: usize = 200_000;

/// Longest link target that is followed.
const LINK_LIMIT: u64 = 4_096;

/// Why a package was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// It holds nothing.
    #[error("Uploaded file must be a non-empty zip")]
    Empty,
    /// It is no zip archive, or a damaged one, or holds an entry that must not be unpacked.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again.")]
    Unreadable {
        /// For the engine's log.
        reason: String,
    },
    /// It unpacks to more than a function may have.
    #[error("Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes")]
    TooLarge,
    /// The engine's own disk refuses.
    #[error("cannot unpack to {path}: {source}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

fn unreadable(reason: impl std::fmt::Display) -> ArchiveError {
    ArchiveError::Unreadable {
        reason: reason.to_string(),
    }
}

impl From<ZipError> for ArchiveError {
    fn from(error: ZipError) -> Self {
        unreadable(error)
    }
}

/// Checks a package as far as its directory goes: every entry stays inside, the declared sizes fit.
/// Returns how many bytes it declares to hold unpacked; [`unpack`] holds it to that.
///
/// # Errors
/// See [`ArchiveError`].
pub(crate) fn check<R: Read + Seek>(source: R) -> Result<u64, ArchiveError> {
    let mut archive = open(source)?;
    let mut total = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        inside(&entry)?;
        total = total.saturating_add(entry.size());
        if total >= UNZIPPED_LIMIT {
            return Err(ArchiveError::TooLarge);
        }
    }
    Ok(total)
}

fn open<R: Read + Seek>(mut source: R) -> Result<ZipArchive<R>, ArchiveError> {
    if source.seek(SeekFrom::End(0)).map_err(unreadable)? == 0 {
        return Err(ArchiveError::Empty);
    }
    let archive = ZipArchive::new(source)?;
    if archive.is_empty() {
        return Err(ArchiveError::Empty);
    }
    if archive.len() > ENTRY_LIMIT {
        return Err(unreadable(format!(
            "{} entries; at most {ENTRY_LIMIT}",
            archive.len()
        )));
    }
    Ok(archive)
}

/// The entry's path, which must not lead out of the archive, not even on its way.
fn inside<R: Read + ?Sized>(entry: &ZipFile<'_, R>) -> Result<PathBuf, ArchiveError> {
    let name = std::str::from_utf8(entry.name_raw()).ok().map(Path::new);
    let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let harmless = |name: &&Path| {
        name.components().all(stays) && !name.as_os_str().as_encoded_bytes().contains(&0)
    };
    match name.filter(harmless) {
        Some(name) => Ok(name.to_owned()),
        None => {
            let name = String::from_utf8_lossy(entry.name_raw());
            Err(unreadable(format!(
                "the entry `{name}` leads out of the archive"
            )))
        }
    }
}

/// Why an entry cannot be written: names that no file system takes are the archive's fault.
fn disk(path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::AlreadyExists
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidFilename => unreadable(format!("{}: {source}", path.display())),
        _ => ArchiveError::Disk { path, source },
    }
}

/// Unpacks `source` into `folder`, which must be new. Sizes are counted as they are unpacked: an
/// entry that holds more or less than the directory declares is refused.
///
/// # Errors
/// See [`ArchiveError`]; `folder` then holds a part.
pub(crate) fn unpack<R: Read + Seek>(source: R, folder: &Path) -> Result<(), ArchiveError> {
    let mut archive = open(source)?;
    let mut left = UNZIPPED_LIMIT;
    let mut links = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let name = inside(&entry)?;
        let path = folder.join(&name);
        if entry.is_dir() {
            fs::create_dir_all(&path).map_err(disk(&path))?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(disk(parent))?;
        }
        if entry.is_symlink() {
            let mut target = String::new();
            (&mut entry)
                .take(LINK_LIMIT)
                .read_to_string(&mut target)
                .map_err(unreadable)?;
            links.push((name, PathBuf::from(target)));
            continue;
        }
        let mode = shared(entry.unix_mode().map_or(0o644, |mode| mode & 0o777));
        let declared = entry.size();
        left = left
            .checked_sub(declared)
            .filter(|left| *left > 0)
            .ok_or(ArchiveError::TooLarge)?;
        let mut file = create(&path, mode).map_err(disk(&path))?;
        let copied = io::copy(&mut (&mut entry).take(declared + 1), &mut file);
        let written = copied.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof => unreadable(error),
            _ => ArchiveError::Disk {
                path: path.clone(),
                source: error,
            },
        })?;
        if written != declared {
            return Err(unreadable(format!(
                "the entry `{}` does not have the size that it declares",
                name.display()
            )));
        }
    }
    // Links come last, so that no entry is ever written through one.
    for (name, target) in &links {
        link(folder, name, target)?;
    }
    check_links(folder, links.iter().map(|(name, _)| name.as_path()))
}

/// What the owner may read or execute, everybody may: functions are another user than the owner of
/// their files. On AWS too, and there they fail over files that are not; see [`private_file`].
fn shared(mode: u32) -> u32 {
    const OWNERS: u32 = 0o500;
    let owners = (mode | 0o400) & OWNERS;
    mode | owners | owners >> 3 | owners >> 6
}

/// The first file, if there is one, that not everybody may read.
///
/// # Errors
/// See [`ArchiveError`].
pub(crate) fn private_file<R: Read + Seek>(source: R) -> Result<Option<String>, ArchiveError> {
    let mut archive = open(source)?;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        if entry.is_file() && entry.unix_mode().is_some_and(|mode| mode & 0o004 == 0) {
            let name = String::from_utf8_lossy(entry.name_raw());
            return Ok(Some(name.into_owned()));
        }
    }
    Ok(None)
}

/// The second lock on the same door: wherever the links of these names lead, they end inside
/// `folder`.
///
/// # Errors
/// See [`ArchiveError`].
pub(super) fn check_links<'n>(
    folder: &Path,
    links: impl Iterator<Item = &'n Path>,
) -> Result<(), ArchiveError> {
    let root = fs::canonicalize(folder).map_err(|source| ArchiveError::Disk {
        path: folder.to_owned(),
        source,
    })?;
    for name in links {
        let end = fs::canonicalize(folder.join(name));
        if end.is_ok_and(|end| !end.starts_with(&root)) {
            return Err(leads_out(name));
        }
    }
    Ok(())
}

fn leads_out(link: &Path) -> ArchiveError {
    unreadable(format!(
        "the link `{}` leads out of the archive",
        link.display()
    ))
}

#[cfg(unix)]
fn create(path: &Path, mode: u32) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
}

#[cfg(not(unix))]
fn create(path: &Path, _mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
}

/// Makes a link, if what it points to lies inside the archive. It may go up only at its beginning:
/// behind a name, which may be another link's, `..` could lead anywhere.
fn link(folder: &Path, name: &Path, target: &Path) -> Result<(), ArchiveError> {
    let mut above = name
        .parent()
        .map_or(0, |parent| parent.components().count());
    let mut descends = false;
    for component in target.components() {
        match component {
            Component::Normal(_) => descends = true,
            Component::CurDir => {}
            Component::ParentDir if above > 0 && !descends => above -= 1,
            _ => return Err(leads_out(name)),
        }
    }
    let path = folder.join(name);
    #[cfg(unix)]
    std::os::unix::fs::symlink(target, &path).map_err(disk(&path))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Cursor, Write};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn zipped(fill: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        fill(&mut writer);
        writer.finish().unwrap().into_inner()
    }

    fn plain() -> Vec<u8> {
        zipped(|zip| {
            let options = SimpleFileOptions::default().unix_permissions(0o755);
            zip.start_file("pkg/run.sh", options).unwrap();
            zip.write_all(b"#!/bin/sh\n").unwrap();
        })
    }

    #[test]
    fn unpacks_with_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = plain();
        check(Cursor::new(&bytes)).unwrap();
        unpack(Cursor::new(&bytes), folder.path()).unwrap();
        let file = folder.path().join("pkg/run.sh");
        assert_eq!(fs::read(&file).unwrap(), b"#!/bin/sh\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&file).unwrap().permissions().mode() & 0o111,
                0o111
            );
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_the_owner_may_do_everybody_may() {
        use std::os::unix::fs::PermissionsExt;
        let written = |mode| {
            let bytes = zipped(|zip| {
                let options = SimpleFileOptions::default().unix_permissions(mode);
                zip.start_file("main.py", options).unwrap();
            });
            let folder = tempfile::tempdir().unwrap();
            unpack(Cursor::new(&bytes), folder.path()).unwrap();
            let file = fs::metadata(folder.path().join("main.py")).unwrap();
            let told = private_file(Cursor::new(&bytes)).unwrap();
            (file.permissions().mode() & 0o555, told)
        };
        let private = Some("main.py".to_owned());
        assert_eq!(written(0o644), (0o444, None));
        assert_eq!(written(0o600), (0o444, private.clone()));
        assert_eq!(written(0o700), (0o555, private));
    }

    #[test]
    fn refuses_what_leads_out() {
        for name in ["../evil", "/etc/passwd", "a/../../evil"] {
            let bytes = zipped(|zip| {
                zip.start_file(name, SimpleFileOptions::default()).unwrap();
            });
            assert!(
                matches!(
                    check(Cursor::new(&bytes)),
                    Err(ArchiveError::Unreadable { .. })
                ),
                "{name}"
            );
        }
    }

    #[test]
    fn refuses_links_that_lead_out_and_keeps_those_that_do_not() {
        let linked = |target: &str| {
            zipped(|zip| {
                zip.start_file("pkg/file", SimpleFileOptions::default())
                    .unwrap();
                zip.add_symlink("pkg/link", target, SimpleFileOptions::default())
                    .unwrap();
            })
        };
        for target in ["/etc/shadow", "../../etc/shadow"] {
            let folder = tempfile::tempdir().unwrap();
            let outcome = unpack(Cursor::new(linked(target)), folder.path());
            assert!(
                matches!(outcome, Err(ArchiveError::Unreadable { .. })),
                "{target}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        unpack(Cursor::new(linked("../pkg/file")), folder.path()).unwrap();
        assert!(folder.path().join("pkg/link").is_file());
    }

    #[test]
    fn refuses_links_that_lead_out_by_way_of_others() {
        let bytes = zipped(|zip| {
            let options = SimpleFileOptions::default();
            zip.add_symlink("deep/a/b/s", "../../..", options).unwrap();
            zip.add_symlink("t", "deep/a/b/s/../../../..", options)
                .unwrap();
        });
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("code");
        fs::create_dir(&folder).unwrap();
        let outcome = unpack(Cursor::new(bytes), &folder);
        assert!(matches!(outcome, Err(ArchiveError::Unreadable { .. })));
    }

    #[test]
    fn an_entry_is_never_written_through_a_link() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let bytes = zipped(|zip| {
            let target = outside.path().to_str().unwrap();
            zip.add_symlink("d", target, SimpleFileOptions::default())
                .unwrap();
            zip.start_file("d/evil", SimpleFileOptions::default())
                .unwrap();
        });
        assert!(unpack(Cursor::new(bytes), folder.path()).is_err());
        assert!(!outside.path().join("evil").exists());
    }

    #[test]
    fn refuses_a_bomb() {
        let bytes = zipped(|zip| {
            let zeros = vec![0; 1 << 20];
            for n in 0..=(UNZIPPED_LIMIT >> 20) {
                zip.start_file(format!("{n}"), SimpleFileOptions::default())
                    .unwrap();
                zip.write_all(&zeros).unwrap();
            }
        });
        assert!(bytes.len() < 2 << 20, "it is a bomb: {} bytes", bytes.len());
        assert!(matches!(
            check(Cursor::new(&bytes)),
            Err(ArchiveError::TooLarge)
        ));
    }

    #[test]
    fn refuses_an_entry_that_holds_more_than_it_declares() {
        let mut bytes = zipped(|zip| {
            zip.start_file("zeros", SimpleFileOptions::default())
                .unwrap();
            zip.write_all(&vec![0; 100_000]).unwrap();
        });
        // Both headers, the entry's own and the directory's, hold the size.
        let size = 100_000_u32.to_le_bytes();
        let places: Vec<usize> = (0..bytes.len() - 4)
            .filter(|at| bytes[*at..*at + 4] == size)
            .collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        }
        assert_eq!(check(Cursor::new(&bytes)).unwrap(), 10);
        let folder = tempfile::tempdir().unwrap();
        let outcome = unpack(Cursor::new(&bytes), folder.path());
        assert!(matches!(outcome, Err(ArchiveError::Unreadable { .. })));
        let written = fs::metadata(folder.path().join("zeros")).unwrap().len();
        assert!(written <= 11, "{written}");
    }

    proptest! {
        #[test]
        fn garbage_is_refused_not_a_panic(cut in 0_usize..200, at in 0_usize..200, byte: u8) {
            let mut bytes = plain();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(length.saturating_sub(cut));
            let folder = tempfile::tempdir().unwrap();
            let _ = check(Cursor::new(&bytes));
            let _ = unpack(Cursor::new(bytes), folder.path());
        }
    }
}
