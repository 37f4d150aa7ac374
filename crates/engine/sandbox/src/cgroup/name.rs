//! The name of an engine's control groups, from which a later engine sees whether it still lives.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "lambdalab-";

/// Which process an engine's control groups belong to. A process id alone would not do: it is used
/// again after a while, and means another process in another container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EngineName {
    pid: u32,
    /// In clock ticks since boot.
    started: u64,
    /// The inode of the PID namespace that `pid` is of.
    namespace: u64,
    /// Tells several spawners of one process apart.
    sequence: u32,
}

impl EngineName {
    /// The name for groups of the calling process, another one with each call.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let pid = std::process::id();
        let started = start_time(pid)?.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "/proc/self/stat is not understood",
            )
        })?;
        let sequence = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            pid,
            started,
            namespace: pid_namespace()?,
            sequence,
        })
    }

    /// Reads a directory's name; `None` for directories that are not ours.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.split('-');
        let pid = parts.next()?.parse().ok()?;
        let started = parts.next()?.parse().ok()?;
        let namespace = parts.next()?.parse().ok()?;
        let sequence = parts.next()?.parse().ok()?;
        Some(Self {
            pid,
            started,
            namespace,
            sequence,
        })
    }

    /// Whether the process is known to be dead. One of another PID namespace never is.
    pub(crate) fn is_dead(&self) -> io::Result<bool> {
        if self.namespace != pid_namespace()? {
            return Ok(false);
        }
        match start_time(self.pid) {
            Ok(started) => Ok(started != Some(self.started)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            started,
            namespace,
            sequence,
        } = self;
        write!(f, "{PREFIX}{pid}-{started}-{namespace}-{sequence}")
    }
}

/// When the process started; `None` for one that has ended and only waits to be reaped.
fn start_time(pid: u32) -> io::Result<Option<u64>> {
    Ok(parse_start_time(&fs::read_to_string(format!(
        "/proc/{pid}/stat"
    ))?))
}

fn parse_start_time(stat: &str) -> Option<u64> {
    // The second field is the program's name in parentheses, which may itself hold any character.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    // The state was field 3; the start time is field 22.
    fields.nth(18)?.parse().ok()
}

fn pid_namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/pid")?.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_who_it_is_of() {
        let name = EngineName::of_this_process().unwrap();
        assert_eq!(EngineName::parse(&name.to_string()), Some(name.clone()));
        assert!(!name.is_dead().unwrap());
        let reused = EngineName {
            started: name.started + 1,
            ..name.clone()
        };
        assert!(reused.is_dead().unwrap());
        let elsewhere = EngineName {
            namespace: name.namespace + 1,
            ..reused
        };
        assert!(
            !elsewhere.is_dead().unwrap(),
            "a pid of another namespace says nothing"
        );
        assert_ne!(EngineName::of_this_process().unwrap(), name);
        for foreign in [
            "lambdalab",
            "lambdalab-x-1-2",
            "user.slice",
            "lambdalab-1-2",
        ] {
            assert_eq!(EngineName::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn start_time_survives_hostile_program_names_and_zombies_count_as_dead() {
        let stat = |name: &str, state: &str| {
            format!("7 ({name}) {state} 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 2 3")
        };
        assert_eq!(parse_start_time(&stat("a) S (b", "S")), Some(4711));
        assert_eq!(parse_start_time(&stat("sh", "Z")), None);
    }
}
