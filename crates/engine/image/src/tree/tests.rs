//! Layers onto a folder: what is removed, what stays, and what tries to get out.

use std::os::unix::fs::MetadataExt;

use super::*;
use crate::tarball;

/// A layer in the making.
struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn entry(
        mut self,
        kind: tar::EntryType,
        mode: u32,
        name: &str,
        link: &str,
        content: &[u8],
    ) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_mtime(1_000);
        // Written as they are: the crate's own functions would refuse what this is about.
        let old = header.as_old_mut();
        old.name
            .get_mut(..name.len())
            .unwrap()
            .copy_from_slice(name.as_bytes());
        old.linkname
            .get_mut(..link.len())
            .unwrap()
            .copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.entry(tar::EntryType::Regular, 0o644, name, "", content.as_bytes())
    }

    fn folder(self, name: &str) -> Self {
        self.entry(tar::EntryType::Directory, 0o755, name, "", b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(tar::EntryType::Symlink, 0o777, name, target, b"")
    }

    fn hardlink(self, name: &str, target: &str) -> Self {
        self.entry(tar::EntryType::Link, 0o644, name, target, b"")
    }
}

/// A folder with a file beside it that no layer may touch.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("image")).unwrap();
        fs::write(folder.path().join("secret"), "the host's").unwrap();
        Self { folder }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn apply(&self, layers: impl IntoIterator<Item = Layer>) -> Result<(), LayerError> {
        let mut tree = Tree::open(&self.root()).unwrap();
        for layer in layers {
            let archive = layer.0.into_inner().unwrap();
            tree.begin_layer();
            tarball::read(&*archive, |entry| tree.place(entry))?;
        }
        tree.finish().unwrap();
        Ok(())
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.root().join(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.root().join(name)).is_ok()
    }

    fn outside(&self) -> Vec<String> {
        let listed = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = listed
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    /// Whatever a test was about: nothing outside may have changed.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.outside(), ["image", "secret"]);
            let secret = fs::read_to_string(self.folder.path().join("secret")).unwrap();
            assert_eq!(secret, "the host's");
        }
    }
}

#[test]
fn layers_lie_on_one_another() {
    let place = Place::new();
    let below = Layer::new()
        .folder("a")
        .file("a/both", "below")
        .file("a/kept", "kept");
    let above = Layer::new()
        .file("a/both", "above")
        .file("./b/made", "made");
    place.apply([below, above]).unwrap();
    assert_eq!(place.text("a/both"), "above");
    assert_eq!(place.text("a/kept"), "kept");
    assert_eq!(place.text("b/made"), "made");
    assert_eq!(
        fs::metadata(place.root().join("b")).unwrap().mode() & 0o777,
        0o755
    );
    assert_eq!(
        fs::metadata(place.root().join("a/both")).unwrap().mtime(),
        1_000
    );
}

#[test]
fn whiteouts_remove_what_lies_below_alone() {
    let place = Place::new();
    let below = Layer::new()
        .file("a/gone", "")
        .file("a/deep/er", "")
        .file("a/kept", "");
    let above = Layer::new()
        .file("a/.wh.gone", "")
        .file("a/new", "")
        .file("a/.wh.new", "")
        .file("a/.wh.deep", "")
        .file("a/.wh..wh.plnk", "")
        .file("none/.wh.nothing", "");
    place.apply([below, above]).unwrap();
    for (name, there) in [
        ("a/gone", false),
        ("a/deep", false),
        ("a/kept", true),
        ("a/new", true),
        ("a/.wh.gone", false),
        ("a/.wh..wh.plnk", false),
        ("none", false),
    ] {
        assert_eq!(place.has(name), there, "{name}");
    }
}

#[test]
fn opaque_folders_begin_anew() {
    let place = Place::new();
    let below = Layer::new()
        .file("a/old", "")
        .file("a/both/old", "")
        .file("b/old", "");
    // Wherever it stands in the layer, it means what lies below.
    let above = Layer::new()
        .file("a/new", "")
        .file("a/both/new", "")
        .file("a/.wh..wh..opq", "")
        .file("a/later", "");
    place.apply([below, above]).unwrap();
    for (name, there) in [
        ("a/old", false),
        ("a/both/old", false),
        ("a/new", true),
        ("a/both/new", true),
        ("a/later", true),
        ("b/old", true),
    ] {
        assert_eq!(place.has(name), there, "{name}");
    }
}

#[test]
fn a_file_a_folder_and_a_link_replace_one_another() {
    let place = Place::new();
    let below = Layer::new().file("a/x", "").file("b", "").symlink("c", "a");
    let above = Layer::new().file("a", "file").folder("b").folder("c");
    place.apply([below, above]).unwrap();
    assert_eq!(place.text("a"), "file");
    assert!(
        fs::symlink_metadata(place.root().join("b"))
            .unwrap()
            .is_dir()
    );
    assert!(
        fs::symlink_metadata(place.root().join("c"))
            .unwrap()
            .is_dir()
    );
}

#[test]
fn links_inside_are_followed_as_in_the_image() {
    let place = Place::new();
    let below = Layer::new()
        .folder("usr/bin")
        .symlink("bin", "usr/bin")
        .symlink("sbin", "/usr/bin")
        .symlink("up", "../../../usr");
    let above = Layer::new()
        .file("bin/relative", "1")
        .file("sbin/absolute", "2")
        .file("up/climbed", "3")
        .hardlink("again", "bin/relative");
    place.apply([below, above]).unwrap();
    assert_eq!(place.text("usr/bin/relative"), "1");
    assert_eq!(place.text("usr/bin/absolute"), "2");
    assert_eq!(place.text("usr/climbed"), "3");
    assert_eq!(place.text("again"), "1");
}

