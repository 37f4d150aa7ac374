//! Ruby: the gem `aws_lambda_ric`, which must be among the interpreter's own gems, as the SDK must
//! where functions use it.

use tokio::process::Command;

use super::package_manager::run;
use super::{Contents, Order, RuntimeError};

const CLIENT: &str = "aws_lambda_ric";

/// Prints the gem's version and its program.
const PROBE: &str = "gem = Gem::Specification.find_by_name('aws_lambda_ric'); \
                     puts gem.version, gem.bin_file('aws_lambda_ric')";

pub(super) async fn install(order: &Order<'_>) -> Result<Contents, RuntimeError> {
    let mut ask = Command::new(order.interpreter);
    ask.args(["-e", PROBE]).env_remove("RUBYOPT");
    let missing = || {
        order.no_client(format!(
            "the gem {CLIENT} is not among those of {}: install it with that Ruby's `gem install \
             {CLIENT}`",
            order.interpreter.display()
        ))
    };
    let answer = run(order, &mut ask).await.map_err(|_| missing())?;
    let mut lines = answer.lines();
    let (Some(version), Some(program)) = (lines.next(), lines.next()) else {
        return Err(missing());
    };
    Ok(Contents {
        client: format!("{CLIENT} {version}"),
        packages: Vec::new(),
        flags: vec![program.to_owned()],
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::runtime::Runtime;
    use crate::runtime::interpreter::Version;

    async fn with_ruby(script: &str) -> Result<Contents, RuntimeError> {
        let folder = tempfile::tempdir().unwrap();
        let ruby = folder.path().join("ruby");
        std::fs::write(&ruby, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&ruby, std::fs::Permissions::from_mode(0o755)).unwrap();
        let version = Version { major: 3, minor: 4 };
        let order = Order {
            runtime: Runtime::Ruby { version },
            version,
            interpreter: &ruby,
            runtimes: Path::new("/nonexistent"),
            draft: Path::new("/nonexistent"),
        };
        install(&order).await
    }

    #[tokio::test]
    async fn the_gem_is_found_or_asked_for() {
        let found = with_ruby("echo 3.1.1; echo /gems/aws_lambda_ric/bin/aws_lambda_ric")
            .await
            .unwrap();
        assert_eq!(found.client, "aws_lambda_ric 3.1.1");
        assert_eq!(found.flags, ["/gems/aws_lambda_ric/bin/aws_lambda_ric"]);
        let missing = with_ruby("exit 1").await.unwrap_err().to_string();
        assert!(missing.contains("gem install aws_lambda_ric"), "{missing}");
    }
}
