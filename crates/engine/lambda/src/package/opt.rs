//! What several layers make together at `/opt`.
//!
//! Layers are merged in their order, as AWS does it: folders of the same name become one, and of
//! anything else the later one replaces the earlier one. Where a folder meets a file or a link, the
//! later one replaces the earlier one too; nothing is ever written through a link.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/adding-layers.html>.
//!
//! The merged folder is made of hard links to the unpacked layers, so that it costs little more
//! than its folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use store::Digest;

use super::archive;
use super::error::CodeError;

/// The name under which the merged folder of these layers lies, in place of a package's digest.
pub(crate) fn merged_name(layers: &[Digest]) -> Digest {
    let mut text = b"layers".to_vec();
    for layer in layers {
        text.extend_from_slice(layer.as_bytes());
    }
    Digest::of(&text)
}

/// Everything that is kept for a function with these layers: their packages, and the merged folder
/// where they are several.
pub(crate) fn contents(layers: &[Digest]) -> Vec<Digest> {
    let mut contents = layers.to_vec();
    if layers.len() > 1 {
        contents.push(merged_name(layers));
    }
    contents
}

/// Merges unpacked layers, the first one first, into `folder`, which must be empty.
pub(super) fn merge<'p>(
    layers: impl Iterator<Item = &'p Path>,
    folder: &Path,
) -> Result<(), CodeError> {
    let mut links = Vec::new();
    for layer in layers {
        overlay(layer, folder, Path::new(""), &mut links)?;
    }
    // Each link stays inside its own layer; together they must stay inside the merged folder too.
    Ok(archive::check_links(
        folder,
        links.iter().map(PathBuf::as_path),
    )?)
}

/// Lays what is at `name` in `layer` over what is there in `folder`. Names the links that it made.
fn overlay(
    layer: &Path,
    folder: &Path,
    name: &Path,
    links: &mut Vec<PathBuf>,
) -> Result<(), CodeError> {
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |source| CodeError::Io { path, source }
    };
    let source = layer.join(name);
    // All of them before the first is gone into, so that a deep tree does not hold a folder open
    // for each of its levels.
    let entries: Vec<fs::DirEntry> = fs::read_dir(&source)
        .and_then(Iterator::collect)
        .map_err(disk(&source))?;
    for entry in entries {
        let kind = entry.file_type().map_err(disk(&source))?;
        let name = name.join(entry.file_name());
        let (from, to) = (layer.join(&name), folder.join(&name));
        let both_folders = clear(&to, kind.is_dir()).map_err(disk(&to))?;
        if kind.is_dir() {
            if !both_folders {
                fs::create_dir(&to).map_err(disk(&to))?;
            }
            overlay(layer, folder, &name, links)?;
        } else if kind.is_symlink() {
            link(&from, &to).map_err(disk(&to))?;
            links.push(name);
        } else if fs::hard_link(&from, &to).is_err() {
            // Not every file system knows hard links.
            fs::copy(&from, &to).map_err(disk(&to))?;
        }
    }
    Ok(())
}

/// Makes room at `path`, unless a folder is there and another one comes; says whether that is so.
fn clear(path: &Path, for_folder: bool) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() && for_folder => Ok(true),
        Ok(there) if there.is_dir() => fs::remove_dir_all(path).map(|()| false),
        Ok(_) => fs::remove_file(path).map(|()| false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(fs::read_link(from)?, to)
}

#[cfg(not(unix))]
fn link(_from: &Path, _to: &Path) -> io::Result<()> {
    // None was unpacked.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Layers {
        folder: tempfile::TempDir,
    }

    impl Layers {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("opt")).unwrap();
            Self { folder }
        }

        fn opt(&self, name: &str) -> PathBuf {
            self.folder.path().join("opt").join(name)
        }

        /// A file whose text is the layer's name.
        fn file(&self, layer: &str, name: &str) -> &Self {
            let path = self.folder.path().join(layer).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, layer).unwrap();
            self
        }

        fn link(&self, layer: &str, name: &str, target: &str) -> &Self {
            let path = self.folder.path().join(layer).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
            self
        }

        fn merge(&self, order: &[&str]) -> Result<(), CodeError> {
            let paths: Vec<PathBuf> = order.iter().map(|l| self.folder.path().join(l)).collect();
            merge(paths.iter().map(PathBuf::as_path), &self.opt(""))
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.opt(name)).unwrap()
        }
    }

    #[test]
    fn the_later_file_wins_and_folders_become_one() {
        let layers = Layers::new();
        layers.file("a", "lib/both").file("a", "lib/a");
        layers.file("b", "lib/both").file("b", "lib/b");
        layers.merge(&["a", "b"]).unwrap();
        assert_eq!(layers.text("lib/both"), "b");
        assert_eq!(layers.text("lib/a"), "a");
        assert_eq!(layers.text("lib/b"), "b");
    }

    #[test]
    fn a_file_and_a_folder_replace_each_other() {
        let layers = Layers::new();
        layers.file("a", "x/inner").file("a", "y");
        layers.file("b", "x").file("b", "y/inner");
        layers.merge(&["a", "b"]).unwrap();
        assert_eq!(layers.text("x"), "b");
        assert_eq!(layers.text("y/inner"), "b");
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let layers = Layers::new();
        layers.file("a", "real/file").link("a", "d", "real");
        layers.link("a", "f", "real/file");
        layers.file("b", "d/file").file("b", "f");
        layers.merge(&["a", "b"]).unwrap();
        assert_eq!(layers.text("real/file"), "a");
        assert_eq!(layers.text("d/file"), "b");
        assert_eq!(layers.text("f"), "b");
        // Nor into the layers themselves.
        let own = layers.folder.path().join("a/real/file");
        assert_eq!(fs::read_to_string(own).unwrap(), "a");
    }

    #[test]
    fn links_that_lead_out_together_are_refused() {
        let layers = Layers::new();
        layers.file("out", "secret");
        layers.link("a", "one/up", "..");
        layers.link("b", "two", "one/up/../out/secret");
        assert!(layers.merge(&["a", "b"]).is_err());
    }

    #[test]
    fn the_order_makes_the_name() {
        let [a, b] = [Digest::of(b"a"), Digest::of(b"b")];
        assert_ne!(merged_name(&[a, b]), merged_name(&[b, a]));
        assert_eq!(contents(&[a]), [a]);
        assert_eq!(contents(&[a, b]), [a, b, merged_name(&[a, b])]);
    }
}
