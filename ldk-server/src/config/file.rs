//! The configuration file: which keys it has, and that each is known and of its kind.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ldk_server_grpc::places;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::keys::{KEYS, Kind};

/// How alike a name must be to be taken for a misspelling of another.
const LIKENESS: f64 = 0.6;

/// What is in the file.
#[derive(Default)]
pub(super) struct File {
    pub(super) values: BTreeMap<&'static str, Value>,
    pub(super) sections: BTreeSet<String>,
}

impl File {
    /// Reads the text of a file; or says what is wrong with it, and in which line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error| places::toml_error(text, &error))?;
        let mut file = Self::default();
        file.walk("", table).map_err(|(path, reason)| match line(text, &path) {
            Some(line) => format!("line {line}, {path}: {reason}"),
            None => format!("{path}: {reason}"),
        })?;
        Ok(file)
    }

    /// Takes the values of a section; or says which key is wrong, and why.
    fn walk(&mut self, section: &str, table: Table) -> Result<(), (String, String)> {
        for (name, value) in table {
            let path = if section.is_empty() { name } else { format!("{section}.{name}") };
            let key = KEYS.iter().find(|key| key.is_in_file() && key.name == path);
            match (key, value) {
                (Some(key), value) => {
                    check(key.kind, &value).map_err(|reason| (path, reason))?;
                    self.values.insert(key.name, value);
                },
                (None, value) if is_section(&path) => match value {
                    Value::Table(table) => {
                        self.walk(&path, table)?;
                        self.sections.insert(path);
                    },
                    other => {
                        let reason = format!("expected a section, found {}", other.type_str());
                        return Err((path, reason));
                    },
                },
                (None, _) => {
                    let reason = unknown(&path);
                    return Err((path, reason));
                },
            }
        }
        Ok(())
    }
}

fn is_section(path: &str) -> bool {
    sections().any(|section| section == path)
}

/// Every section that keys are in, and every section that those are in.
fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.iter()
        .filter(|key| key.is_in_file())
        .flat_map(|key| key.name.match_indices('.').filter_map(|(end, _)| key.name.get(..end)))
}

/// The value is not quoted: it may be a secret.
fn check(kind: Kind, value: &Value) -> Result<(), String> {
    let (expected, is_right) = match kind {
        Kind::Text => ("a string", value.is_str()),
        Kind::Number => ("an integer", value.is_integer()),
        Kind::Boolean | Kind::Switch => ("true or false", value.is_bool()),
        Kind::List => {
            let is_list = value.as_array().is_some_and(|list| list.iter().all(Value::is_str));
            ("a list of strings", is_list)
        },
    };
    if is_right { Ok(()) } else { Err(format!("expected {expected}, found {}", value.type_str())) }
}

fn unknown(path: &str) -> String {
    let known = KEYS.iter().filter(|key| key.is_in_file()).map(|key| key.name).chain(sections());
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(path, name);
    let nearest = known.max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match nearest.filter(|name| likeness(name) >= LIKENESS) {
        Some(name) => format!("is not known; did you mean {name}?"),
        None => "is not known; --print-default-config shows every key".to_owned(),
    }
}

/// The line that a key is in, counted from 1.
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
