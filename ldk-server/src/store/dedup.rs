//! By what an event is known that can happen only once.

use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::bitcoin::hashes::sha256::Hash as Sha256;
use ldk_node::lightning_types::payment::PaymentHash;

use super::Digest;

/// The key of the one event of this kind about this payment.
pub fn dedup_key(kind: &str, payment: &PaymentHash) -> Digest {
    Sha256::hash(&[kind.as_bytes(), &payment.0].concat()).to_byte_array()
}
