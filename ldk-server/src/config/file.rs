//! Reads the configuration file, and checks that each key is known and has the right type.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ldk_server_grpc::places;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::keys::{KEYS, Kind};

/// How similar a name must be to count as a misspelling of another.
const LIKENESS: f64 = 0.6;

/// Why the file cannot be used. Values are not quoted, because they may be secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// The file is not TOML.
    #[error("{0}")]
    Syntax(String),
    /// A key is wrong.
    #[error("line {line}, {key}: {source}")]
    Key { line: usize, key: String, source: KeyError },
    /// A key is wrong that has no line of its own.
    #[error("{key}: {source}")]
    KeyWithoutLine { key: String, source: KeyError },
}

/// Why a key of the file is wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("expected {expected}, found {found}")]
    Type { expected: &'static str, found: &'static str },
    #[error("is not known; did you mean {0}?")]
    Misspelt(&'static str),
    #[error("is not known; --print-default-config shows every key")]
    Unknown,
}

/// The content of the file.
#[derive(Default)]
pub(super) struct File {
    pub(super) values: BTreeMap<&'static str, Value>,
    pub(super) sections: BTreeSet<String>,
}

impl File {
    /// Parses the text of a file.
    pub(super) fn parse(text: &str) -> Result<Self, FileError> {
        let table: Table =
            text.parse().map_err(|error| FileError::Syntax(places::toml_error(text, &error)))?;
        let mut file = Self::default();
        file.walk("", table).map_err(|(key, source)| match line(text, &key) {
            Some(line) => FileError::Key { line, key, source },
            None => FileError::KeyWithoutLine { key, source },
        })?;
        Ok(file)
    }

    /// Takes the values of a section. The error names the key that is wrong.
    fn walk(&mut self, section: &str, table: Table) -> Result<(), (String, KeyError)> {
        for (name, value) in table {
            let path = if section.is_empty() { name } else { format!("{section}.{name}") };
            let key = KEYS.iter().find(|key| key.is_in_file() && key.name == path);
            match (key, value) {
                (Some(key), value) => {
                    check(key.kind, &value).map_err(|error| (path, error))?;
                    self.values.insert(key.name, value);
                },
                (None, value) if is_section(&path) => match value {
                    Value::Table(table) => {
                        self.walk(&path, table)?;
                        self.sections.insert(path);
                    },
                    other => {
                        let found = other.type_str();
                        return Err((path, KeyError::Type { expected: "a section", found }));
                    },
                },
                (None, _) => {
                    let error = unknown(&path);
                    return Err((path, error));
                },
            }
        }
        Ok(())
    }
}

fn is_section(path: &str) -> bool {
    sections().any(|section| section == path)
}

/// Every section that contains keys or sections.
fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.iter()
        .filter(|key| key.is_in_file())
        .flat_map(|key| key.name.match_indices('.').filter_map(|(end, _)| key.name.get(..end)))
}

fn check(kind: Kind, value: &Value) -> Result<(), KeyError> {
    let (expected, is_right) = match kind {
        Kind::Text => ("a string", value.is_str()),
        Kind::Number => ("an integer", value.is_integer()),
        Kind::Boolean | Kind::Switch => ("true or false", value.is_bool()),
        Kind::List => {
            let is_list = value.as_array().is_some_and(|list| list.iter().all(Value::is_str));
            ("a list of strings", is_list)
        },
    };
    if is_right { Ok(()) } else { Err(KeyError::Type { expected, found: value.type_str() }) }
}

fn unknown(path: &str) -> KeyError {
    let known = KEYS.iter().filter(|key| key.is_in_file()).map(|key| key.name).chain(sections());
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(path, name);
    let nearest = known.max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match nearest.filter(|name| likeness(name) >= LIKENESS) {
        Some(name) => KeyError::Misspelt(name),
        None => KeyError::Unknown,
    }
}

/// The line of a key, counted from 1.
fn line(text: &str, path: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let start = span(document.get_ref(), path)?.start;
    Some(text.get(..start)?.matches('\n').count() + 1)
}

fn span(table: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let (key, value) = table.iter().find(|(key, _)| key.get_ref().as_ref() == name)?;
    match (rest, value.get_ref()) {
        (None, _) => Some(key.span()),
        (Some(rest), DeValue::Table(table)) => span(table, rest),
        (Some(_), _) => None,
    }
}
