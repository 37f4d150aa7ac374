//! The randomness that is passed in.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where identifiers and random choices come from.
pub trait Entropy: Debug + Send + Sync + 'static {
    /// 128 random bits.
    fn bits(&self) -> u128;

    /// A number from 0 (included) to 1 (excluded), uniformly.
    fn unit(&self) -> f64 {
        const DENOMINATOR: f64 = (1_u64 << 53) as f64;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "53 bits fit"
        )]
        let numerator = ((self.bits() as u64) >> 11) as f64;
        numerator / DENOMINATOR
    }
}

/// Entropy as it is handed around.
pub type SharedEntropy = Arc<dyn Entropy>;

/// The operating system's randomness.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl SystemEntropy {
    /// Ready to hand around.
    #[must_use]
    pub fn shared() -> SharedEntropy {
        Arc::new(Self)
    }
}

impl Entropy for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the entropy that is passed in"
    )]
    fn bits(&self) -> u128 {
        // A version 4 UUID fixes six bits; two are drawn so that all 128 are random.
        let (high, low) = (
            uuid::Uuid::new_v4().as_u128(),
            uuid::Uuid::new_v4().as_u128(),
        );
        high ^ low.rotate_left(32)
    }
}

/// A fixed sequence for tests: SplitMix64 (Steele, Lea and Flood, 2014) from a seed.
#[derive(Debug)]
pub struct SeededEntropy {
    state: AtomicU64,
}

impl SeededEntropy {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: AtomicU64::new(seed),
        }
    }

    fn next(&self) -> u64 {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self
            .state
            .fetch_add(GAMMA, Ordering::Relaxed)
            .wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn bits(&self) -> u128 {
        (u128::from(self.next()) << 64) | u128::from(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_sequence() {
        let (a, b) = (SeededEntropy::new(7), SeededEntropy::new(7));
        assert_eq!((a.bits(), a.bits()), (b.bits(), b.bits()));
        assert_ne!(a.bits(), SeededEntropy::new(8).bits());
    }

    #[test]
    fn unit_stays_in_range() {
        let entropy = SeededEntropy::new(1);
        for _ in 0..10_000 {
            let x = entropy.unit();
            assert!((0.0..1.0).contains(&x), "{x}");
        }
    }
}
