//! A child of the spawner, from its fork to the program that it becomes.
//!
//! It is forked ahead of need, as a blank: it enters its control groups and namespaces, which may
//! take some milliseconds, and waits for a command. With that come the mounts that the command
//! shows; the child attaches them, gives up its rights and becomes the program.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, Pid};
use serde::{Deserialize, Serialize};

use crate::cgroup::EnvironmentGroups;
use crate::isolation::{
    Isolation, Network, Quarters, User, View, clones, helper, pid_space, rlimits,
};
use crate::protocol::{Failure, Refused, decode};
use crate::spec::{Command, Egress};
use crate::sys::Parent;
use crate::{channel, sys};

/// The variable by which AWS's runtime clients find the pipe for framed log records.
const TELEMETRY_VARIABLE: &str = "_LAMBDA_TELEMETRY_LOG_FD";
const TELEMETRY_FD: RawFd = 3;
/// The variable by which a process finds the channel that asks for clones of it.
const CLONES_VARIABLE: &str = "_LAMBDALAB_CLONES_FD";
const CLONES_FD: RawFd = 4;
/// Where the channel to the spawner goes, out of the way of what the program shall inherit.
const ABOVE_PROGRAMS: RawFd = 10;
const OPEN_FILES: u64 = 1024;
/// What a process may map for its own when nothing better limits its memory: the stacks of a few
/// threads count, and are hardly ever touched.
const STACK_ALLOWANCE: u64 = 128 << 20;

/// A child that has not executed its program yet.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    /// Takes an [`Order`]; brings [`Word`]s, and closes when the program was executed.
    pub(super) channel: OwnedFd,
    /// The init process of its process table, where that is not the spawner's.
    pub(super) init: Option<Pid>,
}

/// Where a child is to live.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home<'a> {
    pub(super) groups: &'a EnvironmentGroups,
    /// Apart from the host, where that is possible, and as which user.
    pub(super) isolation: Option<(&'a Isolation, User)>,
    /// The network that is its own, where it has one.
    pub(super) network: Option<&'a Network>,
    /// What that reaches.
    pub(super) egress: Egress,
    /// The namespaces of those that live there already, where it enters them.
    pub(super) quarters: Option<&'a Quarters>,
}

/// What the spawner tells a child to become. Comes with the write ends for stdout, stderr and
/// perhaps telemetry, then with the channel for clones if it may be cloned, and then with the mounts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) command: Command,
    /// Where the mounts go.
    pub(super) mounts: Vec<PathBuf>,
    /// A limit for each process, in bytes, where no control group limits them together.
    pub(super) data_limit: Option<u64>,
    /// A limit on processes and threads, where no control group counts them.
    pub(super) processes: Option<u32>,
    /// The environment's folder, and the size of what it may have at `/tmp` in MiB.
    pub(super) scratch: (PathBuf, u32),
    /// Whether it comes with a channel by which clones are asked for.
    pub(super) cloneable: bool,
    /// Whether others may live beside it, to whom it hands out its namespaces.
    pub(super) beside: bool,
}

/// What a child tells the spawner.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// It has its command and is ready to become the program. Without this word, its end means that
    /// it was killed while it waited. Comes with its namespaces, if it was to hand them out.
    Executing,
    /// It cannot become the program.
    Failed(Failure),
}

/// Whether anything was killed in a group before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// It was just made.
    Fresh,
    /// Processes in it may have been killed as a group.
    Killed,
}

/// Forks a child into the groups of its environment, and with isolation into a process table and a
/// network of its own. A helper does that, who has no way back from there; what it forks become
/// children of this process.
pub(super) fn fork(home: Home<'_>, past: Past) -> Result<Child, Refused> {
    let Some((isolation, _)) = home.isolation else {
        return fork_program(home, past, (Parent::Caller, Pid::this()));
    };
    let ((pid, init), channel) = helper::run(|| {
        isolation.join()?;
        home.network.map_or(Ok(()), Network::enter)?;
        pid_space::open()?;
        let init = fork_init(home.groups, past)?;
        let child = fork_program(home, past, OUTSIDE).inspect_err(|_| {
            pid_space::dismiss(init);
        })?;
        Ok(((child.pid.as_raw(), init.as_raw()), vec![child.channel]))
    })?;
    Ok(Child {
        pid: Pid::from_raw(pid),
        channel: only(channel)?,
        init: Some(Pid::from_raw(init)),
    })
}

