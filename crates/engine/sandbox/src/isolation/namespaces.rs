//! How many namespaces may be made below a user namespace of an environment's.
//!
//! The kernel keeps such limits in each user namespace, as files that are that namespace's own, and
//! counts what is made in all those above it too
//! (<https://docs.kernel.org/admin-guide/sysctl/user.html>). A process may set them as long as it has
//! rights there, so it does so on its way down, before it gives them up.

use std::fs;
use std::io;
use std::path::Path;

const FOLDER: &str = "/proc/sys/user";

/// All kinds. A kernel that has none of a kind has no file for it.
const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// Limits those of `kinds` to `most` each, in the user namespace in which this process is, and lets
/// none be made of all other kinds.
pub(super) fn limit(kinds: &[&str], most: u32) -> io::Result<()> {
    for kind in KINDS {
        let most = if kinds.contains(&kind) { most } else { 0 };
        let file = Path::new(FOLDER).join(format!("max_{kind}_namespaces"));
        match fs::write(file, most.to_string()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(())
}

/// Lets none be made at all.
pub(super) fn forbid() -> io::Result<()> {
    limit(&[], 0)
}
