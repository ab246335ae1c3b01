//! What an event of the library says: the one place where the kinds of events are told apart.

use ldk_node::bitcoin::Txid;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::{CustomTlvRecord, Event, UserChannelId};
use ldk_server_grpc::events::event_envelope::Event as Published;
use ldk_server_grpc::events::{
    ChannelState, ChannelStateChanged, PaymentClaimable, PaymentFailed, PaymentForwarded,
    PaymentReceived, PaymentSuccessful, SpliceState, SpliceStateChanged,
};
use ldk_server_grpc::types::{self, PaymentFailureReason};

use super::messages::{channel_state, records, splice_state};
use crate::hold::Held;
use crate::wire;

/// What the server has to take account of.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// A payment waits to be claimed or failed.
    Held(Held),
    /// A payment of so many msat has arrived for good, so it is not held any more.
    Received(PaymentHash, u64),
    /// A channel has its funding transaction.
    ChannelFunded(UserChannelId, Txid),
    /// A channel can be used.
    ChannelReady(UserChannelId),
    /// A channel is closed.
    ChannelClosed(UserChannelId, ChannelId),
    /// A splice has its transaction.
    SplicePending(UserChannelId, Txid),
    /// A splice will have none.
    SpliceFailed(UserChannelId),
}

/// What is read from the contents of an event.
pub(super) struct Meaning {
    /// The name of the event.
    pub(super) event: &'static str,
    /// The payment that it is about.
    pub(super) payment: Option<PaymentId>,
    /// Why that failed, if it has.
    pub(super) failure: Option<PaymentFailureReason>,
    /// What the server has to take account of.
    pub(super) change: Option<Change>,
    /// Whether another event may tell the same.
    pub(super) repetition: Repetition,
    /// What is published, still without the payment.
    pub(super) publication: Published,
}

/// Whether another event may tell the same.
pub(super) enum Repetition {
    /// No other event is equal.
    None,
    /// A payment has one such event.
    OncePerPayment(PaymentHash),
    /// A payment fails again when it is tried again, and a forward or the failure of a splice may well
    /// be like another.
    Possible,
}

/// The one place where the kinds of events are told apart.
pub(super) fn meaning(event: Event) -> Meaning {
    match event {
        Event::PaymentReceived { payment_id, payment_hash, amount_msat, custom_records } => {
            received(payment_id, payment_hash, amount_msat, custom_records)
        },
        Event::PaymentSuccessful {
            payment_id,
            payment_hash,
            payment_preimage: _,
            fee_paid_msat: _,
        } => successful(payment_id, payment_hash),
        Event::PaymentFailed { payment_id, payment_hash: _, reason } => {
            failed(payment_id, wire::failure::reason(reason))
        },
        Event::PaymentClaimable {
            payment_id,
            payment_hash,
            claimable_amount_msat,
            claim_deadline,
            custom_records,
        } => {
            let held = Held { payment_hash, claimable_amount_msat, claim_deadline, custom_records };
            claimable(payment_id, held)
        },
        Event::PaymentForwarded {
            prev_channel_id,
            next_channel_id,
            prev_user_channel_id,
            next_user_channel_id,
            prev_node_id,
            next_node_id,
            total_fee_earned_msat,
            skimmed_fee_msat,
            claim_from_onchain_tx,
            outbound_amount_forwarded_msat,
        } => forwarded(types::ForwardedPayment {
            prev_channel_id: prev_channel_id.to_string(),
            next_channel_id: next_channel_id.to_string(),
            // The contract has no absence for some of these; they are empty where the library knows
            // none.
            prev_user_channel_id: prev_user_channel_id.map(number).unwrap_or_default(),
            next_user_channel_id: next_user_channel_id.map(number),
            total_fee_earned_msat,
            skimmed_fee_msat,
            claim_from_onchain_tx,
            outbound_amount_forwarded_msat,
            prev_node_id: prev_node_id.map(|id| id.to_string()).unwrap_or_default(),
            next_node_id: next_node_id.map(|id| id.to_string()).unwrap_or_default(),
            created_at: 0,
        }),
        Event::ChannelPending {
            channel_id,
            user_channel_id,
            former_temporary_channel_id: _,
            counterparty_node_id,
            funding_txo,
        } => channel(
            "ChannelPending",
            Change::ChannelFunded(user_channel_id, funding_txo.txid),
            channel_state(
                ChannelState::Pending,
                channel_id,
                user_channel_id,
                Some(counterparty_node_id),
                Some(funding_txo),
            ),
        ),
        Event::ChannelReady { channel_id, user_channel_id, counterparty_node_id, funding_txo } => {
            channel(
                "ChannelReady",
                Change::ChannelReady(user_channel_id),
                channel_state(
                    ChannelState::Ready,
                    channel_id,
                    user_channel_id,
                    counterparty_node_id,
                    funding_txo,
                ),
            )
        },
        Event::ChannelClosed { channel_id, user_channel_id, counterparty_node_id, reason } => {
            let state = wire::channel_state::state_after(reason.as_ref());
            let change = ChannelStateChanged {
                closure_initiator: wire::channel_state::initiator(reason.as_ref()).into(),
                reason: reason.map(wire::channel_state::reason),
                ..channel_state(state, channel_id, user_channel_id, counterparty_node_id, None)
            };
            channel("ChannelClosed", Change::ChannelClosed(user_channel_id, channel_id), change)
        },
        Event::SplicePending {
            channel_id,
            user_channel_id,
            counterparty_node_id,
            new_funding_txo,
        } => splice(
            "SplicePending",
            Change::SplicePending(user_channel_id, new_funding_txo.txid),
            Repetition::None,
            splice_state(
                SpliceState::Pending,
                channel_id,
                user_channel_id,
                counterparty_node_id,
                Some(new_funding_txo),
            ),
        ),
        Event::SpliceFailed {
            channel_id,
            user_channel_id,
            counterparty_node_id,
            abandoned_funding_txo,
        } => splice(
            "SpliceFailed",
            Change::SpliceFailed(user_channel_id),
            Repetition::Possible,
            splice_state(
                SpliceState::Failed,
                channel_id,
                user_channel_id,
                counterparty_node_id,
                abandoned_funding_txo,
            ),
        ),
    }
}

