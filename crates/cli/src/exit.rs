//! What the program's exit code says.

/// The five answers that a command can give to the shell. Every command uses them alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Done; or the question was answered with yes.
    Yes = 0,
    /// The answer is no: the function failed, the answers differ, the target refused.
    No = 1,
    /// The command cannot be meant: a wrong argument, setting or file.
    Usage = 2,
    /// It could not be told: interrupted, throttled, or the answer was not understood.
    Unknown = 3,
    /// The target failed: not reachable, not startable, or an error of its own.
    TargetFailed = 4,
}

impl ExitCode {
    /// The number.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// The answer behind a number, as another process of ours gave it.
    pub(crate) fn from_number(number: Option<i32>) -> Self {
        [Self::Yes, Self::No, Self::Usage, Self::Unknown]
            .into_iter()
            .find(|code| Some(i32::from(code.number())) == number)
            .unwrap_or(Self::TargetFailed)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_scripts_rely_on() {
        use ExitCode::{No, TargetFailed, Unknown, Usage, Yes};
        assert_eq!(
            [Yes, No, Usage, Unknown, TargetFailed].map(ExitCode::number),
            [0, 1, 2, 3, 4]
        );
        for code in [Yes, No, Usage, Unknown, TargetFailed] {
            assert_eq!(ExitCode::from_number(Some(i32::from(code.number()))), code);
        }
        assert_eq!(ExitCode::from_number(None), TargetFailed);
        assert_eq!(ExitCode::from_number(Some(101)), TargetFailed);
    }
}
