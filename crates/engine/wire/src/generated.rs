//! What `cargo xtask codegen` wrote. Change the generator or its settings, not these files.

#[allow(
    missing_docs,
    clippy::enum_variant_names,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    reason = "generated: the documentation of a shape is AWS's own"
)]
pub mod lambda;