fn received(
    payment: Option<PaymentId>,
    hash: PaymentHash,
    amount_msat: u64,
    custom_records: Vec<CustomTlvRecord>,
) -> Meaning {
    let custom_records = records(custom_records);
    Meaning {
        event: "PaymentReceived",
        payment,
        failure: None,
        change: Some(Change::Received(hash, amount_msat)),
        repetition: Repetition::OncePerPayment(hash),
        publication: Published::PaymentReceived(PaymentReceived { payment: None, custom_records }),
    }
}

fn successful(payment: Option<PaymentId>, hash: PaymentHash) -> Meaning {
    Meaning {
        event: "PaymentSuccessful",
        payment,
        failure: None,
        change: None,
        repetition: Repetition::OncePerPayment(payment.map_or(hash, |id| PaymentHash(id.0))),
        publication: Published::PaymentSuccessful(PaymentSuccessful { payment: None }),
    }
}

fn failed(payment: Option<PaymentId>, reason: PaymentFailureReason) -> Meaning {
    Meaning {
        event: "PaymentFailed",
        payment,
        failure: Some(reason),
        change: None,
        repetition: Repetition::Possible,
        publication: Published::PaymentFailed(PaymentFailed { payment: None }),
    }
}

fn claimable(payment: PaymentId, held: Held) -> Meaning {
    let publication = PaymentClaimable {
        payment: None,
        custom_records: records(held.custom_records.clone()),
        claim_deadline: held.claim_deadline,
        claimable_amount_msat: Some(held.claimable_amount_msat),
    };
    Meaning {
        event: "PaymentClaimable",
        payment: Some(payment),
        failure: None,
        change: Some(Change::Held(held)),
        repetition: Repetition::None,
        publication: Published::PaymentClaimable(publication),
    }
}

fn forwarded(payment: types::ForwardedPayment) -> Meaning {
    let publication = PaymentForwarded { forwarded_payment: Some(payment) };
    Meaning {
        event: "PaymentForwarded",
        payment: None,
        failure: None,
        change: None,
        repetition: Repetition::Possible,
        publication: Published::PaymentForwarded(publication),
    }
}

fn channel(event: &'static str, change: Change, state: ChannelStateChanged) -> Meaning {
    Meaning {
        event,
        payment: None,
        failure: None,
        change: Some(change),
        repetition: Repetition::None,
        publication: Published::ChannelStateChanged(state),
    }
}

fn splice(
    event: &'static str,
    change: Change,
    repetition: Repetition,
    state: SpliceStateChanged,
) -> Meaning {
    let publication = Published::SpliceStateChanged(state);
    Meaning { event, payment: None, failure: None, change: Some(change), repetition, publication }
}

fn number(UserChannelId(id): UserChannelId) -> String {
    id.to_string()
}
