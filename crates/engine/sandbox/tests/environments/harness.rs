//! Runs the tests one after another on three spawners: one with control groups, one without, and one
//! with control groups and isolation.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ids::{Clock, EnvironmentId, SystemClock, SystemEntropy};
use nix::unistd::geteuid;
use sandbox::{
    Capabilities, Command, Egress, Environment, EnvironmentSpec, Limits, Means, Process, Sandbox,
    Spawner, SpawnerLink, SpawnerOptions,
};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

pub(crate) type Test = fn(Arc<Harness>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long anything may take on a loaded machine before it counts as not happening.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variable that lets root's host be one that cannot run every test.
const ALLOWS_SKIPS: &str = "LAMBDALAB_ALLOW_SKIPS";

/// What the tests share.
pub(crate) struct Harness {
    /// With control groups, where this host has them.
    pub(crate) grouped: Sandbox,
    /// Without.
    pub(crate) bare: Sandbox,
    /// The isolated one, where the host lets it be that.
    pub(crate) isolated: Sandbox,
    pub(crate) directory: TempDir,
    /// Why the present test cannot be run on this host.
    skipped: Mutex<Option<String>>,
}

impl Harness {
    /// Forks the spawners.
    pub(crate) fn fork() -> [SpawnerLink; 3] {
        [(true, false), (false, false), (true, true)].map(|(control_groups, isolation)| {
            let options = SpawnerOptions {
                control_groups,
                isolation,
                egress: Egress::Nat,
                ..SpawnerOptions::default()
            };
            Spawner::fork(&options).expect("fork a spawner")
        })
    }

    /// Says that this host cannot run the present test, and why. The test returns then. Root's host
    /// can run all of them, unless it is said that it need not.
    pub(crate) fn skip(&self, reason: &str) {
        let allowed = std::env::var_os(ALLOWS_SKIPS).is_some_and(|value| !value.is_empty());
        assert!(
            allowed || !geteuid().is_root(),
            "{reason}: as root that is a failure, unless {ALLOWS_SKIPS}=1"
        );
        *self.skipped.lock().unwrap() = Some(reason.to_owned());
    }

    pub(crate) fn both(&self) -> [&Sandbox; 2] {
        [&self.grouped, &self.bare]
    }

    /// A spec with room for anything.
    pub(crate) fn spec(&self) -> EnvironmentSpec {
        let id = EnvironmentId::draw(&SystemEntropy);
        EnvironmentSpec {
            id,
            limits: Limits {
                memory_mb: 256,
                cpu_vcpus: 2.0,
                pids: 64,
            },
            scratch_mb: 512,
            egress: Egress::None,
            work_dir: self.directory.path().join(id.to_string()),
        }
    }

    pub(crate) async fn environment(&self, sandbox: &Sandbox) -> Environment {
        sandbox.create(self.spec()).await.expect("create")
    }

    pub(crate) async fn limited(&self, limits: Limits) -> Environment {
        let spec = EnvironmentSpec {
            limits,
            ..self.spec()
        };
        self.grouped.create(spec).await.expect("create")
    }
}

/// This binary in one of its roles.
pub(crate) fn role(arguments: &[&str]) -> Command {
    Command {
        program: std::env::current_exe().unwrap(),
        args: ["role"]
            .iter()
            .chain(arguments)
            .map(ToString::to_string)
            .collect(),
        env: Vec::new(),
        cwd: "/".into(),
        telemetry: false,
        shows: Vec::new(),
        cloneable: false,
    }
}

/// Reads the standard output to its end.
pub(crate) async fn output(process: &mut Process) -> String {
    let pipe = process.stdout.take().expect("taken once");
    let mut text = String::new();
    let mut pipe = Receiver::from_owned_fd(pipe).unwrap();
    within(pipe.read_to_string(&mut text)).await.unwrap();
    text
}

/// Reads one line of the standard output.
pub(crate) async fn line(process: &mut Process) -> String {
    let mut pipe = Receiver::from_owned_fd(process.stdout.take().expect("taken once")).unwrap();
    let mut text = Vec::new();
    while text.last() != Some(&b'\n') {
        text.push(within(pipe.read_u8()).await.unwrap());
    }
    process.stdout = Some(pipe.into_blocking_fd().unwrap());
    String::from_utf8(text).unwrap().trim().to_owned()
}

/// Waits for `future`, but not for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("in time")
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let deadline = clock.monotonic() + PATIENCE;
    while !condition() {
        assert!(clock.monotonic() < deadline, "never: {what}");
        clock.sleep(Duration::from_millis(2)).await;
    }
}

/// The living processes with `marker` among their arguments, except an engine and its forks.
pub(crate) fn processes(marker: &str) -> BTreeSet<u32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            // Empty for zombies.
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            words.contains(&marker.as_bytes()) && !words.contains(&b"engine".as_slice())
        })
        .collect()
}

/// The control group directories of engines whose name begins so, with all below, in all
/// hierarchies.
pub(crate) fn group_directories(prefix: &str) -> Vec<PathBuf> {
    fn below(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                below(&entry.path(), found);
                found.push(entry.path());
            }
        }
    }
    let mut found = Vec::new();
    below(Path::new("/sys/fs/cgroup"), &mut found);
    found.retain(|path| {
        path.components()
            .any(|part| part.as_os_str().to_string_lossy().starts_with(prefix))
    });
    found
}

/// Whether a measure is taken by control groups here.
pub(crate) fn grouped(means: Means) -> bool {
    matches!(means, Means::CgroupV1 | Means::CgroupV2)
}

fn report(capabilities: &Capabilities) {
    for (name, measure) in capabilities.measures() {
        println!(
            "{name}: {:?} {}",
            measure.means,
            measure.remedy.as_deref().unwrap_or_default()
        );
    }
}

/// Runs the tests whose names hold one of the arguments. Says whether all went well.
pub(crate) fn run(
    tests: &[(&str, Test)],
    arguments: &[String],
    [grouped, bare, isolated]: [SpawnerLink; 3],
) -> bool {
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|word| !word.starts_with('-'))
        .collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|word| name.contains(*word));
    if arguments.iter().any(|word| word == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return true;
    }
    report(isolated.capabilities());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let failed = runtime.block_on(async {
        let harness = Arc::new(Harness {
            grouped: grouped.connect().unwrap(),
            bare: bare.connect().unwrap(),
            isolated: isolated.connect().unwrap(),
            directory: tempfile::tempdir().unwrap(),
            skipped: Mutex::default(),
        });
        let mut verdicts = BTreeMap::<_, usize>::new();
        for (name, test) in tests.iter().filter(|(name, _)| chosen(name)) {
            let clock = SystemClock::new();
            let result = tokio::spawn(test(Arc::clone(&harness))).await;
            let skipped = harness.skipped.lock().unwrap().take();
            let (verdict, told) = match (&result, &skipped) {
                (Err(_), _) => ("failed", "FAILED".to_owned()),
                (Ok(()), Some(reason)) => ("skipped", format!("skipped: {reason}")),
                (Ok(()), None) => ("passed", "ok".to_owned()),
            };
            let took = clock.monotonic().as_millis();
            println!("test {name} ... {told} ({took} ms)");
            *verdicts.entry(verdict).or_default() += 1;
        }
        println!("{verdicts:?}");
        verdicts.contains_key("failed")
    });
    !failed
}
