//! Runs package managers, and keeps their last words.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::{Order, RuntimeError};

/// A registry that has not delivered by then will not.
const INSTALL_LIMIT: Duration = Duration::from_mins(10);

/// Runs `command` to its end and returns what it printed.
pub(super) async fn run(order: &Order<'_>, command: &mut Command) -> Result<String, RuntimeError> {
    let program = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let output = tokio::time::timeout(INSTALL_LIMIT, command.kill_on_drop(true).output())
        .await
        .map_err(|_| order.failed(format!("{program} ran for {} s", INSTALL_LIMIT.as_secs())))?
        .map_err(|error| order.failed(format!("cannot run {program}: {error}")))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = if words.trim().is_empty() {
        printed.as_str()
    } else {
        &*words
    };
    Err(order.failed(last_words(words)))
}

fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// A program that comes with the interpreter, such as npm with Node: the one beside it, or else the
/// first on the search path.
pub(super) fn beside(interpreter: &Path, program: &str) -> PathBuf {
    interpreter
        .parent()
        .map(|folder| folder.join(program))
        .filter(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(program))
}

/// The search path with the interpreter's folder first, for package managers that are scripts.
pub(super) fn path_with(interpreter: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = interpreter.parent().map(Path::to_owned);
    let folders = own.into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_kept() {
        assert_eq!(last_words("a\nb\n\nc\nd\n"), "b; c; d");
        assert_eq!(last_words("alone"), "alone");
        assert_eq!(last_words("\n"), "");
    }

    #[test]
    fn a_neighbour_goes_before_the_search_path() {
        assert_eq!(beside(Path::new("/bin/sh"), "ls"), Path::new("/bin/ls"));
        assert_eq!(beside(Path::new("/bin/sh"), "nosuch"), Path::new("nosuch"));
    }
}
