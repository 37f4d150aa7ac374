//! How much memory an environment used: the figure of the REPORT line.
//!
//! Lambda's environments are virtual machines, whose memory holds all that their processes have:
//! their own pages, and those of the interpreter and its libraries. Here the second kind is shared.
//! The kernel charges a page of a file to whichever control group touched it first, and a clone's
//! pages to the group of its template, so an environment's own counter may show a fourth of what its
//! processes have in memory. Three figures together tell the truth, none of them by sampling:
//!
//! - the *resident peak* of the main process, which the kernel keeps and which counts shared pages;
//! - the *charged peak* of the control group, which counts all processes, ended ones too, and also
//!   what the page cache keeps on their behalf, files in `/tmp` among them, which is no memory of
//!   theirs;
//! - *borrowed* memory: what the main process had in memory after its init phase and others are
//!   charged with.
//!
//! The figure is the resident peak, or where that is more, the charged peak without all bytes that
//! the processes ever read from and wrote to disks (the page cache cannot hold more on their behalf),
//! with what is borrowed. Neither can exceed the truth; the first is exact for one process, the second
//! for several that leave files alone. What is borrowed comes off the limit as well, so that an
//! environment ends where its figure meets its size.
//!
//! Most invocations do not raise the charged peak. Those cost one reading of one counter.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cgroup::{Charged, MemoryPeak, files};

/// The charged peak counts what the kernel keeps for the processes, too, and the kernel counts in
/// batches. Only beyond this do other processes than the main one show in it.
const KERNEL_SHARE: u64 = 4 << 20;

/// The kernel needs some memory to keep a file in memory: at most one part of this many.
const KEEPING: u64 = 16;

/// The most that an environment had at one time of its life, in bytes; `None` where nobody counts it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPeaks {
    /// With what its processes share with others and without files: the figure of the REPORT line.
    pub used: Option<u64>,
    /// Of the host's memory: without what others share with it.
    pub charged: Option<u64>,
}

/// What is known of an environment's memory.
#[derive(Debug)]
pub(crate) struct MemoryUse {
    /// `None` where no control group counts.
    charged: Option<MemoryPeak>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    process: Option<Observed>,
    borrowed: u64,
    /// The charged peak at which the figure was taken last.
    seen: Option<u64>,
    /// The figure, which never falls.
    figure: Option<u64>,
}

impl MemoryUse {
    /// Counts with `charged`, where there is such a counter.
    pub(crate) fn new(charged: Option<MemoryPeak>) -> Self {
        Self {
            charged,
            state: Mutex::default(),
        }
    }

    /// The main process is another one from now on.
    pub(crate) fn follow(&self, pid: u32) {
        let mut state = self.state();
        // One that has ended already is not there to be read.
        state.process = Observed::open(pid).ok();
        state.borrowed = 0;
        state.seen = None;
    }

    /// The init phase is over: finds out what the main process has borrowed, and returns it.
    pub(crate) fn settle(&self, charged: Option<Charged>) -> u64 {
        let mut state = self.state();
        let resident = state.process.as_ref().and_then(Observed::resident);
        if let (Some(resident), Some(charged)) = (resident, charged) {
            state.borrowed = resident.now.saturating_sub(charged.mapped);
            state.seen = None;
        }
        state.borrowed
    }

    /// The most that it used and was charged with so far. `cached` says what of the charge is page
    /// cache at the moment.
    pub(crate) fn peak(&self, cached: impl FnOnce() -> u64) -> io::Result<MemoryPeaks> {
        let charged = self.charged()?;
        let mut state = self.state();
        if charged.is_none() || charged != state.seen {
            let now = state.estimate(charged, cached);
            state.seen = charged;
            state.figure = state.figure.max(now);
        }
        Ok(MemoryPeaks {
            used: state.figure,
            charged,
        })
    }

