//! The limits of each process, as functions find them on AWS (recorded in November 2025).

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};

use crate::protocol::Refused;

const LIMITS: [(Resource, rlim_t, rlim_t); 11] = [
    (Resource::RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_CORE, 10_737_418_240, 10_737_418_240),
    (Resource::RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_MEMLOCK, 65_536, 65_536),
    // Whatever the engine's user may: functions go before nobody else on the host.
    (Resource::RLIMIT_NICE, 0, 0),
    (Resource::RLIMIT_NOFILE, 1_024, 1_024),
    (Resource::RLIMIT_RTPRIO, 0, 0),
    (Resource::RLIMIT_RSS, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_STACK, 8 << 20, RLIM_INFINITY),
];

/// Processes and threads of one user.
const PROCESSES: u32 = 742;

/// Sets them for this process. Who may not raise a limit keeps what there is of it.
pub(crate) fn set() -> Result<(), Refused> {
    for (resource, soft, hard) in LIMITS {
        set_within_bounds(resource, soft, hard)?;
    }
    // The limit on core files is AWS's, and would have the host write or collect them: they hold
    // nothing here.
    std::fs::write("/proc/self/coredump_filter", "0").map_err(Refused::to("empty core files"))
}

/// Limits the processes and threads of this process's user, which must be this environment's alone:
/// as AWS does, or to `most` where that is less.
pub(crate) fn limit_processes(most: Option<u32>) -> Result<(), Refused> {
    let most = most.unwrap_or(PROCESSES).min(PROCESSES).into();
    set_within_bounds(Resource::RLIMIT_NPROC, most, most)
}

fn set_within_bounds(resource: Resource, soft: rlim_t, hard: rlim_t) -> Result<(), Refused> {
    let refused = || Refused::to("set a resource limit");
    match setrlimit(resource, soft, hard) {
        Err(Errno::EPERM) => {
            let (_, bound) = getrlimit(resource).map_err(refused())?;
            setrlimit(resource, soft.min(bound), hard.min(bound)).map_err(refused())
        }
        result => result.map_err(refused()),
    }
}
