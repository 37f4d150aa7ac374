//! `lambdalab doctor --calibrate`: how fast a core of this machine is beside one of Lambda's, and which
//! `--cpu-scale` therefore gives functions the CPU that they have on AWS.
//!
//! Four kinds of work ([`kernels`]) run in several rounds on one core. What counts is the CPU time of the
//! fastest half of the rounds, so that other programs disturb little, and the geometric mean of the four
//! ratios to a reference machine.
//!
//! How good is that? AWS publishes no speed of Lambda's cores, and runs functions on several kinds of
//! hosts, so there is no true value to meet. The reference is a machine of the same kind. Take the
//! result for a rough one: to a quarter, up or down. Who has a function on AWS does better by running
//! it in both places at the same memory size and comparing durations.

mod kernels;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::{Render, lines, table};
use kernels::{KERNELS, Kernel};

const ROUNDS: usize = 11;

/// Proposals are no finer: what is measured is not, either.
const STEP: f64 = 0.05;

/// From here to its reciprocal a machine cannot be told from Lambda's.
const SAME: f64 = 0.8;

/// What was found.
#[derive(Debug, Serialize)]
struct Calibration {
    kernels: Vec<Measured>,
    /// How many of this machine's cores one of the reference's is.
    measured: f64,
    /// What to pass as `--cpu-scale`.
    cpu_scale: f64,
}

/// One kind of work.
#[derive(Debug, Serialize)]
struct Measured {
    name: &'static str,
    cpu_ms: f64,
    reference_ms: f64,
}

impl Measured {
    fn ratio(&self) -> f64 {
        self.cpu_ms / self.reference_ms
    }
}

impl Calibration {
    fn of(kernels: Vec<Measured>) -> Self {
        let logarithms: f64 = kernels.iter().map(|kernel| kernel.ratio().ln()).sum();
        #[expect(clippy::cast_precision_loss, reason = "there are four")]
        let measured = (logarithms / kernels.len() as f64).exp();
        let scale = if (SAME..=1.0 / SAME).contains(&measured) {
            1.0
        } else {
            ((measured / STEP).round() * STEP).clamp(0.1, 10.0)
        };
        Self {
            kernels,
            measured,
            // Without the digits that a product of binary fractions trails.
            cpu_scale: (scale * 100.0).round() / 100.0,
        }
    }
}

impl Render for Calibration {
    fn text(&self) -> String {
        let mut table = table(["work", "here, ms", "reference, ms", "ratio"]);
        for kernel in &self.kernels {
            table.add_row([
                kernel.name.to_owned(),
                format!("{:.1}", kernel.cpu_ms),
                format!("{:.1}", kernel.reference_ms),
                format!("{:.2}", kernel.ratio()),
            ]);
        }
        let measured = self.measured;
        let proposal = if (self.cpu_scale - 1.0).abs() < f64::EPSILON {
            "That is as fast as Lambda's, as far as this can tell: leave --cpu-scale at 1."
                .to_owned()
        } else {
            format!(
                "Start the engine with --cpu-scale {0}, or write `cpu_scale = {0}` into lambdalab.toml.",
                self.cpu_scale
            )
        };
        format!(
            "{}\n\nOne core of the reference is {measured:.2} of this machine's. {proposal}\n\
             The reference is a server of the kind that runs Lambda's x86 functions; AWS publishes no \
             speed, so take this to a quarter, up or down.",
            lines(&table)
        )
    }
}

/// Measures and proposes.
pub(crate) fn run(context: &Context) -> Result<ExitCode, CliError> {
    if cfg!(debug_assertions) {
        return Err(CliError::Unoptimised);
    }
    let kernels = KERNELS.iter().map(measure).collect();
    context.console.result(&Calibration::of(kernels))?;
    Ok(ExitCode::Yes)
}

fn measure(kernel: &Kernel) -> Measured {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = cpu_time();
            std::hint::black_box((kernel.run)());
            cpu_time().saturating_sub(began)
        })
        .collect();
    rounds.sort_unstable();
    // The median of the faster half.
    let typical = rounds.get(ROUNDS / 4).copied().unwrap_or_default();
    Measured {
        name: kernel.name,
        cpu_ms: typical.as_secs_f64() * 1e3,
        reference_ms: kernel.reference_ms,
    }
}

/// The CPU time of this thread so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration(ratios: [f64; 2]) -> Calibration {
        Calibration::of(
            ratios
                .map(|ratio| Measured {
                    name: "x",
                    cpu_ms: ratio * 20.0,
                    reference_ms: 20.0,
                })
                .into(),
        )
    }

    #[test]
    fn a_faster_core_gets_a_smaller_scale() {
        let fast = calibration([0.25, 1.0]);
        assert!((fast.measured - 0.5).abs() < 1e-9);
        assert!(fast.text().contains("--cpu-scale 0.5,"), "{}", fast.text());
        assert!((calibration([1.7, 1.7]).cpu_scale - 1.7).abs() < 1e-9);
        assert!((calibration([90.0, 90.0]).cpu_scale - 10.0).abs() < 1e-9);
    }

    #[test]
    fn small_differences_mean_nothing() {
        let same = calibration([0.9, 1.1]);
        assert!((same.cpu_scale - 1.0).abs() < 1e-9);
        assert!(same.text().contains("leave --cpu-scale at 1"));
    }

    #[test]
    fn cpu_time_advances_with_work() {
        let began = cpu_time();
        let kernel = &KERNELS[0];
        std::hint::black_box((kernel.run)());
        assert!(cpu_time() > began);
    }
}