/// Forks a child that enters the namespaces of those that live in its environment already; without
/// isolation there are none to enter.
pub(super) fn fork_beside(home: Home<'_>, quarters: Option<&Quarters>) -> Result<Child, Refused> {
    let Some((isolation, _)) = home.isolation else {
        return fork_program(home, Past::Killed, (Parent::Caller, Pid::this()));
    };
    let quarters = quarters.ok_or_else(|| Refused {
        doing: "start a process beside one that has ended".to_owned(),
        source: io::Error::from_raw_os_error(libc::ESRCH),
    })?;
    let home = Home {
        quarters: Some(quarters),
        ..home
    };
    let (pid, channel) = helper::run(|| {
        isolation.join()?;
        home.network.map_or(Ok(()), Network::enter)?;
        quarters.open()?;
        let child = fork_program(home, Past::Killed, OUTSIDE)?;
        Ok((child.pid.as_raw(), vec![child.channel]))
    })?;
    Ok(Child {
        pid: Pid::from_raw(pid),
        channel: only(channel)?,
        init: None,
    })
}

fn only(channel: Vec<OwnedFd>) -> Result<OwnedFd, Refused> {
    channel.into_iter().next().ok_or_else(|| Refused {
        doing: "hear of a child".to_owned(),
        source: io::ErrorKind::UnexpectedEof.into(),
    })
}

/// Forks the init process. Of the control groups it enters the unified one alone, by which it can
/// be killed: what little it uses is not the function's.
fn fork_init(groups: &EnvironmentGroups, past: Past) -> Result<Pid, Refused> {
    let (forked, entered) =
        fork_into(groups, past, Parent::CallersParent).map_err(Refused::to("fork an init"))?;
    match forked {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => crate::forked::run(|| {
            // First, for the group may be frozen: it would keep what it holds of the spawner's.
            pid_space::let_go()?;
            enter_unified(groups, entered)?;
            pid_space::init()
        }),
    }
}

/// The parent of who lives in a process table of its own: from inside it has no number.
const OUTSIDE: (Parent, Pid) = (Parent::CallersParent, Pid::from_raw(0));

/// Forks the child itself, for a parent with the number by which the child knows it.
fn fork_program(
    home: Home<'_>,
    past: Past,
    (parent, parents_number): (Parent, Pid),
) -> Result<Child, Refused> {
    let (ours, theirs) = channel::pair().map_err(Refused::to("make a socket pair"))?;
    let (forked, entered) =
        fork_into(home.groups, past, parent).map_err(Refused::to("fork a child"))?;
    match forked {
        ForkResult::Parent { child } => Ok(Child {
            pid: child,
            channel: ours,
            init: None,
        }),
        ForkResult::Child => crate::forked::run(|| {
            let channel = sys::duplicate_above(&theirs, ABOVE_PROGRAMS)
                .map_err(Refused::to("keep the channel"))?;
            let Err(failure) = live(parents_number, channel.as_fd(), home, entered);
            say(channel.as_fd(), &Word::Failed(failure), &[])
        }),
    }
}

fn say(channel: BorrowedFd<'_>, word: &Word, along: &[OwnedFd]) -> Result<(), Refused> {
    let text = serde_json::to_vec(word).map_err(Refused::to("write a word"))?;
    channel::send(channel, &text, along).map_err(Refused::to("tell the spawner"))
}

/// Forks, into the unified group at once where the kernel can. Says whether it did.
///
/// Not into a group in which `cgroup.kill` was used: to tell a fork that races with it, the kernel
/// counts a group's kills, but compares the count of the group that the child is made in with that
/// of the group of its parent, so that it kills every such child (seen with Linux 6.18).
fn fork_into(
    groups: &EnvironmentGroups,
    past: Past,
    parent: Parent,
) -> io::Result<(ForkResult, bool)> {
    if let (Some(unified), Past::Fresh) = (&groups.unified, past) {
        let directory = fs::File::open(unified)?;
        // Some seccomp filters of container engines pretend that there is no clone3.
        if let Ok(forked) = sys::fork_into_cgroup(directory.as_fd(), parent) {
            return Ok((forked, true));
        }
    }
    Ok((sys::fork_under(parent)?, false))
}

