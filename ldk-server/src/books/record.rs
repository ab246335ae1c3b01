//! What is kept of a channel, from when it is funded on and for ever.

use ldk_node::bitcoin::OutPoint;
use ldk_server_grpc::events::ChannelStateChangeReason;

/// The kind of the store's records that channels are kept as; the id of the channel is the key.
pub(super) const RECORDS: &str = "channel_books";

/// A channel, as it is on disk. What is `None` is not known.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ChannelRecord {
    /// Our own id of it, in decimal.
    #[prost(string, tag = "1")]
    pub user_channel_id: String,
    /// The peer.
    #[prost(string, tag = "2")]
    pub counterparty_node_id: String,
    /// The first funding output, as `txid:vout`.
    #[prost(string, tag = "3")]
    pub funding: String,
    /// When it was funded, in Unix seconds.
    #[prost(uint64, optional, tag = "4")]
    pub opened_at: Option<u64>,
    /// Its first size.
    #[prost(uint64, optional, tag = "5")]
    pub value_sats: Option<u64>,
    /// Whether it was opened by us.
    #[prost(bool, tag = "6")]
    pub is_outbound: bool,
    /// What we had in it at first.
    #[prost(uint64, optional, tag = "7")]
    pub opening_balance_sats: Option<u64>,
    /// Whether its closing transactions have anchors.
    #[prost(bool, optional, tag = "8")]
    pub has_anchors: Option<bool>,
    /// Its splices, in their order.
    #[prost(message, repeated, tag = "9")]
    pub splices: Vec<Splice>,
    /// A splice of ours that has no transaction yet.
    #[prost(message, optional, tag = "10")]
    pub begun_splice: Option<BegunSplice>,
    /// How it was closed.
    #[prost(message, optional, tag = "11")]
    pub closing: Option<Closing>,
    /// What was swept, or is to be, after it was closed.
    #[prost(message, repeated, tag = "12")]
    pub outputs: Vec<ClosedOutput>,
    /// Whether it was announced to the network, or was to be.
    #[prost(bool, optional, tag = "13")]
    pub is_announced: Option<bool>,
    /// Its number on the chain, the last one that it had.
    #[prost(uint64, optional, tag = "14")]
    pub short_channel_id: Option<u64>,
}

/// A splice.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Splice {
    /// The new funding output, as `txid:vout`.
    #[prost(string, tag = "1")]
    pub funding: String,
    /// When the channel could be used with it, in Unix seconds.
    #[prost(uint64, optional, tag = "2")]
    pub ready_at: Option<u64>,
    /// The size of the channel after it.
    #[prost(uint64, optional, tag = "3")]
    pub value_sats: Option<u64>,
    /// What we have put in, or, if it is negative, taken out without fees. `None` if the peer began it.
    #[prost(sint64, optional, tag = "4")]
    pub amount_sats: Option<i64>,
}

/// A splice of ours that has no transaction yet.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BegunSplice {
    /// What is put in, or, if it is negative, taken out.
    #[prost(sint64, tag = "1")]
    pub amount_sats: i64,
    /// When it began, in Unix seconds.
    #[prost(uint64, tag = "2")]
    pub begun_at: u64,
}

/// How a channel was closed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Closing {
    /// When, in Unix seconds.
    #[prost(uint64, tag = "1")]
    pub at: u64,
    /// Why.
    #[prost(message, optional, tag = "2")]
    pub reason: Option<ChannelStateChangeReason>,
    /// Who closed it, by the numbers of the API.
    #[prost(int32, tag = "3")]
    pub initiator: i32,
    /// What its commitment transaction pays to us.
    #[prost(uint64, optional, tag = "4")]
    pub claimable_sats: Option<u64>,
    /// What we had, before the fee of the commitment transaction and its anchors.
    #[prost(uint64, optional, tag = "5")]
    pub balance_sats: Option<u64>,
    /// Whether it was never funded.
    #[prost(bool, tag = "6")]
    pub failed_to_open: bool,
}

/// An output of a closed channel.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClosedOutput {
    /// As `txid:vout`.
    #[prost(string, tag = "1")]
    pub outpoint: String,
    /// What is in it.
    #[prost(uint64, tag = "2")]
    pub value_sats: u64,
}

impl ChannelRecord {
    /// The funding outputs that it has had, the last first, each with the size of the channel.
    pub(super) fn fundings(&self) -> Vec<(OutPoint, Option<u64>)> {
        let ready = self.splices.iter().rev().filter(|splice| splice.ready_at.is_some());
        let spliced = ready.map(|splice| (&splice.funding, splice.value_sats));
        let all = spliced.chain([(&self.funding, self.value_sats)]);
        all.filter_map(|(funding, value)| Some((funding.parse().ok()?, value))).collect()
    }

    /// Its size, now or at last.
    pub fn current_value_sats(&self) -> Option<u64> {
        self.fundings().first().map_or(self.value_sats, |(_, value)| *value)
    }

    /// Its first funding output.
    pub(super) fn first_funding(&self) -> Option<OutPoint> {
        self.funding.parse().ok()
    }
}
