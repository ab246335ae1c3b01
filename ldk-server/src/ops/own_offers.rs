//! The offers that this node has created. An offer does not show its issuer, and the library does not
//! tell either.

use ldk_node::lightning::io::{self, ErrorKind};
use ldk_node::lightning::offers::offer::Offer;
use ldk_node::lightning::util::persist::KVStoreSync;

use crate::error::Error;

/// The namespaces of the records. The key is the id of the offer.
const NAMESPACE: (&str, &str) = ("ldk_server", "offers");

/// Records that this node has created the offer.
pub(super) fn remember(store: &impl KVStoreSync, offer: &Offer) -> Result<(), Error> {
    let written = store.write(NAMESPACE.0, NAMESPACE.1, &key(offer), vec![1]);
    written.map_err(Error::internal)
}

/// Whether this node has created the offer. Offers from before these records are not known.
pub(super) fn is_own(store: &impl KVStoreSync, offer: &Offer) -> Result<bool, Error> {
    match store.read(NAMESPACE.0, NAMESPACE.1, &key(offer)) {
        Ok(_) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(Error::internal(error)),
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

fn key(offer: &Offer) -> String {
    hex::encode(offer.id().0)
}
