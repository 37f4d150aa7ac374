//! Environments that are kept apart from the host: what they are like inside, and one test for each
//! attempt to get out.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use nix::unistd::geteuid;
use sandbox::{
    Command, ENGINE_PORT, Environment, EnvironmentSpec, ExitStatus, Limits, Means,
    RUNTIME_API_PORT, SandboxError, Shown,
};

use crate::harness::{self, Harness, eventually, line, output, within};
use crate::lifecycle::rests_beside;

/// Where an isolated environment shows this binary.
const HERE: &str = "/var/task";

/// This binary in one of its roles, as an isolated environment sees it.
pub(crate) fn role(arguments: &[&str]) -> Command {
    let command = harness::role(arguments);
    let folder = command.program.parent().unwrap().to_owned();
    let name = command.program.file_name().unwrap();
    Command {
        program: [HERE.as_ref(), name].iter().collect(),
        shows: vec![Shown {
            source: folder,
            target: HERE.into(),
        }],
        cwd: HERE.into(),
        ..command
    }
}

/// An isolated environment; `None`, and said so, where the host has none.
async fn isolated(harness: &Harness) -> Option<Environment> {
    sized(harness, harness.spec()).await
}

pub(crate) async fn sized(harness: &Harness, spec: EnvironmentSpec) -> Option<Environment> {
    if !harness.isolated.capabilities().isolates() {
        harness.skip("this host lets nothing be isolated");
        return None;
    }
    Some(harness.isolated.create(spec).await.unwrap())
}

/// What comes of an attempt.
pub(crate) async fn attempt(environment: &Environment, what: &[&str]) -> String {
    let arguments: Vec<&str> = ["attempt"].iter().chain(what).copied().collect();
    let mut process = environment.start(role(&arguments)).await.unwrap();
    let text = output(&mut process).await;
    within(process.exit()).await.unwrap();
    text.trim().to_owned()
}

/// Makes attempts that must all be refused with one of `expected`, and looks whether another
/// environment serves as before.
async fn refused(harness: &Harness, attempts: &[&[&str]], expected: &[&str]) {
    let Some(environment) = isolated(harness).await else {
        return;
    };
    for what in attempts {
        let outcome = attempt(&environment, what).await;
        assert!(expected.contains(&outcome.as_str()), "{what:?}: {outcome}");
    }
    serves(harness).await;
}

/// The next environment works.
pub(crate) async fn serves(harness: &Harness) {
    let environment = isolated(harness).await.unwrap();
    let mut process = environment.start(role(&["print", "served"])).await.unwrap();
    assert_eq!(output(&mut process).await, "served\n");
}

async fn exit(environment: &Environment, arguments: &[&str]) -> ExitStatus {
    let process = environment.start(role(arguments)).await.unwrap();
    within(process.exit()).await.unwrap()
}

pub(crate) async fn identity(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    let passwd = attempt(&environment, &["read", "/etc/passwd"]).await;
    let line = passwd.split('|').nth(1).unwrap();
    let mut fields = line.split(':');
    assert_eq!(fields.next(), Some("sbx_user1051"));
    let uid = fields.nth(1).unwrap();
    let status = attempt(&environment, &["read", "/proc/self/status"]).await;
    for expected in [
        format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"),
        format!("Gid:\t{uid}\t{uid}\t{uid}\t{uid}"),
        "Groups:\t ".to_owned(),
        "CapInh:\t0000000000000000".to_owned(),
        "CapPrm:\t0000000000000000".to_owned(),
        "CapEff:\t0000000000000000".to_owned(),
        "CapBnd:\t0000000000000000".to_owned(),
        "CapAmb:\t0000000000000000".to_owned(),
        "NoNewPrivs:\t1".to_owned(),
        "Seccomp:\t2".to_owned(),
    ] {
        let found = status.split('|').any(|line| line == expected);
        assert!(found, "{expected}: {status}");
    }
    let other = isolated(&harness).await.unwrap();
    let others = attempt(&other, &["read", "/etc/passwd"]).await;
    assert_ne!(passwd, others, "each has a user id of its own");
    let host = attempt(&environment, &["read", "/proc/sys/kernel/hostname"]).await;
    assert_eq!(host, "done localhost");
}

