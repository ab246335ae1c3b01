//! What callers have asked for under a key, so that it is done once.

use ldk_node::UserChannelId;
use ldk_node::bitcoin::{Address, Txid};
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::types::PaymentMethod;

/// What a request is told apart by from others under the same key.
pub type RequestDigest = [u8; 32];

/// What a call under a key has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntentOutcome {
    /// A payment over Lightning of this kind.
    Payment(PaymentId, PaymentMethod),
    /// A refund, with its text, and the payment to whoever claims it.
    Refund(PaymentId, String),
    /// A transaction of the wallet.
    Transaction(Txid),
    /// A channel that the peer was asked for.
    Channel(UserChannelId),
    /// A splice that the peer was asked for. It pays to this address, if it takes money out.
    Splice(Option<Address>),
}

/// A call under a key that may have sent something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentRow {
    /// The name of the call.
    pub method: String,
    /// Of its request.
    pub digest: RequestDigest,
    /// When it was made, in Unix seconds.
    pub created_at: u64,
    /// What was answered, encoded; `None` if it is not known what came of the call.
    pub answer: Option<Vec<u8>>,
    /// The payment that it is about, if that was known before.
    pub payment: Option<PaymentId>,
}

/// A row, and the key that it is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct NewIntent {
    pub(in crate::store) key: String,
    pub(in crate::store) row: IntentRow,
}
