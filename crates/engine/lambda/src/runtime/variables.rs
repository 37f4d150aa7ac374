//! The environment variables of a runtime process.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>, and for
//! `NODE_PATH`, `GEM_PATH` and their like the pages on the runtimes and on layers.

use std::collections::BTreeMap;
use std::path::Path;

use super::Runtime;
use super::container::Container;
use super::identity::Identity;
use super::interpreter::Version;
use super::places::Places;
use crate::deployment::Deployment;

/// The port of X-Ray's daemon.
/// Source: <https://docs.aws.amazon.com/xray/latest/devguide/xray-daemon.html>.
const DAEMON_PORT: u16 = 2_000;

/// Where programs are looked for in an image that does not say where.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All of them: the runtime's, over them the function's own, and over both what belongs to Lambda.
pub(super) fn all(
    deployment: &Deployment,
    places: &Places,
    identity: &Identity,
    runtime_api: &str,
) -> Vec<(String, String)> {
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    let mut all: BTreeMap<String, String> = preset(deployment, places, identity)
        .into_iter()
        .map(owned)
        .collect();
    all.extend(tracing(runtime_api).map(owned));
    all.extend(shell(deployment.runtime, places).into_iter().map(owned));
    all.extend(language(deployment.runtime, places).into_iter().map(owned));
    all.extend(deployment.variables.clone());
    all.extend(reserved(deployment, places, identity, runtime_api).map(owned));
    if starts_in_a_trace(deployment.runtime) {
        all.insert("_X_AMZN_TRACE_ID".to_owned(), identity.trace_id.clone());
    }
    all.extend(deployment.logging.variables().into_iter().map(owned));
    all.into_iter().collect()
}

/// Those of a container: what the image says goes over what Lambda suggests.
pub(super) fn of_container(
    deployment: &Deployment,
    container: &Container,
    places: &Places,
    identity: &Identity,
    runtime_api: &str,
) -> Vec<(String, String)> {
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    // What only AWS's own images need, those set themselves.
    let foreign = ["LANG", "LD_LIBRARY_PATH", "PATH", "TZ"];
    let preset = preset(deployment, places, identity).into_iter();
    let preset = preset.filter(|(name, _)| !foreign.contains(name));
    let mut all: BTreeMap<String, String> = preset.map(owned).collect();
    all.insert("PATH".to_owned(), SEARCH_PATH.to_owned());
    all.extend(tracing(runtime_api).map(owned));
    all.extend(container.variables());
    all.extend(deployment.variables.clone());
    all.extend(reserved(deployment, places, identity, runtime_api).map(owned));
    all.insert("_X_AMZN_TRACE_ID".to_owned(), identity.trace_id.clone());
    all.extend(deployment.logging.variables().into_iter().map(owned));
    all.into_iter().collect()
}

/// What a function may set in its own way.
fn preset(
    deployment: &Deployment,
    places: &Places,
    identity: &Identity,
) -> Vec<(&'static str, String)> {
    let interpreter = deployment.client.as_ref();
    let interpreter = interpreter.map(|client| places.interpreter(client));
    let mut path = places.list("/usr/local/bin:/usr/bin/:/bin:/opt/bin");
    if let Some(folder) = interpreter.as_deref().and_then(Path::parent) {
        path = format!("{}:{path}", folder.display());
    }
    let mut libraries =
        places.list("/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib");
    if places.has_language() {
        libraries = format!("/var/lang/lib:/lib64:/usr/lib64:{libraries}");
    }
    let mut preset = vec![
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("PATH", path),
        ("LD_LIBRARY_PATH", libraries),
        ("LAMBDA_RUNTIME_DIR", places.text("/var/runtime")),
        ("AWS_ENDPOINT_URL", identity.endpoint.clone()),
        ("AWS_REGION", deployment.key.region.to_string()),
        ("AWS_DEFAULT_REGION", deployment.key.region.to_string()),
    ];
    preset.extend(places.temporary(identity).map(|folder| ("TMPDIR", folder)));
    if let Some(environment) = deployment.runtime.execution_env() {
        preset.push(("AWS_EXECUTION_ENV", environment));
    }
    preset
}

