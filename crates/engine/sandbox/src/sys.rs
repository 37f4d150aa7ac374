//! The few system calls that no safe wrapper covers. All of the crate's unsafe code is here.
#![expect(unsafe_code, reason = "this module is where it may be")]

mod interfaces;

use std::ffi::{c_int, c_uint};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Pid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub(crate) use interfaces::{Interface, add_default_route, open_tunnel};

/// From `linux/sched.h`; libc's constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// Forks. The caller has made sure that it runs no other thread, and both sides may then do
/// anything.
pub(crate) fn fork_single_threaded() -> nix::Result<ForkResult> {
    debug_assert_eq!(thread_count().unwrap_or(1), 1);
    // SAFETY: without other threads no lock is held by someone who does not exist in the child, so
    // the child is not limited to async-signal-safe functions.
    unsafe { nix::unistd::fork() }
}

/// Whose child a fork is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parent {
    /// The forking process's own.
    Caller,
    /// That of the forking process's parent: a sibling.
    CallersParent,
}

impl Parent {
    /// The flags of `clone`, and the signal that tells the parent of the end: a sibling tells it as
    /// the caller would.
    fn clone_flags(self) -> (c_int, c_int) {
        match self {
            Self::Caller => (0, libc::SIGCHLD),
            Self::CallersParent => (libc::CLONE_PARENT, 0),
        }
    }
}

/// Forks a child of the caller's or of its parent's. Same duty of the caller as for
/// [`fork_single_threaded`].
pub(crate) fn fork_under(parent: Parent) -> nix::Result<ForkResult> {
    match parent {
        Parent::Caller => fork_single_threaded(),
        Parent::CallersParent => {
            debug_assert_eq!(thread_count().unwrap_or(1), 1);
            let (flags, signal) = parent.clone_flags();
            // SAFETY: without CLONE_VM and without a stack this is a fork, as `fork_into_cgroup`
            // makes it. All arguments that could be pointers are null.
            forked(unsafe { libc::syscall(libc::SYS_clone, flags | signal, 0, 0, 0, 0) })
        }
    }
}

/// Forks into the cgroup v2 directory `group`. The child is a member from its first instruction,
/// and no lock of the kernel's is taken that a later move into the group would wait for.
///
/// Same duty of the caller as for [`fork_single_threaded`].
pub(crate) fn fork_into_cgroup(group: BorrowedFd<'_>, parent: Parent) -> nix::Result<ForkResult> {
    debug_assert_eq!(thread_count().unwrap_or(1), 1);
    let (flags, signal) = parent.clone_flags();
    // SAFETY: `clone_args` is plain integers, for which zero is a valid value and means "unset".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLONE_INTO_CGROUP | u64::from(flags.unsigned_abs());
    arguments.exit_signal = u64::from(signal.unsigned_abs());
    arguments.cgroup = u64::from(group.as_raw_fd().unsigned_abs());
    // SAFETY: the pointer and size describe a live `clone_args`. Without CLONE_VM and without a
    // stack this is a fork: the child runs on a copy of this address space. It has one thread, as
    // in `fork_single_threaded`. The C library's at-fork handlers do not run; they reset locks that
    // nobody holds here.
    forked(unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<libc::clone_args>(),
        )
    })
}

fn forked(pid: libc::c_long) -> nix::Result<ForkResult> {
    match Errno::result(pid)? {
        0 => Ok(ForkResult::Child),
        pid => Ok(ForkResult::Parent {
            child: Pid::from_raw(i32::try_from(pid).map_err(|_| Errno::EOVERFLOW)?),
        }),
    }
}

/// Attributes of mounts, as `mount_setattr` counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MountAttributes(u64);

impl MountAttributes {
    pub(crate) const READ_ONLY: Self = Self(0x1);
    pub(crate) const NO_SUID: Self = Self(0x2);
    pub(crate) const NO_DEVICES: Self = Self(0x4);
}

impl std::ops::BitOr for MountAttributes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for MountAttributes {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Sets attributes of a mount and of all that is mounted below it, and keeps them private.
pub(crate) fn set_mount_attributes(mount: impl AsFd, set: MountAttributes) -> nix::Result<()> {
    mount_setattr(mount.as_fd(), set, libc::AT_RECURSIVE, libc::MS_PRIVATE)
}

/// Sets attributes of a mount alone.
pub(crate) fn set_own_mount_attributes(mount: impl AsFd, set: MountAttributes) -> nix::Result<()> {
    mount_setattr(mount.as_fd(), set, 0, 0)
}

fn mount_setattr(
    mount: BorrowedFd<'_>,
    set: MountAttributes,
    flags: c_int,
    propagation: u64,
) -> nix::Result<()> {
    let attributes = MountAttr {
        attr_set: set.0,
        attr_clr: 0,
        propagation,
        userns_fd: 0,
    };
    // SAFETY: the path is an empty C string, and the pointer and size describe a live `mount_attr`,
    // which the kernel only reads.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | flags,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    Errno::result(result)?;
    Ok(())
}

const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// `struct loop_config` of `linux/loop.h`, with the `struct loop_info64` that it holds.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
    reserved: [u64; 8],
}