    /// A process was ended because the environment had reached `limit`: that is what it used. The
    /// counters cannot tell any more, for part of what they hold may be page cache.
    pub(crate) fn ran_out(&self, limit: u64) {
        let mut state = self.state();
        if state.figure.is_some() || self.charged.is_some() {
            state.figure = state.figure.max(Some(limit));
        }
    }

    /// The highest charge so far, in bytes; `None` where nobody counts.
    pub(crate) fn charged(&self) -> io::Result<Option<u64>> {
        self.charged.as_ref().map_or(Ok(None), MemoryPeak::read)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn estimate(&self, charged: Option<u64>, cached: impl FnOnce() -> u64) -> Option<u64> {
        let resident = self.process.as_ref().and_then(Observed::resident);
        let resident = resident.map(|resident| resident.peak);
        let Some(charged) = charged else {
            return resident;
        };
        let total = charged.saturating_add(self.borrowed);
        match resident {
            // It has ended, by a crash or because memory ran out, and cannot be asked any more.
            None => Some(total.saturating_sub(cached())),
            Some(resident) if total <= resident.saturating_add(KERNEL_SHARE) => Some(resident),
            Some(resident) => {
                let cached = self.process.as_ref().and_then(Observed::transferred);
                // Where nobody says what may be page cache, all of it may.
                let cached = cached.map_or(total, |cached| cached + cached / KEEPING);
                let others = total.saturating_sub(cached);
                Some(resident.max(others))
            }
        }
    }
}

/// A process whose figures are read. The files mean it alone, also when its number is used again.
#[derive(Debug)]
struct Observed {
    status: File,
    transfers: Option<File>,
}

/// What a process has in memory, shared pages and all, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resident {
    now: u64,
    peak: u64,
}

impl Observed {
    fn open(pid: u32) -> io::Result<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        Ok(Self {
            status: File::open(folder.join("status"))?,
            transfers: File::open(folder.join("io")).ok(),
        })
    }

    /// `None` once it has ended.
    fn resident(&self) -> Option<Resident> {
        parse_resident(&read(&self.status)?)
    }

    /// What it and the children that it waited for have read from and written to disks.
    fn transferred(&self) -> Option<u64> {
        parse_transferred(&read(self.transfers.as_ref()?)?)
    }
}

fn read(file: &File) -> Option<String> {
    // More than the kernel has to say.
    let mut text = vec![0; 8 << 10];
    let length = file.read_at(&mut text, 0).ok()?;
    text.truncate(length);
    String::from_utf8(text).ok()
}

fn parse_resident(status: &str) -> Option<Resident> {
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    };
    Some(Resident {
        now: bytes("VmRSS:")?,
        peak: bytes("VmHWM:")?,
    })
}

