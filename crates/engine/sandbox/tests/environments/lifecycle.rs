//! Creating, starting, ending, starting again, destroying.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{ExitStatus, Means, Sandbox, SandboxError, Spawner, SpawnerOptions};
use tokio::task::JoinSet;

use crate::harness::{Harness, eventually, group_directories, output, processes, role, within};
use crate::isolation;

const EXITED: ExitStatus = ExitStatus {
    code: Some(0),
    signal: None,
    oom_killed: false,
};

pub(crate) async fn command(harness: Arc<Harness>) {
    for sandbox in harness.both() {
        let environment = harness.environment(sandbox).await;
        let mut command = role(&["describe"]);
        command.env = vec![
            ("LANG".into(), "en_US.UTF-8".into()),
            ("EMPTY".into(), String::new()),
        ];
        command.cwd = environment.work_dir().to_path_buf();
        let mut process = environment.start(command).await.unwrap();
        let text = output(&mut process).await;
        let directory = environment.work_dir().canonicalize().unwrap();
        let expected = format!("EMPTY=\nLANG=en_US.UTF-8\ncwd {}\n", directory.display());
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!(within(process.exit()).await.unwrap(), EXITED);

        let mut command = role(&["records"]);
        command.telemetry = true;
        let mut process = environment.start(command).await.unwrap();
        within(process.exit()).await.unwrap();
        let mut records = String::new();
        std::fs::File::from(process.telemetry.take().unwrap())
            .read_to_string(&mut records)
            .unwrap();
        assert_eq!(records, "framed");
        environment.destroy().await.unwrap();
    }
}

pub(crate) async fn inherits_nothing(harness: Arc<Harness>) {
    for sandbox in harness.both() {
        let environment = harness.environment(sandbox).await;
        let mut process = environment.start(role(&["describe"])).await.unwrap();
        let text = output(&mut process).await;
        for line in [
            "fds 0,1,2",
            "SigBlk: 0000000000000000",
            "NoNewPrivs: 1",
            "Umask: 0022",
            "Max open files 1024 1024 files",
            "Max core file size 0 0 bytes",
            "leads true",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in:\n{text}"
            );
        }
        let ignored = text
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn: "))
            .unwrap();
        let ignored = u64::from_str_radix(ignored, 16).unwrap();
        // Rust's runtime ignores SIGPIPE before `main`; no other signal may be. Above 31 are those
        // that the C library keeps to itself.
        assert_eq!(ignored & 0x7fff_ffff, 1 << (libc::SIGPIPE - 1), "{text}");
        environment.destroy().await.unwrap();
    }
}

