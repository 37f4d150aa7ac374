//! The file system that an environment has at `/tmp`.
//!
//! It lies in a sparse file without a name, behind a loop device: what is written there is not
//! memory, it ends at the configured size, and the kernel takes file and device back as soon as
//! nobody has them open any more, however that comes about. The file system is made by the system's
//! own tool once for each size; every environment's file then starts as a copy of the few blocks
//! that the tool wrote.
//!
//! Without loop devices or the tool it is a folder without a limit.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use rustix::fs::copy_file_range;
use rustix::mount::MountAttrFlags;

use super::mounts::{self, Allows};
use crate::capabilities::{Means, Measure};
use crate::protocol::Refused;
use crate::sys;

const LOOP_CONTROL: &str = "/dev/loop-control";
const MAKER: &str = "mkfs.ext4";
/// The maker lies where only root's search path leads.
const MAKERS_FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
/// Bytes for each file that fits. No file that holds anything takes fewer, so that space ends before
/// files do: 131,072 of them in the smallest size.
const BYTES_PER_FILE: u32 = 4_096;
/// What the file system's own structures take of its device, in percent: that shall not be missing.
/// For each file it is an inode of 256 bytes, and the kernel keeps up to 2 percent back for itself.
const OVERHEAD: u64 = 10;
/// How often another process may take the loop device that we were about to use.
const ATTEMPTS: usize = 64;

/// What it takes to make them on this host.
#[derive(Debug)]
pub(crate) struct ScratchKit {
    maker: Result<PathBuf, &'static str>,
    images: Mutex<HashMap<u32, Arc<Image>>>,
}

/// A file system that nothing was written to yet.
#[derive(Debug)]
struct Image {
    bytes: u64,
    /// The blocks that are not empty, and where they lie.
    pieces: Vec<(u64, Vec<u8>)>,
}

/// The file system, or folder, of one environment.
#[derive(Debug)]
pub(crate) enum Scratch {
    /// Behind a loop device, which is let go when this is dropped and nothing has it mounted.
    Device {
        path: PathBuf,
        _held: File,
        /// What is behind it.
        file: File,
    },
    Folder(PathBuf),
}

impl ScratchKit {
    /// Looks for the means.
    pub(crate) fn find() -> Self {
        let maker = MAKERS_FOLDERS
            .iter()
            .map(|folder| Path::new(folder).join(MAKER))
            .find(|maker| maker.is_file())
            .ok_or("mkfs.ext4 is missing: install e2fsprogs")
            .and_then(|maker| match File::open(LOOP_CONTROL) {
                Ok(_) => Ok(maker),
                Err(_) => Err("there are no loop devices: load the kernel module loop"),
            });
        Self {
            maker,
            images: Mutex::default(),
        }
    }

    /// How far they go.
    pub(crate) fn measure(&self) -> Measure {
        match self.maker {
            Ok(_) => Measure::full(Means::LoopDevice),
            Err(reason) => Measure::short(
                Means::Folder,
                format!("/tmp is as large as the host's disk ({reason})"),
            ),
        }
    }

    /// Makes one of `mb` MiB in the folder `at`. Takes some milliseconds.
    pub(crate) fn make(&self, at: &Path, mb: u32) -> Result<Scratch, Refused> {
        let Ok(maker) = &self.maker else {
            let folder = at.join("tmp");
            fs::create_dir_all(&folder)
                .map_err(Refused::to(format!("make {}", folder.display())))?;
            return Ok(Scratch::Folder(folder));
        };
        let image = self.image(maker, at, mb)?;
        let made = || {
            let file = nameless(at)?;
            file.set_len(image.bytes)?;
            for (offset, piece) in &image.pieces {
                file.write_all_at(piece, *offset)?;
            }
            attach(file)
        };
        made().map_err(Refused::to("make the file system for /tmp"))
    }

    fn image(&self, maker: &Path, at: &Path, mb: u32) -> Result<Arc<Image>, Refused> {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(image) = images.get(&mb) {
            return Ok(Arc::clone(image));
        }
        let image = Image::make(maker, at, mb).map_err(Refused::to("make a file system"))?;
        let image = Arc::new(image);
        images.insert(mb, Arc::clone(&image));
        Ok(image)
    }
}

