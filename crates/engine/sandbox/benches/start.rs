//! How long environments take: to start a program, with and without prepared blanks, to start one
//! again, to freeze and to thaw. Starts are spaced, as invocations that find nothing warm are.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this is a benchmark: it stops at the first surprise, and prints"
)]

use std::time::Duration;

use ids::{Clock, EnvironmentId, SystemClock, SystemEntropy};
use sandbox::{
    Command, Egress, Environment, EnvironmentSpec, Limits, Sandbox, Spawner, SpawnerLink,
    SpawnerOptions,
};

const ROUNDS: usize = 60;
/// Long enough for the kernel to forget that control groups were just changed, which makes the next
/// change cheap.
const SPACING: Duration = Duration::from_millis(60);

fn main() {
    let variants = [
        ("2 blanks", 2, true, None),
        ("no blanks", 0, true, None),
        ("2 blanks, no control groups", 2, false, None),
        ("2 blanks, isolated", 2, true, Some(Egress::Host)),
        (
            "2 blanks, isolated with networks",
            2,
            true,
            Some(Egress::None),
        ),
        (
            "2 blanks, isolated with networks that lead out",
            2,
            true,
            Some(Egress::Nat),
        ),
    ];
    let links: Vec<(&str, SpawnerLink)> = variants
        .into_iter()
        .map(|(name, blanks, control_groups, egress)| {
            let options = SpawnerOptions {
                blanks,
                control_groups,
                isolation: egress.is_some(),
                egress: egress.unwrap_or_default(),
            };
            (name, Spawner::fork(&options).unwrap())
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for (name, link) in links {
            println!("{name}");
            measure(&link.connect().unwrap()).await;
        }
    });
}

async fn measure(sandbox: &Sandbox) {
    let clock = SystemClock::new();
    let mut first = Vec::new();
    let mut again = Vec::new();
    let mut freeze = Vec::new();
    let mut thaw = Vec::new();
    let mut destroy = Vec::new();
    for _ in 0..ROUNDS {
        clock.sleep(SPACING).await;
        let start = clock.monotonic();
        let environment = sandbox.create(spec()).await.unwrap();
        run(&environment, "/bin/true", &[]).await;
        first.push(clock.monotonic() - start);

        clock.sleep(SPACING).await;
        let start = clock.monotonic();
        run(&environment, "/bin/true", &[]).await;
        again.push(clock.monotonic() - start);

        environment
            .start(command("/bin/sleep", &["60"]))
            .await
            .unwrap();
        clock.sleep(SPACING).await;
        let start = clock.monotonic();
        environment.freeze().await.unwrap();
        let frozen = clock.monotonic();
        environment.thaw().unwrap();
        let thawed = clock.monotonic();
        environment.destroy().await.unwrap();
        freeze.push(frozen - start);
        thaw.push(thawed - frozen);
        destroy.push(clock.monotonic() - thawed);
    }
    print("create, start /bin/true, exit", first);
    print("start /bin/true again, exit", again);
    print("freeze", freeze);
    print("thaw", thaw);
    print("kill and destroy", destroy);
}

async fn run(environment: &Environment, program: &str, args: &[&str]) {
    let process = environment.start(command(program, args)).await.unwrap();
    process.exit().await.unwrap();
}

fn spec() -> EnvironmentSpec {
    EnvironmentSpec {
        id: EnvironmentId::draw(&SystemEntropy),
        limits: Limits {
            memory_mb: 1769,
            cpu_vcpus: 1.0,
            pids: 1024,
        },
        scratch_mb: 512,
        egress: Egress::Host,
        work_dir: std::env::temp_dir().join("lambdalab-bench"),
    }
}

fn command(program: &str, args: &[&str]) -> Command {
    Command {
        program: program.into(),
        args: args.iter().map(ToString::to_string).collect(),
        env: Vec::new(),
        cwd: "/".into(),
        telemetry: false,
        shows: Vec::new(),
        cloneable: false,
    }
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).unwrap().as_micros();
    println!("  {what:32} p50 {:>7} µs   p90 {:>7} µs", at(50), at(90));
}
