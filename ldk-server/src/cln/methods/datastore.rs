//! `datastore`, `listdatastore` and `deldatastore`: what clients keep under keys of their own.

use serde::Serialize;
use serde_json::Value;

use super::Method;
use crate::cln::Call;
use crate::cln::args::{Args, Param};
use crate::cln::error::{RpcError, code};
use crate::error::Error;
use crate::store::{DatastoreKey, DatastoreMode, DatastoreRefusal, DatastoreRow, MAX_VALUE_BYTES};

/// A key: a text, or a list of texts and numbers.
struct Key(Option<DatastoreKey>);

impl Param for Key {
    const EXPECTED: &'static str = "a string or an array of strings, without NUL";

    fn read(value: &Value) -> Option<Self> {
        let name = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let names = match value {
            Value::Array(names) if names.is_empty() => return Some(Self(None)),
            Value::Array(names) => names.iter().map(name).collect::<Option<_>>()?,
            single => vec![name(single)?],
        };
        DatastoreKey::new(names).map(|key| Self(Some(key)))
    }
}

fn key(args: &Args) -> Result<DatastoreKey, RpcError> {
    let Key(key) = args.required("key")?;
    key.ok_or_else(|| RpcError::params("key: should not be empty"))
}

struct Hex(Vec<u8>);

impl Param for Hex {
    const EXPECTED: &'static str = "hex data";
    const IS_SECRET: bool = true;

    fn read(value: &Value) -> Option<Self> {
        hex::decode(value.as_str()?).ok().map(Self)
    }
}

/// A text, which is not repeated in an error.
struct Text(String);

impl Param for Text {
    const EXPECTED: &'static str = "a string";
    const IS_SECRET: bool = true;

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self(text.clone())),
            Value::Number(number) => Some(Self(number.to_string())),
            _ => None,
        }
    }
}

struct Mode(DatastoreMode);

impl Param for Mode {
    const EXPECTED: &'static str =
        "'must-create', 'must-replace', 'create-or-replace', 'must-append' or 'create-or-append'";

    fn read(value: &Value) -> Option<Self> {
        let (exists, appends) = match value.as_str()? {
            "must-create" => (Some(false), false),
            "must-replace" => (Some(true), false),
            "create-or-replace" => (None, false),
            "must-append" => (Some(true), true),
            "create-or-append" => (None, true),
            _ => return None,
        };
        Some(Self(DatastoreMode { exists, appends }))
    }
}

/// A value, or that others lie under this key.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    key: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string: Option<String>,
}

impl From<DatastoreRow> for Row {
    fn from(row: DatastoreRow) -> Self {
        Self {
            key: row.key.names().to_vec(),
            generation: Some(row.generation),
            hex: Some(hex::encode(&row.value)),
            string: String::from_utf8(row.value).ok(),
        }
    }
}

/// Fails unless the caller may do everything. What others have stored may be secret, and no call of the
/// API allows less.
fn check_access(call: &Call) -> Result<(), RpcError> {
    Ok(call.caller.must_be_unrestricted()?)
}

/// `datastore`: keeps a value.
pub(super) struct Datastore {
    key: DatastoreKey,
    value: Vec<u8>,
    mode: DatastoreMode,
    generation: Option<u64>,
}

