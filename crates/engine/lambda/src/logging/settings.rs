//! A function's logging configuration, as its environments need it.

use wire::lambda::{ApplicationLogLevel, LogFormat, LoggingConfig, SystemLogLevel};

/// Where an environment's log goes and how it is written.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    /// The log group.
    pub(crate) group: String,
    /// Whether the platform writes JSON.
    pub(crate) json: bool,
    /// From which level on the function's own records are kept; the runtime's client sees to it.
    application_level: Option<ApplicationLogLevel>,
    /// From which level on the platform's are.
    system_level: Level,
}

/// How much a line of the platform's matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
}

impl LogSettings {
    /// The settings that a function's configuration means.
    pub(crate) fn of(configuration: Option<&LoggingConfig>) -> Self {
        let configuration = configuration.cloned().unwrap_or_default();
        Self {
            group: configuration.log_group.unwrap_or_default(),
            json: configuration.log_format == Some(LogFormat::Json),
            application_level: configuration.application_log_level,
            system_level: match configuration.system_log_level {
                Some(SystemLogLevel::Debug) => Level::Debug,
                Some(SystemLogLevel::Warn) => Level::Warn,
                _ => Level::Info,
            },
        }
    }

    /// Whether a line of the platform's is kept. Without JSON there are no levels.
    pub(crate) fn keeps(&self, level: Level) -> bool {
        !self.json || level >= self.system_level
    }

    /// The environment variables by which a runtime's client learns of it. Without JSON there is no
    /// format and no level among them, as AWS's own environments show.
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("AWS_LAMBDA_LOG_GROUP_NAME", self.group.clone())];
        if self.json {
            variables.push(("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()));
            let level = self.application_level.as_ref();
            variables.extend(level.map(|level| ("AWS_LAMBDA_LOG_LEVEL", level.to_string())));
        }
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_knows_no_format_and_no_levels() {
        let settings = LogSettings::of(Some(&LoggingConfig {
            log_group: Some("/aws/lambda/f".to_owned()),
            log_format: Some(LogFormat::Text),
            application_log_level: Some(ApplicationLogLevel::Error),
            ..LoggingConfig::default()
        }));
        assert!(settings.keeps(Level::Debug));
        assert_eq!(
            settings.variables(),
            [("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f".to_owned())]
        );
    }

    #[test]
    fn json_keeps_what_its_level_lets_through() {
        let settings = LogSettings::of(Some(&LoggingConfig {
            log_group: Some("g".to_owned()),
            log_format: Some(LogFormat::Json),
            application_log_level: Some(ApplicationLogLevel::Error),
            system_log_level: Some(SystemLogLevel::Warn),
        }));
        assert!(!settings.keeps(Level::Info));
        assert!(settings.keeps(Level::Warn));
        let variables = settings.variables();
        assert!(variables.contains(&("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned())));
        assert!(variables.contains(&("AWS_LAMBDA_LOG_LEVEL", "ERROR".to_owned())));
    }
}
