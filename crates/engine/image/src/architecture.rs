//! The processors that functions are made for, and what images call them.

use std::fmt;

/// A processor architecture that functions have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// `x86_64`, which images call `amd64`.
    X86,
    /// `arm64`.
    Arm,
}

impl Architecture {
    /// Both.
    pub const ALL: [Self; 2] = [Self::X86, Self::Arm];

    /// The name that images have for it.
    #[must_use]
    pub fn in_images(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm => "arm64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        })
    }
}
