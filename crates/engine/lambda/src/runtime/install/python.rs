//! Python: `awslambdaric` from the Python Package Index, with boto3, in `site/`.
//!
//! The index knows which release fits which Python: 2 for 3.8, 4 from 3.9 on.

use tokio::process::Command;

use super::package_manager::run;
use super::{Contents, Order, RuntimeError, names};

/// Starts the client; lies beside `site/`.
pub(in crate::runtime) const BOOTSTRAP: &str = "bootstrap.py";

/// What of a folder is ours.
pub(super) const FILES: [(&str, &[u8]); 2] = [
    (BOOTSTRAP, include_bytes!("../client/python/bootstrap.py")),
    (
        "lambdalab_template.py",
        include_bytes!("../client/python/lambdalab_template.py"),
    ),
];

const CLIENT: &str = "awslambdaric";
/// What AWS's Python runtimes bundle.
const BUNDLED: &str = "boto3";

pub(super) async fn install(order: &Order<'_>) -> Result<Contents, RuntimeError> {
    let site = order.site();
    let own = run(
        order,
        Command::new(order.interpreter).args(["-m", "pip", "--version"]),
    )
    .await;
    let mut command = if own.is_ok() {
        let mut command = Command::new(order.interpreter);
        command.args(["-m", "pip", "install"]);
        command
    } else {
        // An interpreter without pip of its own: any other one's can fetch wheels for it.
        let mut command = Command::new("python3");
        command.args(["-m", "pip", "install", "--only-binary=:all:"]);
        command.arg("--implementation=cp");
        command.arg(format!("--python-version={}", order.version));
        command
    };
    command
        .args(["--quiet", "--no-input", "--disable-pip-version-check"])
        .args(["--no-warn-script-location", "--root-user-action=ignore"])
        .arg("--target")
        .arg(&site)
        .args([CLIENT, BUNDLED])
        .env_remove("PYTHONDONTWRITEBYTECODE");
    run(order, &mut command).await?;
    let mut compile = Command::new(order.interpreter);
    compile
        .args(["-m", "compileall", "-q"])
        .arg(&site)
        .env_remove("PYTHONDONTWRITEBYTECODE");
    run(order, &mut compile).await?;
    for (name, content) in FILES {
        order.write(name, content)?;
    }
    let (clients, packages): (Vec<_>, Vec<_>) = names(&site)
        .iter()
        .filter_map(|name| name.strip_suffix(".dist-info"))
        .map(|name| name.replacen('-', " ", 1))
        .partition(|package| package.starts_with(CLIENT));
    Ok(Contents {
        client: clients.concat(),
        packages,
        flags: Vec::new(),
    })
}
