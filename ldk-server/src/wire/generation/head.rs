//! The messages of the later generation that have other numbers.

use ldk_server_grpc::types::payment_kind::Kind;
use ldk_server_grpc::types::{self, Bolt11, Bolt12Offer, Bolt12Refund, Onchain, Spontaneous};
use prost::{DecodeError, Message, Oneof};

/// `types.PaymentKind`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PaymentKind {
    #[prost(oneof = "HeadKind", tags = "1, 2, 3, 4, 5")]
    pub(super) kind: Option<HeadKind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum HeadKind {
    #[prost(message, tag = "1")]
    Onchain(Onchain),
    #[prost(message, tag = "2")]
    Bolt11(Bolt11),
    #[prost(message, tag = "3")]
    Bolt12Offer(Bolt12Offer),
    #[prost(message, tag = "4")]
    Bolt12Refund(Bolt12Refund),
    #[prost(message, tag = "5")]
    Spontaneous(Spontaneous),
}

/// `types.HtlcLocator`: where a payment came in or went out.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HtlcLocator {
    #[prost(string, tag = "1")]
    pub(super) channel_id: String,
    #[prost(string, optional, tag = "2")]
    pub(super) user_channel_id: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) node_id: Option<String>,
}

/// `types.ForwardedPayment`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ForwardedPayment {
    #[prost(uint64, optional, tag = "1")]
    pub(super) total_fee_earned_msat: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) skimmed_fee_msat: Option<u64>,
    #[prost(bool, tag = "3")]
    pub(super) claim_from_onchain_tx: bool,
    #[prost(uint64, optional, tag = "4")]
    pub(super) outbound_amount_forwarded_msat: Option<u64>,
    #[prost(message, repeated, tag = "5")]
    pub(super) prev_htlcs: Vec<HtlcLocator>,
    #[prost(message, repeated, tag = "6")]
    pub(super) next_htlcs: Vec<HtlcLocator>,
    /// Of both generations here.
    #[prost(uint64, tag = "1000")]
    pub(super) created_at: u64,
}

/// `types.DirectedShortChannelId`: a node, by a channel of it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DirectedShortChannelId {
    #[prost(uint64, tag = "1")]
    pub(super) scid: u64,
    #[prost(enumeration = "types::ChannelDirection", tag = "2")]
    pub(super) direction: i32,
}

/// `types.BlindedPath`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BlindedPath {
    #[prost(oneof = "IntroductionNode", tags = "1, 2")]
    pub(super) introduction_node: Option<IntroductionNode>,
    #[prost(string, tag = "3")]
    pub(super) blinding_point: String,
    #[prost(uint32, tag = "4")]
    pub(super) num_hops: u32,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum IntroductionNode {
    #[prost(string, tag = "1")]
    NodeId(String),
    #[prost(message, tag = "2")]
    DirectedScid(DirectedShortChannelId),
}

/// A payment over a just-in-time channel is a BOLT 11 payment there.
pub(super) fn payment_kind(encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let kind = types::PaymentKind::decode(encoded)?.kind.map(|kind| match kind {
        Kind::Onchain(onchain) => HeadKind::Onchain(onchain),
        Kind::Bolt11(bolt11) => HeadKind::Bolt11(bolt11),
        Kind::Bolt11Jit(jit) => HeadKind::Bolt11(Bolt11 {
            hash: jit.hash,
            preimage: jit.preimage,
            secret: jit.secret,
            counterparty_skimmed_fee_msat: jit.counterparty_skimmed_fee_msat,
        }),
        Kind::Bolt12Offer(offer) => HeadKind::Bolt12Offer(offer),
        Kind::Bolt12Refund(refund) => HeadKind::Bolt12Refund(refund),
        Kind::Spontaneous(spontaneous) => HeadKind::Spontaneous(spontaneous),
    });
    Ok(PaymentKind { kind }.encode_to_vec())
}

/// This library forwards a payment from one channel to one other.
pub(super) fn forwarded_payment(encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let payment = types::ForwardedPayment::decode(encoded)?;
    let unless_empty = |text: String| (!text.is_empty()).then_some(text);
    let prev = HtlcLocator {
        channel_id: payment.prev_channel_id,
        user_channel_id: unless_empty(payment.prev_user_channel_id),
        node_id: unless_empty(payment.prev_node_id),
    };
    let next = HtlcLocator {
        channel_id: payment.next_channel_id,
        user_channel_id: payment.next_user_channel_id,
        node_id: unless_empty(payment.next_node_id),
    };
    let payment = ForwardedPayment {
        total_fee_earned_msat: payment.total_fee_earned_msat,
        skimmed_fee_msat: payment.skimmed_fee_msat,
        claim_from_onchain_tx: payment.claim_from_onchain_tx,
        outbound_amount_forwarded_msat: payment.outbound_amount_forwarded_msat,
        prev_htlcs: vec![prev],
        next_htlcs: vec![next],
        created_at: payment.created_at,
    };
    Ok(payment.encode_to_vec())
}

pub(super) fn blinded_path(encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let path = types::BlindedPath::decode(encoded)?;
    let direction = path.introduction_direction();
    let by_channel = |scid| {
        let direction = direction.into();
        IntroductionNode::DirectedScid(DirectedShortChannelId { scid, direction })
    };
    let introduction_node = path
        .introduction_node_id
        .map(IntroductionNode::NodeId)
        .or_else(|| path.introduction_scid.map(by_channel));
    let path = BlindedPath {
        introduction_node,
        blinding_point: path.blinding_point,
        num_hops: path.num_hops,
    };
    Ok(path.encode_to_vec())
}
