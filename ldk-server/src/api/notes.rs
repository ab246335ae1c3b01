//! What callers note with an invoice or a payment.

use std::collections::BTreeMap;

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use prost::Message;

use super::canonical::CanonicalInvoice;
use crate::error::Error;
use crate::ops::labels::Noted;
use crate::store::{InvoiceNotes, PaymentNotes};

/// Labels and external ids are no longer.
const MAX_NAME_BYTES: usize = 256;
const MAX_ENTRIES: usize = 16;
const MAX_KEY_BYTES: usize = 64;
const MAX_VALUE_BYTES: usize = 512;

/// A request that makes an invoice.
pub(super) trait NotedRequest: Message + Clone + CanonicalInvoice {
    /// The name of the call.
    const NAME: &'static str;

    /// Takes out the label, the external id and the metadata.
    fn take_notes(&mut self) -> (String, String, BTreeMap<String, String>);
}

macro_rules! noted {
    ($($request:ident)+) => {
        $(impl NotedRequest for ldk_server_grpc::api::$request {
            const NAME: &'static str = stringify!($request);

            fn take_notes(&mut self) -> (String, String, BTreeMap<String, String>) {
                let take = std::mem::take::<String>;
                (
                    take(&mut self.label),
                    take(&mut self.external_id),
                    std::mem::take(&mut self.metadata),
                )
            }
        })+
    };
}

noted! {
    Bolt11ReceiveRequest
    Bolt11ReceiveForHashRequest
    Bolt11ReceiveViaJitChannelRequest
    Bolt11ReceiveVariableAmountViaJitChannelRequest
    Bolt12ReceiveRequest
}

/// Parses what the caller notes, and takes it out of the request.
pub(super) fn take<R: NotedRequest>(request: &mut R) -> Result<Noted, Error> {
    let request_digest = digest(request);
    let (label, external_id, metadata) = request.take_notes();
    let notes = InvoiceNotes {
        label: name("label", label)?,
        external_id: name("external_id", external_id)?,
        metadata,
    };
    check_metadata(&notes.metadata)?;
    Ok(Noted { notes, request_digest })
}

/// Parses what the caller notes with a payment.
pub(super) fn of_payment(
    label: String,
    metadata: BTreeMap<String, String>,
) -> Result<PaymentNotes, Error> {
    check_metadata(&metadata)?;
    Ok(PaymentNotes { label: name("label", label)?, metadata })
}

/// The maps of a message are encoded in the order of their keys. What names a default is the same as what leaves
/// it out.
fn digest<R: NotedRequest>(request: &R) -> [u8; 32] {
    let mut request = request.clone();
    request.leave_out_defaults();
    let mut bytes = R::NAME.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend(request.encode_to_vec());
    sha256::Hash::hash(&bytes).to_byte_array()
}

/// Parses a label or an external id.
pub(super) fn name(field: &'static str, text: String) -> Result<Option<String>, Error> {
    match text.len() {
        0 => Ok(None),
        1..=MAX_NAME_BYTES => Ok(Some(text)),
        bytes => Err(Error::invalid(field, format!("has {bytes} bytes; at most {MAX_NAME_BYTES}"))),
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Error> {
    const FIELD: &str = "metadata";
    let invalid = |reason: String| Err(Error::invalid(FIELD, reason));
    if metadata.len() > MAX_ENTRIES {
        return invalid(format!("has {} entries; at most {MAX_ENTRIES}", metadata.len()));
    }
    for (key, value) in metadata {
        let (key, value) = (key.len(), value.len());
        if !(1..=MAX_KEY_BYTES).contains(&key) {
            return invalid(format!("has a key of {key} bytes; 1 to {MAX_KEY_BYTES}"));
        }
        if value > MAX_VALUE_BYTES {
            return invalid(format!("has a value of {value} bytes; at most {MAX_VALUE_BYTES}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::api::{Bolt11ReceiveForHashRequest, Bolt11ReceiveRequest};
    use proptest::prelude::*;

    use super::*;

    fn noted(request: &Bolt11ReceiveRequest) -> Result<Noted, Error> {
        take(&mut request.clone())
    }

    #[test]
    fn names_and_metadata_are_bounded() {
        let request = |label: String, entries: Vec<(String, String)>| Bolt11ReceiveRequest {
            label,
            metadata: entries.into_iter().collect(),
            ..Default::default()
        };
        let entry = |key, value| vec![("k".repeat(key), "v".repeat(value))];
        let many = |count| (0..count).map(|n: usize| (n.to_string(), String::new())).collect();
        assert!(noted(&request("x".repeat(256), entry(64, 512))).is_ok());
        assert!(noted(&request(String::new(), many(16))).is_ok());
        for (request, words) in [
            (request("x".repeat(257), Vec::new()), "label: has 257 bytes"),
            (request(String::new(), entry(65, 0)), "metadata: has a key of 65 bytes"),
            (request(String::new(), entry(0, 1)), "metadata: has a key of 0 bytes"),
            (request(String::new(), entry(1, 513)), "metadata: has a value of 513 bytes"),
            (request(String::new(), many(17)), "metadata: has 17 entries"),
        ] {
            let error = noted(&request).err().unwrap().to_string();
            assert!(error.starts_with(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_request_is_known_again_and_no_other_is_taken_for_it(
            label in "[a-c]{1,2}",
            external_id in "[a-c]{0,1}",
            metadata in prop::collection::btree_map("[ab]", "[ab]", 0..2),
            amount in prop::option::of(1_u64..4),
            other_label in "[a-c]{1,2}",
            other_amount in prop::option::of(1_u64..4),
        ) {
            let one = Bolt11ReceiveRequest {
                label, external_id, metadata, amount_msat: amount, ..Default::default()
            };
            let other = Bolt11ReceiveRequest {
                label: other_label, amount_msat: other_amount, ..one.clone()
            };
            let digest = |request: &_| noted(request).unwrap().request_digest;
            prop_assert_eq!(digest(&one), digest(&one.clone()));
            prop_assert_eq!(digest(&one) == digest(&other), one == other);
            let for_a_day = Bolt11ReceiveRequest { expiry_secs: 86_400, ..one.clone() };
            prop_assert_eq!(digest(&one), digest(&for_a_day), "it is the default");
            let for_hash = Bolt11ReceiveForHashRequest {
                amount_msat: one.amount_msat,
                label: one.label.clone(),
                external_id: one.external_id.clone(),
                metadata: one.metadata.clone(),
                ..Default::default()
            };
            let for_hash = take(&mut for_hash.clone()).unwrap().request_digest;
            prop_assert!(for_hash != digest(&one));
        }
    }
}