#[test]
fn names_that_climb_are_refused() {
    for name in ["../secret", "a/../../secret", ".."] {
        let place = Place::new();
        let refused = place.apply([Layer::new().file(name, "evil")]).unwrap_err();
        assert!(
            matches!(refused, LayerError::Escapes(_)),
            "{name}: {refused}"
        );
    }
    // A leading slash means the image's root.
    let place = Place::new();
    place
        .apply([Layer::new().file("/secret", "image")])
        .unwrap();
    assert_eq!(place.text("secret"), "image");
}

#[test]
fn whiteouts_that_climb_remove_nothing() {
    for name in ["../.wh.secret", ".wh...", "a/.wh.."] {
        let place = Place::new();
        let below = Layer::new().file("a/kept", "");
        assert!(
            place.apply([below, Layer::new().file(name, "")]).is_err(),
            "{name}"
        );
        assert!(place.has("a/kept"));
    }
    // By way of a link: it leads to the image's own root.
    let place = Place::new();
    let below = Layer::new().symlink("out", "..").file("kept", "");
    let above = Layer::new()
        .file("out/.wh.secret", "")
        .file("out/.wh..wh..opq", "");
    place.apply([below, above]).unwrap();
    assert!(!place.has("kept"), "the link led to the root of the image");
}

#[test]
fn nothing_is_written_through_a_link() {
    let place = Place::new();
    let target = place.folder.path().join("secret");
    let target = target.to_str().unwrap();
    let below = Layer::new()
        .symlink("absolute", target)
        .symlink("relative", "../secret");
    let above = Layer::new()
        .file("absolute", "evil")
        .file("relative", "evil");
    place.apply([below, above]).unwrap();
    assert_eq!(place.text("absolute"), "evil");
    assert!(
        fs::symlink_metadata(place.root().join("relative"))
            .unwrap()
            .is_file()
    );
}

#[test]
fn folders_behind_links_are_the_images() {
    let place = Place::new();
    let outside = place.folder.path().to_str().unwrap();
    let inside = outside.trim_start_matches('/');
    let layer = Layer::new()
        .folder(inside)
        .symlink("out", outside)
        .file("out/file", "here");
    place.apply([layer]).unwrap();
    assert_eq!(place.text(&format!("{inside}/file")), "here");
    // To nowhere in the image: it is not made up.
    let place = Place::new();
    let layer = Layer::new().symlink("out", "/nowhere").file("out/file", "");
    assert!(place.apply([layer]).is_err());
}

#[test]
fn hard_links_reach_nothing_outside() {
    let place = Place::new();
    let secret = place.folder.path().join("secret");
    for target in [secret.to_str().unwrap(), "../secret"] {
        assert!(
            place
                .apply([Layer::new().hardlink("stolen", target)])
                .is_err(),
            "{target}"
        );
    }
    // A link to a link is that link, not what it leads to.
    let layer = Layer::new()
        .symlink("soft", secret.to_str().unwrap())
        .hardlink("hard", "soft");
    place.apply([layer]).unwrap();
    assert!(
        fs::symlink_metadata(place.root().join("hard"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn devices_are_left_out_and_rights_are_not_taken_over() {
    let place = Place::new();
    let layer = Layer::new()
        .entry(tar::EntryType::Block, 0o666, "dev/sda", "", b"")
        .entry(tar::EntryType::Fifo, 0o666, "pipe", "", b"")
        .entry(tar::EntryType::Regular, 0o6755, "su", "", b"x")
        .entry(tar::EntryType::Directory, 0o000, "closed", "", b"")
        .file("closed/in", "");
    place.apply([layer]).unwrap();
    assert!(!place.has("dev/sda") && !place.has("pipe"));
    assert_eq!(
        fs::metadata(place.root().join("su")).unwrap().mode() & 0o7777,
        0o755
    );
    assert_eq!(
        fs::metadata(place.root().join("closed")).unwrap().mode() & 0o777,
        0o700
    );
}

#[test]
fn environments_find_what_they_mount_over() {
    let place = Place::new();
    let layer = Layer::new()
        .symlink("proc", "../../..")
        .file("tmp", "")
        .symlink("etc/resolv.conf", "../run/resolv.conf")
        .file("etc/hosts", "the image's");
    place.apply([layer]).unwrap();
    for name in ["dev", "proc", "sys", "tmp"] {
        let metadata = fs::symlink_metadata(place.root().join(name)).unwrap();
        assert!(metadata.is_dir(), "{name}");
    }
    assert_eq!(place.text("etc/resolv.conf"), "");
    assert_eq!(place.text("etc/hosts"), "the image's");
}

#[test]
fn an_image_has_an_end() {
    let place = Place::new();
    let mut tree = Tree::open(&place.root()).unwrap();
    tree.bytes = UNPACKED_BYTES - 3;
    let archive = Layer::new()
        .file("three", "123")
        .file("more", "4")
        .0
        .into_inner()
        .unwrap();
    let refused = tarball::read(&*archive, |entry| tree.place(entry)).unwrap_err();
    assert!(
        matches!(refused, LayerError::TooLarge { what: "bytes", .. }),
        "{refused}"
    );
    let mut tree = Tree::open(&place.root()).unwrap();
    tree.entries = ENTRIES;
    let archive = Layer::new().folder("a").0.into_inner().unwrap();
    let refused = tarball::read(&*archive, |entry| tree.place(entry)).unwrap_err();
    assert!(
        matches!(refused, LayerError::TooLarge { what: "files", .. }),
        "{refused}"
    );
}
