//! Where a program lies in an image.

use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};

use crate::tree::inside;

/// The program that a bare name stands for: the first of that name in the folders of `path` which may
/// be executed. A name with a slash is a path already. The answer is a path inside the image at
/// `root`; `None` where there is no such program.
#[must_use]
pub fn find_program(root: &Path, name: &str, path: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(name.into());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, root, flags, Mode::empty()).ok()?;
    path.split(':')
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| Path::new(folder).join(name))
        .find(|program| {
            let found = inside(&root, program, OFlags::PATH | OFlags::CLOEXEC);
            let status = found.and_then(rustix::fs::fstat);
            status.is_ok_and(|status| {
                FileType::from_raw_mode(status.st_mode) == FileType::RegularFile
                    && status.st_mode & 0o111 != 0
            })
        })
}

/// The names of all but folders in a folder of the image at `root`, in their order; none where there is
/// no such folder. Names that are no text are left out.
#[must_use]
pub fn files_in(root: &Path, folder: &str) -> Vec<String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(root) = rustix::fs::openat(CWD, root, flags, Mode::empty()) else {
        return Vec::new();
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = inside(&root, Path::new(folder), flags);
    let Ok(entries) = folder.and_then(Dir::read_from) else {
        return Vec::new();
    };
    let files = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type() != FileType::Directory);
    let mut names: Vec<String> = files
        .filter_map(|entry| entry.file_name().to_str().map(str::to_owned).ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn files_are_looked_for_inside_the_image_alone() {
        let image = tempfile::tempdir().unwrap();
        let root = image.path();
        fs::create_dir_all(root.join("opt/real/folder")).unwrap();
        for name in ["b", "a"] {
            fs::write(root.join("opt/real").join(name), "").unwrap();
        }
        symlink("/opt/real", root.join("opt/link")).unwrap();
        // The host has that one, and the image does not.
        symlink("/usr", root.join("opt/outside")).unwrap();
        assert_eq!(files_in(root, "/opt/link"), ["a", "b"]);
        assert!(files_in(root, "/opt/outside").is_empty());
        assert!(files_in(root, "/opt/none").is_empty());
    }

    #[test]
    fn programs_are_found_inside_the_image_alone() {
        let image = tempfile::tempdir().unwrap();
        let root = image.path();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        for (name, mode) in [("run", 0o755), ("text", 0o644)] {
            let file = root.join("usr/bin").join(name);
            fs::write(&file, "#!").unwrap();
            fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        }
        // The host has these, and the image does not.
        symlink("/bin/sh", root.join("usr/bin/outside")).unwrap();
        let find = |name: &str| find_program(root, name, "relative:/none:/bin");
        assert_eq!(find("run"), Some("/bin/run".into()));
        assert_eq!(find("text"), None);
        assert_eq!(find("sh"), None);
        assert_eq!(find("outside"), None);
        assert_eq!(find("./any/where"), Some("./any/where".into()));
    }
}
