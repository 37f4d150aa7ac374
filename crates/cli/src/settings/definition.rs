//! The one table of settings. It feeds the flags and their help, the environment variables, the
//! keys of `lambdalab.toml`, `config show`, and the words of every complaint.

use clap::builder::{Arg, ArgAction, Command};

/// One setting: everything about it but its value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The key in `lambdalab.toml`; where a flag carries it, the flag is this with dashes.
    pub name: &'static str,
    /// The flag without its dashes; empty where there is none.
    pub flag: &'static str,
    /// What the flag's value is called in help.
    pub value_name: &'static str,
    /// Environment variables, strongest first.
    pub env: &'static [&'static str],
    /// Whether the file may set it.
    pub in_file: bool,
    /// The value where nobody says one; `None` means that `unset` says what happens then.
    pub default: Option<&'static str>,
    /// What happens where nobody says a value and there is no default.
    pub unset: &'static str,
    /// The values that are allowed, for people.
    pub expected: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Which commands carry its flag.
    pub scope: Scope,
    /// How many values it takes.
    pub arity: Arity,
    /// Whether the value is an amount: what looks like a negative one is taken for the value, so that
    /// the complaint names the range and not an unknown flag.
    pub amount: bool,
}

/// Which commands carry a setting's flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of them.
    Every,
    /// Those that start an engine.
    Engine,
}

/// How many values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arity {
    /// The flag alone means yes.
    Switch,
    /// One value.
    One,
    /// The flag may be repeated; the variable separates by commas; the file has an array.
    Many,
}

/// What the entries of the table have in common, so that each says only what is its own.
const BASE: Definition = Definition {
    name: "",
    flag: "",
    value_name: "",
    env: &[],
    in_file: true,
    default: None,
    unset: "",
    expected: "",
    about: "",
    scope: Scope::Every,
    arity: Arity::One,
    amount: false,
};

pub(crate) const DATA_DIR: Definition = Definition {
    name: "data_dir",
    flag: "data-dir",
    value_name: "DIR",
    env: &["LAMBDALAB_HOME"],
    default: Some("./.lambdalab"),
    expected: "a folder",
    about: "Where the engine keeps functions, logs and state",
    ..BASE
};

pub(crate) const RUNTIMES_DIR: Definition = Definition {
    name: "runtimes_dir",
    flag: "runtimes-dir",
    value_name: "DIR",
    env: &["LAMBDALAB_RUNTIMES"],
    unset: "`runtimes` in the data folder",
    expected: "a folder",
    about: "Where AWS's runtime interface clients are installed; several data folders may share it",
    scope: Scope::Engine,
    ..BASE
};

pub(crate) const TARGET: Definition = Definition {
    name: "target",
    flag: "target",
    value_name: "TARGET",
    env: &["LAMBDALAB_TARGET"],
    default: Some("engine"),
    expected: "`engine`, `aws`, or a URL that begins with http:// or https://",
    about: "Where calls go: `engine`, `aws`, or a URL",
    ..BASE
};

pub(crate) const ENDPOINT_URL: Definition = Definition {
    name: "endpoint_url",
    flag: "endpoint-url",
    value_name: "URL",
    env: &["AWS_ENDPOINT_URL"],
    in_file: false,
    unset: "the endpoint of the target",
    expected: "http://HOST[:PORT] or https://HOST[:PORT]",
    about: "Call the AWS API at this address",
    ..BASE
};

pub(crate) const PROFILE: Definition = Definition {
    name: "profile",
    flag: "profile",
    value_name: "NAME",
    in_file: false,
    unset: "no profile",
    expected: "the name of a profile of the AWS configuration",
    about: "Call AWS with the credentials of this profile; implies --target aws",
    ..BASE
};

pub(crate) const REGION: Definition = Definition {
    name: "region",
    flag: "region",
    value_name: "REGION",
    env: &["LAMBDALAB_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"],
    default: Some(ids::DEFAULT_REGION),
    expected: "a region such as eu-west-1",
    about: "The AWS region; on AWS the default is that of the profile",
    ..BASE
};

pub(crate) const OUTPUT: Definition = Definition {
    name: "output",
    flag: "output",
    value_name: "FORMAT",
    env: &["LAMBDALAB_OUTPUT"],
    default: Some("table"),
    expected: "`table` or `json`",
    about: "How results are printed: `table` for people, `json` for programs",
    ..BASE
};

pub(crate) const LISTEN: Definition = Definition {
    name: "listen",
    flag: "listen",
    value_name: "ADDR:PORT",
    env: &["LAMBDALAB_LISTEN"],
    default: Some("127.0.0.1:4566"),
    expected: "an IP address and a port such as 127.0.0.1:4566; port 0 picks a free one",
    about: "Where the engine listens; port 0 picks a free one",
    scope: Scope::Engine,
    ..BASE
};

