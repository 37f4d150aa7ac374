//! Layers as they are kept: the key that names one, the record of a version, its policy, and the
//! tables that they lie in.
//!
//! A layer version's number is given once. A deleted version stays behind as a row that nobody
//! sees, because functions that have it go on working: `lambda_layer_use` says which packages
//! functions need, and it is written with each function version.

pub(crate) mod key;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod tables;
