//! The types of the crate `cln-rpc`, which refuse an answer that lacks what Core Lightning always answers.

use anyhow::{Context as _, Result};
use cln_rpc::Response;
use serde_json::{Value, json};

/// What the crate has no types for.
pub(crate) const WITHOUT_TYPES: [&str; 7] = [
    "check",
    "decodepay",
    "delexpiredinvoice",
    "listsqlschemas",
    "notifications",
    "parsefeerate",
    "sql",
];

/// Reads an answer as the crate does.
pub(super) fn read(method: &str, result: &Value) -> Result<()> {
    if WITHOUT_TYPES.contains(&method) {
        return Ok(());
    }
    let response = json!({"method": method, "result": result});
    let read: Result<Response, _> = serde_json::from_value(response);
    read.map(drop).with_context(|| format!("cln-rpc cannot read {method}: {result}"))
}

#[test]
fn what_is_missing_is_refused() {
    assert!(read("checkmessage", &json!({"verified": true})).is_err());
}
