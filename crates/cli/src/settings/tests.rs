use super::*;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

fn gather(
    flags: &[(&'static str, &str)],
    variables: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Settings, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    fs::write(&path, file.unwrap_or_default()).unwrap();
    let given = flags
        .iter()
        .map(|(name, value)| (*name, vec![(*value).to_owned()]))
        .collect();
    let environment = |name: &str| {
        variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    };
    Settings::gather(given, Some(&path), &environment)
}

#[test]
fn defaults_are_allowed_values() {
    let settings = gather(&[], &[], None).unwrap();
    assert_eq!(settings.listen.value.to_string(), "127.0.0.1:4566");
    assert_eq!(settings.target.value, TargetName::Engine);
    assert_eq!(settings.idle_exit.value, None);
    assert!(settings.rows().iter().all(|row| row.origin == "default"));
}

#[test]
fn the_strongest_place_wins() {
    let file = "listen = \"127.0.0.1:1\"\n";
    let variable = ("LAMBDALAB_LISTEN", "127.0.0.1:2");
    let flag = ("listen", "127.0.0.1:3");
    let listen = |flags: &[_], variables: &[_], file| {
        let listen = gather(flags, variables, file).unwrap().listen;
        (listen.value.port(), listen.origin)
    };
    let (port, origin) = listen(&[], &[], Some(file));
    assert!(matches!((port, origin), (1, Origin::File(_, 1))));
    let (port, origin) = listen(&[], &[variable], Some(file));
    assert_eq!((port, origin), (2, Origin::Environment("LAMBDALAB_LISTEN")));
    let (port, origin) = listen(&[flag], &[variable], Some(file));
    assert_eq!((port, origin), (3, Origin::Flag("listen")));
}

#[test]
fn variables_are_tried_in_their_order_and_empty_ones_say_nothing() {
    let variables = [
        ("AWS_DEFAULT_REGION", "eu-west-3"),
        ("AWS_REGION", "eu-west-2"),
        ("LAMBDALAB_REGION", ""),
    ];
    let region = gather(&[], &variables, None).unwrap().region;
    assert_eq!(region.value.0, "eu-west-2");
    assert_eq!(region.origin, Origin::Environment("AWS_REGION"));
}

#[test]
fn every_kind_can_stand_in_the_file() {
    let file = "data_dir = \"lab\"\nidle_exit = \"10m\"\nmemory_budget = 4096\n\
                strict_runtimes = true\nallow_origin = [\"http://a\", \"http://b\"]\n";
    let settings = gather(&[], &[], Some(file)).unwrap();
    assert_eq!(
        settings.idle_exit.value,
        Some(Span(Duration::from_secs(600)))
    );
    assert_eq!(settings.memory_budget.value, Some(Megabytes(4096)));
    assert!(settings.strict_runtimes.value);
    assert_eq!(
        settings.allow_origin.value.unwrap().0,
        ["http://a", "http://b"]
    );
    let data_dir = settings.data_dir.value;
    assert!(
        data_dir.is_absolute() && data_dir.ends_with("lab"),
        "from the file's folder"
    );
    let Origin::File(_, line) = settings.strict_runtimes.origin else {
        panic!("not from the file");
    };
    assert_eq!(line, 4);
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_known_one() {
    let error = gather(&[], &[], Some("# lab\nidel_exit = \"10m\"\n")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`idel_exit`") && text.contains("line 2"),
        "{text}"
    );
    assert_eq!(
        error.help().unwrap().to_string(),
        "did you mean `idle_exit`?"
    );
    let far = gather(&[], &[], Some("colour = 1\n")).unwrap_err();
    assert!(far.help().unwrap().to_string().contains("data_dir"));
}

#[test]
fn what_only_a_flag_may_say_is_unknown_in_the_file() {
    let error = gather(&[], &[], Some("profile = \"prod\"\n")).unwrap_err();
    assert!(matches!(error, SettingsError::UnknownKey { .. }), "{error}");
}

#[test]
fn a_wrong_value_names_key_value_range_and_place() {
    let error = gather(&[], &[], Some("\nmemory_budget = 64\n")).unwrap_err();
    let text = error.to_string();
    for part in [
        "`64`",
        "`memory_budget`",
        "line 2",
        "128 to 16777216 MB",
        "settings.toml",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let error = gather(&[], &[("LAMBDALAB_IDLE_EXIT", "soon")], None).unwrap_err();
    let text = error.to_string();
    for part in ["`soon`", "LAMBDALAB_IDLE_EXIT", "1s to 30d"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let error = gather(&[("account", "7")], &[], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`7` is no value for --account: expected twelve digits"
    );
}

#[test]
fn a_broken_file_is_named_with_its_line() {
    let error = gather(&[], &[], Some("listen = \"a\"\nlisten =\n")).unwrap_err();
    assert!(
        matches!(error, SettingsError::Syntax { line: 2, .. }),
        "{error}"
    );
    let table = gather(&[], &[], Some("[listen]\nport = 1\n")).unwrap_err();
    assert!(matches!(table, SettingsError::Shape { .. }), "{table}");
}

#[test]
fn the_table_holds_together() {
    let names: BTreeSet<_> = definition::ALL.iter().map(|it| it.name).collect();
    assert_eq!(names.len(), definition::ALL.len());
    let shown: Vec<_> = gather(&[], &[], None)
        .unwrap()
        .rows()
        .iter()
        .map(|row| row.name)
        .collect();
    let known: Vec<_> = definition::ALL.iter().map(|it| it.name).collect();
    assert_eq!(shown, known);
    for setting in definition::ALL {
        assert!(
            !setting.about.is_empty() && !setting.expected.is_empty(),
            "{}",
            setting.name
        );
        assert!(
            setting.default.is_some() || !setting.unset.is_empty(),
            "{}",
            setting.name
        );
        assert!(setting.flag.is_empty() || setting.flag.replace('-', "_") == setting.name);
    }
}
