//! What the program was told, by whom, and what it therefore does.
//!
//! One table ([`definition`]) says which settings there are. Each is taken from the strongest
//! place that names it: flag, environment variable, `lambdalab.toml` in the current folder (or
//! the file that `--config` or `LAMBDALAB_CONFIG` names), default. A path in the file is meant
//! from the file's folder. [`Setting`] keeps where its value came from, for `config show` and for
//! complaints.

pub(crate) mod definition;
mod file;
pub(crate) mod value;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lab_aws::TargetName;
use miette::{Diagnostic, NamedSource, SourceSpan};

use crate::confinement::{Egress, IsolationMode};
use crate::format::Format;
use definition::{Arity, Definition};
use file::File;
use value::{Account, Address, Concurrency, Megabytes, Origins, Region, Scale, SettingValue, Span};

/// The file that is read where nobody names one.
const FILE_NAME: &str = "lambdalab.toml";

/// The variable that names another file.
pub(crate) const FILE_VARIABLE: &str = "LAMBDALAB_CONFIG";

/// All settings, with their values.
#[derive(Debug)]
pub(crate) struct Settings {
    pub data_dir: Setting<PathBuf>,
    pub runtimes_dir: Setting<Option<PathBuf>>,
    pub target: Setting<TargetName>,
    pub endpoint_url: Setting<Option<String>>,
    pub profile: Setting<Option<String>>,
    pub region: Setting<Region>,
    pub output: Setting<Format>,
    pub listen: Setting<SocketAddr>,
    pub account: Setting<Account>,
    pub idle_exit: Setting<Option<Span>>,
    pub memory_budget: Setting<Option<Megabytes>>,
    pub log_budget: Setting<Megabytes>,
    pub cpu_scale: Setting<Scale>,
    pub account_concurrency: Setting<Concurrency>,
    pub strict_runtimes: Setting<bool>,
    pub isolation: Setting<IsolationMode>,
    pub egress: Setting<Egress>,
    pub allow_origin: Setting<Option<Origins>>,
    pub auth: Setting<Option<PathBuf>>,
    pub enforce_iam: Setting<bool>,
    pub registry_auth: Setting<Option<PathBuf>>,
    pub otlp_endpoint: Setting<Option<Address>>,
    pub log: Setting<String>,
}

/// A value, and who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub value: T,
    pub origin: Origin,
    definition: &'static Definition,
}

/// Who said a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody.
    Default,
    /// The file, in this line.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(&'static str),
    /// A flag, without its dashes.
    Flag(&'static str),
}

/// What the flags say, by the names of settings.
pub(crate) type Given = Vec<(&'static str, Vec<String>)>;

/// A setting that cannot be meant.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum SettingsError {
    #[error("cannot read the configuration file {path}: {source}")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is no TOML (line {line}): {message}")]
    Syntax {
        message: String,
        line: usize,
        path: PathBuf,
        #[label("here")]
        at: SourceSpan,
        #[source_code]
        source_code: NamedSource<String>,
    },
    #[error("there is no setting `{key}` ({path}, line {line})")]
    UnknownKey {
        key: String,
        line: usize,
        path: PathBuf,
        #[help]
        help: String,
        #[label("unknown")]
        at: SourceSpan,
        #[source_code]
        source_code: NamedSource<String>,
    },
    #[error("`{key}` cannot be a {found} ({path}, line {line})")]
    Shape {
        key: String,
        found: &'static str,
        line: usize,
        path: PathBuf,
        #[label("here")]
        at: SourceSpan,
        #[source_code]
        source_code: NamedSource<String>,
    },
    #[error("`{value}` is no value for `{key}` ({path}, line {line}): expected {expected}")]
    ValueInFile {
        key: &'static str,
        value: String,
        expected: &'static str,
        line: usize,
        path: PathBuf,
        #[label("here")]
        at: SourceSpan,
        #[source_code]
        source_code: NamedSource<String>,
    },
    #[error("`{value}` is no value for {place}: expected {expected}")]
    Value {
        place: Origin,
        value: String,
        expected: &'static str,
    },
}

