//! Node: `aws-lambda-ric` from the npm registry in `client/`, and clients of AWS's SDK in
//! `site/node_modules/`.
//!
//! The package's JavaScript stays as AWS published it. Its native addon is not built: where the
//! client looks for `rapid-client.node` it finds a folder of that name, and in it the same functions
//! in JavaScript.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use super::package_manager::{beside, run};
use super::{Contents, Order, RuntimeError, io, names};

/// Starts the client; lies beside it.
pub(in crate::runtime) const BOOTSTRAP: &str = "bootstrap.mjs";

const CLIENT: &str = "aws-lambda-ric";

/// The services of this engine.
const BUNDLED: [&str; 7] = [
    "@aws-sdk/client-cloudwatch-logs",
    "@aws-sdk/client-iam",
    "@aws-sdk/client-lambda",
    "@aws-sdk/client-s3",
    "@aws-sdk/client-sfn",
    "@aws-sdk/client-sqs",
    "@aws-sdk/client-sts",
];

/// A release of the client. Exactly this one: the transport is made for what its addon offers.
struct Release {
    version: &'static str,
    /// The folder in which it looks for its addon.
    addon: &'static str,
}

/// Release 4 is that of Node 24: it knows no callback handlers, which Node 22 still has.
fn release(major: u16) -> Release {
    if major >= 24 {
        Release {
            version: "4.0.2",
            addon: "rapid-client.node",
        }
    } else {
        Release {
            version: "3.3.0",
            addon: "dist/rapid-client.node",
        }
    }
}

/// The releases of the SDK that runs on this version of Node; none for Node 16, whose runtime on AWS
/// has only the one before it (`aws-sdk`, which finds no endpoint by itself and is out of support).
/// Sources: the announcements of the SDK's ends of support.
fn sdk(runtime: u16, interpreter: u16) -> Option<&'static str> {
    match interpreter {
        _ if runtime < 18 => None,
        ..18 => Some("<3.723.0"),
        18..20 => Some("<3.968.0"),
        20.. => Some("^3"),
    }
}

/// What AWS starts Node with, so that functions do not come to rely on experiments.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html>.
fn experiments(major: u16) -> &'static [&'static str] {
    match major {
        20 => &["experimental-require-module"],
        22 => &["experimental-require-module", "experimental-detect-module"],
        _ => &[],
    }
}

pub(super) async fn install(order: &Order<'_>, major: u16) -> Result<Contents, RuntimeError> {
    let release = release(major);
    fetch_client(order, &release).await?;
    let addon = format!("client/{}", release.addon);
    order.write(
        &format!("{addon}/package.json"),
        b"{\"type\":\"commonjs\"}\n",
    )?;
    let transport = include_bytes!("../client/node/transport.js");
    order.write(&format!("{addon}/index.js"), transport)?;
    order.write(BOOTSTRAP, include_bytes!("../client/node/bootstrap.mjs"))?;
    order.write("legacy.mjs", include_bytes!("../client/node/legacy.mjs"))?;
    order.write("resolve.mjs", include_bytes!("../client/node/resolve.mjs"))?;
    let modules = order.site().join("node_modules");
    fs::create_dir_all(&modules).map_err(io(&modules))?;
    if let Some(range) = sdk(major, order.version.major) {
        let mut install = npm(order);
        install
            .args([
                "install",
                "--no-save",
                "--no-package-lock",
                "--ignore-scripts",
            ])
            .args(["--no-audit", "--no-fund", "--omit=dev", "--prefix"])
            .arg(order.site())
            .args(BUNDLED.map(|package| format!("{package}@{range}")));
        run(order, &mut install).await?;
    }
    let packages = names(&modules.join("@aws-sdk"))
        .into_iter()
        .filter(|name| name.starts_with("client-"))
        .map(|name| {
            let package = modules.join("@aws-sdk").join(&name);
            format!("@aws-sdk/{name} {}", version(&package))
        })
        .collect();
    Ok(Contents {
        client: format!("{CLIENT} {}", release.version),
        packages,
        flags: flags(order, major).await?,
    })
}

/// The package alone: what it depends on serves the addon's build.
async fn fetch_client(order: &Order<'_>, release: &Release) -> Result<(), RuntimeError> {
    let mut pack = npm(order);
    pack.args([
        "pack",
        "--ignore-scripts",
        "--loglevel=error",
        "--pack-destination",
    ])
    .arg(order.draft)
    .arg(format!("{CLIENT}@{}", release.version));
    run(order, &mut pack).await?;
    let archive = order
        .draft
        .join(format!("{CLIENT}-{}.tgz", release.version));
    let mut unpack = Command::new("tar");
    unpack.arg("-xzf").arg(&archive).arg("-C").arg(order.draft);
    run(order, &mut unpack).await?;
    fs::remove_file(&archive).map_err(io(&archive))?;
    let client = order.draft.join("client");
    fs::rename(order.draft.join("package"), &client).map_err(io(&client))
}

fn npm(order: &Order<'_>) -> Command {
    let mut command = beside(order.interpreter, "npm");
    command
        .current_dir(order.draft)
        .env("npm_config_update_notifier", "false")
        .env("npm_config_fetch_retries", "1")
        .env("npm_config_fetch_timeout", "30000");
    // Node trusts the authorities that it was built with; npm is to trust those of the host.
    let own = std::env::var_os("NODE_EXTRA_CA_CERTS").is_some();
    let of_host = AUTHORITIES.iter().find(|file| Path::new(file).is_file());
    if let Some(file) = of_host.filter(|_| !own) {
        command.env("NODE_EXTRA_CA_CERTS", file);
    }
    command
}

/// Where distributions keep the certificates of the authorities that they trust.
const AUTHORITIES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Those of AWS's flags that this Node knows.
async fn flags(order: &Order<'_>, major: u16) -> Result<Vec<String>, RuntimeError> {
    let mut flags = Vec::new();
    for experiment in experiments(major) {
        let mut ask = Command::new(order.interpreter);
        ask.arg("-p").arg(format!(
            "process.allowedNodeEnvironmentFlags.has('--{experiment}')"
        ));
        if run(order, ask.env_remove("NODE_OPTIONS")).await?.trim() == "true" {
            flags.push(format!("--no-{experiment}"));
        }
    }
    Ok(flags)
}

fn version(package: &Path) -> String {
    let description = fs::read(package.join("package.json")).unwrap_or_default();
    let description: Value = serde_json::from_slice(&description).unwrap_or_default();
    description["version"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_go_with_release_3() {
        assert_eq!(release(16).version, "3.3.0");
        assert_eq!(release(22).version, "3.3.0");
        assert_eq!(release(24).version, "4.0.2");
    }

    #[test]
    fn the_sdk_suits_the_interpreter() {
        assert_eq!(sdk(16, 20), None);
        assert_eq!(sdk(18, 16), Some("<3.723.0"));
        assert_eq!(sdk(18, 18), Some("<3.968.0"));
        assert_eq!(sdk(18, 20), Some("^3"));
        assert_eq!(sdk(24, 24), Some("^3"));
    }
}
