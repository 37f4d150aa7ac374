//! The lambdalab binary.

fn main() {}
