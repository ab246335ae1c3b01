//! The parts that the messages of events have in common.

use ldk_node::bitcoin::OutPoint;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::{CustomTlvRecord, UserChannelId};
use ldk_server_grpc::events::event_envelope::Event as Published;
use ldk_server_grpc::events::{
    ChannelClosureInitiator, ChannelState, ChannelStateChanged, SpliceState, SpliceStateChanged,
};
use ldk_server_grpc::types;

/// Puts the payment into a message that tells of one.
pub(super) fn set_payment(event: &mut Published, payment: Option<types::Payment>) {
    match event {
        Published::PaymentReceived(event) => event.payment = payment,
        Published::PaymentSuccessful(event) => event.payment = payment,
        // The library may write down that a payment is pending after it has told that it failed.
        Published::PaymentFailed(event) => {
            event.payment = payment;
            if let Some(payment) = &mut event.payment {
                payment.set_status(types::PaymentStatus::Failed);
            }
        },
        Published::PaymentClaimable(event) => event.payment = payment,
        Published::PaymentForwarded(_)
        | Published::ChannelStateChanged(_)
        | Published::SpliceStateChanged(_)
        | Published::PaymentFailedBack(_) => {},
    }
}

/// A splice is in this state.
pub(super) fn splice_state(
    state: SpliceState,
    channel_id: ChannelId,
    user_channel_id: UserChannelId,
    counterparty_node_id: PublicKey,
    funding_txo: Option<OutPoint>,
) -> SpliceStateChanged {
    SpliceStateChanged {
        channel_id: channel_id.to_string(),
        user_channel_id: user_channel_id.0.to_string(),
        counterparty_node_id: counterparty_node_id.to_string(),
        state: state.into(),
        funding_txo: funding_txo.map(|outpoint| outpoint.to_string()),
    }
}

/// A channel is in this state.
pub(super) fn channel_state(
    state: ChannelState,
    channel_id: ChannelId,
    user_channel_id: UserChannelId,
    counterparty_node_id: Option<PublicKey>,
    funding_txo: Option<OutPoint>,
) -> ChannelStateChanged {
    ChannelStateChanged {
        channel_id: channel_id.to_string(),
        user_channel_id: user_channel_id.0.to_string(),
        counterparty_node_id: counterparty_node_id.map(|id| id.to_string()),
        state: state.into(),
        funding_txo: funding_txo.map(|outpoint| outpoint.to_string()),
        reason: None,
        closure_initiator: ChannelClosureInitiator::Unspecified.into(),
    }
}

/// What the payer has sent along.
pub(super) fn records(records: Vec<CustomTlvRecord>) -> Vec<types::CustomTlvRecord> {
    records
        .into_iter()
        .map(|CustomTlvRecord { type_num, value }| types::CustomTlvRecord { type_num, value })
        .collect()
}
