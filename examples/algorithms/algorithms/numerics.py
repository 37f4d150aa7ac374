"""The computations, free of Lambda, so that they can be called and tested anywhere.

The orbit is a logistic map in its chaotic range, disturbed by trigonometric terms. Chaos is the
point: two orbits that differ in the last bit of one double have nothing in common some fifty
steps later, so the digest shows any difference in rounding, in the order of operations or in the
mathematics library.
"""

import hashlib
import math
import struct

GROWTH = 3.99
"""The logistic map's parameter; above about 3.57 its orbits are chaotic."""

COUPLING = 1e-3
"""The weight of the trigonometric terms: large enough to matter in each step."""

HARMONICS = 2000
"""How many terms the unstable sum has: enough that two orders rarely round alike."""


def fibonacci(n):
    """The n-th Fibonacci number by the definition, in exponential time, to keep a core busy."""
    if n < 0:
        raise ValueError(f"n must not be negative, got {n}")
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def orbit_digest(seed, steps):
    """The SHA-256, in hexadecimal, over all `steps` doubles of the orbit that begins at `seed`.

    Only additions, multiplications, `sin` and `cos` in a fixed order: the same machine, or
    machines with the same mathematics library, give the same digest every time.
    """
    if not 0.0 < seed < 1.0:
        raise ValueError(f"seed must lie between 0 and 1, got {seed}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    digest = hashlib.sha256()
    x = seed
    for step in range(steps):
        x = GROWTH * x * (1.0 - x)
        x += COUPLING * math.sin(7.0 * x) * math.cos(step)
        x = _fold(x)
        digest.update(struct.pack("<d", x))
    return digest.hexdigest()


def unstable_orbit_digest(seed, steps):
    """As `orbit_digest`, with a mistake that real programs make: the sum over a set.

    The orbit starts from a sum of harmonics that are kept in a set of strings. Python hashes
    strings with a seed that each process draws at random (unless PYTHONHASHSEED fixes it), so a
    set's order differs between processes; floating point addition is not associative, so the sum
    differs in its last bits; and chaos does the rest. One execution environment answers alike
    every time, which is why one invocation after the other never shows the fault: only several
    environments at once do.
    """
    labels = {f"harmonic-{k}" for k in range(1, HARMONICS + 1)}
    total = 0.0
    for label in labels:
        k = int(label.rpartition("-")[2])
        total += k * math.sin(seed * k)
    return orbit_digest(_fold(seed + total), steps)


def _fold(x):
    """Brings `x` back into the open unit interval, on which the logistic map is defined."""
    x = abs(x) % 1.0
    return x if x > 0.0 else 0.5