impl Method for Datastore {
    const NAME: &'static str = "datastore";
    const USAGE: &'static str = "key [string] [hex] [mode] [generation]";
    type Answer = Row;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let text = args.optional::<Text>("string")?.map(|text| text.0.into_bytes());
        let bytes = args.optional::<Hex>("hex")?.map(|hex| hex.0);
        let value = match (text, bytes) {
            (Some(_), Some(_)) => {
                return Err(RpcError::params("Cannot specify both string or hex"));
            },
            (text, bytes) => text.or(bytes),
        };
        let value = value.ok_or_else(|| RpcError::params("Must have either string or hex"))?;
        let create = DatastoreMode { exists: Some(false), appends: false };
        let mode = args.optional::<Mode>("mode")?.map_or(create, |mode| mode.0);
        let generation = args.optional("generation")?;
        if generation.is_some() && mode.exists != Some(true) {
            let reason = "generation only valid with must-replace or must-append";
            return Err(RpcError::params(reason));
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(too_long());
        }
        Ok(Self { key: key(args)?, value, mode, generation })
    }

    async fn run(self, call: Call) -> Result<Row, RpcError> {
        check_access(&call)?;
        let put = call.work("datastore", move |app| {
            let Self { key, value, mode, generation } = self;
            app.store.put_data(key, value, mode, generation).map_err(Error::internal)
        });
        put.await?.map(Row::from).map_err(refused_to_put)
    }
}

fn too_long() -> RpcError {
    RpcError::params(format!("a value has at most {MAX_VALUE_BYTES} bytes"))
}

fn refused_to_put(refusal: DatastoreRefusal) -> RpcError {
    match refusal {
        DatastoreRefusal::Exists => {
            RpcError::new(code::DATASTORE_UPDATE_ALREADY_EXISTS, "Key already exists")
        },
        DatastoreRefusal::Missing => {
            RpcError::new(code::DATASTORE_UPDATE_DOES_NOT_EXIST, "Key does not exist")
        },
        DatastoreRefusal::OtherGeneration(_) => {
            RpcError::new(code::DATASTORE_UPDATE_WRONG_GENERATION, "generation is different")
        },
        DatastoreRefusal::HasChildren => {
            RpcError::new(code::DATASTORE_UPDATE_HAS_CHILDREN, "Key has children already")
        },
        DatastoreRefusal::ParentExists(parent) => RpcError::new(
            code::DATASTORE_UPDATE_NO_CHILDREN,
            format!("Parent key [{}] exists", parent.names().join(",")),
        ),
        DatastoreRefusal::TooLong => too_long(),
    }
}

/// `deldatastore`: deletes a value.
pub(super) struct DelDatastore {
    key: DatastoreKey,
    generation: Option<u64>,
}

impl Method for DelDatastore {
    const NAME: &'static str = "deldatastore";
    const USAGE: &'static str = "key [generation]";
    type Answer = Row;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { key: key(args)?, generation: args.optional("generation")? })
    }

    async fn run(self, call: Call) -> Result<Row, RpcError> {
        check_access(&call)?;
        let delete = call.work("deldatastore", move |app| {
            app.store.delete_data(self.key, self.generation).map_err(Error::internal)
        });
        delete.await?.map(Row::from).map_err(|refusal| match refusal {
            DatastoreRefusal::OtherGeneration(_) => {
                RpcError::new(code::DATASTORE_DEL_WRONG_GENERATION, "generation is different")
            },
            _ => RpcError::new(code::DATASTORE_DEL_DOES_NOT_EXIST, "Key does not exist"),
        })
    }
}

/// `listdatastore`: the value at a key, and those right under it.
pub(super) struct ListDatastore {
    key: Option<DatastoreKey>,
}

#[derive(Serialize)]
pub(super) struct Listed {
    datastore: Vec<Row>,
}

impl Method for ListDatastore {
    const NAME: &'static str = "listdatastore";
    const USAGE: &'static str = "[key]";
    type Answer = Listed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { key: args.optional::<Key>("key")?.and_then(|key| key.0) })
    }

    async fn run(self, call: Call) -> Result<Listed, RpcError> {
        check_access(&call)?;
        let list = call.work("listdatastore", move |app| {
            let rows = app.store.data(self.key.as_ref()).map_err(Error::internal)?;
            let depth = self.key.map_or(0, |key| key.names().len());
            Ok(listed(rows, depth))
        });
        Ok(Listed { datastore: list.await? })
    }
}

