//! The user as which a function runs.
//!
//! Each environment has a user id of its own, out of a range that no system hands out, so that none
//! can signal, inspect or use up the processes of another, whatever else should fail. All go by the
//! name that functions have on AWS.
//! Source of the range: <https://systemd.io/UIDS-GIDS>.

use std::fs;
use std::io::Read;
use std::path::Path;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, getegid, geteuid, setgroups, setresgid, setresuid};

use super::mounts::{self, Allows, DRAFTS};
use super::{Isolation, namespaces, realm, rights, rlimits};
use crate::protocol::Refused;

const NAME: &str = "sbx_user1051";
const FIRST: u32 = 1_879_048_192;
const COUNT: u64 = 1 << 28;
/// How far apart the users of two engines are whose process ids follow one another.
const STRIDE: u64 = 1 << 13;

const PASSWD: &str = "/etc/passwd";

/// The largest `/etc/passwd` of a root that is not ours.
const PASSWD_BYTES: u64 = 1 << 20;

/// The user of one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    id: u32,
}

impl User {
    /// That of the environment of this number.
    pub(crate) fn of(environment: u64) -> Self {
        let engine = u64::from(std::os::unix::process::parent_id());
        let offset = engine.wrapping_mul(STRIDE).wrapping_add(environment) % COUNT;
        Self {
            id: FIRST + u32::try_from(offset).unwrap_or(0),
        }
    }

    /// Puts the user into the view's `/etc/passwd`.
    pub(super) fn introduce(self) -> Result<(), Refused> {
        let id = self.id;
        let text = format!(
            "root:x:0:0:root:/root:/sbin/nologin\n{NAME}:x:{id}:{id}::/home/{NAME}:/sbin/nologin\n"
        );
        self.shows(&text, Path::new(PASSWD))
    }

    /// Shows a text of the user's own at `target`. The file system is one for all environments, so
    /// the file is mounted and has no name there.
    pub(super) fn shows(self, text: &str, target: &Path) -> Result<(), Refused> {
        let refused = || Refused::to(format!("write {}", target.display()));
        let draft = format!("{DRAFTS}/{}", self.id);
        fs::write(&draft, text).map_err(refused())?;
        let file = mounts::clone_of(draft.as_ref(), Allows::Reading)?;
        mounts::attach(file, target)?;
        fs::remove_file(&draft).map_err(refused())
    }

    /// Takes the user's ids. Who was root has no rights afterwards, unless it was asked to keep them.
    pub(super) fn take_ids(self) -> Result<(), Refused> {
        let (uid, gid) = (Uid::from_raw(self.id), Gid::from_raw(self.id));
        setgroups(&[])
            .and_then(|()| setresgid(gid, gid, gid))
            .and_then(|()| setresuid(uid, uid, uid))
            .map_err(Refused::to("become another user"))
    }

    /// Becomes that user for good, with no right left in any namespace. Of processes and threads it
    /// may then have `processes` in all, where no control group counts them.
    pub(crate) fn become_it(
        self,
        isolation: &Isolation,
        processes: Option<u32>,
    ) -> Result<(), Refused> {
        if isolation.realm.is_some() {
            // The name alone: to the host it stays the engine's user, whose files are not in sight,
            // and whose processes have no number in this process table. The namespace is its own, so
            // that its processes are counted by themselves.
            let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
            realm::enter_new((self.id, uid), (self.id, gid))?;
            // The filter lets none be made either: this is a second hold, and a host that refuses it
            // loses no more than that.
            let _filtered = namespaces::forbid();
        }
        rights::bound().map_err(Refused::to("give up rights for ever"))?;
        if isolation.realm.is_none() {
            self.take_ids()?;
        }
        if isolation.counts_processes() {
            rlimits::limit_processes(processes)?;
        }
        rights::drop_all().map_err(Refused::to("give up all rights"))?;
        // The kernel forgets this with a change of user.
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(Refused::to("tie the process to its parent"))
    }
}

/// Puts the view's user into the `/etc/passwd` of another root, which lies at `root` so far.
pub(super) fn introduce_to(root: &Path, user: User) -> Result<(), Refused> {
    let refused = || Refused::to("read /etc/passwd");
    let prefix = format!("{NAME}:");
    let own = fs::read_to_string(PASSWD).map_err(refused())?;
    let target = root.join(PASSWD.trim_start_matches('/'));
    let mut theirs = Vec::new();
    fs::File::open(&target)
        .and_then(|file| file.take(PASSWD_BYTES).read_to_end(&mut theirs))
        .map_err(refused())?;
    let theirs = String::from_utf8_lossy(&theirs);
    // Images of AWS's have the user already, by another number.
    let others = theirs.lines().filter(|line| !line.starts_with(&prefix));
    let own = own.lines().filter(|line| line.starts_with(&prefix));
    let text: String = others.chain(own).flat_map(|line| [line, "\n"]).collect();
    user.shows(&text, &target)
}
