//! Metadata as it is stored in a column.

use std::collections::BTreeMap;

use prost::Message as _;
use rusqlite::types::Type;

#[derive(Clone, PartialEq, prost::Message)]
struct Metadata {
    #[prost(btree_map = "string, string", tag = "1")]
    entries: BTreeMap<String, String>,
}

pub(super) fn encode(entries: &BTreeMap<String, String>) -> Vec<u8> {
    Metadata { entries: entries.clone() }.encode_to_vec()
}

/// Reads what is in this column.
pub(super) fn decode(column: usize, bytes: &[u8]) -> rusqlite::Result<BTreeMap<String, String>> {
    match Metadata::decode(bytes) {
        Ok(Metadata { entries }) => Ok(entries),
        Err(error) => {
            Err(rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, error.into()))
        },
    }
}
