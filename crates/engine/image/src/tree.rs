//! The folder that an image is unpacked into.
//!
//! Layers are somebody else's: a link in one may lead anywhere, and an entry of the next may lie
//! behind it. So no path of a layer is ever resolved by us or from the host's root. The kernel does
//! it, by `openat2` with `RESOLVE_IN_ROOT`, as if the folder were the root: what is absolute begins
//! there, and what climbs out stays inside. Whatever is made or removed is then named by the folder
//! that it lies in and one name, which no link can redirect.
//!
//! Owners, set-user-id bits and attributes are not taken over: on Lambda every file is the function's
//! to read by what others may, and nobody's to write.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT,
};
use rustix::io::Errno;

use crate::error::{ImageError, LayerError};
use crate::limits::{ENTRIES, UNPACKED_BYTES};
use crate::tarball::{Entry, Kind, shown};

/// What a layer puts before the name of something that it removes.
const WHITEOUT: &[u8] = b".wh.";
/// The name by which it removes all that the layers below have in a folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What other names of that kind begin with: the notes of one storage driver.
const NOTES: &[u8] = b".wh..wh.";

/// How often a path is resolved anew when something else on the host moves meanwhile.
const ATTEMPTS: usize = 1_000;

/// The mode of folders that no layer says anything about.
const FOLDER_MODE: u32 = 0o755;

/// Folders that environments mount something over.
const MOUNT_POINTS: [&str; 4] = ["dev", "proc", "sys", "tmp"];

/// Files of the same kind, in a folder that must be the image's own.
const MOUNTED_FILES: [&str; 3] = ["hosts", "passwd", "resolv.conf"];

/// A folder in which an image grows, layer by layer.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    path: PathBuf,
    /// The folder that was last put into: neighbours follow one another in archives.
    last: Option<(Vec<OsString>, Arc<Folder>)>,
    /// What the present layer has put where: what it removes is what lay there before.
    fresh: HashSet<(u64, OsString)>,
    bytes: u64,
    entries: u64,
}

/// A folder inside.
#[derive(Debug)]
struct Folder {
    descriptor: OwnedFd,
    inode: u64,
}

