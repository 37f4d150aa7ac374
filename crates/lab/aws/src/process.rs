//! Ending another process and waiting until it has gone. Blocking: call it off the async threads.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};

/// Sends `SIGTERM`; `false` when the process is still there after `patience`.
///
/// The process is held by a descriptor before it is signalled, so that a process that gets the
/// same number later is never meant.
#[cfg(target_os = "linux")]
pub(crate) fn terminate(pid: u32, patience: Duration) -> io::Result<bool> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

    let process = pidfd_open(valid(pid)?, PidfdFlags::empty())?;
    pidfd_send_signal(&process, Signal::TERM)?;
    let mut watched = [PollFd::new(&process, PollFlags::IN)];
    Ok(wait(&mut watched, patience)? > 0)
}

/// Sends `SIGTERM`; `false` when the process is still there after `patience`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn terminate(pid: u32, patience: Duration) -> io::Result<bool> {
    use rustix::process::{kill_process, test_kill_process};

    const PAUSE: Duration = Duration::from_millis(50);
    let process = valid(pid)?;
    kill_process(process, Signal::TERM)?;
    let mut waited = Duration::ZERO;
    while test_kill_process(process).is_ok() {
        if waited >= patience {
            return Ok(false);
        }
        wait(&mut [], PAUSE)?;
        waited += PAUSE;
    }
    Ok(true)
}

fn valid(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a process id"))
}

fn wait(watched: &mut [PollFd<'_>], at_most: Duration) -> io::Result<usize> {
    let at_most = Timespec::try_from(at_most)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too long a time"))?;
    Ok(rustix::io::retry_on_intr(|| poll(watched, Some(&at_most)))?)
}
