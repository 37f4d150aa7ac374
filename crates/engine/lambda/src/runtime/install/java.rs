//! Java: the jars of `aws-lambda-java-runtime-interface-client`, copied into `site/` from where they
//! were put.

use std::fs;

use super::{Contents, Order, RuntimeError, io, names};

const CLIENT: &str = "aws-lambda-java-runtime-interface-client";

/// The class that starts the client.
pub(in crate::runtime) const MAIN: &str =
    "com.amazonaws.services.lambda.runtime.api.client.AWSLambda";

/// The folder, beside those of the runtimes, where the jars are looked for.
const JARS: &str = "java-client";

pub(super) fn install(order: &Order<'_>) -> Result<Contents, RuntimeError> {
    let source = order.runtimes.join(JARS);
    let jars: Vec<String> = names(&source)
        .into_iter()
        .filter(|name| name.ends_with(".jar"))
        .collect();
    let (clients, packages): (Vec<_>, Vec<_>) = jars
        .iter()
        .map(|name| name.trim_end_matches(".jar"))
        .map(|name| match name.rsplit_once('-') {
            Some((name, version)) => format!("{name} {version}"),
            None => name.to_owned(),
        })
        .partition(|package| package.starts_with(CLIENT));
    if clients.is_empty() {
        return Err(order.no_client(format!(
            "AWS's client for Java is looked for in {}: put {CLIENT}-*.jar there, with the \
             aws-lambda-java-core and aws-lambda-java-serialization that it depends on, from \
             com.amazonaws in Maven Central",
            source.display()
        )));
    }
    let site = order.site();
    fs::create_dir_all(&site).map_err(io(&site))?;
    for jar in &jars {
        let from = source.join(jar);
        fs::copy(&from, site.join(jar)).map_err(io(&from))?;
    }
    Ok(Contents {
        client: clients.concat(),
        packages,
        flags: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Runtime;
    use crate::runtime::interpreter::Version;

    #[test]
    fn the_jars_are_copied_or_asked_for() {
        let runtimes = tempfile::tempdir().unwrap();
        let draft = runtimes.path().join("draft");
        let order = Order {
            runtime: Runtime::Java { major: 17 },
            version: Version::from(17),
            interpreter: "/usr/bin/java".as_ref(),
            runtimes: runtimes.path(),
            draft: &draft,
        };
        let missing = install(&order).unwrap_err().to_string();
        let folder = runtimes.path().join(JARS);
        assert!(missing.contains(&*folder.to_string_lossy()), "{missing}");
        fs::create_dir_all(&folder).unwrap();
        for jar in [
            "aws-lambda-java-core-1.4.0.jar",
            "aws-lambda-java-runtime-interface-client-2.8.3.jar",
        ] {
            fs::write(folder.join(jar), "PK").unwrap();
        }
        let contents = install(&order).unwrap();
        assert_eq!(contents.client, format!("{CLIENT} 2.8.3"));
        assert_eq!(contents.packages, ["aws-lambda-java-core 1.4.0"]);
        assert_eq!(names(&draft.join("site")).len(), 2);
    }
}