impl Settings {
    /// Gathers what was said everywhere.
    pub(crate) fn gather(
        given: Given,
        named_file: Option<&Path>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let file = match named_file {
            Some(path) => File::read(path, true)?,
            None => match said_in(environment, FILE_VARIABLE) {
                Some(path) => File::read(Path::new(&path), true)?,
                None => File::read(Path::new(FILE_NAME), false)?,
            },
        };
        let layers = Layers {
            given,
            environment,
            file,
        };
        Ok(Self {
            data_dir: layers.path(&definition::DATA_DIR)?,
            runtimes_dir: layers.optional_path(&definition::RUNTIMES_DIR)?,
            target: layers.needed(&definition::TARGET)?,
            endpoint_url: layers.optional(&definition::ENDPOINT_URL)?,
            profile: layers.optional(&definition::PROFILE)?,
            region: layers.needed(&definition::REGION)?,
            output: layers.needed(&definition::OUTPUT)?,
            listen: layers.needed(&definition::LISTEN)?,
            account: layers.needed(&definition::ACCOUNT)?,
            idle_exit: layers.optional(&definition::IDLE_EXIT)?,
            memory_budget: layers.optional(&definition::MEMORY_BUDGET)?,
            log_budget: layers.needed(&definition::LOG_BUDGET)?,
            cpu_scale: layers.needed(&definition::CPU_SCALE)?,
            account_concurrency: layers.needed(&definition::ACCOUNT_CONCURRENCY)?,
            strict_runtimes: layers.needed(&definition::STRICT_RUNTIMES)?,
            isolation: layers.needed(&definition::ISOLATION)?,
            egress: layers.needed(&definition::EGRESS)?,
            allow_origin: layers.optional(&definition::ALLOW_ORIGIN)?,
            auth: layers.optional_path(&definition::AUTH)?,
            enforce_iam: layers.needed(&definition::ENFORCE_IAM)?,
            registry_auth: layers.optional_path(&definition::REGISTRY_AUTH)?,
            otlp_endpoint: layers.optional(&definition::OTLP_ENDPOINT)?,
            log: layers.needed(&definition::LOG)?,
        })
    }

    /// Where runtime interface clients are.
    pub(crate) fn runtimes_dir(&self) -> PathBuf {
        match &self.runtimes_dir.value {
            Some(folder) => folder.clone(),
            None => self.data_dir.value.join("runtimes"),
        }
    }

    /// Every setting as it is shown.
    pub(crate) fn rows(&self) -> Vec<Row> {
        vec![
            self.data_dir.row(),
            self.runtimes_dir.row_or_unset(),
            self.target.row(),
            self.endpoint_url.row_or_unset(),
            self.profile.row_or_unset(),
            self.region.row(),
            self.output.row(),
            self.listen.row(),
            self.account.row(),
            self.idle_exit.row_or_unset(),
            self.memory_budget.row_or_unset(),
            self.log_budget.row(),
            self.cpu_scale.row(),
            self.account_concurrency.row(),
            self.strict_runtimes.row(),
            self.isolation.row(),
            self.egress.row(),
            self.allow_origin.row_or_unset(),
            self.auth.row_or_unset(),
            self.enforce_iam.row(),
            self.registry_auth.row_or_unset(),
            self.otlp_endpoint.row_or_unset(),
            self.log.row(),
        ]
    }
}

/// A setting as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Row {
    pub name: &'static str,
    /// `None` where nobody said one and there is no default.
    pub value: Option<String>,
    /// What happens where there is no value.
    #[serde(skip)]
    pub unset: &'static str,
    pub origin: String,
    pub allowed: &'static str,
    pub about: &'static str,
}

impl<T> Setting<T> {
    fn shown(&self, value: Option<String>) -> Row {
        Row {
            name: self.definition.name,
            value,
            unset: self.definition.unset,
            origin: self.origin.to_string(),
            allowed: self.definition.expected,
            about: self.definition.about,
        }
    }

    /// Whether somebody said it, rather than the default.
    pub(crate) fn is_said(&self) -> bool {
        self.origin != Origin::Default
    }
}

