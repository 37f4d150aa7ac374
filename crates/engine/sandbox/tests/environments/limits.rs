//! Memory, processes, CPU.

use std::sync::Arc;
use std::time::Duration;

use sandbox::{Environment, Limits, MemoryPeaks, Throttling};

use crate::harness::{Harness, eventually, grouped, line, output, role, within};

const ROOMY: Limits = Limits {
    memory_mb: 256,
    cpu_vcpus: 2.0,
    pids: 64,
};

pub(crate) async fn memory(harness: Arc<Harness>) {
    if !grouped(harness.grouped.capabilities().memory.means) {
        harness.skip("no memory control group can be made here");
        return;
    }
    let environment = harness
        .limited(Limits {
            memory_mb: 64,
            ..ROOMY
        })
        .await;
    let mut process = environment.start(role(&["eat", "32"])).await.unwrap();
    assert_eq!(line(&mut process).await, "full");
    let peak = environment.memory_peak().unwrap().used.unwrap();
    assert!((32 << 20..64 << 20).contains(&peak), "{peak}");
    environment.kill_all().unwrap();
    let status = within(process.exit()).await.unwrap();
    assert_eq!((status.signal, status.oom_killed), (Some(9), false));
    assert_eq!(environment.oom_events().unwrap(), Some(0));

    let process = environment.start(role(&["eat", "256"])).await.unwrap();
    let status = within(process.exit()).await.unwrap();
    assert_eq!((status.signal, status.oom_killed), (Some(9), true));
    let peak = environment.memory_peak().unwrap().used.unwrap();
    assert!((60 << 20..=64 << 20).contains(&peak), "{peak}");

    let process = environment.start(role(&["exit", "0"])).await.unwrap();
    let status = within(process.exit()).await.unwrap();
    assert_eq!(
        (status.code, status.oom_killed),
        (Some(0), false),
        "the next one starts afresh"
    );
    environment.destroy().await.unwrap();
}

pub(crate) async fn memory_of_a_child(harness: Arc<Harness>) {
    if !grouped(harness.grouped.capabilities().memory.means) {
        harness.skip("no memory control group can be made here");
        return;
    }
    let environment = harness
        .limited(Limits {
            memory_mb: 64,
            ..ROOMY
        })
        .await;
    let process = environment
        .start(role(&["eat-in-child", "256"]))
        .await
        .unwrap();
    // The parent uses hardly any, but an environment that ran out of memory ends as a whole.
    let status = within(process.exit()).await.unwrap();
    assert_eq!((status.signal, status.oom_killed), (Some(9), true));
    environment.destroy().await.unwrap();
}

pub(crate) async fn memory_by_rlimit(harness: Arc<Harness>) {
    let environment = harness.environment(&harness.bare).await;
    assert_eq!(environment.memory_peak().unwrap(), MemoryPeaks::default());
    let mut process = environment.start(role(&["reserve", "2048"])).await.unwrap();
    let status = within(process.exit()).await.unwrap();
    assert_eq!(
        status.signal,
        Some(libc::SIGABRT),
        "the allocation is refused"
    );
    assert_eq!(output(&mut process).await, "");
    environment.destroy().await.unwrap();
}

/// Of 256 MiB, with none, one and two processes beside it.
pub(crate) async fn memory_by_samples(harness: Arc<Harness>) {
    let environment = harness.environment(&harness.bare).await;
    let mut process = environment.start(role(&["eat", "100"])).await.unwrap();
    assert_eq!(line(&mut process).await, "full");
    let peak = || environment.memory_peak().unwrap().used.unwrap_or(0);
    eventually("it was looked at", || peak() >= 100 << 20).await;
    environment.kill_all().unwrap();
    let status = within(process.exit()).await.unwrap();
    assert_eq!((status.signal, status.oom_killed), (Some(9), false));

    for meal in [&["eat", "300"][..], &["eat-in-child", "300"]] {
        let process = environment.start(role(meal)).await.unwrap();
        let status = within(process.exit()).await.unwrap();
        assert_eq!((status.signal, status.oom_killed), (Some(9), true));
        assert!((256 << 20..384 << 20).contains(&peak()), "{}", peak());
    }
    let process = environment.start(role(&["exit", "0"])).await.unwrap();
    let status = within(process.exit()).await.unwrap();
    assert_eq!((status.code, status.oom_killed), (Some(0), false));
    environment.destroy().await.unwrap();
}

