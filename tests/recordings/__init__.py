"""What AWS answered, recorded call by call, against what the engine answers.

The recordings hold answers, not calls: `scenarios` infers the calls from the names and the answers,
`lab` sends them, `matcher` compares whole answers, `expectations.toml` lists what cannot match yet
and why. The recordings are not part of this repository; without them the tests are skipped.
"""
