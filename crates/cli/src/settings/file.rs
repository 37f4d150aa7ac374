//! `lambdalab.toml`, read with every complaint at its line.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{NamedSource, SourceSpan};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::SettingsError;
use super::definition::ALL;

/// What the file says about one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub values: Vec<String>,
    pub at: Range<usize>,
}

/// A file that was read.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub path: PathBuf,
    text: String,
    said: BTreeMap<String, Said>,
}

impl File {
    /// Reads a file; `required` where somebody named it.
    pub(super) fn read(path: &Path, required: bool) -> Result<Self, SettingsError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {
                return Ok(Self::default());
            }
            Err(source) => {
                return Err(SettingsError::Unreadable {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        Self::parse(path, text)
    }

    fn parse(path: &Path, text: String) -> Result<Self, SettingsError> {
        let mut file = Self {
            path: path.to_owned(),
            text,
            said: BTreeMap::new(),
        };
        let mut said = BTreeMap::new();
        let table = DeTable::parse(&file.text).map_err(|error| SettingsError::Syntax {
            message: error.message().to_owned(),
            line: file.line(&error.span().unwrap_or_default()),
            path: file.path.clone(),
            at: span(&error.span().unwrap_or_default()),
            source_code: file.source(),
        })?;
        for (key, value) in table.get_ref() {
            let name: &str = key.get_ref();
            if !ALL.iter().any(|known| known.name == name && known.in_file) {
                return Err(file.unknown(name, &key.span()));
            }
            let values = texts(value).ok_or_else(|| SettingsError::Shape {
                key: name.to_owned(),
                found: value.get_ref().type_str(),
                line: file.line(&value.span()),
                path: file.path.clone(),
                at: span(&value.span()),
                source_code: file.source(),
            })?;
            let at = value.span();
            said.insert(name.to_owned(), Said { values, at });
        }
        file.said = said;
        Ok(file)
    }

    pub(super) fn said(&self, name: &str) -> Option<&Said> {
        self.said.get(name)
    }

    /// The line that a place is in, counted from 1.
    pub(super) fn line(&self, at: &Range<usize>) -> usize {
        let before = self.text.get(..at.start).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    pub(super) fn source(&self) -> NamedSource<String> {
        NamedSource::new(self.path.display().to_string(), self.text.clone()).with_language("toml")
    }

    fn unknown(&self, key: &str, at: &Range<usize>) -> SettingsError {
        let nearest = ALL
            .iter()
            .filter(|known| known.in_file)
            .map(|known| (strsim::damerau_levenshtein(key, known.name), known.name))
            .min();
        let help = match nearest {
            Some((distance, name)) if distance <= 1 + key.len() / 3 => {
                format!("did you mean `{name}`?")
            }
            _ => {
                let names: Vec<_> = ALL.iter().filter(|s| s.in_file).map(|s| s.name).collect();
                format!("the settings are {}", names.join(", "))
            }
        };
        SettingsError::UnknownKey {
            key: key.to_owned(),
            line: self.line(at),
            path: self.path.clone(),
            help,
            at: span(at),
            source_code: self.source(),
        }
    }
}

pub(super) fn span(range: &Range<usize>) -> SourceSpan {
    SourceSpan::from(range.clone())
}

/// A value as texts: an array gives several, everything else but a table one.
fn texts(value: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().map(|item| text(item.get_ref())).collect(),
        single => text(single).map(|text| vec![text]),
    }
}

fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    }
}