impl Folder {
    /// A path to it for what takes no descriptors.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.descriptor.as_raw_fd()))
    }

    fn kind_of(&self, name: &OsStr) -> io::Result<Option<FileType>> {
        match rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(Some(FileType::from_raw_mode(status.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a folder. Its mode is set by itself, for the engine's umask is none of the image's.
    fn make(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        rustix::fs::mkdirat(&self.descriptor, name, Mode::RWXU)?;
        self.set_mode(name, mode)
    }

    /// Sets the mode of what bears the name, which is no link.
    fn set_mode(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        Ok(rustix::fs::chmodat(
            &self.descriptor,
            name,
            mode,
            AtFlags::empty(),
        )?)
    }

    /// Removes what bears the name, with all that is in it.
    fn remove(&self, name: &OsStr) -> io::Result<()> {
        match self.kind_of(name)? {
            None => Ok(()),
            Some(FileType::Directory) => fs::remove_dir_all(self.path().join(name)),
            Some(_) => Ok(rustix::fs::unlinkat(
                &self.descriptor,
                name,
                AtFlags::empty(),
            )?),
        }
    }
}

impl Tree {
    /// An image that grows in the folder `path`, which is there.
    pub(crate) fn open(path: &Path) -> Result<Self, ImageError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|error| ImageError::at(path)(error.into()))?;
        Ok(Self {
            root,
            path: path.to_owned(),
            last: None,
            fresh: HashSet::new(),
            bytes: 0,
            entries: 0,
        })
    }

    /// From now on comes the next layer.
    pub(crate) fn begin_layer(&mut self) {
        self.fresh.clear();
    }

    /// Puts an entry of a layer in its place.
    pub(crate) fn place(&mut self, entry: Entry<'_>) -> Result<(), LayerError> {
        let name = shown(&entry.name);
        self.entries += 1;
        if self.entries > ENTRIES {
            return Err(LayerError::TooLarge {
                limit: ENTRIES,
                what: "files",
            });
        }
        let mut way = components(&entry.name)?;
        // The root itself.
        let Some(last) = way.pop() else {
            return Ok(());
        };
        self.put(entry, way, last).map_err(|error| match error {
            LayerError::Io(source) => LayerError::Entry { name, source },
            other => other,
        })
    }

    fn put(
        &mut self,
        entry: Entry<'_>,
        way: Vec<OsString>,
        name: OsString,
    ) -> Result<(), LayerError> {
        if name.as_bytes().starts_with(WHITEOUT) {
            return self.white_out(&way, &name);
        }
        if entry.kind == Kind::Special {
            return Ok(());
        }
        let target = match &entry.kind {
            Kind::Hardlink(target) => {
                let mut way = components(target)?;
                let last = way.pop().ok_or_else(|| LayerError::Name(shown(target)))?;
                let folder = self.find(&way)?;
                let missing = || LayerError::Io(io::ErrorKind::NotFound.into());
                Some((folder.ok_or_else(missing)?, last))
            }
            _ => None,
        };
        let folder = self.folder(way)?;
        let present = folder.kind_of(&name)?;
        let stays = entry.kind == Kind::Folder && present == Some(FileType::Directory);
        if present.is_some() && !stays {
            folder.remove(&name)?;
            self.last = None;
        }
        let at = &folder.descriptor;
        match (entry.kind, target) {
            (Kind::Folder, _) => {
                // The owner may always: it is the engine, which removes the image one day.
                let mode = (entry.mode & 0o1777) | 0o700;
                if stays {
                    folder.set_mode(&name, mode)?;
                } else {
                    folder.make(&name, mode)?;
                }
            }
            (Kind::File, _) => {
                self.write(&folder, &name, (entry.mode, entry.modified), entry.content)?;
            }
            (Kind::Symlink(target), _) => {
                rustix::fs::symlinkat(OsStr::from_bytes(&target), at, &name)
                    .map_err(io::Error::from)?;
            }
            (Kind::Hardlink(_), Some((source, last))) => {
                let flags = AtFlags::empty();
                rustix::fs::linkat(&source.descriptor, &last, at, &name, flags)
                    .map_err(io::Error::from)?;
            }
            (Kind::Hardlink(_), None) | (Kind::Special, _) => {}
        }
        self.fresh.insert((folder.inode, name));
        Ok(())
    }

    fn write(
        &mut self,
        folder: &Folder,
        name: &OsStr,
        (mode, modified): (u32, i64),
        content: &mut dyn Read,
    ) -> Result<(), LayerError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder.descriptor, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(io::Error::from)?;
        let mut file = fs::File::from(file);
        // What there is counts, not what the header says.
        let room = UNPACKED_BYTES - self.bytes;
        self.bytes += io::copy(&mut content.take(room + 1), &mut file)?;
        if self.bytes > UNPACKED_BYTES {
            return Err(LayerError::TooLarge {
                limit: UNPACKED_BYTES,
                what: "bytes",
            });
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o777)).map_err(io::Error::from)?;
        // Interpreters compare it with what they have compiled.
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: modified,
                tv_nsec: 0,
            },
        };
        Ok(rustix::fs::futimens(&file, &times).map_err(io::Error::from)?)
    }

    /// Removes what a whiteout names, as far as it comes from the layers below.
    fn white_out(&mut self, way: &[OsString], name: &OsStr) -> Result<(), LayerError> {
        let Some(folder) = self.find(way)? else {
            return Ok(());
        };
        self.last = None;
        let name = name.as_bytes();
        if name == OPAQUE {
            return self.empty(&folder);
        }
        if name.starts_with(NOTES) {
            return Ok(());
        }
        let hidden = name.strip_prefix(WHITEOUT).unwrap_or_default();
        if hidden.is_empty() || hidden == b"." || hidden == b".." {
            return Err(LayerError::Escapes(shown(name)));
        }
        let hidden = OsStr::from_bytes(hidden);
        if !self.fresh.contains(&(folder.inode, hidden.to_owned())) {
            folder.remove(hidden)?;
        }
        Ok(())
    }

    /// Removes all that the layers below have in a folder and below it.
    fn empty(&self, folder: &Folder) -> Result<(), LayerError> {
        for entry in fs::read_dir(folder.path())? {
            let name = entry?.file_name();
            if !self.fresh.contains(&(folder.inode, name.clone())) {
                folder.remove(&name)?;
            } else if folder.kind_of(&name)? == Some(FileType::Directory) {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let inner = rustix::fs::openat(&folder.descriptor, &name, flags, Mode::empty())
                    .map_err(io::Error::from)?;
                self.empty(&named(inner)?)?;
            }
        }
        Ok(())
    }

    /// The folder that a path leads to, if it leads to one.
    fn find(&self, way: &[OsString]) -> Result<Option<Arc<Folder>>, LayerError> {
        if let Some((last, folder)) = &self.last
            && last == way
        {
            return Ok(Some(Arc::clone(folder)));
        }
        match resolve(&self.root, way) {
            Ok(found) => Ok(Some(Arc::new(named(found)?))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// The same, and makes what is missing.
    fn folder(&mut self, way: Vec<OsString>) -> Result<Arc<Folder>, LayerError> {
        if let Some((last, folder)) = &self.last
            && *last == way
        {
            return Ok(Arc::clone(folder));
        }
        let mut folder = named(resolve(&self.root, &[]).map_err(io::Error::from)?)?;
        for (length, name) in (1..).zip(&way) {
            let part = way.get(..length).unwrap_or_default();
            let next = match resolve(&self.root, part) {
                Err(Errno::NOENT) => {
                    folder.make(name, FOLDER_MODE)?;
                    resolve(&self.root, part)
                }
                found => found,
            };
            // What lies in it is this layer's, so it must not go with what was there before.
            self.fresh.insert((folder.inode, name.clone()));
            folder = named(next.map_err(io::Error::from)?)?;
        }
        let folder = Arc::new(folder);
        self.last = Some((way, Arc::clone(&folder)));
        Ok(folder)
    }

    /// Makes sure of what environments mount something over.
    pub(crate) fn finish(self) -> Result<(), ImageError> {
        let prepare = || {
            fs::set_permissions(&self.path, PermissionsExt::from_mode(FOLDER_MODE))?;
            let root = named(resolve(&self.root, &[])?)?;
            for name in MOUNT_POINTS {
                if root.kind_of(name.as_ref())? != Some(FileType::Directory) {
                    root.remove(name.as_ref())?;
                    root.make(name.as_ref(), FOLDER_MODE)?;
                }
            }
            let etc = OsStr::new("etc");
            match root.kind_of(etc)? {
                Some(FileType::Directory) => {}
                None => root.make(etc, FOLDER_MODE)?,
                Some(_) => return Err(io::Error::other("the image's /etc is no folder")),
            }
            let etc = named(resolve(&self.root, &[etc.to_owned()])?)?;
            for name in MOUNTED_FILES {
                if etc.kind_of(name.as_ref())? != Some(FileType::RegularFile) {
                    etc.remove(name.as_ref())?;
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                    rustix::fs::openat(&etc.descriptor, name, flags, Mode::RUSR | Mode::WUSR)?;
                    etc.set_mode(name.as_ref(), 0o644)?;
                }
            }
            Ok(())
        };
        prepare().map_err(ImageError::at(&self.path))
    }
}

fn named(descriptor: OwnedFd) -> io::Result<Folder> {
    let inode = rustix::fs::fstat(&descriptor)?.st_ino;
    Ok(Folder { descriptor, inode })
}

/// Opens the folder that a path leads to inside `root`, following links as if that were the root.
fn resolve(root: &OwnedFd, way: &[OsString]) -> Result<OwnedFd, Errno> {
    let path: PathBuf = way.iter().collect();
    let path = if way.is_empty() {
        Path::new(".")
    } else {
        &path
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    inside(root, path, flags)
}

/// Opens what a path leads to inside `root`.
pub(crate) fn inside(root: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    for _ in 0..ATTEMPTS {
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            // Something was renamed or mounted somewhere, so that `..` could not be trusted.
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// The parts of a name in an archive: none is empty, `.` or `..`.
fn components(name: &[u8]) -> Result<Vec<OsString>, LayerError> {
    let mut parts = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(LayerError::Escapes(shown(name))),
            part if part.contains(&0) => return Err(LayerError::Name(shown(name))),
            part => parts.push(OsString::from_vec(part.to_owned())),
        }
    }
    Ok(parts)
}

#[cfg(test)]
#[path = "tree/tests.rs"]
mod tests;
