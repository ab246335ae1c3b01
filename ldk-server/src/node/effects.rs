//! What an event of the node means to our users: a pure function, so that it can be tested without a
//! node.

use ldk_node::bitcoin::OutPoint;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::payment::PaymentDetails;
use ldk_node::{CustomTlvRecord, Event, UserChannelId};
use ldk_server_grpc::events::event_envelope::Event as Published;
use ldk_server_grpc::events::{
    ChannelClosureInitiator, ChannelState, ChannelStateChanged, PaymentClaimable, PaymentFailed,
    PaymentForwarded, PaymentReceived, PaymentSuccessful,
};
use ldk_server_grpc::types;

use crate::wire;

/// What is published for `event`, if anything. `payment` looks a payment up as it is now; one that
/// is no longer there is left out of the message, and the event is published all the same.
pub fn published(
    event: Event,
    payment: impl Fn(&PaymentId) -> Option<PaymentDetails>,
) -> Option<Published> {
    let shown = |id: &Option<PaymentId>| id.as_ref().and_then(&payment).map(wire::payment::payment);
    match event {
        Event::PaymentReceived { payment_id, payment_hash: _, amount_msat: _, custom_records } => {
            Some(Published::PaymentReceived(PaymentReceived {
                payment: shown(&payment_id),
                custom_records: records(custom_records),
            }))
        },
        Event::PaymentSuccessful {
            payment_id,
            payment_hash: _,
            payment_preimage: _,
            fee_paid_msat: _,
        } => Some(Published::PaymentSuccessful(PaymentSuccessful { payment: shown(&payment_id) })),
        Event::PaymentFailed { payment_id, payment_hash: _, reason: _ } => {
            Some(Published::PaymentFailed(PaymentFailed { payment: shown(&payment_id) }))
        },
        Event::PaymentClaimable {
            payment_id,
            payment_hash: _,
            claimable_amount_msat: _,
            claim_deadline,
            custom_records,
        } => Some(Published::PaymentClaimable(PaymentClaimable {
            payment: shown(&Some(payment_id)),
            custom_records: records(custom_records),
            claim_deadline,
        })),
        forwarded @ Event::PaymentForwarded { .. } => forwarded_payment(forwarded),
        Event::ChannelPending {
            channel_id,
            user_channel_id,
            former_temporary_channel_id: _,
            counterparty_node_id,
            funding_txo,
        } => Some(Published::ChannelStateChanged(channel_state(
            ChannelState::Pending,
            channel_id,
            user_channel_id,
            Some(counterparty_node_id),
            Some(funding_txo),
        ))),
        Event::ChannelReady { channel_id, user_channel_id, counterparty_node_id, funding_txo } => {
            Some(Published::ChannelStateChanged(channel_state(
                ChannelState::Ready,
                channel_id,
                user_channel_id,
                counterparty_node_id,
                funding_txo,
            )))
        },
        Event::ChannelClosed { channel_id, user_channel_id, counterparty_node_id, reason } => {
            let state = wire::channel_state::state_after(reason.as_ref());
            Some(Published::ChannelStateChanged(ChannelStateChanged {
                closure_initiator: wire::channel_state::initiator(reason.as_ref()).into(),
                reason: reason.map(wire::channel_state::reason),
                ..channel_state(state, channel_id, user_channel_id, counterparty_node_id, None)
            }))
        },
        // Neither the outcome of a splice nor its failure has a message in the contract.
        Event::SplicePending { .. } | Event::SpliceFailed { .. } => None,
    }
}

fn forwarded_payment(event: Event) -> Option<Published> {
    let Event::PaymentForwarded {
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
    } = event
    else {
        return None;
    };
    // The contract has no absence for some of these; they are empty where the library knows none.
    let number = |id: UserChannelId| id.0.to_string();
    let key = |node_id: Option<PublicKey>| node_id.map(|id| id.to_string()).unwrap_or_default();
    Some(Published::PaymentForwarded(PaymentForwarded {
        forwarded_payment: Some(types::ForwardedPayment {
            prev_channel_id: prev_channel_id.to_string(),
            next_channel_id: next_channel_id.to_string(),
            prev_user_channel_id: prev_user_channel_id.map(number).unwrap_or_default(),
            next_user_channel_id: next_user_channel_id.map(number),
            total_fee_earned_msat,
            skimmed_fee_msat,
            claim_from_onchain_tx,
            outbound_amount_forwarded_msat,
            prev_node_id: key(prev_node_id),
            next_node_id: key(next_node_id),
        }),
    }))
}

fn channel_state(
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

fn records(records: Vec<CustomTlvRecord>) -> Vec<types::CustomTlvRecord> {
    records
        .into_iter()
        .map(|CustomTlvRecord { type_num, value }| types::CustomTlvRecord { type_num, value })
        .collect()
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::events::ClosureReason;
    use ldk_node::lightning_types::payment::PaymentHash;
    use ldk_server_grpc::events::ChannelStateChangeReasonKind;

    use super::*;

    fn changed(event: Event) -> ChannelStateChanged {
        match published(event, |_| None) {
            Some(Published::ChannelStateChanged(change)) => change,
            other => panic!("not a channel state: {other:?}"),
        }
    }

    fn closed(reason: ClosureReason) -> ChannelStateChanged {
        changed(Event::ChannelClosed {
            channel_id: ChannelId([1; 32]),
            user_channel_id: UserChannelId(u128::MAX),
            counterparty_node_id: None,
            reason: Some(reason),
        })
    }

    #[test]
    fn an_event_about_a_removed_payment_is_still_published() {
        let event = Event::PaymentReceived {
            payment_id: Some(PaymentId([1; 32])),
            payment_hash: PaymentHash([1; 32]),
            amount_msat: 1,
            custom_records: vec![CustomTlvRecord { type_num: 65537, value: vec![1] }],
        };
        let Some(Published::PaymentReceived(received)) = published(event, |_| None) else {
            panic!("not published")
        };
        assert_eq!(received.payment, None);
        assert_eq!(received.custom_records[0].type_num, 65537);
    }

    #[test]
    fn a_closed_channel_says_why_and_by_whom() {
        let message = "moving house".to_owned();
        let change = closed(ClosureReason::HolderForceClosed {
            broadcasted_latest_txn: Some(true),
            message,
        });
        assert_eq!(change.state(), ChannelState::Closed);
        assert_eq!(change.closure_initiator(), ChannelClosureInitiator::Local);
        assert_eq!(change.user_channel_id, u128::MAX.to_string());
        let reason = change.reason.unwrap();
        assert_eq!(reason.kind(), ChannelStateChangeReasonKind::HolderForceClosed);
        assert!(reason.message.contains("moving house"));
    }

    #[test]
    fn a_channel_that_was_never_funded_failed_to_open() {
        let change = closed(ClosureReason::CounterpartyCoopClosedUnfundedChannel);
        assert_eq!(change.state(), ChannelState::OpenFailed);
        assert_eq!(change.closure_initiator(), ChannelClosureInitiator::Remote);
    }
}
