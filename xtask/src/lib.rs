//! Code generation and repository chores.
//!
//! - [`codegen`] writes the shapes of `crates/engine/wire` from AWS's service models, which the
//!   PyPI package botocore carries ([`botocore`] finds them, [`model`] reads them).
//! - [`rule`] holds the workspace to the one rule of its design.
//!
//! Nothing here is part of the product.

pub mod botocore;
pub mod codegen;
pub mod model;
pub mod rule;
pub mod settings;
