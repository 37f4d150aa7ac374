//! The words of `--isolation` and `--egress`.

pub(crate) use sandbox::Egress;

/// How far functions are kept apart from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IsolationMode {
    /// As far as the host allows.
    Auto,
    /// As on AWS, or the engine does not start.
    Required,
    /// Not at all.
    None,
}
