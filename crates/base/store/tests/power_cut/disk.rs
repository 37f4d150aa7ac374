//! A disk in memory whose power can be cut, behind a SQLite VFS.
//!
//! It keeps apart what programs see and what is durable. A write changes what programs see; a
//! flush makes a file's changes durable. When the power goes, each 512-byte sector written since
//! the last flush is kept or lost by chance, regardless of the order of writes, and one of those
//! kept is torn: its first bytes new, its last bytes old. Bytes that nobody wrote never change,
//! which SQLite assumes of every disk ("powersafe overwrite"). Names of files become durable when
//! a log or journal that was made new is flushed, since that is when SQLite's own VFS flushes the
//! folder.
//!
//! A flush that is made to fail behaves like Linux's: a chance part of the changes becomes
//! durable, programs still see all of them, and a later flush, which succeeds, does not make up
//! for the rest.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;

use ids::{Entropy, SeededEntropy};
use parking_lot::Mutex;
use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenKind, OpenOptions, Vfs, WalDisabled};

const SECTOR: usize = 512;

/// The disk; clones are the same disk.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

/// What is to go wrong. Operations count from 1, since [`Disk::plan`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plan {
    /// The power goes in the middle of this operation.
    pub(crate) cut_at: Option<u64>,
    /// This flush fails, once.
    pub(crate) fail_flush: Option<u64>,
    /// More bytes than this do not fit.
    pub(crate) capacity: Option<usize>,
}

struct State {
    entropy: SeededEntropy,
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    next_file: u64,
    plan: Plan,
    operations: u64,
    flushes: u64,
    power: bool,
}

#[derive(Default, Clone)]
struct File {
    content: Vec<u8>,
    durable: Vec<u8>,
    /// What was done since the last flush, in order.
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Resize(length) => content.resize(*length, 0),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// The change as the pieces that reach the disk or do not.
    fn sectors(&self) -> Vec<Self> {
        let Self::Write { offset, bytes } = self else {
            return vec![self.clone()];
        };
        let mut pieces = Vec::new();
        let mut start = 0;
        while start < bytes.len() {
            let end = (start + SECTOR - (offset + start) % SECTOR).min(bytes.len());
            pieces.push(Self::Write {
                offset: offset + start,
                bytes: bytes[start..end].to_vec(),
            });
            start = end;
        }
        pieces
    }
}

impl File {
    /// Makes a chance part of the changes durable and forgets the others.
    fn settle(&mut self, entropy: &SeededEntropy) {
        // Now and then all or nothing, which an even chance would hardly ever bring about.
        let odds = [0.0, 0.5, 0.9, 1.0][below(entropy, 4)];
        let mut kept: Vec<Change> = self
            .changes
            .drain(..)
            .flat_map(|change| change.sectors())
            .filter(|_| entropy.unit() < odds)
            .collect();
        if !kept.is_empty() {
            let torn = below(entropy, kept.len());
            if let Change::Write { bytes, .. } = &mut kept[torn] {
                bytes.truncate(below(entropy, bytes.len() + 1));
            }
        }
        for change in kept {
            change.apply(&mut self.durable);
        }
    }
}

/// A number below `bound`.
pub(crate) fn below(entropy: &SeededEntropy, bound: usize) -> usize {
    (entropy.bits() % bound as u128) as usize
}

impl Disk {
    /// An empty disk, registered with SQLite under `vfs`.
    pub(crate) fn register(vfs: &str, seed: u64) -> Self {
        let disk = Self(Arc::new(Mutex::new(State {
            entropy: SeededEntropy::new(seed),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            next_file: 0,
            plan: Plan::default(),
            operations: 0,
            flushes: 0,
            power: true,
        })));
        sqlite_vfs::register(vfs, disk.clone(), false).unwrap();
        disk
    }

    /// Empties the disk.
    pub(crate) fn format(&self) {
        let mut state = self.0.lock();
        state.files.clear();
        state.names.clear();
        state.durable_names.clear();
    }

    /// Says what goes wrong from here on.
    pub(crate) fn plan(&self, plan: Plan) {
        let mut state = self.0.lock();
        state.plan = plan;
        state.operations = 0;
        state.flushes = 0;
    }

    /// Operations and flushes since [`Disk::plan`].
    pub(crate) fn counted(&self) -> (u64, u64) {
        let state = self.0.lock();
        (state.operations, state.flushes)
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.0.lock().used()
    }

    /// Cuts the power if it is still there, and turns it on again: only what is durable is left.
    pub(crate) fn cut_and_restore(&self) {
        let mut state = self.0.lock();
        let state = &mut *state;
        for file in state.files.values_mut() {
            file.settle(&state.entropy);
            file.content.clone_from(&file.durable);
        }
        let mut names = state.durable_names.clone();
        for name in state.names.keys().chain(state.durable_names.keys()) {
            if state.entropy.unit() < 0.5 {
                match state.names.get(name) {
                    Some(file) => names.insert(name.clone(), *file),
                    None => names.remove(name),
                };
            }
        }
        state.durable_names.clone_from(&names);
        state.names = names;
        state.plan = Plan::default();
        state.power = true;
    }

    /// Writes a file over itself and flushes it, as opening a store on a real disk does first.
    pub(crate) fn rewrite(&self, name: &str) {
        let mut state = self.0.lock();
        if let Some(number) = state.names.get(name).copied()
            && let Some(file) = state.files.get_mut(&number)
        {
            file.durable.clone_from(&file.content);
            file.changes.clear();
        }
    }
}

impl State {
    fn used(&self) -> usize {
        let live = self.names.values().filter_map(|file| self.files.get(file));
        live.map(|file| file.content.len()).sum()
    }