pub(crate) async fn exits(harness: Arc<Harness>) {
    for sandbox in harness.both() {
        let environment = harness.environment(sandbox).await;
        let process = environment.start(role(&["exit", "7"])).await.unwrap();
        let status = within(process.exit()).await.unwrap();
        assert_eq!(
            status,
            ExitStatus {
                code: Some(7),
                ..EXITED
            }
        );
        assert_eq!(
            within(process.exit()).await.unwrap(),
            status,
            "it may be asked again"
        );

        let process = environment.start(role(&["sleep"])).await.unwrap();
        let pid = Pid::from_raw(i32::try_from(process.pid()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        let status = within(process.exit()).await.unwrap();
        assert_eq!(
            status,
            ExitStatus {
                code: None,
                signal: Some(15),
                oom_killed: false
            }
        );

        let process = environment.start(role(&["sleep"])).await.unwrap();
        environment.kill_all().unwrap();
        assert_eq!(within(process.exit()).await.unwrap().signal, Some(9));
        environment.destroy().await.unwrap();
    }
}

pub(crate) async fn cannot_run(harness: Arc<Harness>) {
    for sandbox in harness.both() {
        let environment = harness.environment(sandbox).await;
        let text = environment.work_dir().join("text");
        std::fs::write(&text, "not a program").unwrap();
        for (program, expected) in [
            ("/no/such/program".into(), libc::ENOENT),
            (text.clone(), libc::EACCES),
            ("/".into(), libc::EACCES),
        ] {
            let mut command = role(&[]);
            command.program = program.clone();
            let error = environment.start(command).await.unwrap_err();
            let SandboxError::Exec {
                program: named,
                source,
            } = error
            else {
                panic!("{error}");
            };
            assert_eq!((named, source.raw_os_error()), (program, Some(expected)));
        }
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&text, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = role(&[]);
        command.program = text;
        let error = environment.start(command).await.unwrap_err();
        assert!(error.to_string().contains("Exec format error"), "{error}");

        let mut command = role(&["exit", "0"]);
        command.cwd = "/no/such/place".into();
        let error = environment.start(command).await.unwrap_err();
        assert!(
            matches!(error, SandboxError::WorkingDirectory { .. }),
            "{error}"
        );

        let mut command = role(&["exit", "0"]);
        command.env = vec![("HUGE".into(), "x".repeat(300_000))];
        let error = environment.start(command).await.unwrap_err();
        assert!(
            matches!(error, SandboxError::CommandTooLarge { .. }),
            "{error}"
        );

        let mut command = role(&["exit", "0"]);
        command.env = vec![("NUL".into(), "\0".into())];
        let error = environment.start(command).await.unwrap_err();
        assert!(
            matches!(error, SandboxError::InvalidCommand { .. }),
            "{error}"
        );

        let process = environment.start(role(&["exit", "0"])).await.unwrap();
        assert_eq!(
            within(process.exit()).await.unwrap(),
            EXITED,
            "and it still works"
        );
        environment.destroy().await.unwrap();
    }
}

pub(crate) async fn again(harness: Arc<Harness>) {
    for sandbox in harness.both() {
        let environment = harness.environment(sandbox).await;
        let file = environment.work_dir().join("kept");
        std::fs::write(&file, "").unwrap();
        for round in 0..5 {
            let word = round.to_string();
            let mut process = environment.start(role(&["print", &word])).await.unwrap();
            assert_eq!(output(&mut process).await.trim(), word);
            within(process.exit()).await.unwrap();
        }
        assert!(file.exists());
        environment.destroy().await.unwrap();
        assert!(file.exists(), "the directory is its owner's to remove");
    }
}

/// The children of a sandbox's spawner.
fn children(sandbox: &Sandbox) -> Vec<u32> {
    let spawner = sandbox.spawner_pid();
    std::fs::read_to_string(format!("/proc/{spawner}/task/{spawner}/children"))
        .unwrap()
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// How many blanks are kept ready.
const BLANKS: usize = 2;

/// The guard and the blanks, with nothing else that is about to end.
const AT_REST: usize = 1 + BLANKS;

/// Of the children those that live and wait for a command, with the inits: no helper, which makes both,
/// and none that has just been forked and is called as its parent is.
fn waiting(sandbox: &Sandbox) -> Vec<u32> {
    let mut waiting = children(sandbox);
    waiting.retain(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let stat = stat.rsplit_once(") ").unwrap_or_default();
        let is_one = stat.0.ends_with("(lambdalab-blank") || stat.0.ends_with("(lambdalab-init");
        is_one && !stat.1.starts_with(['Z', 'X'])
    });
    waiting
}

/// How many processes wait in an environment: an isolated blank has an init beside it.
fn in_each(sandbox: &Sandbox) -> usize {
    1 + usize::from(sandbox.capabilities().isolates())
}

/// Whether the spawner has nothing but the guard and what waits: what it keeps ready, and in so many
/// environments.
pub(crate) fn rests_beside(sandbox: &Sandbox, environments: usize) -> bool {
    let expected = (BLANKS + environments) * in_each(sandbox);
    waiting(sandbox).len() == expected && children(sandbox).len() == 1 + expected
}

pub(crate) async fn prepared_again(harness: Arc<Harness>) {
    for sandbox in harness.both() {
        eventually("the spawner is at rest", || rests_beside(sandbox, 0)).await;
        let environment = harness.environment(sandbox).await;
        eventually("another blank is made", || rests_beside(sandbox, 1)).await;
        let known = children(sandbox);
        for _ in 0..5 {
            let process = environment.start(role(&["exit", "0"])).await.unwrap();
            assert_eq!(within(process.exit()).await.unwrap(), EXITED);
            eventually("the next process is prepared", || rests_beside(sandbox, 1)).await;
            // It is killed while it waits, which must not be taken for the end of the next one.
            let mut prepared = waiting(sandbox);
            prepared.retain(|child| !known.contains(child));
            assert_eq!(prepared.len(), 1);
            for child in prepared {
                kill(Pid::from_raw(child.cast_signed()), Signal::SIGKILL).unwrap();
            }
        }
        environment.destroy().await.unwrap();
    }
}

/// What was prepared when a kill may have come is not used: the kill may have reached its init alone,
/// with which it would end some time later. A kill that can be meant for nobody reaches nobody.
pub(crate) async fn killed_late(harness: Arc<Harness>) {
    for sandbox in [&harness.isolated, &harness.grouped] {
        let isolated = sandbox.capabilities().isolates();
        let role = |words: &[&str]| match isolated {
            true => isolation::role(words),
            false => role(words),
        };
        eventually("the spawner is at rest", || rests_beside(sandbox, 0)).await;
        let environment = harness.environment(sandbox).await;
        eventually("another blank is made", || rests_beside(sandbox, 1)).await;
        for killed in [false, true] {
            let process = environment.start(role(&["sleep"])).await.unwrap();
            let known = children(sandbox);
            if killed {
                environment.kill_all().unwrap();
            } else {
                kill(Pid::from_raw(process.pid().cast_signed()), Signal::SIGKILL).unwrap();
            }
            within(process.exit()).await.unwrap();
            let mut prepared = Vec::new();
            eventually("the next process is prepared", || {
                prepared = waiting(sandbox);
                prepared.retain(|pid| !known.contains(pid));
                prepared.len() == in_each(sandbox)
            })
            .await;
            environment.kill_all().unwrap();
            let process = environment.start(role(&["sleep"])).await.unwrap();
            assert_eq!(prepared.contains(&process.pid()), !killed);
            environment.kill_all().unwrap();
            within(process.exit()).await.unwrap();
        }
        environment.destroy().await.unwrap();
    }
}

pub(crate) async fn one_at_a_time(harness: Arc<Harness>) {
    for sandbox in harness.both() {
        let environment = harness.environment(sandbox).await;
        let process = environment.start(role(&["sleep"])).await.unwrap();
        let error = environment.start(role(&["exit", "0"])).await.unwrap_err();
        assert!(matches!(error, SandboxError::Busy { .. }), "{error}");
        environment.kill_all().unwrap();
        within(process.exit()).await.unwrap();
        environment.start(role(&["exit", "0"])).await.unwrap();
    }
}

pub(crate) async fn leaves_nothing(harness: Arc<Harness>) {
    let environment = harness.environment(&harness.grouped).await;
    let marker = environment.id().to_string();
    let process = environment.start(role(&["litter", &marker])).await.unwrap();
    assert_eq!(within(process.exit()).await.unwrap(), EXITED);
    eventually("the orphan ends", || processes(&marker).is_empty()).await;
    environment.destroy().await.unwrap();
}

pub(crate) async fn listener(harness: Arc<Harness>) {
    let environment = harness.environment(&harness.grouped).await;
    let other = harness.environment(&harness.grouped).await;
    let address = environment.runtime_api_address();
    assert_ne!(address, other.runtime_api_address());
    let listener = tokio::net::TcpListener::from_std(environment.listener().unwrap()).unwrap();
    let (accepted, connected) =
        within(async { tokio::join!(listener.accept(), tokio::net::TcpStream::connect(address)) })
            .await;
    assert_eq!(
        accepted.unwrap().1,
        connected.unwrap().local_addr().unwrap()
    );
    drop((listener, environment));
    // The spawner keeps no copy, so the port is closed with the environment.
    within(async { while tokio::net::TcpStream::connect(address).await.is_ok() {} }).await;
}

pub(crate) async fn destroyed(harness: Arc<Harness>) {
    for sandbox in harness.both() {
        let environment = harness.environment(sandbox).await;
        let marker = environment.id().to_string();
        let mut process = environment.start(role(&["tree", &marker])).await.unwrap();
        assert_eq!(crate::harness::line(&mut process).await, "grown");
        eventually("the tree has grown", || processes(&marker).len() == 3).await;
        let exit = process.exit();
        within(environment.destroy()).await.unwrap();
        assert_eq!(within(exit).await.unwrap().signal, Some(9));
        if sandbox.capabilities().kill.means == Means::CgroupV2 {
            assert!(processes(&marker).is_empty());
        } else {
            // What left its session and lost its parent is out of reach, as the remedy says.
            eventually("one process is left", || processes(&marker).len() == 1).await;
            for pid in processes(&marker) {
                let pid = Pid::from_raw(i32::try_from(pid).unwrap());
                kill(pid, Signal::SIGKILL).unwrap();
            }
        }

        let dropped = harness.environment(sandbox).await;
        let process = dropped.start(role(&["sleep"])).await.unwrap();
        drop(dropped);
        assert_eq!(within(process.exit()).await.unwrap().signal, Some(9));
    }
}

pub(crate) async fn many_at_once(harness: Arc<Harness>) {
    const ENVIRONMENTS: usize = 50;
    /// With all environments together more requests than the spawner's socket takes.
    const TIMES: usize = 40;
    for sandbox in harness.both() {
        let mut creations = JoinSet::new();
        for _ in 0..ENVIRONMENTS {
            let (sandbox, spec) = (sandbox.clone(), harness.spec());
            creations.spawn(async move { Arc::new(sandbox.create(spec).await.unwrap()) });
        }
        let environments = within(creations.join_all()).await;
        let mut ends = JoinSet::new();
        for environment in environments.iter().cycle().take(ENVIRONMENTS * TIMES) {
            let environment = Arc::clone(environment);
            ends.spawn(async move { environment.destroy().await });
        }
        let mut destroyed = 0;
        for end in within(ends.join_all()).await {
            match end {
                Ok(()) => destroyed += 1,
                Err(SandboxError::NoSuchEnvironment { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(destroyed, ENVIRONMENTS, "each is destroyed once");
    }
}

pub(crate) async fn cycles(harness: Arc<Harness>) {
    let count = |directory: String| std::fs::read_dir(directory).unwrap().count();
    for sandbox in harness.both() {
        let spawner = sandbox.spawner_pid();
        let descriptors = || count(format!("/proc/{spawner}/fd")) + count("/proc/self/fd".into());
        let prefix = format!("lambdalab-{}-", std::process::id());
        let at_rest = || {
            let groups = group_directories(&prefix);
            let of_blanks = |group: &&PathBuf| {
                let name = group.file_name().unwrap().to_string_lossy();
                !name.starts_with(&prefix)
            };
            let blanks = groups.iter().filter(of_blanks).count();
            // In each hierarchy the engine's directory and one for each blank.
            children(sandbox).len() == AT_REST && blanks == 2 * (groups.len() - blanks)
        };
        let cycle = async || {
            let environment = harness.environment(sandbox).await;
            let process = environment.start(role(&["exit", "0"])).await.unwrap();
            within(process.exit()).await.unwrap();
            within(environment.destroy()).await.unwrap();
        };
        cycle().await;
        eventually("only the blanks are left", at_rest).await;
        let before = descriptors();
        for _ in 0..200 {
            cycle().await;
        }
        eventually("only the blanks are left again", at_rest).await;
        // What has just ended may still be open in one of the two counts.
        eventually("no descriptor is left over", || descriptors() <= before).await;
    }
}

pub(crate) async fn probed(harness: Arc<Harness>) {
    let groups = || group_directories(&format!("lambdalab-{}-", std::process::id()));
    eventually("no blank is being made", || {
        rests_beside(&harness.grouped, 0) && rests_beside(&harness.isolated, 0)
    })
    .await;
    let before = groups().len();
    let mut options = SpawnerOptions {
        isolation: false,
        ..SpawnerOptions::default()
    };
    let capabilities = sandbox::probe(&options).unwrap();
    assert_eq!(&capabilities, harness.grouped.capabilities());
    let told = capabilities.isolation.remedy.unwrap();
    assert!(told.contains("(isolation was turned off)"), "{told}");
    options.isolation = true;
    let told = sandbox::probe(&options).unwrap().isolation.remedy.unwrap();
    assert!(told.contains("before a program starts threads"), "{told}");
    assert_eq!(groups().len(), before);
    assert!(!harness.bare.capabilities().complete());
}

pub(crate) async fn too_late(_: Arc<Harness>) {
    let error = Spawner::fork(&SpawnerOptions::default()).unwrap_err();
    assert!(
        matches!(error, SandboxError::Threads { threads } if threads > 1),
        "{error}"
    );
}