/// A root of somebody else's: as container images have it.
pub(crate) async fn another_root(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::set_permissions(root, PermissionsExt::from_mode(0o755)).unwrap();
    for folder in ["dev", "etc", "proc", "sys", "tmp", "usr", "var/task"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for file in ["etc/hosts", "etc/passwd", "etc/resolv.conf", "own"] {
        fs::write(root.join(file), "the image's").unwrap();
    }
    let mut shows = vec![Shown {
        source: root.to_owned(),
        target: "/".into(),
    }];
    // This binary needs the host's libraries, wherever they lie.
    for name in ["lib", "lib64", "usr"] {
        let path = Path::new("/").join(name);
        match fs::read_link(&path) {
            Ok(target) => symlink(target, root.join(name)).unwrap(),
            Err(_) if path.is_dir() => {
                fs::create_dir_all(root.join(name)).unwrap();
                shows.push(Shown {
                    source: path.clone(),
                    target: path,
                });
            }
            Err(_) => {}
        }
    }
    let attempt = async |what: &[&str]| {
        let arguments: Vec<&str> = ["attempt"].iter().chain(what).copied().collect();
        let mut command = role(&arguments);
        command.shows.splice(0..0, shows.clone());
        let mut process = environment.start(command).await.unwrap();
        let text = output(&mut process).await;
        within(process.exit()).await.unwrap();
        text.trim().to_owned()
    };
    assert_eq!(attempt(&["read", "/own"]).await, "done the image's");
    let hosts = attempt(&["read", "/etc/hosts"]).await;
    assert_eq!(
        hosts, "done 127.0.0.1\tlocalhost|127.0.0.1\tsandbox.localdomain sandbox",
        "as in every environment"
    );
    assert_eq!(attempt(&["open", "/dev/null"]).await, "done");
    assert!(attempt(&["list", "/proc"]).await.contains("self"));
    assert_eq!(attempt(&["create", "/tmp/file"]).await, "done");
    for path in ["/file", "/etc/file", "/dev/file", "/etc/hosts"] {
        let refused = attempt(&["create", path]).await;
        assert!(
            ["EROFS", "EACCES"].contains(&refused.as_str()),
            "{path}: {refused}"
        );
    }
    let users = attempt(&["read", "/etc/passwd"]).await;
    let own = "done the image's|sbx_user1051:x:";
    assert!(users.starts_with(own), "{users}");
    let shared = attempt(&["read", "/lambda-entrypoint.sh"]).await;
    assert_eq!(shared, "ENOENT", "of the shared root");
    assert_eq!(attempt(&["mount"]).await, "EPERM");
    serves(&harness).await;
}

pub(crate) async fn limits(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    let limits = attempt(&environment, &["read", "/proc/self/limits"]).await;
    let limit = |name: &str| {
        let line = limits.split('|').find(|line| line.starts_with(name));
        let words = line.unwrap()[name.len()..].split_whitespace();
        words.take(2).collect::<Vec<_>>().join(" ")
    };
    // AWS's figure, and where nothing else counts processes the environment's own.
    let processes = match harness.isolated.capabilities().pids.means {
        Means::Rlimit => "64 64".to_owned(),
        _ => "742 742".to_owned(),
    };
    let data = match harness.isolated.capabilities().memory.means {
        Means::Samples => "402653184 402653184",
        _ => "unlimited unlimited",
    };
    for (name, expected) in [
        ("Max core file size", "10737418240 10737418240"),
        ("Max locked memory", "65536 65536"),
        ("Max open files", "1024 1024"),
        ("Max processes", &processes),
        ("Max stack size", "8388608 unlimited"),
        ("Max address space", "unlimited unlimited"),
        ("Max data size", data),
    ] {
        assert_eq!(limit(name), expected, "{name}");
    }
}

pub(crate) async fn exits(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    assert_eq!(exit(&environment, &["exit", "7"]).await.code, Some(7));
    for (what, signal) in [("kill-self", 9), ("abort", 6)] {
        let status = exit(&environment, &["attempt", what]).await;
        assert_eq!((status.code, status.signal), (None, Some(signal)), "{what}");
    }
}

pub(crate) async fn cannot_run(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    let missing = Command {
        program: "/var/task/nothing".into(),
        ..role(&[])
    };
    let error = environment.start(missing).await.unwrap_err();
    assert!(matches!(error, SandboxError::Exec { .. }), "{error}");
    let nowhere = Command {
        cwd: "/root".into(),
        ..role(&["print"])
    };
    let error = environment.start(nowhere).await.unwrap_err();
    let expected = matches!(error, SandboxError::WorkingDirectory { .. });
    assert!(expected, "{error}");
    let mut unknown = role(&["print"]);
    unknown.shows[0].source = "/no/such/folder".into();
    let error = environment.start(unknown).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/folder"), "{error}");
    serves(&harness).await;
}

pub(crate) async fn leaves_nothing(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    let marker = format!("isolated-{}", environment.id());
    let mut process = environment.start(role(&["tree", &marker])).await.unwrap();
    assert_eq!(line(&mut process).await, "grown");
    environment.kill_all().unwrap();
    within(process.exit()).await.unwrap();
    eventually("the tree is gone", || {
        harness::processes(&marker).is_empty()
    })
    .await;
    assert_eq!(exit(&environment, &["exit", "3"]).await.code, Some(3));
}

pub(crate) async fn scratch_stays(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    assert_eq!(attempt(&environment, &["list", "/tmp"]).await, "done");
    assert_eq!(
        attempt(&environment, &["create", "/tmp/kept"]).await,
        "done"
    );
    let kept = attempt(&environment, &["read", "/tmp/kept"]).await;
    assert_eq!(kept, "done here");
    let other = isolated(&harness).await.unwrap();
    assert_eq!(attempt(&other, &["list", "/tmp"]).await, "done");
}

pub(crate) async fn scratch_is_full(harness: Arc<Harness>) {
    let means = harness.isolated.capabilities().scratch.means;
    if means == Means::Folder {
        harness.skip("this host cannot limit /tmp");
        return;
    }
    let spec = EnvironmentSpec {
        limits: Limits {
            // Less than fits into /tmp, where that is no memory.
            memory_mb: if means == Means::LoopDevice {
                128
            } else {
                1024
            },
            cpu_vcpus: 2.0,
            pids: 64,
        },
        ..harness.spec()
    };
    let Some(environment) = sized(&harness, spec).await else {
        return;
    };
    let outcome = attempt(&environment, &["fill", "1024"]).await;
    let written = outcome.strip_prefix("ENOSPC after ").expect(&outcome);
    let written: u32 = written.parse().unwrap();
    assert!((512..528).contains(&written), "{outcome}");
    assert_eq!(environment.oom_events().unwrap().unwrap_or(0), 0);
    serves(&harness).await;
}

pub(crate) async fn cycles(harness: Arc<Harness>) {
    if isolated(&harness).await.is_none() {
        return;
    }
    // Other engines on this host have theirs.
    let folder = harness.directory.path().canonicalize().unwrap();
    let loops = || {
        let devices = fs::read_dir("/sys/block").unwrap();
        let behind = devices.filter_map(|device| {
            fs::read_to_string(device.ok()?.path().join("loop/backing_file")).ok()
        });
        behind
            .filter(|file| Path::new(file).starts_with(&folder))
            .count()
    };
    let spawner = harness.isolated.spawner_pid();
    let open = || fs::read_dir(format!("/proc/{spawner}/fd")).unwrap().count();
    let sandbox = &harness.isolated;
    eventually("the spawner is at rest", || rests_beside(sandbox, 0)).await;
    let before = (loops(), open());
    for _ in 0..30 {
        let environment = isolated(&harness).await.unwrap();
        assert_eq!(exit(&environment, &["exit", "1"]).await.code, Some(1));
        assert_eq!(exit(&environment, &["exit", "2"]).await.code, Some(2));
        let scratch = sandbox.capabilities().scratch.means;
        assert!(scratch != Means::LoopDevice || loops() > 0, "it has one");
        environment.destroy().await.unwrap();
    }
    eventually("all loop devices are free again", || loops() <= before.0).await;
    eventually("all descriptors are closed", || open() <= before.1 + 8).await;
}

pub(crate) async fn secrets(harness: Arc<Harness>) {
    let home = std::env::var("HOME").unwrap_or("/root".into());
    let folder = harness.spec().work_dir;
    fs::create_dir_all(&folder).unwrap();
    let secret = folder.join("credentials");
    fs::write(&secret, "secret").unwrap();
    refused(
        &harness,
        &[
            &["read", "/etc/shadow"],
            &["read", secret.to_str().unwrap()],
            &["list", &format!("{home}/.aws")],
            &["list", "/root"],
            &["list", "/proc/1/root"],
            &["read", "/proc/1/environ"],
            &["read", "/proc/1/cmdline"],
        ],
        &["ENOENT", "EACCES"],
    )
    .await;
}

/// Also where no control group can be had: orphans are its own.
pub(crate) async fn memory(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    for meal in ["eat", "eat-in-child", "eat-in-orphan"] {
        let status = exit(&environment, &[meal, "300"]).await;
        assert!(status.oom_killed, "{meal}: {status:?}");
    }
    let status = exit(&environment, &["exit", "0"]).await;
    assert_eq!((status.code, status.oom_killed), (Some(0), false));
}

/// Neither how the host was started and what it is made of, nor what its owner has installed.
pub(crate) async fn looks_around(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    for file in ["cmdline", "diskstats", "kallsyms", "partitions", "modules"] {
        let path = format!("/proc/{file}");
        let expected = match Path::new(&path).exists() {
            true => "done",
            false => "ENOENT",
        };
        let seen = attempt(&environment, &["read", &path]).await;
        assert_eq!(seen, expected, "{path}");
    }
    for folder in ["/sys", "/home", "/proc/bus", "/proc/driver"] {
        let seen = attempt(&environment, &["list", folder]).await;
        assert_eq!(seen, "done", "{folder}");
    }
    if Path::new("/usr/local").is_dir() {
        let seen = attempt(&environment, &["list", "/usr/local"]).await;
        let mut names = seen.trim_start_matches("done").trim().split(',');
        let libraries = ["lib", "lib32", "lib64", ""];
        assert!(names.all(|name| libraries.contains(&name)), "{seen}");
    }
    let own = rustix::process::getpriority_process(None).unwrap();
    let expected = if geteuid().is_root() { 0 } else { own.max(0) };
    let nice = attempt(&environment, &["niceness"]).await;
    assert_eq!(nice, format!("done {expected}"));
}

pub(crate) async fn foreign_processes(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    let seen = attempt(&environment, &["list", "/proc"]).await;
    let pids: Vec<&str> = seen
        .trim_start_matches("done ")
        .split(',')
        .filter(|name| name.parse::<u32>().is_ok())
        .collect();
    assert_eq!(pids, ["2"], "only itself");
    serves(&harness).await;
}

pub(crate) async fn writes(harness: Arc<Harness>) {
    refused(
        &harness,
        &[
            &["create", "/here"],
            &["create", "/var/task/here"],
            &["create", "/opt/here"],
            &["create", "/usr/here"],
            &["create", "/etc/here"],
            &["create", "/etc/passwd"],
            &["create", "/run/here"],
            &["create", "/dev/here"],
            &["create", "/dev/shm/here"],
            &["create", "/proc/sys/kernel/core_pattern"],
            &["create", "/proc/sysrq-trigger"],
        ],
        &["EROFS", "EACCES", "ENOENT"],
    )
    .await;
}

pub(crate) async fn signals(harness: Arc<Harness>) {
    let engine = std::process::id().to_string();
    let spawner = harness.isolated.spawner_pid().to_string();
    let attempts: [&[&str]; 2] = [&["signal", &engine], &["signal", &spawner]];
    refused(&harness, &attempts, &["ESRCH"]).await;
    // The init may be of the same user, but no signal from inside reaches one.
    refused(&harness, &[&["signal", "1"]], &["EPERM", "done"]).await;
    if let Some(environment) = isolated(&harness).await {
        let status = exit(&environment, &["attempt", "signal", "1"]).await;
        assert_eq!((status.code, status.signal), (Some(0), None));
    }
}

pub(crate) async fn tracing(harness: Arc<Harness>) {
    let engine = std::process::id().to_string();
    refused(
        &harness,
        &[&["trace", &engine], &["trace", "1"], &["be-traced"]],
        &["EPERM"],
    )
    .await;
}

pub(crate) async fn mounting(harness: Arc<Harness>) {
    let attempts: [&[&str]; 3] = [&["mount"], &["unshare"], &["chroot"]];
    refused(&harness, &attempts, &["EPERM"]).await;
}

pub(crate) async fn modules(harness: Arc<Harness>) {
    refused(&harness, &[&["module"]], &["EPERM"]).await;
}

pub(crate) async fn root(harness: Arc<Harness>) {
    // Where the user is one of a namespace's there is no root.
    refused(&harness, &[&["root"]], &["EPERM", "EINVAL"]).await;
}

pub(crate) async fn devices(harness: Arc<Harness>) {
    refused(
        &harness,
        &[
            &["device"],
            &["open", "/dev/mem"],
            &["open", "/dev/kmsg"],
            &["open", "/dev/loop0"],
            &["open", "/dev/loop-control"],
        ],
        &["EPERM", "ENOENT"],
    )
    .await;
}

pub(crate) async fn network(harness: Arc<Harness>) {
    let neighbour = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let neighbour = neighbour.local_addr().unwrap().to_string();
    let shared = harness.environment(&harness.grouped).await;
    let runtime_api = shared.runtime_api_address().to_string();
    refused(
        &harness,
        &[
            &["connect", &neighbour],
            &["connect", &runtime_api],
            &["connect", "169.254.169.254:80"],
            &["connect", "1.1.1.1:53"],
        ],
        &["ECONNREFUSED", "ENETUNREACH"],
    )
    .await;
}

pub(crate) async fn doors(harness: Arc<Harness>) {
    let (Some(mut one), Some(mut other)) = (isolated(&harness).await, isolated(&harness).await)
    else {
        return;
    };
    let inside = |port: u16| format!("127.0.0.1:{port}");
    assert_eq!(
        one.runtime_api_address().to_string(),
        inside(RUNTIME_API_PORT)
    );
    assert_eq!(other.runtime_api_address(), one.runtime_api_address());
    let doors = [&mut one, &mut other].map(|environment| environment.take_door().unwrap());
    for port in [RUNTIME_API_PORT, ENGINE_PORT] {
        // Twice, so that a process that was started anew finds them too.
        for _ in 0..2 {
            let outcome = attempt(&one, &["connect", &inside(port)]).await;
            assert_eq!(outcome, "done", "{port}");
        }
    }
    for listener in [&one.listener().unwrap(), &doors[0]] {
        assert!(listener.accept().is_ok() && listener.accept().is_ok());
    }
    for listener in [&other.listener().unwrap(), &doors[1]] {
        let nobody = listener.accept().unwrap_err();
        assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    }
}

pub(crate) async fn processes(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    let mut process = environment.start(role(&["many", "200"])).await.unwrap();
    let started: u32 = line(&mut process).await.parse().unwrap();
    assert!(started < 64, "{started} processes with a limit of 64");
    serves(&harness).await;
}

pub(crate) async fn fork_bomb(harness: Arc<Harness>) {
    let Some(environment) = isolated(&harness).await else {
        return;
    };
    let process = environment.start(role(&["attempt", "bomb"])).await.unwrap();
    serves(&harness).await;
    environment.kill_all().unwrap();
    within(process.exit()).await.unwrap();
    serves(&harness).await;
}
