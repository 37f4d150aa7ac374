//! What every crate of the workspace keeps.
//!
//! The one rule of the design: engine and instruments meet only on the wire. No crate under
//! `crates/engine` knows one under `crates/lab`, nor the other way round; `crates/base` knows
//! neither; only `crates/cli` and `python` know both. Within the engine, services never know one
//! another: they call through `wire::Dispatch`. `wire` and `policy` are no services, and all may
//! depend on them. Development and build dependencies count, and so do detours.
//!
//! [`Workspace::read`] asks cargo; [`Workspace::broken`] judges.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use cargo_metadata::{CargoOpt, MetadataCommand};

mod license;

pub use license::permits;

/// Services of the engine, by folder.
const SERVICES: [&str; 6] = ["iam", "lambda", "logs", "s3", "sqs", "states"];

/// The crate that may keep its own lints: the only one with unsafe code.
const UNSAFE: &str = "crates/engine/sandbox";

/// A package of the workspace.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder, from the workspace's root.
    pub folder: String,
    /// The names of all that it depends on, in whatever way.
    pub dependencies: Vec<String>,
    /// Whether it takes the workspace's lints.
    pub inherits_lints: bool,
}

/// The workspace and what it depends on.
#[derive(Debug, Default)]
pub struct Workspace {
    /// Its own packages.
    pub packages: Vec<Package>,
    /// Every package in the tree, foreign ones too, with its licence.
    pub licenses: Vec<(String, Option<String>)>,
    /// The licences that are allowed.
    pub allowed: Vec<String>,
}

/// Why the workspace cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// cargo did not tell.
    #[error("cargo metadata: {0}")]
    Metadata(#[from] cargo_metadata::Error),
    /// A file cannot be read.
    #[error("cannot read {0}: {1}")]
    File(String, std::io::Error),
    /// A file is no TOML.
    #[error("{0}: {1}")]
    Toml(String, toml::de::Error),
}

/// The part of the design that a package belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wing<'a> {
    Base,
    Engine(&'a str),
    Lab,
    /// The command line and the Python package.
    Both,
    /// Chores, benchmarks, tests.
    Outside,
}

impl Package {
    fn wing(&self) -> Wing<'_> {
        let mut parts = self.folder.split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("crates"), Some("base"), _) => Wing::Base,
            (Some("crates"), Some("engine"), Some(name)) => Wing::Engine(name),
            (Some("crates"), Some("lab"), _) => Wing::Lab,
            (Some("crates"), Some("cli"), _) | (Some("python"), ..) => Wing::Both,
            _ => Wing::Outside,
        }
    }
}

impl Workspace {
    /// Reads the workspace at `root`, for the platform that this runs on.
    ///
    /// # Errors
    /// When cargo or a file cannot be read.
    pub fn read(root: &Path) -> Result<Self, ReadError> {
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .features(CargoOpt::AllFeatures)
            .exec()?;
        let mut packages = Vec::new();
        for package in metadata.workspace_packages() {
            let manifest = package.manifest_path.as_std_path();
            let folder = manifest.parent().unwrap_or(root);
            let folder = folder
                .strip_prefix(metadata.workspace_root.as_std_path())
                .unwrap_or(folder);
            packages.push(Package {
                name: package.name.to_string(),
                folder: folder.to_string_lossy().replace('\\', "/"),
                dependencies: package
                    .dependencies
                    .iter()
                    .map(|dependency| dependency.name.clone())
                    .collect(),
                inherits_lints: toml_file(manifest)?
                    .get("lints")
                    .and_then(|lints| lints.get("workspace"))
                    .and_then(toml::Value::as_bool)
                    .unwrap_or(false),
            });
        }
        let licenses = metadata
            .packages
            .iter()
            .map(|package| (package.name.to_string(), package.license.clone()))
            .collect();
        let allowed = toml_file(&root.join("deny.toml"))?
            .get("licenses")
            .and_then(|licenses| licenses.get("allow"))
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|license| license.as_str().map(str::to_owned))
            .collect();
        Ok(Self {
            packages,
            licenses,
            allowed,
        })
    }

    /// Everything that breaks a rule, in sentences.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for package in &self.packages {
            self.check_arrows(package, &mut broken);
            if !package.inherits_lints && package.folder != UNSAFE {
                broken.push(format!(
                    "{} does not take the workspace's lints: add `[lints] workspace = true`",
                    package.name
                ));
            }
        }
        for (name, license) in &self.licenses {
            let license = license.as_deref().unwrap_or("none that it names");
            if !permits(&self.allowed, license) {
                broken.push(format!(
                    "{name} has the licence {license}, which deny.toml does not allow"
                ));
            }
        }
        broken
    }

    fn check_arrows(&self, package: &Package, broken: &mut Vec<String>) {
        let from = package.wing();
        let (mut engine, mut lab) = (None, None);
        for (reached, way) in self.ways(package) {
            let to = reached.wing();
            let reason = match (from, to) {
                (Wing::Base, Wing::Engine(_) | Wing::Lab | Wing::Both) => {
                    "base knows neither engine nor lab"
                }
                (Wing::Engine(_), Wing::Lab | Wing::Both) => "the engine knows no instrument",
                (Wing::Lab, Wing::Engine(_) | Wing::Both) => "an instrument knows no engine",
                (Wing::Engine(one), Wing::Engine(other))
                    if one != other && SERVICES.contains(&one) && SERVICES.contains(&other) =>
                {
                    "services call one another through wire::Dispatch"
                }
                (Wing::Outside, Wing::Engine(_)) => {
                    engine.get_or_insert(way);
                    continue;
                }
                (Wing::Outside, Wing::Lab) => {
                    lab.get_or_insert(way);
                    continue;
                }
                _ => continue,
            };
            broken.push(format!("{way}: {reason}"));
        }
        if let (Some(engine), Some(lab)) = (engine, lab) {
            broken.push(format!(
                "{engine} and {lab}: only crates/cli and python know both wings"
            ));
        }
    }

    /// Every package of the workspace that `from` reaches, with the shortest way there.
    fn ways(&self, from: &Package) -> Vec<(&Package, String)> {
        let mut ways: BTreeMap<&str, String> = BTreeMap::new();
        let mut reached = Vec::new();
        let mut queue = VecDeque::from([(from.name.as_str(), from.name.clone())]);
        while let Some((name, way)) = queue.pop_front() {
            let package = self.packages.iter().find(|package| package.name == name);
            for dependency in package
                .into_iter()
                .flat_map(|package| &package.dependencies)
            {
                let known = self
                    .packages
                    .iter()
                    .find(|package| package.name == *dependency);
                let Some(known) = known else { continue };
                if known.name == from.name || ways.contains_key(known.name.as_str()) {
                    continue;
                }
                let longer = format!("{way} -> {}", known.name);
                ways.insert(&known.name, longer.clone());
                reached.push((known, longer.clone()));
                queue.push_back((&known.name, longer));
            }
        }
        reached
    }
}

fn toml_file(path: &Path) -> Result<toml::Table, ReadError> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| ReadError::File(name(), error))?;
    toml::from_str(&text).map_err(|error| ReadError::Toml(name(), error))
}
