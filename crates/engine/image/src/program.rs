//! Where a program lies in an image.

use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

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
