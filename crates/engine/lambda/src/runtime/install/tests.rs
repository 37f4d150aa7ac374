//! Tests of the runtimes folder.

use super::*;

fn installed(version: Version) -> Installed {
    Installed {
        layout: LAYOUT,
        interpreter: "/bin/sh".into(),
        version,
        contents: Contents {
            client: "awslambdaric 1".into(),
            packages: Vec::new(),
            flags: Vec::new(),
        },
        folder: PathBuf::new(),
    }
}

fn put(runtimes: &Path, name: &str, installed: &Installed) {
    let folder = runtimes.join(name);
    fs::create_dir_all(&folder).unwrap();
    let text = serde_json::to_vec(installed).unwrap();
    fs::write(folder.join("runtime.json"), text).unwrap();
}

#[test]
fn a_substitute_says_so() {
    let runtime = Runtime::Python { minor: 14 };
    let thirteen = installed(Version {
        major: 3,
        minor: 13,
    });
    assert_eq!(
        thirteen.substitution(runtime).unwrap(),
        "this host has no Python 3.14: functions of python3.14 run under Python 3.13"
    );
    assert_eq!(thirteen.substitution(Runtime::Python { minor: 13 }), None);
    let node = installed(Version::from(20));
    assert!(
        node.substitution(Runtime::Node { major: 22 })
            .unwrap()
            .ends_with("nodejs22.x run under Node 20")
    );
}

#[tokio::test]
async fn what_is_installed_is_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let runtimes = Runtimes::new(folder.path().into(), true);
    let runtime = Runtime::Python { minor: 9 };
    let nine = installed(Version { major: 3, minor: 9 });
    put(folder.path(), "python3.9", &nine);
    let found = runtimes.ensure(runtime).await.unwrap().unwrap();
    assert_eq!(found.folder, folder.path().join("python3.9"));
    assert_eq!(found.client(), "awslambdaric 1");
}

#[test]
fn an_older_layout_or_a_lost_interpreter_is_not_installed() {
    let folder = tempfile::tempdir().unwrap();
    let runtimes = Runtimes::new(folder.path().into(), false);
    let runtime = Runtime::Node { major: 20 };
    let good = installed(Version::from(20));
    for bad in [
        Installed {
            layout: LAYOUT - 1,
            ..good.clone()
        },
        Installed {
            interpreter: "/nonexistent/node".into(),
            ..good.clone()
        },
    ] {
        put(folder.path(), "nodejs20.x", &bad);
        assert_eq!(runtimes.installed(runtime), None);
    }
    put(folder.path(), "nodejs20.x", &good);
    assert!(runtimes.installed(runtime).is_some());
}

#[test]
fn the_nearest_stand_in_serves_until_the_right_one_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let runtimes = Runtimes::new(folder.path().into(), false);
    let runtime = Runtime::Node { major: 20 };
    let serving = || runtimes.installed(runtime).map(|it| it.version);
    for (name, major, serves) in [
        ("nodejs20.x-by-16.0", 16, 16),
        ("nodejs20.x-by-22.0", 22, 22),
        ("nodejs20.x-by-24.0", 24, 22),
        // What an engine of before would have laid there.
        ("nodejs20.x", 18, 22),
        ("nodejs20.x", 20, 20),
    ] {
        put(folder.path(), name, &installed(Version::from(major)));
        assert_eq!(serving(), Some(Version::from(serves)), "{name} by {major}");
    }
}

#[test]
fn what_another_engine_has_installed_meanwhile_stays() {
    let folder = tempfile::tempdir().unwrap();
    let runtimes = Runtimes::new(folder.path().into(), false);
    let runtime = Runtime::Python { minor: 9 };
    let place = folder.path().join("python3.9");
    let draft = Draft::beside(&place).unwrap();
    let nine = installed(Version { major: 3, minor: 9 });
    put(folder.path(), "python3.9", &nine);
    fs::write(place.join("theirs"), "").unwrap();
    let ours = Installed {
        folder: place.clone(),
        ..nine
    };
    let settled = runtimes.settle(runtime, ours, draft).unwrap();
    assert_eq!(settled.folder, place);
    assert!(place.join("theirs").is_file());
    assert_eq!(names(folder.path()), ["python3.9"]);
}

#[tokio::test]
async fn what_cannot_run_says_what_to_do_instead() {
    let folder = tempfile::tempdir().unwrap();
    let runtimes = Runtimes::new(folder.path().into(), false);
    let dotnet = runtimes.ensure(Runtime::Dotnet { major: 8 }).await;
    let message = dotnet.unwrap_err().to_string();
    assert!(message.contains("dotnet8"), "{message}");
    assert!(message.contains("provided.al2023"), "{message}");
    let custom = runtimes.ensure(Runtime::Provided { base: "al2" }).await;
    assert_eq!(custom.unwrap(), None);
}
