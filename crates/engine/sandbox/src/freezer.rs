//! Freezing by the unified control group hierarchy.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::uio::pread;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use crate::sys;

/// An environment's freezer, with its files kept open: thawing is on the way of every invocation.
#[derive(Debug)]
pub(crate) struct Freezer {
    switch: File,
    events: AsyncFd<OwnedFd>,
    /// What was asked for last.
    wanted: AtomicBool,
    thawed: Notify,
}

impl Freezer {
    /// Opens the files of the environment's directory.
    pub(crate) fn open(group: &Path) -> io::Result<Self> {
        let switch = OpenOptions::new()
            .write(true)
            .open(group.join("cgroup.freeze"))?;
        let events = File::open(group.join("cgroup.events"))?;
        Ok(Self {
            switch,
            events: sys::watch(events.into(), Interest::PRIORITY)?,
            wanted: AtomicBool::new(false),
            thawed: Notify::new(),
        })
    }

    /// Freezes, and waits until all processes stand; or until [`Freezer::thaw`] is called.
    pub(crate) async fn freeze(&self) -> io::Result<()> {
        let thawed = self.thawed.notified();
        self.wanted.store(true, Ordering::SeqCst);
        self.switch.write_all_at(b"1", 0)?;
        tokio::select! {
            biased;
            frozen = self.frozen() => frozen,
            () = thawed => Ok(()),
        }
    }

    /// Thaws. A thawed environment costs no system call.
    pub(crate) fn thaw(&self) -> io::Result<()> {
        if self.wanted.swap(false, Ordering::SeqCst) {
            self.switch.write_all_at(b"0", 0)?;
            self.thawed.notify_waiters();
        }
        Ok(())
    }

    /// Waits for the kernel to say that all processes stand. It marks the file when that changes.
    async fn frozen(&self) -> io::Result<()> {
        let mut text = [0; 128];
        loop {
            let length = pread(self.events.get_ref(), &mut text, 0)?;
            let text = text.get(..length).unwrap_or_default();
            if text
                .split(|byte| *byte == b'\n')
                .any(|line| line == b"frozen 1")
            {
                return Ok(());
            }
            self.events.ready(Interest::PRIORITY).await?.clear_ready();
        }
    }
}