pub(crate) const ACCOUNT: Definition = Definition {
    name: "account",
    flag: "account",
    value_name: "ID",
    env: &["LAMBDALAB_ACCOUNT"],
    default: Some(ids::DEFAULT_ACCOUNT),
    expected: "twelve digits",
    about: "The account that functions belong to unless credentials name another",
    scope: Scope::Engine,
    ..BASE
};

pub(crate) const IDLE_EXIT: Definition = Definition {
    name: "idle_exit",
    flag: "idle-exit",
    value_name: "TIME",
    env: &["LAMBDALAB_IDLE_EXIT"],
    unset: "stays until it is stopped",
    expected: "a time from 1s to 30d such as 30s, 10m or 1h30m",
    about: "Stop once nobody has needed the engine for this long (30s, 10m, 1h30m)",
    scope: Scope::Engine,
    amount: true,
    ..BASE
};

pub(crate) const MEMORY_BUDGET: Definition = Definition {
    name: "memory_budget",
    flag: "memory-budget",
    value_name: "MB",
    env: &["LAMBDALAB_MEMORY_BUDGET"],
    unset: "what the machine can spare",
    expected: "128 to 16777216 MB",
    about: "How much memory all environments together may be promised",
    scope: Scope::Engine,
    amount: true,
    ..BASE
};

pub(crate) const LOG_BUDGET: Definition = Definition {
    name: "log_budget",
    flag: "log-budget",
    value_name: "MB",
    env: &["LAMBDALAB_LOG_BUDGET"],
    default: Some("2048"),
    expected: "128 to 16777216 MB",
    about: "How much room functions' logs may take on the disk; beyond that the oldest events go",
    scope: Scope::Engine,
    amount: true,
    ..BASE
};

pub(crate) const CPU_SCALE: Definition = Definition {
    name: "cpu_scale",
    flag: "cpu-scale",
    value_name: "FACTOR",
    env: &["LAMBDALAB_CPU_SCALE"],
    default: Some("1"),
    expected: "0.1 to 10: how many cores of this machine one vCPU of Lambda's is",
    about: "How many cores of this machine one vCPU of Lambda's is, 0.1 to 10; `doctor --calibrate` \
            proposes a value",
    scope: Scope::Engine,
    amount: true,
    ..BASE
};

pub(crate) const ACCOUNT_CONCURRENCY: Definition = Definition {
    name: "account_concurrency",
    flag: "account-concurrency",
    value_name: "N",
    env: &["LAMBDALAB_ACCOUNT_CONCURRENCY"],
    default: Some("1000"),
    expected: "1 to 1000000",
    about: "How many invocations an account may have at a time in a region",
    scope: Scope::Engine,
    amount: true,
    ..BASE
};

pub(crate) const STRICT_RUNTIMES: Definition = Definition {
    name: "strict_runtimes",
    flag: "strict-runtimes",
    env: &["LAMBDALAB_STRICT_RUNTIMES"],
    default: Some("false"),
    expected: "`true` or `false`",
    about: "Fail where the exact interpreter is missing, rather than use the nearest one",
    scope: Scope::Engine,
    arity: Arity::Switch,
    ..BASE
};

pub(crate) const ISOLATION: Definition = Definition {
    name: "isolation",
    flag: "isolation",
    value_name: "HOW",
    env: &["LAMBDALAB_ISOLATION"],
    default: Some("auto"),
    expected: "`auto`, `required` or `none`",
    about: "Keep functions apart from this machine: `auto`, as far as it allows; `required`, or do \
            not start; `none`, only for code that you trust as your own",
    scope: Scope::Engine,
    ..BASE
};

pub(crate) const EGRESS: Definition = Definition {
    name: "egress",
    flag: "egress",
    value_name: "WHERE",
    env: &["LAMBDALAB_EGRESS"],
    default: Some("nat"),
    expected: "`nat`, `none` or `host`",
    about: "What functions reach beside the engine: `nat`, other machines and nothing of this one; \
            `none`; or `host`, all that this machine reaches, its own servers too",
    scope: Scope::Engine,
    ..BASE
};

pub(crate) const ALLOW_ORIGIN: Definition = Definition {
    name: "allow_origin",
    flag: "allow-origin",
    value_name: "ORIGIN",
    env: &["LAMBDALAB_ALLOW_ORIGIN"],
    unset: "none: no web page may call the engine",
    expected: "origins such as http://localhost:3000",
    about: "A web origin whose pages may call the engine (may be repeated)",
    scope: Scope::Engine,
    arity: Arity::Many,
    ..BASE
};

