//! Latencies, and what is said about them.

use std::time::Duration;

use serde::Serialize;

/// A collection of latencies.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    latencies: Vec<Duration>,
}

/// What is printed of a [`Sample`]; all times in milliseconds.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    count: usize,
    min_ms: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Sample {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.latencies.push(latency);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
    }

    pub(crate) fn len(&self) -> usize {
        self.latencies.len()
    }

    /// `None` of an empty sample.
    pub(crate) fn summary(mut self) -> Option<Summary> {
        self.latencies.sort_unstable();
        Some(Summary {
            count: self.latencies.len(),
            min_ms: self.quantile(0)?,
            p50_ms: self.quantile(50)?,
            p90_ms: self.quantile(90)?,
            p99_ms: self.quantile(99)?,
            max_ms: self.quantile(100)?,
        })
    }

    /// The nearest rank in the sorted latencies.
    fn quantile(&self, percent: usize) -> Option<f64> {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        let latency = self.latencies.get(rank - 1)?;
        Some(latency.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let mut sample = Sample::default();
        for ms in (1..=10).rev() {
            sample.add(Duration::from_millis(ms));
        }
        let summary = sample.summary().unwrap();
        let expected = Summary {
            count: 10,
            min_ms: 1.0,
            p50_ms: 5.0,
            p90_ms: 9.0,
            p99_ms: 10.0,
            max_ms: 10.0,
        };
        assert_eq!(summary, expected);
    }

    #[test]
    fn an_empty_sample_has_no_summary() {
        assert_eq!(Sample::default().summary(), None);
    }
}
