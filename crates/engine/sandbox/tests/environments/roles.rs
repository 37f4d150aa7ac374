//! What the binary plays: functions, and an engine that is to be killed.
#![expect(
    clippy::zombie_processes,
    reason = "children that nobody waits for are what some of the roles are about"
)]

use std::io::Write;
use std::process::{Command as Spawn, ExitCode};

use ids::{EnvironmentId, SystemEntropy};
use sandbox::{Egress, EnvironmentSpec, Limits, Spawner, SpawnerOptions};

use crate::harness::{line, role};
use crate::{attempts, clones, isolation};

/// Plays the role that the arguments name.
pub(crate) fn play(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exit", code] => return ExitCode::from(code.parse::<u8>().unwrap()),
        ["print", rest @ ..] => println!("{}", rest.join(" ")),
        ["describe"] => describe(),
        ["records"] => records(),
        ["namespaces"] => namespaces(),
        ["sleep", ..] => sleep(),
        ["spin"] => spin(),
        ["spin-in-threads", count] => {
            for _ in 1..count.parse().unwrap() {
                std::thread::spawn(|| spin());
            }
            spin()
        }
        ["eat", mib] => eat(mib.parse().unwrap()),
        ["reserve", mib] => drop(Vec::<u8>::with_capacity(
            mib.parse::<usize>().unwrap() << 20,
        )),
        ["eat-in-child", mib] => {
            child(&["eat", mib]).wait().unwrap();
            sleep();
        }
        ["eat-in-orphan", mib] => {
            child(&["leave-eating", mib]).wait().unwrap();
            sleep();
        }
        ["leave-eating", mib] => {
            child(&["eat", mib]);
        }
        ["many", count] => many(count.parse().unwrap()),
        ["tree", marker] => tree(marker),
        ["leave", marker] => {
            nix::unistd::setsid().unwrap();
            child(&["sleep", marker]);
        }
        ["litter", marker] => {
            child(&["leave", marker]).wait().unwrap();
        }
        ["template", how] => clones::play(how),
        ["attempt", what @ ..] => println!("{}", attempts::make(what)),
        ["engine", mode, marker] => engine(mode, marker),
        other => panic!("no such role: {other:?}"),
    }
    ExitCode::SUCCESS
}

fn child(arguments: &[&str]) -> std::process::Child {
    let command = role(arguments);
    Spawn::new(command.program)
        .args(command.args)
        .spawn()
        .unwrap()
}

/// Prints in which namespaces this process runs, and with what rights.
fn namespaces() {
    for kind in ["mnt", "pid", "net", "ipc", "uts"] {
        let name = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        println!("{}", name.display());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rights = ["CapEff:", "CapPrm:", "NoNewPrivs:", "Seccomp:", "Uid:"];
    for line in status.lines() {
        if rights.iter().any(|right| line.starts_with(right)) {
            println!("{line}");
        }
    }
}

fn sleep() -> ! {
    loop {
        std::thread::park();
    }
}

fn spin() -> ! {
    println!("spinning");
    loop {
        std::hint::spin_loop();
    }
}

/// Touches so much memory, and stays.
fn eat(mib: usize) -> ! {
    let mut meal: Vec<Vec<u8>> = Vec::new();
    for _ in 0..mib {
        meal.push(vec![1; 1 << 20]);
        std::hint::black_box(&meal);
    }
    println!("full");
    sleep()
}

/// Starts children until it may not, and says how many there are.
fn many(most: usize) -> ! {
    let command = role(&["sleep", "many"]);
    let started = (0..most)
        .take_while(|_| {
            Spawn::new(&command.program)
                .args(&command.args)
                .spawn()
                .is_ok()
        })
        .count();
    println!("{started}");
    sleep()
}

/// A child, and a grandchild that left the session and whose parent is gone.
fn tree(marker: &str) -> ! {
    child(&["leave", marker]).wait().unwrap();
    child(&["sleep", marker]);
    println!("grown");
    sleep()
}

/// Everything that a process has from its parent.
fn describe() {
    let mut variables: Vec<_> = std::env::vars().collect();
    variables.sort();
    for (name, value) in variables {
        println!("{name}={value}");
    }
    println!("cwd {}", std::env::current_dir().unwrap().display());
    let mut open: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let target = std::fs::read_link(entry.path()).ok()?;
            // The directory that is being read.
            (!target.starts_with("/proc")).then(|| entry.file_name().into_string().unwrap())
        })
        .collect();
    open.sort();
    println!("fds {}", open.join(","));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    for key in ["SigBlk", "SigIgn", "NoNewPrivs", "Umask"] {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        println!("{}", line.replace('\t', " "));
    }
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    for key in ["Max open files", "Max core file size"] {
        let line = limits.lines().find(|line| line.starts_with(key)).unwrap();
        println!("{}", line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let own = nix::unistd::getpid();
    println!("leads {}", nix::unistd::getsid(None).unwrap() == own);
}

/// Writes to the telemetry pipe.
fn records() {
    let number: i32 = std::env::var("_LAMBDA_TELEMETRY_LOG_FD")
        .unwrap()
        .parse()
        .unwrap();
    let mut pipe = std::fs::OpenOptions::new()
        .write(true)
        .open(format!("/proc/self/fd/{number}"))
        .unwrap();
    pipe.write_all(b"framed").unwrap();
}

/// An engine with a running and a frozen environment, both with trees in them. Says when they are
/// there, and when its spawner is gone.
fn engine(mode: &str, marker: &str) {
    let isolated = mode == "isolated";
    let options = SpawnerOptions {
        control_groups: mode != "bare",
        isolation: isolated,
        ..SpawnerOptions::default()
    };
    let link = Spawner::fork(&options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let spec = || EnvironmentSpec {
        id: EnvironmentId::draw(&SystemEntropy),
        limits: Limits {
            memory_mb: 128,
            cpu_vcpus: 1.0,
            pids: 32,
        },
        scratch_mb: 512,
        egress: Egress::Nat,
        work_dir: std::env::temp_dir(),
    };
    runtime.block_on(async {
        let sandbox = link.connect().unwrap();
        let mut kept = Vec::new();
        for frozen in [false, true] {
            let environment = sandbox.create(spec()).await.unwrap();
            let tree = if isolated {
                isolation::role(&["tree", marker])
            } else {
                role(&["tree", marker])
            };
            let mut process = environment.start(tree).await.unwrap();
            assert_eq!(line(&mut process).await, "grown");
            if frozen {
                environment.freeze().await.unwrap();
            }
            kept.push((environment, process));
        }
        println!("{}", sandbox.spawner_pid());
        sandbox.closed().await;
        let exit = kept[0].1.exit().await.map(|_| ());
        let create = sandbox.create(spec()).await.map(|_| ());
        println!("{exit:?} {create:?}");
    });
}
