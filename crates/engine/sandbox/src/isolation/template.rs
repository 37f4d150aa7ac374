//! The root that all environments start from: what a runtime needs of the host, and nothing of its
//! users.
//!
//! It lies in a mount namespace of its own, which is kept alive by a descriptor. Every environment
//! copies that namespace, adds its own mounts and then makes the root read-only; the file system
//! below it is one for all, holds no secrets, and takes only the empty folders that mounts need.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, mount_change};

use super::mounts::{self, Allows, DRAFTS};
use super::realm::{self, Realm};
use super::{helper, local};
use crate::protocol::Refused;

/// Where the new root grows before it becomes the root. Every host has it, and nothing that is
/// shown comes from there.
const STAGE: &str = "/tmp";

/// Folders that are empty until something is mounted there, or for ever.
const FOLDERS: [&str; 12] = [
    "dev",
    "etc",
    "home",
    "opt",
    "proc",
    "run",
    "sys",
    "tmp",
    "var/lang",
    "var/rapid",
    "var/runtime",
    "var/task",
];

/// Where the system's programs and libraries lie. A link is shown as one.
const SYSTEM: [&str; 9] = [
    "usr",
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "nix/store",
    "gnu/store",
];

/// Settings of the system's that libraries and runtimes read: certificates, links to programs. Of
/// `/etc/ssl` not `private`.
const SETTINGS: [&str; 6] = [
    "etc/alternatives",
    "etc/ca-certificates",
    "etc/crypto-policies",
    "etc/pki/ca-trust",
    "etc/pki/tls/certs",
    "etc/ssl/certs",
];

/// Files of the same kind, small enough to be copied.
const FILES: [&str; 10] = [
    "etc/gai.conf",
    "etc/ld.so.cache",
    "etc/ld.so.conf",
    "etc/localtime",
    "etc/mime.types",
    "etc/os-release",
    "etc/protocols",
    "etc/services",
    "etc/ssl/cert.pem",
    "etc/ssl/openssl.cnf",
];

/// Devices that reach nothing. They are shown, not made: only root may make devices.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

const LINKS: [(&str, &str); 4] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];

/// Builds it, in a process of its own that does not stay. `resolv_conf` takes the place of the host's.
pub(super) fn build(
    realm: Option<&Realm>,
    resolv_conf: Option<String>,
) -> Result<OwnedFd, Refused> {
    let mut made = helper::make(|| {
        realm.map_or(Ok(()), Realm::join)?;
        Ok(vec![assemble(resolv_conf)?])
    })?;
    made.pop().ok_or_else(|| Refused {
        doing: "build the root of environments".to_owned(),
        source: io::ErrorKind::UnexpectedEof.into(),
    })
}

fn assemble(resolv_conf: Option<String>) -> Result<OwnedFd, Refused> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(Refused::to("make a mount namespace"))?;
    let namespace = realm::name("mnt")?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(Refused::to("keep mounts to the namespace"))?;
    umask(Mode::from_bits_truncate(0o022));
    let root = mounts::new(
        "tmpfs",
        &[
            ("mode", Some("0755")),
            ("size", Some("8m")),
            ("source", Some("lambdalab")),
        ],
        MountAttrFlags::empty(),
    )?;
    let stage = Path::new(STAGE);
    mounts::attach(&root, stage)?;
    let refused = || Refused::to("lay out the root of environments");
    lay_out(stage).map_err(refused())?;
    name_servers(stage, resolv_conf).map_err(refused())?;
    for name in SYSTEM.iter().chain(&SETTINGS) {
        show(stage, name)?;
    }
    local::hide(stage)?;
    for name in DEVICES {
        let (device, target) = (Path::new("/dev").join(name), stage.join("dev").join(name));
        fs::write(&target, "").map_err(refused())?;
        mounts::attach(mounts::clone_of(&device, Allows::Devices)?, &target)?;
    }
    std::env::set_current_dir(stage).map_err(refused())?;
    mounts::pivot_here()?;
    Ok(namespace)
}

/// What is of our own making.
fn lay_out(stage: &Path) -> io::Result<()> {
    for folder in FOLDERS {
        fs::create_dir_all(stage.join(folder))?;
    }
    let drafts = stage.join(DRAFTS.trim_start_matches('/'));
    fs::create_dir(&drafts)?;
    fs::set_permissions(&drafts, PermissionsExt::from_mode(0o700))?;
    for (link, target) in LINKS {
        symlink(target, stage.join(link))?;
    }
    for name in FILES {
        // Links among them lead to files that are there too, or nowhere.
        if let Ok(content) = fs::read(Path::new("/").join(name)) {
            let file = stage.join(name);
            file.parent().map(fs::create_dir_all).transpose()?;
            fs::write(file, content)?;
        }
    }
    // AWS's images have it, and functions can tell.
    let entry_point = stage.join("lambda-entrypoint.sh");
    fs::write(&entry_point, "#!/bin/sh\nexec \"$@\"\n")?;
    fs::set_permissions(&entry_point, PermissionsExt::from_mode(0o755))?;
    // The second line is what extensions take telemetry by.
    fs::write(
        stage.join("etc/hosts"),
        "127.0.0.1\tlocalhost\n127.0.0.1\tsandbox.localdomain sandbox\n",
    )?;
    fs::write(stage.join("etc/group"), "root:x:0:\n")?;
    fs::write(stage.join("etc/passwd"), "")?;
    fs::write(
        stage.join("etc/nsswitch.conf"),
        "passwd: files\ngroup: files\nhosts: files dns\n",
    )
}

/// Says where names are resolved: as the host does, where nothing else is said. The file is there in
/// any case, so that another one can be shown in its place.
fn name_servers(stage: &Path, text: Option<String>) -> io::Result<()> {
    let name = "etc/resolv.conf";
    let text = text.map_or_else(
        || fs::read(Path::new("/").join(name)).unwrap_or_default(),
        String::into_bytes,
    );
    fs::write(stage.join(name), text)
}

/// Shows a folder of the host's at its own place, where there is one.
fn show(stage: &Path, name: &str) -> Result<(), Refused> {
    let (source, target) = (Path::new("/").join(name), stage.join(name));
    let made = || Refused::to(format!("show {}", source.display()));
    let Ok(metadata) = fs::symlink_metadata(&source) else {
        return Ok(());
    };
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(made())?;
    }
    if metadata.is_symlink() {
        let leads_to = fs::read_link(&source).map_err(made())?;
        return symlink(leads_to, &target).map_err(made());
    }
    if metadata.is_dir() {
        fs::create_dir_all(&target).map_err(made())?;
        mounts::attach(mounts::clone_of(&source, Allows::Reading)?, &target)?;
    }
    Ok(())
}
