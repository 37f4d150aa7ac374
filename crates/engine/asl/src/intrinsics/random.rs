//! Numbers that a seed decides.

/// The generator of `java.util.Random`: linear, 48 bits, documented with its class
/// (<https://docs.oracle.com/javase/8/docs/api/java/util/Random.html>).
///
/// AWS says that a seed gives the same number again, not which. This is the generator that a
/// service in Java most likely has.
#[derive(Debug, Clone)]
pub(crate) struct Seeded(u64);

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const MASK: u64 = (1 << 48) - 1;

impl Seeded {
    pub(crate) fn new(seed: i64) -> Self {
        Self((seed.cast_unsigned() ^ MULTIPLIER) & MASK)
    }

    /// The next `bits` bits, at most 32.
    fn next(&mut self, bits: u32) -> u64 {
        self.0 = (self.0.wrapping_mul(MULTIPLIER).wrapping_add(0xB)) & MASK;
        self.0 >> (48 - bits)
    }

    /// From 0 (included) to 1 (excluded).
    pub(crate) fn unit(&mut self) -> f64 {
        let bits = (self.next(26) << 27) + self.next(27);
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let numerator = bits as f64;
        numerator / 9_007_199_254_740_992.0
    }
}

/// The whole number that `unit` (from 0 to 1) falls on between `start` (included) and `end`
/// (excluded).
pub(super) fn between(start: i64, end: i64, unit: f64) -> i64 {
    // Differences of the 32-bit numbers that are allowed are exact.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "below 2^33"
    )]
    let offset = (unit * (end - start) as f64).floor() as i64;
    (start + offset).min(end - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_javas() {
        // `new java.util.Random(42).nextDouble()`, as published in many places.
        assert!((Seeded::new(42).unit() - 0.727_563_680_032_868_2).abs() < 1e-15);
    }
}
