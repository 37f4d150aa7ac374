//! Why a host refuses isolation, and what its owner can do.

use std::fs;

use nix::unistd::geteuid;

/// What bears on it, as the host's files tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Host {
    root: bool,
    /// `user.max_user_namespaces`.
    most_user_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, which Debian's kernels had.
    clone_allowed: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, which Ubuntu's kernels have.
    apparmor_restricts: Option<u64>,
    /// Whether a system call filter holds for this process already: a container engine's, mostly.
    filtered: bool,
}

impl Host {
    pub(super) fn look() -> Self {
        let setting = |name: &str| {
            let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
            text.trim().parse().ok()
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            root: geteuid().is_root(),
            most_user_namespaces: setting("user/max_user_namespaces"),
            clone_allowed: setting("kernel/unprivileged_userns_clone"),
            apparmor_restricts: setting("kernel/apparmor_restrict_unprivileged_userns"),
            filtered: status.lines().any(|line| line == "Seccomp:\t2"),
        }
    }
}

/// What to do, by what was found; the likeliest reason counts.
pub(super) fn remedy(host: &Host) -> String {
    let setting = |name: &str, value: &str| {
        format!(
            "let the engine's user have user namespaces (sudo sysctl -w {name}={value}), or run the \
             engine as root"
        )
    };
    if host.filtered {
        let privileges = if host.root {
            "--cap-add SYS_ADMIN --security-opt apparmor=unconfined"
        } else {
            "--security-opt apparmor=unconfined"
        };
        format!(
            "run the container with {privileges} --security-opt seccomp=unconfined \
             --security-opt systempaths=unconfined"
        )
    } else if host.root {
        "run the engine with all of root's rights on Linux 5.12 or newer".to_owned()
    } else if host.most_user_namespaces == Some(0) {
        setting("user.max_user_namespaces", "10000")
    } else if host.clone_allowed == Some(0) {
        setting("kernel.unprivileged_userns_clone", "1")
    } else if host.apparmor_restricts == Some(1) {
        setting("kernel.apparmor_restrict_unprivileged_userns", "0")
    } else {
        "run the engine as root, or where its user may have user namespaces, on Linux 5.14 or newer"
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_refuses_is_named() {
        let none = Host {
            most_user_namespaces: Some(0),
            ..Host::default()
        };
        let debian = Host {
            most_user_namespaces: Some(96_365),
            clone_allowed: Some(0),
            ..Host::default()
        };
        let ubuntu = Host {
            most_user_namespaces: Some(96_365),
            apparmor_restricts: Some(1),
            ..Host::default()
        };
        for (host, expected) in [
            (none, "user.max_user_namespaces=10000"),
            (debian, "kernel.unprivileged_userns_clone=1"),
            (ubuntu, "kernel.apparmor_restrict_unprivileged_userns=0"),
            (Host::default(), "run the engine as root"),
        ] {
            let remedy = remedy(&host);
            assert!(remedy.contains(expected), "{host:?}: {remedy}");
        }
    }

    #[test]
    fn containers_are_told_of_their_engines_options() {
        let inside = |root| Host {
            root,
            filtered: true,
            ..Host::default()
        };
        assert!(remedy(&inside(true)).contains("--cap-add SYS_ADMIN"));
        assert!(!remedy(&inside(false)).contains("SYS_ADMIN"));
        assert!(remedy(&inside(false)).contains("seccomp=unconfined"));
    }
}
