//! What a function might try that it must not achieve. Each says how it went, in one line.

use std::ffi::CString;
use std::fs;
use std::io;
use std::process::Command as Spawn;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{Pid, Uid, chroot, setuid};

use crate::harness::role;

/// Makes an attempt; the answer is `done`, with what was gained, or the refusal's name.
pub(crate) fn make(what: &[&str]) -> String {
    match what {
        ["read", path] => told(fs::read_to_string(path)),
        ["list", path] => told(list(path)),
        ["create", path] => told(fs::write(path, "here").map(|()| String::new())),
        ["open", path] => told(
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .map(|_| String::new()),
        ),
        ["connect", address] => told(connect(address)),
        ["look-up", name] => told(look_up(name)),
        ["signal", pid] => errno(kill(number(pid), Signal::SIGKILL)),
        ["trace", pid] => errno(ptrace::attach(number(pid))),
        ["be-traced"] => errno(ptrace::traceme()),
        ["mount"] => errno(mount(
            Some("none"),
            "/tmp",
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )),
        ["unshare"] => errno(unshare(CloneFlags::CLONE_NEWUSER)),
        ["module"] => errno(nix::kmod::init_module(b"none", &CString::default())),
        ["chroot"] => errno(chroot("/tmp")),
        ["root"] => errno(setuid(Uid::from_raw(0))),
        ["device"] => errno(mknod(
            "/tmp/disk",
            SFlag::S_IFBLK,
            Mode::S_IRWXU,
            makedev(7, 0),
        )),
        ["fill", mib] => fill(mib.parse().unwrap()),
        ["bomb"] => bomb(),
        ["niceness"] => told(
            rustix::process::getpriority_process(None)
                .map(|nice| nice.to_string())
                .map_err(io::Error::from),
        ),
        ["kill-self"] => errno(kill(Pid::this(), Signal::SIGKILL)),
        ["abort"] => std::process::abort(),
        other => panic!("no such attempt: {other:?}"),
    }
}

fn connect(address: &str) -> io::Result<String> {
    let patience = std::time::Duration::from_secs(5);
    std::net::TcpStream::connect_timeout(&address.parse().unwrap(), patience).map(|_| String::new())
}

fn look_up(name: &str) -> io::Result<String> {
    use std::net::ToSocketAddrs;
    let found: Vec<String> = (name, 0)
        .to_socket_addrs()?
        .map(|address| address.ip().to_string())
        .collect();
    Ok(found.join(","))
}

fn number(pid: &str) -> Pid {
    Pid::from_raw(pid.parse().unwrap())
}

fn told(result: io::Result<String>) -> String {
    match result {
        Ok(gained) => format!("done {gained}").trim().replace('\n', "|"),
        Err(error) => match error.raw_os_error() {
            Some(number) => format!("{:?}", Errno::from_raw(number)),
            None => error.to_string(),
        },
    }
}

fn errno<T>(result: nix::Result<T>) -> String {
    told(result.map(|_| String::new()).map_err(io::Error::from))
}

fn list(path: &str) -> io::Result<String> {
    let mut names = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names.join(","))
}

/// Writes to a file in `/tmp` until it is refused, and says how many MiB it came to.
fn fill(most: usize) -> String {
    use io::Write;
    let mut file = fs::File::create("/tmp/filled").unwrap();
    let piece = vec![7; 1 << 20];
    for written in 0..most {
        if let Err(error) = file.write_all(&piece) {
            return format!("{} after {written}", told(Err(error)));
        }
    }
    format!("done {most}")
}

/// Every process starts two, for as long as it may.
fn bomb() -> ! {
    let command = role(&["attempt", "bomb"]);
    loop {
        let exe = std::env::current_exe().unwrap();
        let _refused = Spawn::new(exe).args(&command.args).spawn();
    }
}
