//! Code generation and repository chores.

fn main() {}
