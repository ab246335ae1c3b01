//! The offers and refunds that this node has created. Neither shows who made it, and the library does
//! not tell either.

use ldk_node::lightning::io::{self, ErrorKind};
use ldk_node::lightning::offers::offer::Offer;
use ldk_node::lightning::offers::refund::Refund;
use ldk_node::lightning::util::persist::KVStoreSync;
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// The primary namespace of the records.
const NAMESPACE: &str = "ldk_server";
/// The secondary namespaces. The key is the id of the offer, or the hash of the refund.
const OFFERS: &str = "offers";
const REFUNDS: &str = "refunds";

/// Records that this node has created the offer.
pub(super) fn remember(store: &impl KVStoreSync, offer: &Offer) -> Result<(), Error> {
    write(store, OFFERS, &offer.id().0)
}

/// Whether this node has created the offer. Offers from before these records are not known.
pub(super) fn is_own(store: &impl KVStoreSync, offer: &Offer) -> Result<bool, Error> {
    exists(store, OFFERS, &offer.id().0)
}

/// Records that this node has created the refund.
pub(super) fn remember_refund(store: &impl KVStoreSync, refund: &Refund) -> Result<(), Error> {
    write(store, REFUNDS, &Sha256::digest(refund))
}

/// Whether this node has created the refund.
pub(super) fn is_own_refund(store: &impl KVStoreSync, refund: &Refund) -> Result<bool, Error> {
    exists(store, REFUNDS, &Sha256::digest(refund))
}

fn write(store: &impl KVStoreSync, kind: &str, id: &[u8]) -> Result<(), Error> {
    store.write(NAMESPACE, kind, &hex::encode(id), vec![1]).map_err(Error::internal)
}

fn exists(store: &impl KVStoreSync, kind: &str, id: &[u8]) -> Result<bool, Error> {
    match store.read(NAMESPACE, kind, &hex::encode(id)) {
        Ok(_) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(Error::internal(error)),
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}
