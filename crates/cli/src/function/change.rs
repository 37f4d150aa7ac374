//! The parts of a configuration that `create` and `update` share, checked before anything is sent.

use std::collections::BTreeMap;

use clap::Args;
use lab_aws::ConfigurationChange;

#[derive(Debug, Args)]
pub(crate) struct ConfigurationArguments {
    /// Memory in MB, 128 to 10240; the CPU grows with it
    #[arg(long, value_name = "MB", value_parser = memory, allow_hyphen_values = true)]
    memory: Option<i32>,
    /// The longest time an invocation may take, in seconds, 1 to 900
    #[arg(long, value_name = "SECONDS", value_parser = timeout, allow_hyphen_values = true)]
    timeout: Option<i32>,
    /// An environment variable of the function (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// A text for people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl ConfigurationArguments {
    /// What is named, but for the environment variables.
    pub(crate) fn change(&self) -> ConfigurationChange {
        ConfigurationChange {
            memory_size: self.memory,
            timeout: self.timeout,
            description: self.description.clone(),
            ..ConfigurationChange::default()
        }
    }

    /// The environment variables, where any are named.
    pub(crate) fn variables(&self) -> Option<BTreeMap<String, String>> {
        (!self.env.is_empty()).then(|| self.env.iter().cloned().collect())
    }
}

/// A memory size as Lambda takes it.
pub(crate) fn memory(text: &str) -> Result<i32, String> {
    within(text, 128, 10_240, "MB of memory")
}

fn timeout(text: &str) -> Result<i32, String> {
    within(text, 1, 900, "seconds")
}

fn within(text: &str, least: i32, most: i32, of_what: &str) -> Result<i32, String> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("expected {least} to {most} {of_what}"))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_lambda() {
        assert_eq!((memory("128"), memory("10240")), (Ok(128), Ok(10_240)));
        assert_eq!((timeout("1"), timeout("900")), (Ok(1), Ok(900)));
        for wrong in ["127", "10241", "", "-1", "1.5", "1GB", "99999999999"] {
            assert!(
                memory(wrong).unwrap_err().contains("128 to 10240"),
                "{wrong}"
            );
        }
        for wrong in ["0", "901", "1m"] {
            assert!(timeout(wrong).unwrap_err().contains("1 to 900"), "{wrong}");
        }
    }

    #[test]
    fn variables_have_names() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(variable("A="), Ok(("A".into(), String::new())));
        assert!(variable("A").is_err() && variable("=b").is_err());
    }
}