    fn file(&mut self, number: u64) -> Result<&mut File> {
        self.files
            .get_mut(&number)
            .ok_or_else(|| Error::from(ErrorKind::NotFound))
    }

    /// Counts an operation. `Ok(true)` means that it still happens, but the power goes with it.
    fn operate(&mut self) -> Result<bool> {
        if !self.power {
            return Err(Error::other("the power is off"));
        }
        self.operations += 1;
        let last = self.plan.cut_at == Some(self.operations);
        self.power = !last;
        Ok(last)
    }

    fn change(&mut self, number: u64, change: Change) -> Result<()> {
        let last = self.operate()?;
        let file = self.file(number)?;
        let before = file.content.len();
        change.apply(&mut file.content);
        let grown = file.content.len().saturating_sub(before);
        if grown > 0
            && let Some(capacity) = self.plan.capacity
            && self.used() > capacity
        {
            self.file(number)?.content.truncate(before);
            // What `sqlite-vfs` turns into SQLITE_FULL.
            return Err(Error::from(ErrorKind::WriteZero));
        }
        self.file(number)?.changes.push(change);
        outcome(last)
    }

    fn flush(&mut self, number: u64, folder_too: bool) -> Result<()> {
        let last = self.operate()?;
        self.flushes += 1;
        let fails = self.plan.fail_flush == Some(self.flushes);
        if last || fails {
            if let Some(file) = self.files.get_mut(&number) {
                file.settle(&self.entropy);
            }
            return Err(Error::other("the flush failed"));
        }
        let file = self.file(number)?;
        for change in std::mem::take(&mut file.changes) {
            change.apply(&mut file.durable);
        }
        if folder_too {
            self.durable_names.clone_from(&self.names);
        } else if let Some((name, _)) = self.names.iter().find(|(_, file)| **file == number) {
            // A file that is flushed is there, whatever becomes of its neighbours.
            self.durable_names.insert(name.clone(), number);
        }
        Ok(())
    }
}

fn outcome(power_went: bool) -> Result<()> {
    if power_went {
        return Err(Error::other("the power went"));
    }
    Ok(())
}

impl Vfs for Disk {
    type Handle = Handle;

    fn open(&self, name: &str, options: OpenOptions) -> Result<Handle> {
        let mut state = self.0.lock();
        let is_log = matches!(
            options.kind,
            OpenKind::Wal | OpenKind::MainJournal | OpenKind::SuperJournal
        );
        let known = state.names.get(name).copied();
        let created = known.is_none();
        let file = match known {
            Some(file) => file,
            None if matches!(options.access, OpenAccess::Read | OpenAccess::Write) => {
                return Err(Error::from(ErrorKind::NotFound));
            }
            None => {
                let last = state.operate()?;
                state.next_file += 1;
                let file = state.next_file;
                state.files.insert(file, File::default());
                state.names.insert(name.to_owned(), file);
                outcome(last)?;
                file
            }
        };
        Ok(Handle {
            disk: self.clone(),
            file,
            lock: LockKind::None,
            folder_due: is_log && created,
        })
    }

    fn delete(&self, name: &str) -> Result<()> {
        let mut state = self.0.lock();
        let last = state.operate()?;
        state
            .names
            .remove(name)
            .ok_or_else(|| Error::from(ErrorKind::NotFound))?;
        outcome(last)
    }

    fn exists(&self, name: &str) -> Result<bool> {
        let state = self.0.lock();
        let file = state.names.get(name).and_then(|n| state.files.get(n));
        // As SQLite's own VFS: an empty journal is no journal.
        Ok(file.is_some_and(|file| !file.content.is_empty()))
    }

    fn temporary_name(&self) -> String {
        "/temporary".to_owned()
    }

    fn random(&self, buffer: &mut [i8]) {
        let state = self.0.lock();
        for byte in buffer {
            *byte = i8::from_ne_bytes([state.entropy.bits() as u8]);
        }
    }

    fn sleep(&self, _: Duration) -> Duration {
        Duration::ZERO
    }
}

/// An open file.
pub(crate) struct Handle {
    disk: Disk,
    file: u64,
    lock: LockKind,
    /// The first flush is to flush the folder too.
    folder_due: bool,
}

impl DatabaseHandle for Handle {
    type WalIndex = WalDisabled;

    fn size(&self) -> Result<u64> {
        Ok(self.disk.0.lock().file(self.file)?.content.len() as u64)
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut state = self.disk.0.lock();
        if !state.power {
            return Err(Error::other("the power is off"));
        }
        let content = &state.file(self.file)?.content;
        let from = content.get(offset as usize..).unwrap_or_default();
        let length = from.len().min(buffer.len());
        buffer[..length].copy_from_slice(&from[..length]);
        buffer[length..].fill(0);
        if length < buffer.len() {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
        Ok(())
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        let change = Change::Write {
            offset: offset as usize,
            bytes: bytes.to_vec(),
        };
        self.disk.0.lock().change(self.file, change)
    }

    fn sync(&mut self, _data_only: bool) -> Result<()> {
        self.disk.0.lock().flush(self.file, self.folder_due)?;
        self.folder_due = false;
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> Result<()> {
        let change = Change::Resize(length as usize);
        self.disk.0.lock().change(self.file, change)
    }

    fn lock(&mut self, lock: LockKind) -> Result<bool> {
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn current_lock(&self) -> Result<LockKind> {
        Ok(self.lock)
    }

    fn wal_index(&self, _readonly: bool) -> Result<WalDisabled> {
        Ok(WalDisabled)
    }
}