impl Image {
    fn make(maker: &Path, at: &Path, mb: u32) -> io::Result<Self> {
        // The tool wants a name.
        let draft = at.join("tmp.ext4");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&draft)?;
        let bytes = (u64::from(mb) << 20) / 100 * (100 + OVERHEAD) / 4_096 * 4_096;
        let made = file.set_len(bytes).and_then(|()| {
            Command::new(maker)
                .args(["-q", "-F", "-b", "4096", "-m", "0"])
                // What is lost in a crash was only ever of use to those who are gone with it.
                .args(["-O", "^has_journal,^resize_inode"])
                .args(["-i", &BYTES_PER_FILE.to_string()])
                .args(["-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"])
                .arg(&draft)
                .env_clear()
                .output()
        });
        fs::remove_file(&draft)?;
        let output = made?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(io::Error::other(words));
        }
        let pieces = pieces(&file)?;
        Ok(Self { bytes, pieces })
    }
}

/// Where a sparse file holds data: offsets and lengths.
fn extents(file: &File) -> io::Result<Vec<(u64, u64)>> {
    let mut extents = Vec::new();
    let mut end = 0;
    loop {
        let start = match lseek(file, end, Whence::SeekData) {
            Ok(start) => start,
            Err(Errno::ENXIO) => return Ok(extents),
            Err(error) => return Err(error.into()),
        };
        end = lseek(file, start, Whence::SeekHole)?;
        extents.push((start.unsigned_abs(), (end - start).unsigned_abs()));
    }
}

/// The parts of a sparse file that hold data.
fn pieces(file: &File) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let read = |(offset, length)| {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut piece = vec![0; length];
        file.read_exact_at(&mut piece, offset)?;
        Ok((offset, piece))
    };
    extents(file)?.into_iter().map(read).collect()
}

/// Copies a sparse file, within the kernel and by reference where the file system can.
fn copy_sparse(from: &File, to: &File) -> io::Result<()> {
    to.set_len(from.metadata()?.len())?;
    for (start, length) in extents(from)? {
        let (mut read, mut written) = (start, start);
        while read < start + length {
            let rest = usize::try_from(start + length - read).map_err(io::Error::other)?;
            let copied = copy_file_range(from, Some(&mut read), to, Some(&mut written), rest)?;
            if copied == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    Ok(())
}

/// A file that is gone when it is closed.
fn nameless(at: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().custom_flags(libc::O_TMPFILE).open(at) {
        // Not every file system knows such files.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            let name = at.join("tmp.image");
            let file = options.create_new(true).open(&name)?;
            fs::remove_file(&name)?;
            Ok(file)
        }
        result => result,
    }
}

/// Puts a file behind a loop device that lasts as long as it is open or mounted.
fn attach(file: File) -> io::Result<Scratch> {
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .open(LOOP_CONTROL)?;
    for _ in 0..ATTEMPTS {
        let number = sys::free_loop_device(&control)?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = OpenOptions::new().read(true).write(true).open(&path)?;
        match sys::configure_loop_device(&device, &file) {
            Ok(()) => {
                return Ok(Scratch::Device {
                    path,
                    _held: device,
                    file,
                });
            }
            // Somebody else was quicker.
            Err(Errno::EBUSY) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::EBUSY.into())
}

impl Scratch {
    /// Another one in the folder `at`, with the content that this one has on its device. A folder is
    /// not copied.
    pub(crate) fn copy(&self, at: &Path) -> Result<Self, Refused> {
        let refused = || Refused::to("copy the file system for /tmp");
        let folder = DirBuilder::new().recursive(true).mode(0o700).create(at);
        folder.map_err(refused())?;
        match self {
            Self::Device { file, .. } => {
                let copied = || {
                    let copy = nameless(at)?;
                    copy_sparse(file, &copy)?;
                    attach(copy)
                };
                copied().map_err(refused())
            }
            Self::Folder(_) => {
                let folder = at.join("tmp");
                fs::create_dir_all(&folder).map_err(refused())?;
                Ok(Self::Folder(folder))
            }
        }
    }

    /// A mount of it, to be attached in a view.
    pub(crate) fn mount(&self) -> Result<OwnedFd, Refused> {
        match self {
            Self::Device { path, .. } => {
                let source = path.to_string_lossy();
                mounts::new(
                    "ext4",
                    // Nothing clears its inodes behind the function's back: what was never used reads
                    // as zeroes, for the file behind it has holes there.
                    &[("source", Some(source.as_ref())), ("noinit_itable", None)],
                    MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOATIME,
                )
            }
            Self::Folder(folder) => mounts::clone_of(folder, Allows::Writing),
        }
    }
}