/// The child's life; returns only when it cannot become the program.
fn live(
    parent: Pid,
    channel: BorrowedFd<'_>,
    home: Home<'_>,
    entered: bool,
) -> Result<std::convert::Infallible, Failure> {
    prepare(parent, channel, home, entered)?;
    let seclusion = match home.isolation {
        Some((isolation, user)) => {
            let view = match home.quarters {
                Some(quarters) => {
                    quarters.enter()?;
                    None
                }
                None => Some(View::enter(isolation, user, home.egress)?),
            };
            Some((view, isolation, user))
        }
        None => None,
    };
    // Of what it has inherited, now only the channel is left, and the way to what it shall show.
    let mut kept = vec![channel];
    if let Some((Some(view), ..)) = &seclusion {
        kept.extend(view.descriptors());
    }
    sys::close_all_but(&kept).map_err(Refused::to("close inherited files"))?;
    let mut buffer = vec![0; channel::MAX_MESSAGE];
    let received =
        channel::receive(channel, &mut buffer, true).map_err(Refused::to("receive the command"))?;
    let Some(received) = received else {
        sys::exit_now(0);
    };
    let order: Order =
        decode(&buffer[..received.length]).map_err(Refused::to("read the command"))?;
    execute(order, &received.descriptors, channel, seclusion)
}

/// Leaves everything of the spawner's behind and enters the control groups.
fn prepare(
    parent: Pid,
    channel: BorrowedFd<'_>,
    home: Home<'_>,
    entered: bool,
) -> Result<(), Refused> {
    let groups = home.groups;
    sys::silence(0..=2).map_err(Refused::to("open /dev/null"))?;
    let mut kept = vec![channel];
    if let Some((isolation, _)) = home.isolation {
        kept.extend(isolation.descriptors());
    }
    kept.extend(
        home.quarters
            .iter()
            .flat_map(|quarters| quarters.descriptors()),
    );
    sys::close_all_but(&kept).map_err(Refused::to("close inherited files"))?;
    prctl::set_name(c"lambdalab-blank").map_err(Refused::to("name the process"))?;
    nix::unistd::setsid().map_err(Refused::to("start a session"))?;
    // The second line of defence: the guard is the first.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(Refused::to("tie the process to its parent"))?;
    if nix::unistd::getppid() != parent {
        sys::exit_now(0);
    }
    sys::reset_signals().map_err(Refused::to("reset signals"))?;
    enter_unified(groups, entered)?;
    groups
        .entrances()
        .iter()
        .try_for_each(|entrance| enter(entrance))?;
    prctl::set_no_new_privs().map_err(Refused::to("give up new privileges"))?;
    if home.isolation.is_some() {
        rlimits::set()?;
    } else {
        let limit = |resource, value| {
            setrlimit(resource, value, value).map_err(Refused::to("set a resource limit"))
        };
        limit(Resource::RLIMIT_NOFILE, OPEN_FILES)?;
        limit(Resource::RLIMIT_CORE, 0)?;
    }
    umask(Mode::from_bits_truncate(0o022));
    // How urgent the engine is must not tell in what is measured. Who was put back may not come forward.
    let _put_back = rustix::process::setpriority_process(None, 0);
    // Unlike the spawner, functions are to be killed first when memory runs out.
    fs::write("/proc/self/oom_score_adj", "500").map_err(Refused::to("set the OOM score"))
}

fn enter_unified(groups: &EnvironmentGroups, entered: bool) -> Result<(), Refused> {
    match &groups.unified {
        Some(unified) if !entered => enter(&unified.join("cgroup.procs")),
        _ => Ok(()),
    }
}

