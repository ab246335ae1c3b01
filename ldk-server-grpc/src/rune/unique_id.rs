//! The name of a rune.

use std::fmt;

use super::RuneError;
use super::restriction::{escape, unescape};

const VERSION: char = '-';

/// What names a rune and all that are made of it by restricting: `=3`, or `=3-1` with a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueId {
    text: String,
}

impl UniqueId {
    /// What stands before the id, without a field.
    pub(super) const OPERATOR: char = '=';

    pub(super) fn new(id: u64) -> Self {
        Self { text: id.to_string() }
    }

    pub(super) fn parse(restriction: &str) -> Result<Self, RuneError> {
        let value = restriction.strip_prefix(Self::OPERATOR).ok_or(RuneError::MisplacedId)?;
        Ok(Self { text: unescape(value).map_err(|_| RuneError::MisplacedId)? })
    }

    /// The id, without the version. Runes of ours have a number, see [`Self::number`].
    pub fn id(&self) -> &str {
        self.text.split_once(VERSION).map_or(&self.text, |(id, _)| id)
    }

    /// The id as a number, if it is written as [`u64`] writes it.
    pub fn number(&self) -> Option<u64> {
        self.id().parse().ok().filter(|number: &u64| number.to_string() == self.id())
    }

    /// The version of the rune's conditions, if it has one.
    pub fn version(&self) -> Option<&str> {
        self.text.split_once(VERSION).map(|(_, version)| version)
    }
}

/// As a restriction: `=3`.
impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::OPERATOR, escape(&self.text))
    }
}
