//! Which Python interpreters this host has.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

/// Prints the minor version and the interpreter behind wrappers and virtual environments.
const PROBE: &str = "import os, sys\n\
    exe = getattr(sys, '_base_executable', None) or sys.executable\n\
    print(sys.version_info[1])\n\
    print(os.path.realpath(exe))";

/// The newest minor version of Python 3 that is looked for.
const NEWEST: u8 = 14;
const OLDEST: u8 = 8;

/// The interpreter of Python 3.`minor`, where this host has one.
pub async fn find(minor: u8) -> Option<PathBuf> {
    let name = format!("python3.{minor}");
    for candidate in candidates(&name, minor) {
        if let Some((found, path)) = probe(&candidate).await
            && found == minor
        {
            return Some(path);
        }
    }
    None
}

/// Every interpreter from Python 3.8 on that this host has, by minor version.
pub async fn find_all() -> BTreeMap<u8, PathBuf> {
    let mut found = BTreeMap::new();
    for minor in OLDEST..=NEWEST {
        if let Some(path) = find(minor).await {
            found.insert(minor, path);
        }
    }
    found
}

/// The interpreter nearest to Python 3.`minor`, a newer one before an older one.
pub async fn find_nearest(minor: u8) -> Option<(u8, PathBuf)> {
    let found = find_all().await;
    let distance = |other: u8| (other.abs_diff(minor), other < minor);
    found.into_iter().min_by_key(|(other, _)| distance(*other))
}

fn candidates(name: &str, minor: u8) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join(name));
    let mut all: Vec<PathBuf> = on_path.filter(|file| file.is_file()).collect();
    all.extend(pyenv(name, minor));
    for folder in ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"] {
        let file = Path::new(folder).join(name);
        if file.is_file() {
            all.push(file);
        }
    }
    let plain = env::split_paths(&path).map(|folder| folder.join("python3"));
    all.extend(plain.filter(|file| file.is_file()));
    all
}

/// Versions that pyenv installed, the newest patch release first, whether selected or not.
fn pyenv(name: &str, minor: u8) -> Vec<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| {
        let home = env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".pyenv"))
    });
    let Some(versions) = root.and_then(|root| fs::read_dir(root.join("versions")).ok()) else {
        return Vec::new();
    };
    let prefix = format!("3.{minor}.");
    let patch = |folder: &Path| {
        let name = folder.file_name().and_then(OsStr::to_str)?;
        name.strip_prefix(&prefix)?.parse::<u32>().ok()
    };
    let mut found: Vec<_> = versions
        .filter_map(Result::ok)
        .filter_map(|entry| Some((patch(&entry.path())?, entry.path().join("bin").join(name))))
        .filter(|(_, file)| file.is_file())
        .collect();
    found.sort_by_key(|(patch, _)| std::cmp::Reverse(*patch));
    found.into_iter().map(|(_, file)| file).collect()
}

async fn probe(candidate: &Path) -> Option<(u8, PathBuf)> {
    let output = Command::new(candidate)
        .args(["-I", "-c", PROBE])
        .output()
        .await
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines();
    let minor = lines.next()?.trim().parse().ok()?;
    Some((minor, PathBuf::from(lines.next()?.trim())))
}