fn enter(entrance: &Path) -> Result<(), Refused> {
    let doing = || format!("enter {}", entrance.display());
    let write = || {
        use std::io::Write;
        fs::OpenOptions::new()
            .write(true)
            .open(entrance)?
            .write_all(b"0")
    };
    write().map_err(|source| Refused {
        doing: doing(),
        source,
    })
}

/// Becomes the program.
fn execute(
    order: Order,
    descriptors: &[OwnedFd],
    channel: BorrowedFd<'_>,
    seclusion: Option<(Option<View<'_>>, &Isolation, User)>,
) -> Result<std::convert::Infallible, Failure> {
    let Order {
        command,
        mounts,
        data_limit,
        processes,
        scratch,
        cloneable,
        beside,
    } = order;
    let mut env = command.env;
    let mut places = vec![1, 2];
    places.extend(command.telemetry.then_some(TELEMETRY_FD));
    places.extend(cloneable.then_some(CLONES_FD));
    // Before the outputs take the place of descriptors that the view needs.
    let confinement = match seclusion {
        Some((view, isolation, user)) => {
            if let Some(view) = view {
                let attached = descriptors.iter().skip(places.len());
                for (mount, target) in attached.zip(&mounts) {
                    view.show(mount, target)?;
                }
                view.fetch(&command.shows, (&scratch.0, scratch.1))?;
                view.seal()?;
            }
            Some((isolation, user))
        }
        None => None,
    };
    // Above the numbers that the program is to find its outputs by, and closed when it is executed.
    let quarters = match confinement {
        Some(_) if beside => Quarters::own()?
            .into_iter()
            .map(|namespace| sys::duplicate_above(&namespace, ABOVE_PROGRAMS))
            .collect::<Result<_, _>>()
            .map_err(Refused::to("keep the namespaces"))?,
        _ => Vec::new(),
    };
    if let Some(limit) = data_limit {
        let limit = limit.saturating_add(STACK_ALLOWANCE);
        setrlimit(Resource::RLIMIT_DATA, limit, limit)
            .map_err(Refused::to("limit the process's memory"))?;
    }
    // The received descriptors have the lowest free numbers, in order, so none is overwritten before
    // it has been installed.
    for (descriptor, place) in descriptors.iter().zip(&places) {
        sys::install(descriptor, *place).map_err(Refused::to("connect the output"))?;
    }
    if cloneable {
        env.push((CLONES_VARIABLE.to_owned(), CLONES_FD.to_string()));
    }
    if command.telemetry {
        env.push((TELEMETRY_VARIABLE.to_owned(), TELEMETRY_FD.to_string()));
    }
    let program = c_string(command.program.as_os_str().as_bytes())?;
    let mut arguments = vec![program.clone()];
    for argument in &command.args {
        arguments.push(c_string(argument.as_bytes())?);
    }
    let variables: Vec<CString> = env
        .iter()
        .map(|(name, value)| c_string(format!("{name}={value}").as_bytes()))
        .collect::<Result<_, _>>()?;
    if let Some((isolation, user)) = confinement {
        if cloneable {
            clones::become_template(user)?;
            isolation.filters().apply_to_template()?;
        } else {
            user.become_it(isolation, processes)?;
            isolation.filters().apply()?;
        }
    }
    std::env::set_current_dir(&command.cwd)
        .map_err(|error| working_directory(command.cwd.clone(), &error))?;
    say(channel, &Word::Executing, &quarters)?;
    let Err(error) = nix::unistd::execve::<&CStr, &CStr>(
        &program,
        &arguments.iter().map(CString::as_c_str).collect::<Vec<_>>(),
        &variables.iter().map(CString::as_c_str).collect::<Vec<_>>(),
    );
    Err(Failure::Exec {
        program: command.program,
        errno: error as i32,
    })
}

fn working_directory(directory: PathBuf, error: &io::Error) -> Failure {
    Failure::WorkingDirectory {
        directory,
        errno: error.raw_os_error().unwrap_or(libc::EIO),
    }
}

fn c_string(bytes: &[u8]) -> Result<CString, Refused> {
    CString::new(bytes).map_err(|_| Refused {
        doing: "pass on the command, which holds a NUL byte".into(),
        source: io::Error::from_raw_os_error(libc::EINVAL),
    })
}
