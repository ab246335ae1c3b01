//! Payments without an invoice.

use std::collections::HashSet;

use ldk_node::CustomTlvRecord;
use ldk_node::lightning_types::payment::PaymentPreimage;
use ldk_server_grpc::api::{SpontaneousSendRequest, SpontaneousSendResponse};
use ldk_server_grpc::types;

use super::{fields, notes, route};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::store::with_notes;

/// Lower types belong to the protocol.
const FIRST_CUSTOM_TYPE: u64 = 1 << 16;
/// Higher types that have a meaning: the preimage of a keysend payment, and the request for a BOLT 12
/// invoice.
const RESERVED_TYPES: [u64; 2] = [5_482_373_484, 77_777];
/// An onion has 1300 bytes. With the rest of what the last hop is told (preimage, amount, height
/// and checksum) so much fits, however large the numbers are.
const MAX_RECORDS_BYTES: u64 = 1_200;

pub(super) fn send(
    app: &App,
    caller: &Caller,
    request: SpontaneousSendRequest,
) -> Result<SpontaneousSendResponse, Error> {
    let SpontaneousSendRequest {
        amount_msat,
        node_id,
        route_parameters,
        custom_tlvs,
        preimage,
        idempotency_key: _,
        wait_timeout_secs: _,
        label,
        metadata,
    } = request;
    let notes = notes::of_payment(label, metadata)?;
    let amount_msat = fields::amount_msat("amount_msat", amount_msat)?;
    let node_id = fields::public_key("node_id", &node_id)?;
    if node_id == app.node.node_id() {
        return Err(Error::invalid("node_id", "is this node's own key"));
    }
    let limits = route::limits(app.route_defaults, route_parameters)?;
    ops::spontaneous::check_limits(limits)?;
    let records = records(custom_tlvs)?;
    let preimage =
        preimage.map(|text| fields::secret("preimage", &text).map(PaymentPreimage)).transpose()?;
    let payment = ops::spontaneous::Payment { node_id, amount_msat, records, preimage, limits };
    let id = with_notes(&notes, || ops::spontaneous::send(app, caller, payment))?;
    Ok(SpontaneousSendResponse { payment_id: hex::encode(id.0), ..Default::default() })
}

fn records(custom_tlvs: Vec<types::CustomTlvRecord>) -> Result<Vec<CustomTlvRecord>, Error> {
    let refused = |reason: String| Err(Error::invalid("custom_tlvs", reason));
    let mut types = HashSet::new();
    let mut bytes: u64 = 0;
    for (index, record) in custom_tlvs.iter().enumerate() {
        let types::CustomTlvRecord { type_num, value } = record;
        if *type_num < FIRST_CUSTOM_TYPE {
            return refused(format!(
                "custom_tlvs[{index}] has the type {type_num}; at least {FIRST_CUSTOM_TYPE}"
            ));
        }
        if RESERVED_TYPES.contains(type_num) {
            return refused(format!(
                "custom_tlvs[{index}] has the type {type_num}, a reserved one"
            ));
        }
        if !types.insert(type_num) {
            return refused(format!("custom_tlvs[{index}] has the type {type_num} once more"));
        }
        let length = value.len() as u64;
        bytes = bytes
            .saturating_add(number_bytes(*type_num))
            .saturating_add(number_bytes(length))
            .saturating_add(length);
    }
    if bytes > MAX_RECORDS_BYTES {
        return refused(format!(
            "take {bytes} bytes with their types and lengths; at most {MAX_RECORDS_BYTES}"
        ));
    }
    let record = |types::CustomTlvRecord { type_num, value }| CustomTlvRecord { type_num, value };
    Ok(custom_tlvs.into_iter().map(record).collect())
}

/// The size of a number in a TLV stream (BOLT 1, BigSize).
fn number_bytes(number: u64) -> u64 {
    match number {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(tlvs: &[(u64, usize)]) -> Result<usize, String> {
        let tlvs = tlvs.iter().map(|(type_num, length)| types::CustomTlvRecord {
            type_num: *type_num,
            value: vec![7; *length],
        });
        records(tlvs.collect()).map(|records| records.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn types_of_our_own_are_taken() {
        assert_eq!(checked(&[]), Ok(0));
        assert_eq!(checked(&[(65_537, 0), (65_536, 5), (u64::MAX, 1)]), Ok(3));
    }

    #[test]
    fn the_record_that_is_wrong_is_named() {
        for (tlvs, words) in [
            (vec![(65_537, 1), (65_535, 1)], "custom_tlvs[1] has the type 65535; at least 65536"),
            (vec![(5_482_373_484, 1)], "custom_tlvs[0] has the type 5482373484, a reserved one"),
            (vec![(65_537, 1), (77_777, 1)], "custom_tlvs[1] has the type 77777, a reserved one"),
            (vec![(65_537, 1), (65_539, 1), (65_537, 2)], "custom_tlvs[2] has the type 65537 once"),
        ] {
            let refused = checked(&tlvs).unwrap_err();
            assert!(refused.starts_with("custom_tlvs: ") && refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn records_must_fit_the_onion() {
        // The type takes 5 bytes, the length 3.
        assert_eq!(checked(&[(65_537, 1_192)]), Ok(1));
        let refused = checked(&[(65_537, 1_193)]).unwrap_err();
        assert!(refused.contains("take 1201 bytes"), "{refused}");
        assert!(checked(&[(65_537, 600), (65_539, 600)]).is_err());
    }
}
