//! Runs package managers, and keeps their last words.

use std::path::Path;
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
    let errors = String::from_utf8_lossy(&output.stderr);
    let words = [&*errors, &*printed].map(last_words);
    let words = words.into_iter().find(|words| !words.is_empty());
    Err(order.failed(words.unwrap_or_else(|| format!("{program}: {}", output.status))))
}

fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// A package manager that comes with the interpreter, such as npm with Node: the one beside it, which
/// is then run by it, or else the first on the search path.
pub(super) fn beside(interpreter: &Path, program: &str) -> Command {
    let own = interpreter
        .parent()
        .map(|folder| (folder, folder.join(program)))
        .filter(|(_, path)| path.is_file());
    let Some((folder, path)) = own else {
        return Command::new(program);
    };
    let search = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&search));
    let mut command = Command::new(path);
    if let Ok(folders) = std::env::join_paths(folders) {
        command.env("PATH", folders);
    }
    command
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
        let program = |name| {
            beside(Path::new("/bin/sh"), name)
                .as_std()
                .get_program()
                .to_owned()
        };
        assert_eq!(program("ls"), "/bin/ls");
        assert_eq!(program("nosuch"), "nosuch");
    }
}
