//! The limits of each process, as functions find them on AWS (recorded in November 2025).

use nix::sys::resource::{RLIM_INFINITY, Resource, rlim_t, setrlimit};

use crate::protocol::Refused;

const LIMITS: [(Resource, rlim_t, rlim_t); 10] = [
    (Resource::RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_CORE, 10_737_418_240, 10_737_418_240),
    (Resource::RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_MEMLOCK, 65_536, 65_536),
    (Resource::RLIMIT_NOFILE, 1_024, 1_024),
    (Resource::RLIMIT_NPROC, 742, 742),
    (Resource::RLIMIT_RSS, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_STACK, 8 << 20, RLIM_INFINITY),
];

/// Sets them for this process.
pub(crate) fn set() -> Result<(), Refused> {
    for (resource, soft, hard) in LIMITS {
        setrlimit(resource, soft, hard).map_err(Refused::to("set a resource limit"))?;
    }
    // The limit on core files is AWS's, and would have the host write or collect them: they hold
    // nothing here.
    std::fs::write("/proc/self/coredump_filter", "0").map_err(Refused::to("empty core files"))
}