/// The number of a loop device that nobody uses.
pub(crate) fn free_loop_device(control: impl AsFd) -> nix::Result<c_int> {
    // SAFETY: this request takes no argument and touches no memory.
    let number = unsafe { libc::ioctl(control.as_fd().as_raw_fd(), LOOP_CTL_GET_FREE) };
    Errno::result(number)
}

/// Puts `file` behind a loop device, until nobody has the device open or mounted. Its pages are not
/// cached a second time, where the file's file system lets it.
pub(crate) fn configure_loop_device(device: impl AsFd, file: impl AsFd) -> nix::Result<()> {
    // SAFETY: `LoopConfig` is plain integers, for which zero is a valid value and means "unset".
    let mut config: LoopConfig = unsafe { std::mem::zeroed() };
    config.fd = file.as_fd().as_raw_fd().unsigned_abs();
    config.block_size = 4_096;
    config.flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    // SAFETY: the pointer is to a live `loop_config`, which the kernel only reads.
    let result = unsafe {
        libc::ioctl(
            device.as_fd().as_raw_fd(),
            LOOP_CONFIGURE,
            &raw const config,
        )
    };
    Errno::result(result)?;
    Ok(())
}

/// How many threads this process runs.
pub(crate) fn thread_count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Ends the process on the spot: no destructors, no exit handlers. For forked children, whose
/// copies of the parent's objects must not be torn down.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor but the standard streams and `kept`. For forked children, of which the
/// parent's other descriptors are none of their business.
pub(crate) fn close_all_but(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<c_uint> = kept
        .iter()
        .map(|fd| fd.as_raw_fd().unsigned_abs())
        .filter(|fd| *fd > 2)
        .collect();
    kept.sort_unstable();
    let mut first = 3;
    for fd in kept {
        if first < fd {
            close_range(first, fd - 1)?;
        }
        first = fd + 1;
    }
    close_range(first, c_uint::MAX)
}

/// Closes the descriptors from `first` to `last`.
fn close_range(first: c_uint, last: c_uint) -> io::Result<()> {
    // SAFETY: `close_range` touches no memory. The descriptors belong to copies of the parent's
    // objects, which a forked child leaves by `execve` or `exit_now` and so never uses or drops.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    match Errno::result(result) {
        Ok(_) => Ok(()),
        Err(Errno::ENOSYS) => close_listed(first, last),
        Err(error) => Err(error.into()),
    }
}

/// What `close_range` does, for kernels before 5.9.
fn close_listed(first: c_uint, last: c_uint) -> io::Result<()> {
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd: &RawFd| (first..=last).contains(&fd.unsigned_abs()))
        .collect();
    for fd in open {
        // SAFETY: as in `close_range`; the directory's own descriptor is closed already, and
        // closing it again does no harm in a process with one thread.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// Another descriptor for the same file, with a number of at least `lowest`, closed by `execve`.
pub(crate) fn duplicate_above(source: impl AsFd, lowest: RawFd) -> io::Result<OwnedFd> {
    let fd = fcntl(source, FcntlArg::F_DUPFD_CLOEXEC(lowest))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Connects the standard streams to nothing.
pub(crate) fn silence(streams: std::ops::RangeInclusive<RawFd>) -> io::Result<()> {
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    streams
        .into_iter()
        .try_for_each(|stream| install(&null, stream))
}

/// Makes `target` another name of `source`, one that survives `execve`.
pub(crate) fn install(source: impl AsFd, target: RawFd) -> io::Result<()> {
    let source = source.as_fd().as_raw_fd();
    // SAFETY: `dup2` touches no memory. Called in forked children only, where nothing owns the
    // descriptors that `target` may replace.
    let result = unsafe { libc::dup2(source, target) };
    Errno::result(result)?;
    Ok(())
}

/// Takes ownership of descriptors that the kernel has just installed for a received message.
pub(crate) fn adopt(received: &[RawFd]) -> Vec<OwnedFd> {
    received
        .iter()
        .map(|fd| {
            // SAFETY: `recvmsg` installed this descriptor for us; nobody else knows its number.
            unsafe { OwnedFd::from_raw_fd(*fd) }
        })
        .collect()
}

/// Gives `signal` one of the two dispositions that run no code of ours.
fn dispose(signal: Signal, handler: SigHandler) -> nix::Result<()> {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: neither `SIG_DFL` nor `SIG_IGN` runs a handler, so there is none that could be
    // unsound.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

/// Ignores `signals`.
pub(crate) fn ignore_signals(signals: &[Signal]) -> nix::Result<()> {
    signals
        .iter()
        .try_for_each(|signal| dispose(*signal, SigHandler::SigIgn))
}

/// Puts every signal back to its default disposition and unblocks all.
pub(crate) fn reset_signals() -> nix::Result<()> {
    for signal in Signal::iterator() {
        if !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
            dispose(signal, SigHandler::SigDfl)?;
        }
    }
    SigSet::empty().thread_set_mask()
}

/// Marks a blocking pipe end or socket as not to be waited for.
pub(crate) fn set_nonblocking(fd: impl AsFd) -> nix::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
    fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Has the current tokio runtime watch a descriptor.
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` gives the same open descriptor for as long as it lives, and `AsyncFd`
    // lends it out by shared reference only, through which it cannot be closed or exchanged.
    let watched = unsafe { AsyncFd::register_with_interest(fd, interest) };
    Ok(watched?)
}