fn parse_transferred(transfers: &str) -> Option<u64> {
    let read = files::find_key(transfers, "read_bytes:")?;
    let written = files::find_key(transfers, "write_bytes:")?;
    Some(read.saturating_add(written))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MIB: u64 = 1 << 20;
    const CHARGED: Charged = Charged {
        total: 9 * MIB,
        cached: 0,
        mapped: 8 * MIB,
    };

    /// A process and a control group whose figures are written by hand.
    struct Desk {
        directory: tempfile::TempDir,
        usage: MemoryUse,
    }

    impl Desk {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            for name in ["peak", "status", "io"] {
                fs::write(at(name), "").unwrap();
            }
            let usage = MemoryUse::new(Some(MemoryPeak::open(&at("peak")).unwrap()));
            usage.state().process = Some(Observed {
                status: File::open(at("status")).unwrap(),
                transfers: Some(File::open(at("io")).unwrap()),
            });
            Self { directory, usage }
        }

        fn charged(&self, mib: u64) {
            self.write("peak", &format!("{}\n", mib * MIB));
        }

        fn resident(&self, now: u64, peak: u64) {
            let (now, peak) = (now * 1024, peak * 1024);
            self.write(
                "status",
                &format!("Name:\tx\nVmHWM:\t  {peak} kB\nVmRSS:\t  {now} kB\n"),
            );
        }

        fn transferred(&self, read: u64, written: u64) {
            let (read, written) = (read * MIB, written * MIB);
            self.write(
                "io",
                &format!("rchar: 1\nread_bytes: {read}\nwrite_bytes: {written}\n"),
            );
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.directory.path().join(name), text).unwrap();
        }

        fn peak(&self) -> u64 {
            self.usage.peak(|| 10 * MIB).unwrap().used.unwrap() / MIB
        }
    }

    #[test]
    fn a_lone_process_is_told_by_its_resident_peak() {
        let desk = Desk::new();
        desk.resident(30, 34);
        desk.transferred(0, 0);
        desk.charged(9);
        assert_eq!(desk.usage.settle(Some(CHARGED)), 22 * MIB);
        assert_eq!(desk.peak(), 34);
    }

    #[test]
    fn children_show_in_what_is_charged_and_files_do_not() {
        let desk = Desk::new();
        desk.resident(30, 30);
        desk.transferred(10, 6);
        desk.charged(8);
        desk.usage.settle(Some(CHARGED));
        assert_eq!(desk.peak(), 30);
        desk.charged(108);
        assert_eq!(desk.peak(), 113, "a child of 100, 22 borrowed, 17 of files");

        let desk = Desk::new();
        desk.resident(30, 30);
        desk.transferred(0, 100);
        desk.charged(108);
        desk.usage.settle(Some(CHARGED));
        assert_eq!(desk.peak(), 30, "all of it may be a file");
    }

    #[test]
    fn the_figure_stands_until_more_is_charged_and_never_falls() {
        let desk = Desk::new();
        desk.resident(40, 40);
        desk.charged(10);
        assert_eq!(desk.peak(), 40);
        desk.resident(60, 60);
        assert_eq!(desk.peak(), 40, "nothing was looked at");
        desk.charged(11);
        assert_eq!(desk.peak(), 60);
        desk.resident(20, 20);
        desk.charged(12);
        assert_eq!(desk.peak(), 60);
    }

    #[test]
    fn of_a_process_that_has_ended_what_is_charged_tells() {
        let desk = Desk::new();
        desk.resident(30, 30);
        desk.charged(8);
        desk.usage.settle(Some(CHARGED));
        desk.write("status", "Name:\tx\nState:\tZ (zombie)\n");
        desk.charged(116);
        assert_eq!(desk.peak(), 128, "10 of files, 22 borrowed");
    }

    #[test]
    fn an_environment_that_ran_out_used_its_limit() {
        let desk = Desk::new();
        desk.resident(30, 30);
        desk.charged(8);
        desk.usage.settle(Some(CHARGED));
        desk.write("status", "Name:\tx\nState:\tZ (zombie)\n");
        desk.charged(106);
        desk.usage.ran_out(128 * MIB);
        assert_eq!(
            desk.peak(),
            128,
            "22 are borrowed, and 10 of the charge may be files"
        );
    }

    #[test]
    fn without_a_control_group_the_process_alone_tells() {
        let desk = Desk::new();
        desk.resident(30, 33);
        let usage = MemoryUse::new(None);
        assert_eq!(usage.peak(|| 0).unwrap(), MemoryPeaks::default());
        *usage.state() = std::mem::take(&mut *desk.usage.state());
        assert_eq!(usage.peak(|| 0).unwrap().used, Some(33 * MIB));
        assert_eq!(usage.charged().unwrap(), None);
    }

    #[test]
    fn the_kernel_is_understood() {
        let usage = MemoryUse::new(None);
        usage.follow(std::process::id());
        let peak = usage.peak(|| 0).unwrap().used.unwrap();
        assert!((MIB..1 << 40).contains(&peak), "{peak}");
        let text = "rchar: 6976\nread_bytes: 4096\nwrite_bytes: 1\ncancelled_write_bytes: 9\n";
        assert_eq!(parse_transferred(text), Some(4097));
    }
}
