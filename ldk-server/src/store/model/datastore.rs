//! What callers keep under keys of their own, as Core Lightning's `datastore` does.

/// How many bytes a value may have.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// A key: a path of at least one name. Names have no NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatastoreKey(Vec<String>);

/// Separates the names of a key where it is stored, so that keys are in the order of their paths.
const SEPARATOR: u8 = 0;

impl DatastoreKey {
    /// The key with these names; `None` if it cannot be one.
    pub fn new(names: Vec<String>) -> Option<Self> {
        let can_be = !names.is_empty()
            && !names.iter().any(|name| name.bytes().any(|byte| byte == SEPARATOR));
        can_be.then_some(Self(names))
    }

    /// Its names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The keys that it lies under, the nearest last.
    pub(in crate::store) fn parents(&self) -> impl Iterator<Item = Self> {
        (1..self.0.len()).filter_map(|length| self.0.get(..length)).map(|names| Self(names.into()))
    }

    /// As it is stored.
    pub(in crate::store) fn bytes(&self) -> Vec<u8> {
        self.0.join("\0").into_bytes()
    }

    /// What the keys that lie under it begin with, and what comes right behind the last of them.
    pub(in crate::store) fn children(&self) -> (Vec<u8>, Vec<u8>) {
        let bytes = self.bytes();
        ([&*bytes, &[SEPARATOR]].concat(), [&*bytes, &[SEPARATOR + 1]].concat())
    }

    /// Reads a key as it is stored.
    pub(in crate::store) fn parse(bytes: &[u8]) -> Self {
        let names = bytes.split(|byte| *byte == SEPARATOR);
        Self(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }
}

/// What is kept under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatastoreRow {
    /// The key.
    pub key: DatastoreKey,
    /// The value.
    pub value: Vec<u8>,
    /// How often the value has changed.
    pub generation: u64,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatastoreMode {
    /// Whether there must be one already, or must not be. `None` if either will do.
    pub exists: Option<bool>,
    /// Whether it comes behind the one that is there.
    pub appends: bool,
}

/// A change of what callers keep.
#[derive(Debug)]
pub(in crate::store) enum DatastoreChange {
    /// Writes a value.
    Put {
        key: DatastoreKey,
        value: Vec<u8>,
        mode: DatastoreMode,
        /// How often the value must have changed.
        generation: Option<u64>,
    },
    /// Deletes a value.
    Delete {
        key: DatastoreKey,
        /// How often the value must have changed.
        generation: Option<u64>,
    },
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatastoreRefusal {
    /// There is a value.
    Exists,
    /// There is none.
    Missing,
    /// The value has changed this often, and not as often as was said.
    OtherGeneration(u64),
    /// Others lie under the key.
    HasChildren,
    /// There is a value at this key, which it would lie under.
    ParentExists(DatastoreKey),
    /// With what is there it would have more than [`MAX_VALUE_BYTES`].
    TooLong,
}

/// What is found before a value is written.
pub(in crate::store) struct DatastoreFound {
    /// The value at the key.
    pub(in crate::store) row: Option<DatastoreRow>,
    /// A value at a key that it lies under.
    pub(in crate::store) parent: Option<DatastoreKey>,
    /// Whether others lie under the key.
    pub(in crate::store) has_children: bool,
}

impl DatastoreFound {
    /// What is there afterwards, or why nothing changes.
    pub(in crate::store) fn put(
        self,
        key: DatastoreKey,
        value: Vec<u8>,
        mode: DatastoreMode,
        generation: Option<u64>,
    ) -> Result<DatastoreRow, DatastoreRefusal> {
        let Self { row, parent, has_children } = self;
        match (&row, mode.exists) {
            (Some(_), Some(false)) => return Err(DatastoreRefusal::Exists),
            (None, Some(true)) => return Err(DatastoreRefusal::Missing),
            _ => {},
        }
        if let Some(parent) = parent {
            return Err(DatastoreRefusal::ParentExists(parent));
        }
        if has_children {
            return Err(DatastoreRefusal::HasChildren);
        }
        let Some(row) = row else { return Ok(DatastoreRow { key, value, generation: 0 }) };
        is_of_generation(&row, generation)?;
        let value = if mode.appends { [row.value, value].concat() } else { value };
        if value.len() > MAX_VALUE_BYTES {
            return Err(DatastoreRefusal::TooLong);
        }
        Ok(DatastoreRow { key, value, generation: row.generation.saturating_add(1) })
    }
}

/// Checks how often a value has changed.
pub(in crate::store) fn is_of_generation(
    row: &DatastoreRow,
    generation: Option<u64>,
) -> Result<(), DatastoreRefusal> {
    match generation {
        Some(generation) if generation != row.generation => {
            Err(DatastoreRefusal::OtherGeneration(row.generation))
        },
        _ => Ok(()),
    }
}
