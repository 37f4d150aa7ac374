//! The workspace keeps the rules of its design, and a workspace that breaks them is told so.

use xtask::codegen::workspace_root;
use xtask::rule::{Package, Workspace};

#[test]
fn the_workspace_keeps_every_rule() {
    let workspace = Workspace::read(&workspace_root()).unwrap();
    assert!(
        workspace
            .packages
            .iter()
            .any(|package| package.folder == "crates/engine/wire")
    );
    assert!(workspace.licenses.len() > workspace.packages.len());
    assert!(workspace.allowed.contains(&"MIT".to_owned()));
    let broken = workspace.broken();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Packages, each a folder and what it depends on, by folder.
type Arrows<'a> = &'a [(&'a str, &'a [&'a str])];

fn made_up(packages: Arrows<'_>) -> Workspace {
    let name = |folder: &&str| folder.replace('/', "-");
    Workspace {
        packages: packages
            .iter()
            .map(|(folder, dependencies)| Package {
                name: name(folder),
                folder: (*folder).to_owned(),
                dependencies: dependencies.iter().map(name).collect(),
                inherits_lints: true,
            })
            .collect(),
        ..Workspace::default()
    }
}

#[test]
fn the_design_itself_breaks_nothing() {
    let workspace = made_up(&[
        ("crates/base/ids", &[]),
        ("crates/engine/wire", &["crates/base/ids"]),
        ("crates/engine/policy", &["crates/base/ids"]),
        (
            "crates/engine/lambda",
            &["crates/engine/wire", "crates/engine/policy", "serde"],
        ),
        ("crates/engine/iam", &["crates/engine/policy"]),
        (
            "crates/engine/server",
            &["crates/engine/lambda", "crates/engine/states"],
        ),
        ("crates/engine/states", &["crates/engine/wire"]),
        ("crates/lab/aws", &["crates/base/ids"]),
        ("crates/lab/tune", &["crates/lab/aws"]),
        ("crates/cli", &["crates/engine/server", "crates/lab/tune"]),
        ("python/core", &["crates/cli"]),
        ("bench/load", &["crates/lab/aws"]),
    ]);
    assert_eq!(workspace.broken(), Vec::<String>::new());
}

#[test]
fn each_forbidden_arrow_is_named() {
    let cases: &[(Arrows<'_>, &str)] = &[
        (
            &[
                ("crates/engine/lambda", &["crates/lab/aws"]),
                ("crates/lab/aws", &[]),
            ],
            "crates-engine-lambda -> crates-lab-aws: the engine knows no instrument",
        ),
        (
            &[
                ("crates/lab/pool", &["crates/engine/wire"]),
                ("crates/engine/wire", &[]),
            ],
            "crates-lab-pool -> crates-engine-wire: an instrument knows no engine",
        ),
        (
            &[
                ("crates/base/store", &["crates/engine/wire"]),
                ("crates/engine/wire", &[]),
            ],
            "crates-base-store -> crates-engine-wire: base knows neither engine nor lab",
        ),
        (
            &[
                ("crates/engine/s3", &["crates/engine/lambda"]),
                ("crates/engine/lambda", &[]),
            ],
            "crates-engine-s3 -> crates-engine-lambda: services call one another through \
             wire::Dispatch",
        ),
        (
            &[
                ("crates/lab/pool", &["tools/between"]),
                ("tools/between", &["crates/engine/wire"]),
                ("crates/engine/wire", &[]),
            ],
            "crates-lab-pool -> tools-between -> crates-engine-wire: an instrument knows no engine",
        ),
        (
            &[
                ("bench/both", &["crates/engine/wire", "crates/lab/aws"]),
                ("crates/engine/wire", &[]),
                ("crates/lab/aws", &[]),
            ],
            "bench-both -> crates-engine-wire and bench-both -> crates-lab-aws: only crates/cli \
             and python know both wings",
        ),
        (
            &[("crates/lab/pool", &["crates/cli"]), ("crates/cli", &[])],
            "crates-lab-pool -> crates-cli: an instrument knows no engine",
        ),
    ];
    for (packages, expected) in cases {
        assert_eq!(made_up(packages).broken(), [*expected]);
    }
}

#[test]
fn foreign_licences_and_own_lints_are_named() {
    let mut workspace = made_up(&[("crates/base/ids", &[]), ("crates/engine/sandbox", &[])]);
    for package in &mut workspace.packages {
        package.inherits_lints = false;
    }
    workspace.allowed = vec!["MIT".to_owned()];
    workspace.licenses = vec![
        ("good".to_owned(), Some("MIT OR GPL-3.0".to_owned())),
        ("copyleft".to_owned(), Some("GPL-3.0".to_owned())),
        ("silent".to_owned(), None),
    ];
    assert_eq!(
        workspace.broken(),
        [
            "crates-base-ids does not take the workspace's lints: add `[lints] workspace = true`",
            "copyleft has the licence GPL-3.0, which deny.toml does not allow",
            "silent has the licence none that it names, which deny.toml does not allow",
        ]
    );
}
