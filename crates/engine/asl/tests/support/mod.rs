//! Where the corpus and what AWS answered are, and reading them.
//!
//! Neither is part of this repository. `LAMBDALAB_SHARED` names the folder that holds
//! `asl-corpus` and `aws-recordings`; without it, one beside the repository is looked for.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "each test uses its part, and fails by panicking"
)]

pub(crate) mod compare;
pub(crate) mod machines;
pub(crate) mod outside;
pub(crate) mod recordings;

use std::path::{Path, PathBuf};

use asl::Value;

/// The folder of that name in the shared folder; `None`, said aloud, if it is not there.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("LAMBDALAB_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no {name} (LAMBDALAB_SHARED names the folder that holds it)");
    None
}

/// Every file below `folder` whose name ends with one of `endings`, in order of their paths.
pub(crate) fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_string_lossy();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A file of JSON5, as far as the recorded machines use it: comments, commas before brackets, and
/// keys without quotes.
pub(crate) fn read(path: &Path) -> Result<Value, asl::value::ReadError> {
    Value::parse(&relaxed(&std::fs::read_to_string(path).unwrap()))
}

/// JSON5 as JSON, as far as the recorded machines use it.
pub(crate) fn relaxed(text: &str) -> String {
    let mut strict = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = characters.next() {
        match c {
            '\\' if quoted => {
                strict.push(c);
                strict.extend(characters.next());
                continue;
            }
            '"' => quoted = !quoted,
            '/' if !quoted && characters.peek() == Some(&'/') => {
                characters.by_ref().find(|c| *c == '\n');
                continue;
            }
            ']' | '}' if !quoted => {
                let end = strict.trim_end().len();
                if strict[..end].ends_with(',') {
                    strict.truncate(end - 1);
                }
            }
            c if !quoted && c.is_alphabetic() => {
                let mut word = String::from(c);
                while let Some(c) = characters.next_if(|c| c.is_alphanumeric()) {
                    word.push(c);
                }
                let key = characters.peek() == Some(&':');
                strict.push_str(&if key { format!("\"{word}\"") } else { word });
                continue;
            }
            _ => {}
        }
        strict.push(c);
    }
    strict
}
