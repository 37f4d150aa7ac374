//! What an environment has used, and the limit of its memory, which depends on that.

use std::time::Duration;

use super::Environment;
use crate::SandboxError;
use crate::memory_use::MemoryPeaks;
use crate::protocol::Refused;
use crate::spec::Throttling;

/// What a process may still take after its init phase, however much it had by then.
const HEADROOM: u64 = 1 << 20;

impl Environment {
    /// Says that its process has initialised. From here on, what that has in memory and shares with
    /// others counts towards the limit, as it does in [`Environment::memory_peak`].
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the figures cannot be read or the limit cannot be set.
    pub fn settle_memory(&self) -> Result<(), SandboxError> {
        let charged = self.groups.charged();
        let charged = charged.map_err(Refused::to("read the environment's memory use"))?;
        let borrowed = self.memory.settle(charged);
        // One that has more already is not ended for what it had when nobody minded.
        let least = charged.map_or(0, |charged| charged.total.saturating_add(HEADROOM));
        let limit = self.memory_bytes.saturating_sub(borrowed).max(least);
        self.limit_memory(limit.min(self.memory_bytes))
    }

    pub(super) fn limit_memory(&self, bytes: u64) -> Result<(), SandboxError> {
        let limited = self.groups.limit_memory(bytes);
        Ok(limited.map_err(Refused::to("limit the environment's memory"))?)
    }

    /// The most memory that it had at one time of its life. See `memory_use`. Where no control group holds
    /// it to its size, that may be more.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the figures cannot be read.
    pub fn memory_peak(&self) -> Result<MemoryPeaks, SandboxError> {
        let cached = || {
            let charged = self.groups.charged().ok().flatten();
            charged.map_or(0, |charged| charged.cached)
        };
        let peak = self.memory.peak(cached);
        let peak = peak.map_err(Refused::to("read the environment's memory use"))?;
        let used = match &self.scales {
            Some(scales) => peak.used.max(scales.heaviest()),
            // It cannot have had more, whatever the figures count twice.
            None => peak.used.map(|used| used.min(self.memory_bytes)),
        };
        Ok(MemoryPeaks { used, ..peak })
    }

    /// One of its processes was ended because memory had run out: what it used is its limit.
    pub fn ran_out_of_memory(&self) {
        self.memory.ran_out(self.memory_bytes);
    }

    /// The CPU time that it used so far; `None` where nobody counts it.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the figure cannot be read.
    pub fn cpu_time(&self) -> Result<Option<Duration>, SandboxError> {
        let time = self.groups.cpu_time();
        Ok(time.map_err(Refused::to("read the environment's CPU time"))?)
    }

    /// How often its CPU quota held it back so far; `None` where there is no quota.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the figure cannot be read.
    pub fn throttling(&self) -> Result<Option<Throttling>, SandboxError> {
        let throttling = self.groups.throttling();
        Ok(throttling.map_err(Refused::to("read the environment's CPU figures"))?)
    }

    /// How many of its processes were killed at its memory limit so far; `None` where nobody counts.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the figure cannot be read.
    pub fn oom_events(&self) -> Result<Option<u64>, SandboxError> {
        let kills = self.groups.oom_kills();
        Ok(kills.map_err(Refused::to("read the environment's memory events"))?)
    }
}
