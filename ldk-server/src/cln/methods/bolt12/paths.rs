//! Blinded paths, as Core Lightning shows them.

use serde_json::{Map, Value, json};

use super::tlv::Reader;
use crate::cln::methods::scid::scid;

const KEY_BYTES: usize = 33;

/// The paths in a field.
pub(super) fn paths(value: &[u8]) -> Option<Vec<Map<String, Value>>> {
    let (mut paths, mut reader) = (Vec::new(), Reader(value));
    while !reader.is_empty() {
        paths.push(path(&mut reader)?);
    }
    Some(paths)
}

fn path(reader: &mut Reader<'_>) -> Option<Map<String, Value>> {
    let mut path = Map::new();
    let mut add = |name: &str, value: Value| path.insert(name.to_owned(), value);
    // The first node is named by its key, or by one end of a channel.
    match reader.peek()? {
        0 | 1 => {
            add("first_scid_dir", reader.number(1)?.into());
            add("first_scid", scid(reader.number(8)?).into());
        },
        _ => {
            add("first_node_id", reader.hex(KEY_BYTES)?.into());
        },
    }
    add("first_path_key", reader.hex(KEY_BYTES)?.into());
    let hops = reader.number(1)?;
    let hops = (0..hops).map(|_| {
        let blinded_node_id = reader.hex(KEY_BYTES)?;
        let length = usize::try_from(reader.number(2)?).ok()?;
        let data = reader.hex(length)?;
        Some(json!({"blinded_node_id": blinded_node_id, "encrypted_recipient_data": data}))
    });
    add("path", Value::Array(hops.collect::<Option<_>>()?));
    Some(path)
}

/// What using each of the paths costs, in their order.
pub(super) fn pay_infos(value: &[u8]) -> Option<Vec<Value>> {
    let (mut infos, mut reader) = (Vec::new(), Reader(value));
    while !reader.is_empty() {
        infos.push(pay_info(&mut reader)?);
    }
    Some(infos)
}

fn pay_info(reader: &mut Reader<'_>) -> Option<Value> {
    let fee_base_msat = reader.number(4)?;
    let fee_proportional_millionths = reader.number(4)?;
    let cltv_expiry_delta = reader.number(2)?;
    let htlc_minimum_msat = reader.number(8)?;
    let htlc_maximum_msat = reader.number(8)?;
    let length = usize::try_from(reader.number(2)?).ok()?;
    Some(json!({
        "fee_base_msat": fee_base_msat,
        "fee_proportional_millionths": fee_proportional_millionths,
        "cltv_expiry_delta": cltv_expiry_delta,
        "htlc_minimum_msat": htlc_minimum_msat,
        "htlc_maximum_msat": htlc_maximum_msat,
        "features": reader.hex(length)?,
    }))
}
