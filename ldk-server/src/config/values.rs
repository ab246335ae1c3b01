//! The value of each key, and its source.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::path::PathBuf;
use std::str::FromStr as _;

use secrecy::SecretString;
use toml::Value;

use super::ConfigError;
use super::args::{ArgSource, Args};
use super::file::File;
use super::keys::{Boolean, Definition, KEYS, Key, Kind, List, Number, OnOff, Refused, Text};
use crate::urls;

/// The source of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The default of the key.
    Default,
    /// The configuration file.
    File,
    /// The key's environment variable.
    Variable,
    /// The key's flag.
    Flag,
}

/// The keys that have a value.
pub(super) struct Values {
    of: BTreeMap<&'static str, (Value, Source)>,
    /// The sections of the file, including empty ones.
    sections: BTreeSet<String>,
}

impl Values {
    /// Collects the values. Flags take precedence over variables, these over the file, and the file
    /// over defaults.
    pub(super) fn gather(args: &Args, file: File) -> Result<Self, ConfigError> {
        let File { mut values, sections } = file;
        let mut of = BTreeMap::new();
        for key in KEYS {
            let in_file = values.remove(key.name).map(|value| (value, Source::File));
            let given = args.get(key).map(|(value, given)| match given {
                ArgSource::Flag => (value, Source::Flag),
                ArgSource::Variable => (value, Source::Variable),
            });
            let is_on = |(value, _): &(Value, Source)| value.as_bool().unwrap_or(true);
            let chosen =
                given.or(in_file).filter(|chosen| key.kind != Kind::Switch || is_on(chosen));
            if let Some((value, _)) = &chosen {
                refuse(key, value)?;
            }
            let default = || Some((default(key)?, Source::Default));
            if let Some(value) = chosen.or_else(default) {
                of.insert(key.name, value);
            }
        }
        Ok(Self { of, sections })
    }

    /// Whether no key is set.
    pub(super) fn are_all_defaults(&self) -> bool {
        self.sections.is_empty() && self.of.values().all(|(_, source)| *source == Source::Default)
    }

    /// Whether the file has this section or one of its keys is set.
    pub(super) fn have_section(&self, section: &str) -> bool {
        let is_in_section =
            |name: &str| name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
        self.sections.contains(section) || self.of.keys().any(|name| is_in_section(name))
    }

    /// Whether this key has a value that is not its default.
    pub(super) fn is_given(&self, key: &Definition) -> bool {
        self.of.get(key.name).is_some_and(|(value, _)| default(key).as_ref() != Some(value))
    }

    pub(super) fn source<T>(&self, key: Key<T>) -> Option<Source> {
        self.of.get(key.name()).map(|(_, source)| *source)
    }

    /// Removes a value that another key replaces.
    pub(super) fn remove<T>(&mut self, key: Key<T>) {
        self.of.remove(key.name());
    }

    /// Sets the default of a key that depends on other keys.
    pub(super) fn set_default(&mut self, key: Key<Text>, value: String) {
        self.of.entry(key.name()).or_insert((value.into(), Source::Default));
    }

    /// The same for one that is on or off.
    pub(super) fn set_default_switch(&mut self, key: Key<Boolean>, value: bool) {
        self.of.entry(key.name()).or_insert((value.into(), Source::Default));
    }

    pub(super) fn text(&self, key: Key<Text>) -> Option<String> {
        self.of.get(key.name())?.0.as_str().map(str::to_owned)
    }

    pub(super) fn path(&self, key: Key<Text>) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    pub(super) fn secret(&self, key: Key<Text>) -> Option<SecretString> {
        self.text(key).map(SecretString::from)
    }

    pub(super) fn list(&self, key: Key<List>) -> Vec<String> {
        let texts = self.of.get(key.name()).and_then(|(value, _)| value.as_array());
        texts.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Whether the key is set and `true`.
    pub(super) fn is_on(&self, key: Key<impl OnOff>) -> bool {
        self.of.get(key.name()).and_then(|(value, _)| value.as_bool()).unwrap_or(false)
    }

    /// A number within these bounds.
    pub(super) fn number<T>(
        &self,
        key: Key<Number>,
        accepted: impl RangeBounds<T>,
    ) -> Result<Option<T>, ConfigError>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        let Some(number) = self.of.get(key.name()).and_then(|(value, _)| value.as_integer()) else {
            return Ok(None);
        };
        match T::try_from(number).ok().filter(|number| accepted.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let reason =
                    format!("{number} is out of range; accepted are {}", shown_range(&accepted));
                Err(ConfigError::new(key, reason))
            },
        }
    }
}

fn shown_range<T: fmt::Display>(range: &impl RangeBounds<T>) -> String {
    let bound = |bound: Bound<&T>| match bound {
        Bound::Included(number) | Bound::Excluded(number) => Some(number.to_string()),
        Bound::Unbounded => None,
    };
    match (bound(range.start_bound()), bound(range.end_bound())) {
        (least, Some(most)) => format!("{} to {most}", least.unwrap_or_default()),
        (Some(least), None) => format!("{least} and more"),
        (None, None) => "all".to_owned(),
    }
}

fn refuse(key: &Definition, value: &Value) -> Result<(), ConfigError> {
    match key.refused {
        Some(Refused::Always(reason)) => Err(ConfigError::new(key.name, reason)),
        Some(Refused::IfTrue(reason)) if value.as_bool() == Some(true) => {
            Err(ConfigError::new(key.name, reason))
        },
        _ => Ok(()),
    }
}

/// One line for each key, with the source of its value. Secrets are masked.
impl fmt::Display for Values {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in KEYS.iter().filter(|key| key.refused.is_none()) {
            match self.of.get(key.name) {
                None => writeln!(formatter, "# {} is not set", key.name)?,
                Some((value, source)) => {
                    let shown = format!("{} = {}", key.name, shown(key, value));
                    writeln!(formatter, "{shown:<64} # {}", origin(key, *source))?;
                },
            }
        }
        Ok(())
    }
}

fn default(key: &Definition) -> Option<Value> {
    let table = toml::Table::from_str(&format!("value = {}", key.default?)).ok()?;
    table.get("value").cloned()
}

fn origin(key: &Definition, source: Source) -> String {
    match source {
        Source::Default => "default".to_owned(),
        Source::File => "file".to_owned(),
        Source::Variable => format!("variable {}", key.variable()),
        Source::Flag => format!("flag --{}", key.flag()),
    }
}

fn shown(key: &Definition, value: &Value) -> String {
    if key.is_secret {
        return "\"********\"".to_owned();
    }
    match value.as_str() {
        Some(text) => Value::from(urls::masked(text)).to_string(),
        None => value.to_string(),
    }
}
