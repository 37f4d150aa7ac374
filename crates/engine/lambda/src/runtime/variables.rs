//! The environment variables of a runtime process.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>, and for
//! `NODE_PATH`, `GEM_PATH` and their like the pages on the runtimes and on layers.

use std::collections::BTreeMap;

use super::Runtime;
use super::identity::Identity;
use super::interpreter::Version;
use super::places::Places;
use crate::deployment::Deployment;

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
    all.extend(language(deployment.runtime, places).into_iter().map(owned));
    all.extend(deployment.variables.clone());
    all.extend(reserved(deployment, places, identity, runtime_api).map(owned));
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
    let interpreter = interpreter.and_then(|client| client.interpreter.parent());
    let path = places.list("/usr/local/bin:/usr/bin:/bin:/opt/bin");
    let path = match interpreter {
        Some(folder) => format!("{}:{path}", folder.display()),
        None => path,
    };
    let libraries = "/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib";
    let temporary = identity.folder.join("tmp");
    let mut preset = vec![
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("PATH", path),
        ("LD_LIBRARY_PATH", places.list(libraries)),
        ("LAMBDA_RUNTIME_DIR", places.text("/var/runtime")),
        // The environment's own folder stands in for /tmp until it has a file system of its own.
        ("TMPDIR", temporary.to_string_lossy().into_owned()),
        ("AWS_ENDPOINT_URL", identity.endpoint.clone()),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
        ("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000".to_owned()),
        ("AWS_REGION", deployment.key.region.to_string()),
        ("AWS_DEFAULT_REGION", deployment.key.region.to_string()),
    ];
    if let Some(environment) = deployment.runtime.execution_env() {
        preset.push(("AWS_EXECUTION_ENV", environment));
    }
    preset
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
        Runtime::Java { .. } | Runtime::Dotnet { .. } | Runtime::Provided { .. } => Vec::new(),
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
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
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
}