/// Where X-Ray's daemon would be: it shares its host with the runtime API.
fn tracing(runtime_api: &str) -> [(&'static str, String); 4] {
    let host = runtime_api
        .rsplit_once(':')
        .map_or(runtime_api, |(host, _)| host);
    [
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
        ("AWS_XRAY_DAEMON_ADDRESS", format!("{host}:{DAEMON_PORT}")),
        ("_AWS_XRAY_DAEMON_ADDRESS", host.to_owned()),
        ("_AWS_XRAY_DAEMON_PORT", DAEMON_PORT.to_string()),
    ]
}

/// What the shell leaves behind by which AWS starts its runtimes. It starts Java, and what a function
/// brings itself, without one.
fn shell(runtime: Runtime, places: &Places) -> Vec<(&'static str, String)> {
    match runtime {
        Runtime::Java { .. } | Runtime::Provided { .. } | Runtime::Image => Vec::new(),
        _ => vec![("PWD", places.text("/var/task")), ("SHLVL", "0".to_owned())],
    }
}

/// Whether the runtime's environment names a trace. Newer ones for Java hand it over as a property,
/// and custom ones only with each invocation.
fn starts_in_a_trace(runtime: Runtime) -> bool {
    match runtime {
        Runtime::Java { major } => major <= 11,
        Runtime::Provided { .. } | Runtime::Image => false,
        _ => true,
    }
}

/// Where a language looks for packages: the function's, those of layers, and the runtime's own.
fn language(runtime: Runtime, places: &Places) -> Vec<(&'static str, String)> {
    match runtime {
        Runtime::Python { .. } => vec![("PYTHONPATH", places.text("/var/runtime"))],
        Runtime::Node { major } => {
            let path = format!(
                "/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:\
                 /var/runtime/node_modules:/var/runtime:/var/task"
            );
            vec![("NODE_PATH", places.list(&path))]
        }
        Runtime::Ruby { version } => {
            // Ruby lays gems by the version of its binary interface, whose last number is 0.
            let Version { major, minor } = version;
            let gems = format!(
                "/var/task/vendor/bundle/ruby/{major}.{minor}.0:/opt/ruby/gems/{major}.{minor}.0"
            );
            vec![
                ("GEM_PATH", places.list(&gems)),
                ("RUBYLIB", places.list("/var/task:/opt/ruby/lib")),
            ]
        }
        Runtime::Java { .. }
        | Runtime::Dotnet { .. }
        | Runtime::Provided { .. }
        | Runtime::Image => Vec::new(),
    }
}

/// What belongs to Lambda.
fn reserved(
    deployment: &Deployment,
    places: &Places,
    identity: &Identity,
    runtime_api: &str,
) -> [(&'static str, String); 11] {
    [
        ("_HANDLER", deployment.handler.clone()),
        ("LAMBDA_TASK_ROOT", places.text("/var/task")),
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", deployment.key.name.to_string()),
        (
            "AWS_LAMBDA_FUNCTION_VERSION",
            deployment.version.to_string(),
        ),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            deployment.memory_mb.to_string(),
        ),
        (
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            identity
                .initialization
                .unwrap_or_else(|| deployment.initialization_type())
                .to_owned(),
        ),
        ("AWS_LAMBDA_LOG_STREAM_NAME", identity.log_stream.clone()),
        ("AWS_ACCESS_KEY_ID", identity.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", identity.secret_access_key.clone()),
        ("AWS_SESSION_TOKEN", identity.session_token.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::places::tests::places;

    fn value(runtime: &str, name: &str) -> String {
        let runtime = Runtime::parse(runtime).unwrap();
        let all = language(runtime, &places());
        all.into_iter().find(|(key, _)| *key == name).unwrap().1
    }

    #[test]
    fn packages_are_looked_for_in_awss_order() {
        assert_eq!(
            value("nodejs22.x", "NODE_PATH"),
            "/layers/nodejs/node22/node_modules:/layers/nodejs/node_modules:\
             /node/node_modules:/node:/code"
        );
        assert_eq!(value("python3.12", "PYTHONPATH"), "/node");
        assert_eq!(
            value("ruby3.4", "GEM_PATH"),
            "/code/vendor/bundle/ruby/3.4.0:/layers/ruby/gems/3.4.0"
        );
    }

    #[test]
    fn the_daemon_shares_the_runtime_apis_host() {
        let all = tracing("169.254.100.1:9001");
        let value = |name| {
            all.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, it)| &**it)
        };
        assert_eq!(value("AWS_XRAY_DAEMON_ADDRESS"), Some("169.254.100.1:2000"));
        assert_eq!(value("_AWS_XRAY_DAEMON_ADDRESS"), Some("169.254.100.1"));
        assert_eq!(value("_AWS_XRAY_DAEMON_PORT"), Some("2000"));
    }

    #[test]
    fn java_and_custom_runtimes_start_without_a_shell() {
        let runtime = |name| Runtime::parse(name).unwrap();
        let of = |name| shell(runtime(name), &places());
        assert_eq!(of("python3.12")[0], ("PWD", "/code".to_owned()));
        assert_eq!(of("ruby3.4")[1], ("SHLVL", "0".to_owned()));
        assert!(of("java21").is_empty() && of("provided.al2023").is_empty());
        let traced = ["nodejs24.x", "java11", "java21", "provided.al2023"]
            .map(|name| starts_in_a_trace(runtime(name)));
        assert_eq!(traced, [true, true, false, false]);
    }
}