impl<T: SettingValue> Setting<T> {
    fn row(&self) -> Row {
        self.shown(Some(self.value.show()))
    }
}

impl<T: SettingValue> Setting<Option<T>> {
    fn row_or_unset(&self) -> Row {
        self.shown(self.value.as_ref().map(T::show))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag(flag) => write!(f, "--{flag}"),
        }
    }
}

fn said_in(environment: &dyn Fn(&str) -> Option<String>, variable: &str) -> Option<String> {
    environment(variable).filter(|value| !value.is_empty())
}

/// Where values are looked for.
struct Layers<'a> {
    given: Given,
    environment: &'a dyn Fn(&str) -> Option<String>,
    file: File,
}

impl Layers<'_> {
    /// The strongest texts for a setting, and whose they are.
    fn said(&self, setting: &'static Definition) -> Option<(Vec<String>, Origin)> {
        if let Some((_, texts)) = self.given.iter().find(|(name, _)| *name == setting.name) {
            return Some((texts.clone(), Origin::Flag(setting.flag)));
        }
        for variable in setting.env {
            if let Some(text) = said_in(self.environment, variable) {
                let texts = match setting.arity {
                    Arity::Many => text.split(',').map(str::to_owned).collect(),
                    Arity::One | Arity::Switch => vec![text],
                };
                return Some((texts, Origin::Environment(variable)));
            }
        }
        let said = self.file.said(setting.name)?;
        let line = self.file.line(&said.at);
        Some((
            said.values.clone(),
            Origin::File(self.file.path.clone(), line),
        ))
    }

    fn optional<T: SettingValue>(
        &self,
        definition: &'static Definition,
    ) -> Result<Setting<Option<T>>, SettingsError> {
        let (texts, origin) = match self.said(definition) {
            Some(said) => said,
            None => match definition.default {
                Some(default) => (vec![default.to_owned()], Origin::Default),
                None => {
                    return Ok(Setting {
                        value: None,
                        origin: Origin::Default,
                        definition,
                    });
                }
            },
        };
        match T::read(&texts) {
            Some(value) => Ok(Setting {
                value: Some(value),
                origin,
                definition,
            }),
            None => Err(self.complaint(definition, &texts, origin)),
        }
    }

    fn needed<T: SettingValue>(
        &self,
        definition: &'static Definition,
    ) -> Result<Setting<T>, SettingsError> {
        let Setting { value, origin, .. } = self.optional(definition)?;
        match value {
            Some(value) => Ok(Setting {
                value,
                origin,
                definition,
            }),
            None => Err(self.complaint(definition, &[], origin)),
        }
    }

    fn optional_path(
        &self,
        definition: &'static Definition,
    ) -> Result<Setting<Option<PathBuf>>, SettingsError> {
        let mut setting: Setting<Option<PathBuf>> = self.optional(definition)?;
        if let (Origin::File(file, _), Some(path)) = (&setting.origin, &setting.value)
            && let Some(folder) = file.parent()
        {
            setting.value = Some(folder.join(path));
        }
        Ok(setting)
    }

    fn path(&self, definition: &'static Definition) -> Result<Setting<PathBuf>, SettingsError> {
        let Setting { value, origin, .. } = self.optional_path(definition)?;
        match value {
            Some(value) => Ok(Setting {
                value,
                origin,
                definition,
            }),
            None => Err(self.complaint(definition, &[], origin)),
        }
    }

    fn complaint(
        &self,
        definition: &'static Definition,
        texts: &[String],
        origin: Origin,
    ) -> SettingsError {
        let value = texts.join(", ");
        let expected = definition.expected;
        match (origin, self.file.said(definition.name)) {
            (Origin::File(path, line), Some(said)) => SettingsError::ValueInFile {
                key: definition.name,
                value,
                expected,
                line,
                path,
                at: file::span(&said.at),
                source_code: self.file.source(),
            },
            (place, _) => SettingsError::Value {
                place,
                value,
                expected,
            },
        }
    }
}

#[cfg(test)]
mod tests;