pub(crate) async fn pids(harness: Arc<Harness>) {
    if !grouped(harness.grouped.capabilities().pids.means) {
        harness.skip("no pids control group can be made here");
        return;
    }
    let environment = harness.limited(Limits { pids: 8, ..ROOMY }).await;
    let mut process = environment.start(role(&["many", "20"])).await.unwrap();
    assert_eq!(line(&mut process).await, "7", "with itself that makes 8");
    environment.destroy().await.unwrap();
}

/// What a busy environment gets of each period is its quota, and that in proportion to memory as on
/// Lambda. Counted are periods in which the quota ran out: in the others it was the machine that had
/// no time.
pub(crate) async fn cpu_by_memory(harness: Arc<Harness>) {
    if !grouped(harness.grouped.capabilities().cpu.means) {
        println!("(this host cannot limit CPU)");
        return;
    }
    for memory_mb in [128.0, 256.0, 512.0, 1024.0, 1769.0] {
        let vcpus = memory_mb / 1769.0;
        let environment = harness
            .limited(Limits {
                cpu_vcpus: vcpus,
                ..ROOMY
            })
            .await;
        let spinning = environment.start(role(&["spin-in-threads", "2"])).await;
        let _process = spinning.unwrap();
        let share = measured_share(&environment).await;
        let Some(share) = share else {
            println!("({memory_mb} MB: this machine has no time for its quota)");
            environment.destroy().await.unwrap();
            continue;
        };
        let off = (share / vcpus - 1.0).abs();
        assert!(off <= 0.15, "{memory_mb} MB: {share} rather than {vcpus}");
        environment.destroy().await.unwrap();
    }
}

/// What of its quota it has used up, and what CPU time that was: of one moment, for who is held up
/// between two files reads again.
fn figures(environment: &Environment) -> (Throttling, Duration) {
    loop {
        let throttling = environment.throttling().unwrap().unwrap();
        let used = environment.cpu_time().unwrap().unwrap();
        if environment.throttling().unwrap().unwrap().periods == throttling.periods {
            return (throttling, used);
        }
    }
}

/// The CPUs that an environment gets while its quota is what holds it back; `None` where that is not
/// so for long enough.
async fn measured_share(environment: &Environment) -> Option<f64> {
    for _ in 0..6 {
        let (before, used_before) = figures(environment);
        let mut seen = (before, used_before);
        eventually("it runs for 60 periods", || {
            seen = figures(environment);
            seen.0.periods >= before.periods + 60
        })
        .await;
        let (after, used) = seen;
        let periods = after.periods - before.periods;
        let throttled = after.throttled_periods - before.throttled_periods;
        if throttled * 10 >= periods * 9 {
            let wall = Duration::from_millis(20) * u32::try_from(periods).unwrap();
            return Some((used - used_before).as_secs_f64() / wall.as_secs_f64());
        }
    }
    None
}

pub(crate) async fn cpu(harness: Arc<Harness>) {
    if !grouped(harness.grouped.capabilities().cpu.means) {
        harness.skip("no cpu control group can be made here");
        return;
    }
    let environment = harness
        .limited(Limits {
            cpu_vcpus: 0.25,
            ..ROOMY
        })
        .await;
    let _process = environment.start(role(&["spin"])).await.unwrap();
    let (mut seen, mut used) = (Throttling::default(), Duration::ZERO);
    eventually("it runs for 25 periods", || {
        (seen, used) = figures(&environment);
        seen.periods >= 25
    })
    .await;
    // A busy loop gets no more than a quarter of each period, whatever else the machine does.
    let share = Duration::from_millis(20 * (seen.periods + 2)) / 4;
    assert!(
        used <= share + Duration::from_millis(15),
        "{used:?} in {seen:?}"
    );
    assert!(
        seen.throttled_periods > 0 && seen.throttled > Duration::ZERO,
        "{seen:?}"
    );
    environment.destroy().await.unwrap();
}