pub(crate) const AUTH: Definition = Definition {
    name: "auth",
    flag: "auth",
    value_name: "FILE",
    env: &["LAMBDALAB_AUTH"],
    unset: "none: any credentials are accepted, on this machine only",
    expected: "a file with [[keys]] of access_key_id, secret_access_key and principal",
    about: "Verify every request's signature by the access keys in this file, and those that IAM and \
            STS hand out",
    scope: Scope::Engine,
    ..BASE
};

pub(crate) const REGISTRY_AUTH: Definition = Definition {
    name: "registry_auth",
    flag: "registry-auth",
    value_name: "FILE",
    env: &["LAMBDALAB_REGISTRY_AUTH"],
    unset: "none: only images that everybody may have are pulled",
    expected: "a file as `docker login` writes it: config.json or auth.json",
    about: "Pull container images with the credentials in this file",
    scope: Scope::Engine,
    ..BASE
};

pub(crate) const ENFORCE_IAM: Definition = Definition {
    name: "enforce_iam",
    flag: "enforce-iam",
    env: &["LAMBDALAB_ENFORCE_IAM"],
    default: Some("false"),
    expected: "`true` or `false`",
    about: "Allow only what the policies of the caller and of the resource allow; needs --auth",
    scope: Scope::Engine,
    arity: Arity::Switch,
    ..BASE
};

pub(crate) const OTLP_ENDPOINT: Definition = Definition {
    name: "otlp_endpoint",
    flag: "otlp-endpoint",
    value_name: "URL",
    env: &["LAMBDALAB_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
    unset: "none: no spans are sent",
    expected: "an address such as http://127.0.0.1:4318",
    about: "Send the spans of traced invocations to the OpenTelemetry collector at this address, by \
            OTLP over HTTP",
    scope: Scope::Engine,
    ..BASE
};

pub(crate) const LOG: Definition = Definition {
    name: "log",
    env: &["LAMBDALAB_LOG"],
    default: Some("info"),
    expected: "a level (`error`, `warn`, `info`, `debug`, `trace`) or directives such as \
               `info,lambda=debug`",
    about: "What the engine logs to standard error; -v and -q are stronger",
    ..BASE
};

/// All settings, in the order in which they are shown.
pub(crate) const ALL: [&Definition; 23] = [
    &DATA_DIR,
    &RUNTIMES_DIR,
    &TARGET,
    &ENDPOINT_URL,
    &PROFILE,
    &REGION,
    &OUTPUT,
    &LISTEN,
    &ACCOUNT,
    &IDLE_EXIT,
    &MEMORY_BUDGET,
    &LOG_BUDGET,
    &CPU_SCALE,
    &ACCOUNT_CONCURRENCY,
    &STRICT_RUNTIMES,
    &ISOLATION,
    &EGRESS,
    &ALLOW_ORIGIN,
    &AUTH,
    &ENFORCE_IAM,
    &REGISTRY_AUTH,
    &OTLP_ENDPOINT,
    &LOG,
];

/// Adds the flags of a scope to a command.
pub(crate) fn add_flags(command: Command, scope: Scope) -> Command {
    ALL.into_iter()
        .filter(|setting| setting.scope == scope && !setting.flag.is_empty())
        .fold(command, |command, setting| command.arg(setting.argument()))
}

impl Definition {
    fn argument(&self) -> Arg {
        let argument = Arg::new(self.name)
            .long(self.flag)
            .help(self.help())
            .allow_hyphen_values(self.amount);
        let argument = match self.arity {
            Arity::Switch => argument.action(ArgAction::SetTrue),
            Arity::One => argument.action(ArgAction::Set).value_name(self.value_name),
            Arity::Many => argument
                .action(ArgAction::Append)
                .value_name(self.value_name),
        };
        match self.scope {
            Scope::Every => argument.global(true).help_heading("Global options"),
            Scope::Engine => argument.help_heading("Engine options"),
        }
    }

    fn help(&self) -> String {
        let mut help = self.about.to_owned();
        if let Some(variable) = self.env.first() {
            help.push_str(&format!(" [env: {variable}]"));
        }
        if self.arity == Arity::One
            && let Some(default) = self.default
        {
            help.push_str(&format!(" [default: {default}]"));
        }
        help
    }
}

/// Reads what was given for the flags of a scope.
pub(crate) fn given(matches: &clap::ArgMatches, scope: Scope) -> Vec<(&'static str, Vec<String>)> {
    let of = |setting: &&'static Definition| {
        let values: Vec<String> = match setting.arity {
            Arity::Switch => matches
                .get_flag(setting.name)
                .then(|| "true".to_owned())
                .into_iter()
                .collect(),
            Arity::One | Arity::Many => matches
                .get_many::<String>(setting.name)
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        };
        (!values.is_empty()).then_some((setting.name, values))
    };
    ALL.iter()
        .filter(|setting| setting.scope == scope && !setting.flag.is_empty())
        .filter_map(of)
        .collect()
}
