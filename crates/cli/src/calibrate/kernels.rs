//! What the benchmark computes: four kinds of work, each of a few hundredths of a second, on one core.
//!
//! Whatever they compute is returned, so that no compiler leaves it out, and is the same everywhere.

use std::hint::black_box;

/// One kind of work.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pub(super) run: fn() -> u64,
    /// CPU time on the reference machine, in milliseconds.
    pub(super) reference_ms: f64,
}

/// All of them. They weigh the same.
///
/// The reference is a virtual core of an AMD EPYC server in a Firecracker microVM, the kind of
/// machine that runs Lambda's x86 functions, measured with an optimised build.
pub(super) const KERNELS: [Kernel; 4] = [
    Kernel {
        name: "integers",
        run: integers,
        reference_ms: 24.0,
    },
    Kernel {
        name: "floating point",
        run: floats,
        reference_ms: 18.5,
    },
    Kernel {
        name: "branches",
        run: branches,
        reference_ms: 30.5,
    },
    Kernel {
        name: "memory",
        run: memory,
        reference_ms: 28.0,
    },
];

/// A generator of Marsaglia's: each step needs the one before.
fn step(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    state
}

/// Shifts, exclusive ors and multiplications in one long chain.
fn integers() -> u64 {
    (0..10_000_000_u64).fold(black_box(88_172_645_463_325_252), |state, round| {
        step(state).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ round
    })
}

/// Products of matrices.
fn floats() -> u64 {
    const SIDE: usize = 160;
    let cell = |row: usize, column: usize| ((row * 7 + column * 3) % 11) as f64 - 5.0;
    let left: Vec<f64> = (0..SIDE * SIDE)
        .map(|at| cell(at / SIDE, at % SIDE))
        .collect();
    let mut right = left.clone();
    for _ in 0..24 {
        let mut product = vec![0.0_f64; SIDE * SIDE];
        for (row, line) in product.chunks_exact_mut(SIDE).enumerate() {
            let factors = left.iter().skip(row * SIDE).take(SIDE);
            for (factor, other) in factors.zip(right.chunks_exact(SIDE)) {
                for (sum, cell) in line.iter_mut().zip(other) {
                    *sum += factor * cell;
                }
            }
        }
        // Kept small, and whole, so that every order of adding gives the same.
        right = product.iter().map(|cell| cell % 13.0).collect();
        black_box(&mut right);
    }
    right.iter().sum::<f64>().to_bits()
}

/// A sort of numbers in no order: nothing of it can be foretold.
fn branches() -> u64 {
    let mut state = black_box(2_463_534_242);
    let mut numbers: Vec<u64> = (0..2_000_000)
        .map(|_| {
            state = step(state);
            state
        })
        .collect();
    numbers.sort_unstable_by_key(|number| number >> 7);
    numbers
        .iter()
        .step_by(997)
        .fold(0, |sum, number| sum ^ number)
}

/// A walk through 16 MB in no order, as interpreters walk through their objects.
fn memory() -> u64 {
    const PLACES: usize = 1 << 21;
    // One cycle through all places.
    let next: Vec<u64> = (0..PLACES as u64)
        .map(|place| (place.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)) % PLACES as u64)
        .collect();
    let mut place = black_box(0_u64);
    let mut sum = 0_u64;
    for _ in 0..200_000 {
        let at = usize::try_from(place).unwrap_or_default();
        place = next.get(at).copied().unwrap_or_default();
        sum = sum.wrapping_add(place);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_the_same_each_time() {
        for kernel in KERNELS {
            assert_eq!((kernel.run)(), (kernel.run)(), "{}", kernel.name);
        }
        assert_ne!(integers(), memory());
    }

    #[test]
    fn the_walk_leads_through_all_of_it() {
        const PLACES: u64 = 1 << 21;
        let mut place = 0_u64;
        let mut length = 0_u64;
        loop {
            place = (place * 1_664_525 + 1_013_904_223) % PLACES;
            length += 1;
            if place == 0 {
                break;
            }
        }
        assert_eq!(length, PLACES);
    }
}
