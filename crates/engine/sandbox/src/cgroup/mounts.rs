//! Where control groups are mounted, and where in them this process may make its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::Controller;
use super::files;

/// The hierarchies of this host, each with the directories in which groups may be made, best first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    /// The unified hierarchy.
    pub(crate) unified: Option<Places>,
    /// The hierarchies of the first version, by controller.
    pub(crate) first: BTreeMap<Controller, Places>,
}

/// Where in a hierarchy groups may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// The hierarchy's top as it is mounted here. Preferred, because it is the same at the next
    /// start, which thereby finds what this one may leave behind.
    pub(crate) top: PathBuf,
    /// The group that this process is in: what an unprivileged user may have been given.
    pub(crate) own: PathBuf,
}

impl Places {
    /// The first of the two that this process may write to.
    pub(crate) fn writable(&self) -> Option<&Path> {
        [&self.top, &self.own]
            .into_iter()
            .find(|place| access(place.as_path(), AccessFlags::W_OK).is_ok())
            .map(PathBuf::as_path)
    }
}

impl Hierarchies {
    /// Looks at this process's mounts and memberships.
    pub(crate) fn discover() -> io::Result<Self> {
        Ok(Self::parse(
            &fs::read_to_string("/proc/self/mountinfo")?,
            &files::read(Path::new("/proc/self/cgroup"))?,
        ))
    }

    /// The same from the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
    pub(crate) fn parse(mounts: &str, memberships: &str) -> Self {
        let mut found = Self::default();
        for mount in mounts.lines().filter_map(Mount::parse) {
            if mount.kind == "cgroup2" {
                let places = mount.places(membership(memberships, None));
                found.unified.get_or_insert(places);
            } else if mount.kind == "cgroup" {
                for controller in Controller::ALL {
                    if mount
                        .options
                        .split(',')
                        .any(|option| option == controller.name())
                    {
                        let places = mount.places(membership(memberships, Some(controller)));
                        found.first.entry(controller).or_insert(places);
                    }
                }
            }
        }
        found
    }
}

/// One line of `/proc/self/mountinfo`.
struct Mount<'a> {
    /// Which directory of the hierarchy is mounted.
    root: &'a str,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let mut back = back.split(' ');
        Some(Self {
            root: front.next()?,
            point: PathBuf::from(unescape(front.next()?)),
            kind: back.next()?,
            options: back.nth(1)?,
        })
    }

    fn places(&self, own: Option<&str>) -> Places {
        // The membership counts from the hierarchy's root, of which the mount may show a part only.
        let inside = own.and_then(|own| Path::new(own).strip_prefix(self.root).ok());
        Places {
            top: self.point.clone(),
            own: inside.map_or_else(|| self.point.clone(), |inside| self.point.join(inside)),
        }
    }
}

/// The group that `/proc/self/cgroup` names for a controller, or for the unified hierarchy.
fn membership(memberships: &str, controller: Option<Controller>) -> Option<&str> {
    memberships.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?;
        let fits = match controller {
            Some(controller) => controllers.split(',').any(|name| name == controller.name()),
            None => controllers.is_empty(),
        };
        if fits { fields.next() } else { None }
    })
}

/// Mount points hold blanks and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_with_the_first_version_and_an_empty_unified_one() {
        let found = Hierarchies::parse(
            "30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
             31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
             32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
             33 30 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
            "4:memory:/jobs/7\n1:cpu,cpuacct:/\n0::/init.scope\n",
        );
        assert_eq!(
            found.unified,
            Some(Places {
                top: "/sys/fs/cgroup/unified".into(),
                own: "/sys/fs/cgroup/unified/init.scope".into(),
            })
        );
        assert_eq!(
            found.first[&Controller::Memory].own,
            Path::new("/sys/fs/cgroup/memory/jobs/7")
        );
        assert_eq!(
            found.first[&Controller::Cpu].top,
            Path::new("/sys/fs/cgroup/cpu,cpuacct")
        );
        assert!(!found.first.contains_key(&Controller::Pids));
    }

    #[test]
    fn a_container_that_sees_a_part_of_the_hierarchy() {
        let found = Hierarchies::parse(
            "33 30 0:29 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            "0::/docker/abc/inner\n",
        );
        let places = found.unified.unwrap();
        assert_eq!(places.top, Path::new("/sys/fs/cgroup"));
        assert_eq!(places.own, Path::new("/sys/fs/cgroup/inner"));
    }

    #[test]
    fn a_host_without_control_groups() {
        let found = Hierarchies::parse("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "");
        assert_eq!(found, Hierarchies::default());
    }
}