/// What lies deeper than right under the key is told once, without its value.
fn listed(rows: Vec<DatastoreRow>, depth: usize) -> Vec<Row> {
    let mut listed: Vec<Row> = Vec::new();
    for row in rows {
        match row.key.names().get(..=depth) {
            Some(names) if names.len() < row.key.names().len() => {
                if listed.last().is_none_or(|last| last.key != names) {
                    let key = names.to_vec();
                    listed.push(Row { key, generation: None, hex: None, string: None });
                }
            },
            _ => listed.push(row.into()),
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn datastore(params: Value) -> Result<Datastore, RpcError> {
        Datastore::read(&Args::of(Datastore::USAGE, Some(params)).unwrap())
    }

    #[test]
    fn a_value_is_text_or_bytes() {
        let read = datastore(json!([["a", 1], "x"])).unwrap();
        assert_eq!(
            (read.key.names(), &*read.value),
            (&["a".to_owned(), "1".to_owned()][..], &b"x"[..])
        );
        assert_eq!(read.mode, DatastoreMode { exists: Some(false), appends: false });
        let read =
            datastore(json!({"key": "a", "hex": "fF", "mode": "must-append", "generation": 0}));
        let read = read.unwrap();
        assert_eq!((read.value, read.generation), (vec![0xff], Some(0)));
        for params in [
            json!(["a"]),
            json!(["a", "x", "00"]),
            json!([[], "x"]),
            json!(["a\u{0}b", "x"]),
            json!(["a", null, "0"]),
            json!(["a", "x", null, "must-be"]),
            json!(["a", "x", null, "must-create", 0]),
        ] {
            assert_eq!(datastore(params).err().unwrap().code, -32602);
        }
    }

    #[test]
    fn what_was_to_be_kept_is_not_repeated_in_an_error() {
        let refused = datastore(json!(["a", null, "secret"])).err().unwrap();
        assert!(!refused.message.contains("secret"), "{refused:?}");
    }

    #[test]
    fn what_lies_deeper_is_told_once() {
        let row = |path: &str| DatastoreRow {
            key: DatastoreKey::new(path.split('/').map(str::to_owned).collect()).unwrap(),
            value: b"v".to_vec(),
            generation: 0,
        };
        let shown = |rows: &[&str], depth| {
            let rows = listed(rows.iter().map(|path| row(path)).collect(), depth).into_iter();
            rows.map(|row| (row.key.join("/"), row.string.is_some())).collect::<Vec<_>>()
        };
        let told = |path: &str, has_value| (path.to_owned(), has_value);
        let rows = ["a/b", "a/c/d", "a/c/e", "a/f/g"];
        let expected = [told("a/b", true), told("a/c", false), told("a/f", false)];
        assert_eq!(shown(&rows, 1), expected);
        assert_eq!(shown(&rows, 0), [told("a", false)]);
        assert_eq!(shown(&["a"], 1), [told("a", true)]);
        let bytes = DatastoreRow { value: vec![0xff], ..row("a") };
        let bytes = serde_json::to_value(Row::from(bytes)).unwrap();
        assert_eq!(bytes, json!({"key": ["a"], "generation": 0, "hex": "ff"}));
    }

    #[test]
    fn refusals_have_the_numbers_of_core_lightning() {
        let parent = DatastoreKey::new(vec!["a".to_owned(), "b".to_owned()]).unwrap();
        let refused = refused_to_put(DatastoreRefusal::ParentExists(parent));
        assert_eq!((refused.code, &*refused.message), (1206, "Parent key [a,b] exists"));
        assert_eq!(refused_to_put(DatastoreRefusal::HasChildren).code, 1205);
        assert_eq!(refused_to_put(DatastoreRefusal::OtherGeneration(1)).code, 1204);
        assert_eq!(refused_to_put(DatastoreRefusal::Missing).code, 1203);
        assert_eq!(refused_to_put(DatastoreRefusal::Exists).code, 1202);
        assert_eq!(refused_to_put(DatastoreRefusal::TooLong).code, -32602);
    }
}
