//! The binary as a shell sees it: streams, exit codes, processes. Every test has a folder of its
//! own and, where it needs one, an engine of its own on a free port.

#[path = "command_line/lab.rs"]
mod lab;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use lab::{Lab, Said};

#[test]
fn wrong_usage_says_what_and_ends_with_2() {
    let lab = Lab::new();
    let cases: &[(&[&str], &str)] = &[
        (&["nonsense"], "nonsense"),
        (&["up", "--idle-exit", "soon"], "1s to 30d"),
        (&["up", "--idle-exit", "-5m"], "`-5m` is no value"),
        (
            &["up", "--cpu-scale", "-1"],
            "`-1` is no value for --cpu-scale: expected 0.1 to 10",
        ),
        (&["up", "--cpu-scale", "nan"], "0.1 to 10"),
        (&["up", "--cpu-scale", "-inf"], "`-inf` is no value"),
        (&["up", "--memory-budget", "-1"], "128 to 16777216 MB"),
        (&["up", "--log-budget", "1"], "128 to 16777216 MB"),
        (&["up", "--account-concurrency", "-1"], "1 to 1000000"),
        (&["up", "--listen", "0.0.0.0:0"], "127.0.0.1"),
        (&["up", "--target", "aws"], "--target"),
        (&["down", "--profile", "p"], "--profile"),
        (&["function", "list", "--target", "azure"], "`azure`"),
        (
            &["function", "list", "--target", "engine", "--profile", "p"],
            "contradict",
        ),
        (
            &["function", "list", "--endpoint-url", "localhost"],
            "`localhost`",
        ),
        (&["function", "show", "a:b:c"], "names no function"),
        (&["function", "update", "f"], "nothing to change"),
        (&["function", "invoke", "f", "--payload", "{"], "no JSON"),
        (
            &["function", "invoke", "f", "--payload-file", "absent"],
            "absent",
        ),
        (
            &["function", "update", "f", "--memory", "-1"],
            "128 to 10240",
        ),
        (&["function", "update", "f", "--timeout", "-1"], "1 to 900"),
        (&["function", "logs", "f", "--since", "-1h"], "-1h"),
        (&["demo", "--runs", "0"], "1 to 1000"),
        (&["demo", "--runs", "-1"], "1 to 1000"),
        (&["runtime", "install", "cobol"], "cobol"),
        (&["runtime", "install", "dotnet8"], "provided.al2023"),
    ];
    for (arguments, expected) in cases {
        let said = lab.run(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
        assert!(said.err.contains(expected), "{arguments:?}: {said:?}");
        assert_eq!(said.out, "", "{arguments:?}");
    }
    assert!(
        !lab.engine_file().exists(),
        "no engine was started for nothing"
    );
}

#[test]
fn what_create_is_given_is_checked_before_anything_is_started() {
    let lab = Lab::new();
    let create = [
        "function",
        "create",
        "f",
        "--handler",
        "m.f",
        "--runtime",
        "python3.13",
    ];
    let cases: &[(&[&str], &str)] = &[
        (&["--dir", "."], "no file to pack"),
        (&["--dir", "absent"], "absent"),
        (&["--zip", "absent.zip"], "absent.zip"),
        (&["--zip", "a", "--dir", "b"], "--dir"),
        (&["--dir", ".", "--memory", "64"], "128 to 10240"),
        (&["--dir", ".", "--timeout", "901"], "1 to 900"),
        (&["--dir", ".", "--env", "A"], "NAME=VALUE"),
        (&[], "--zip"),
    ];
    for (arguments, expected) in cases {
        let line: Vec<&str> = create.iter().chain(*arguments).copied().collect();
        let said = lab.run(&line);
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
        assert!(said.err.contains(expected), "{arguments:?}: {said:?}");
    }
    assert!(!lab.engine_file().exists());
}

#[test]
fn settings_say_where_they_come_from() {
    let lab = Lab::new();
    std::fs::write(lab.path("lambdalab.toml"), "idle_exit = \"90m\"\n").unwrap();
    let said = lab.run(&[
        "config",
        "show",
        "--output",
        "json",
        "--region",
        "eu-west-1",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
    let of = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        (
            row["value"].as_str().unwrap().to_owned(),
            row["origin"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(of("idle_exit"), ("1h30m".into(), "lambdalab.toml:1".into()));
    assert_eq!(of("region"), ("eu-west-1".into(), "--region".into()));
    assert_eq!(of("data_dir").1, "LAMBDALAB_HOME");
    assert_eq!(of("listen"), ("127.0.0.1:4566".into(), "default".into()));
}

#[test]
fn a_broken_configuration_file_is_shown_at_its_line() {
    let lab = Lab::new();
    std::fs::write(
        lab.path("lambdalab.toml"),
        "region = \"eu-west-1\"\nidel_exit = \"1m\"\n",
    )
    .unwrap();
    let said = lab.run(&["config", "show"]);
    assert_eq!(said.code, Some(2));
    for part in ["`idel_exit`", "line 2", "did you mean `idle_exit`?"] {
        assert!(said.err.contains(part), "{part}: {said:?}");
    }
}

#[test]
fn a_target_that_does_not_answer_ends_with_4_and_is_named() {
    let lab = Lab::new();
    // Port 1 belongs to a service that nobody runs any more.
    let url = "http://127.0.0.1:1";
    let said = lab.run(&["function", "list", "--endpoint-url", url]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(
        said.err.contains(url) && said.err.contains("refused"),
        "{said:?}"
    );
}

#[test]
fn a_named_profile_wins_over_keys_that_lie_in_the_environment() {
    let lab = Lab::new();
    let config = "[profile lab]\naws_access_key_id = AKIDPROFILE\n\
                  aws_secret_access_key = secret\nregion = eu-west-1\n";
    std::fs::write(lab.path("aws-config"), config).unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut head = String::new();
        for line in BufReader::new(&stream).lines() {
            let line = line.unwrap();
            if line.is_empty() {
                break;
            }
            head.push_str(&line);
        }
        let body = "{\"Functions\":[]}";
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        head
    });
    let mut command = lab.command(&[
        "function",
        "list",
        "--endpoint-url",
        &url,
        "--profile",
        "lab",
    ]);
    command
        .env("AWS_CONFIG_FILE", lab.path("aws-config"))
        .env("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("profile lab"), "{said:?}");
    let head = answering.join().unwrap();
    assert!(head.contains("Credential=AKIDPROFILE/"), "{head}");
}

#[test]
fn up_prints_how_to_reach_it_and_stops_cleanly() {
    let lab = Lab::new();
    let mut engine = lab
        .command(&["up", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(engine.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("AWS_DEFAULT_REGION") {
        assert_ne!(out.read_line(&mut text).unwrap(), 0, "it ended: {text}");
    }
    let endpoint = lab.endpoint();
    for line in [
        format!("export AWS_ENDPOINT_URL={endpoint}"),
        "export AWS_ACCESS_KEY_ID=lambdalab".into(),
        "export AWS_SECRET_ACCESS_KEY=lambdalab".into(),
        "export AWS_DEFAULT_REGION=us-east-1".into(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }

    let second = lab.run(&["up", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, Some(4), "{second:?}");
    let pid = engine.id().to_string();
    assert!(
        second.err.contains(&pid) && second.err.contains("lambdalab down"),
        "{second:?}"
    );

    let signalled = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .unwrap();
    assert!(signalled.success());
    assert_eq!(engine.wait().unwrap().code(), Some(0));
    out.read_to_string(&mut text).unwrap();
    assert!(!lab.engine_file().exists());
}

#[test]
fn a_taken_port_is_told_also_from_the_background() {
    let lab = Lab::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for arguments in [
        &["up", "--listen", &taken][..],
        &["up", "--detach", "--listen", &taken],
    ] {
        let said = lab.run(arguments);
        assert_eq!(said.code, Some(4), "{said:?}");
        assert!(
            said.err.contains(&taken) && said.err.contains("help"),
            "{said:?}"
        );
    }
    let elsewhere = lab.run(&["up", "--detach", "--or-free-port", "--listen", &taken]);
    assert_eq!(elsewhere.code, Some(0), "{elsewhere:?}");
    assert!(!lab.endpoint().ends_with(&taken));
}

#[test]
fn what_functions_may_reach_is_held_to_or_nothing_starts() {
    let lab = Lab::new();
    for asked in ["nat", "none"] {
        let arguments = ["up", "--isolation", "none", "--egress", asked];
        for detach in [&[][..], &["--detach"]] {
            let said = lab.run(&[&arguments[..], detach].concat());
            assert_eq!(said.code, Some(4), "{said:?}");
            let promised = format!("--egress lets functions reach `{asked}` and nothing more");
            assert!(said.err.contains(&promised), "{said:?}");
            assert!(said.err.contains("without isolation"), "{said:?}");
        }
    }
    assert!(!lab.engine_file().exists());
    let doctor = lab
        .command(&["doctor"])
        .env("LAMBDALAB_ISOLATION", "none")
        .env("LAMBDALAB_EGRESS", "none")
        .output();
    let said = Said::from(doctor.unwrap());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("LAMBDALAB_EGRESS"), "{said:?}");
}

#[test]
fn many_starters_at_once_share_one_engine() {
    let lab = Lab::new();
    let starters: Vec<_> = (0..4)
        .map(|_| {
            lab.command(&["function", "list", "--output", "json"])
                .env("LAMBDALAB_LISTEN", "127.0.0.1:0")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut endpoints = Vec::new();
    for starter in starters {
        let said = Said::from(starter.wait_with_output().unwrap());
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(said.out.trim(), "[]");
        endpoints.push(said.err);
    }
    endpoints.sort();
    endpoints.dedup();
    assert_eq!(endpoints.len(), 1, "{endpoints:?}");
    assert!(endpoints[0].contains(&lab.endpoint()));

    let down = lab.run(&["down"]);
    assert_eq!(down.code, Some(0), "{down:?}");
    assert!(down.out.contains("stopped"), "{down:?}");
    assert!(!lab.engine_file().exists());
    let again = lab.run(&["down"]);
    assert_eq!(
        (again.code, again.out.contains("no engine")),
        (Some(0), true),
        "{again:?}"
    );
}

#[test]
fn what_the_target_refuses_ends_with_1_in_its_words() {
    let lab = Lab::new();
    let up = lab.run(&[
        "up",
        "--detach",
        "--listen",
        "127.0.0.1:0",
        "--idle-exit",
        "5m",
    ]);
    assert_eq!(up.code, Some(0), "{up:?}");
    for arguments in [
        &["function", "show", "nobody"][..],
        &["function", "delete", "nobody"],
        &["function", "invoke", "nobody"],
    ] {
        let said = lab.run(arguments);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("ResourceNotFoundException"), "{said:?}");
        assert!(said.err.contains(&lab.endpoint()), "{said:?}");
        assert_eq!(said.out, "");
    }
}
