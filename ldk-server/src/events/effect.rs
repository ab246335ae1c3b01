//! What an event of the node means to us and to our users: pure functions, so that they can be tested
//! without a node.

use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::bitcoin::hashes::sha256::Hash as Sha256;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::bitcoin::{OutPoint, Txid};
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::{CustomTlvRecord, Event, UserChannelId};
use ldk_server_grpc::events::event_envelope::Event as Published;
use ldk_server_grpc::events::{
    ChannelClosureInitiator, ChannelState, ChannelStateChanged, PaymentClaimable, PaymentFailed,
    PaymentForwarded, PaymentReceived, PaymentSuccessful, SpliceState, SpliceStateChanged,
};
use ldk_server_grpc::types;

use crate::store::{Digest, Held};
use crate::wire;

/// What the server itself has to take note of.
#[derive(Debug, PartialEq)]
pub enum Note {
    /// A payment waits to be claimed or failed.
    Held(Held),
    /// An inbound payment of so many msat is settled, so it is not held any more.
    Settled(PaymentHash, u64),
    /// A channel has its funding transaction.
    ChannelFunded(UserChannelId, Txid),
    /// A splice has its transaction.
    SplicePending(UserChannelId, Txid),
    /// A splice will have none.
    SpliceFailed(UserChannelId),
}

/// What there is to note in `event`, if anything.
pub fn note(event: &Event) -> Option<Note> {
    match event {
        Event::PaymentClaimable { payment_hash, claimable_amount_msat, claim_deadline, .. } => {
            Some(Note::Held(Held {
                payment_hash: *payment_hash,
                claimable_amount_msat: *claimable_amount_msat,
                claim_deadline: *claim_deadline,
            }))
        },
        Event::PaymentReceived { payment_hash, amount_msat, .. } => {
            Some(Note::Settled(*payment_hash, *amount_msat))
        },
        Event::ChannelPending { user_channel_id, funding_txo, .. } => {
            Some(Note::ChannelFunded(*user_channel_id, funding_txo.txid))
        },
        Event::SplicePending { user_channel_id, new_funding_txo, .. } => {
            Some(Note::SplicePending(*user_channel_id, new_funding_txo.txid))
        },
        Event::SpliceFailed { user_channel_id, .. } => Some(Note::SpliceFailed(*user_channel_id)),
        Event::PaymentSuccessful { .. }
        | Event::PaymentFailed { .. }
        | Event::PaymentForwarded { .. }
        | Event::ChannelReady { .. }
        | Event::ChannelClosed { .. } => None,
    }
}

/// The payment that `event` is about.
pub fn payment_id(event: &Event) -> Option<PaymentId> {
    match event {
        Event::PaymentReceived { payment_id, .. }
        | Event::PaymentSuccessful { payment_id, .. }
        | Event::PaymentFailed { payment_id, .. } => *payment_id,
        Event::PaymentClaimable { payment_id, .. } => Some(*payment_id),
        Event::PaymentForwarded { .. }
        | Event::ChannelPending { .. }
        | Event::ChannelReady { .. }
        | Event::ChannelClosed { .. }
        | Event::SplicePending { .. }
        | Event::SpliceFailed { .. } => None,
    }
}

/// By what `event` is known again when it is delivered once more.
pub fn digest(event: &Event) -> Digest {
    Sha256::hash(&event.encode()).to_byte_array()
}

/// By what another event that tells the same is known, if it cannot happen twice. A payment fails
/// again when it is tried again, and a forward or the failure of a splice may well be like another.
pub fn once(event: &Event) -> Option<Digest> {
    match event {
        Event::PaymentReceived { payment_hash, .. } => {
            Some(once_of("PaymentReceived", payment_hash))
        },
        Event::PaymentSuccessful { payment_hash, payment_id, .. } => {
            let id = payment_id.map_or(*payment_hash, |id| PaymentHash(id.0));
            Some(once_of("PaymentSuccessful", &id))
        },
        Event::PaymentClaimable { .. }
        | Event::ChannelPending { .. }
        | Event::ChannelReady { .. }
        | Event::ChannelClosed { .. }
        | Event::SplicePending { .. } => Some(digest(event)),
        Event::PaymentFailed { .. }
        | Event::PaymentForwarded { .. }
        | Event::SpliceFailed { .. } => None,
    }
}

/// By what an event of this kind about this payment is known, of which there is one only.
pub fn once_of(kind: &str, payment: &PaymentHash) -> Digest {
    Sha256::hash(&[kind.as_bytes(), &payment.0].concat()).to_byte_array()
}

/// What is published for `event`, if anything. `payment` is the one it is about, as it is now; one
/// that is not on record is left out of the message.
pub fn published(event: Event, payment: Option<types::Payment>) -> Option<Published> {
    match event {
        Event::PaymentReceived {
            payment_id: _,
            payment_hash: _,
            amount_msat: _,
            custom_records,
        } => Some(Published::PaymentReceived(PaymentReceived {
            payment,
            custom_records: records(custom_records),
        })),
        Event::PaymentSuccessful {
            payment_id: _,
            payment_hash: _,
            payment_preimage: _,
            fee_paid_msat: _,
        } => Some(Published::PaymentSuccessful(PaymentSuccessful { payment })),
        Event::PaymentFailed { payment_id: _, payment_hash: _, reason: _ } => {
            Some(Published::PaymentFailed(PaymentFailed { payment: payment.map(failed) }))
        },
        Event::PaymentClaimable {
            payment_id: _,
            payment_hash: _,
            claimable_amount_msat,
            claim_deadline,
            custom_records,
        } => Some(Published::PaymentClaimable(PaymentClaimable {
            payment,
            custom_records: records(custom_records),
            claim_deadline,
            claimable_amount_msat: Some(claimable_amount_msat),
        })),
        forwarded @ Event::PaymentForwarded { .. } => {
            let forwarded_payment = forwarded_payment(&forwarded);
            Some(Published::PaymentForwarded(PaymentForwarded { forwarded_payment }))
        },
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
        Event::SplicePending {
            channel_id,
            user_channel_id,
            counterparty_node_id,
            new_funding_txo,
        } => Some(Published::SpliceStateChanged(splice_state(
            SpliceState::Pending,
            channel_id,
            user_channel_id,
            counterparty_node_id,
            Some(new_funding_txo),
        ))),
        Event::SpliceFailed {
            channel_id,
            user_channel_id,
            counterparty_node_id,
            abandoned_funding_txo,
        } => Some(Published::SpliceStateChanged(splice_state(
            SpliceState::Failed,
            channel_id,
            user_channel_id,
            counterparty_node_id,
            abandoned_funding_txo,
        ))),
    }
}

/// The library may write down that a payment is pending after it has told that it failed.
fn failed(payment: types::Payment) -> types::Payment {
    types::Payment { status: types::PaymentStatus::Failed.into(), ..payment }
}

/// Whether `event` tells of the end of a channel that had no funding. The reasons of the library do
/// not all tell such a channel from one that was closed.
pub fn has_failed_to_open(
    event: &Event,
    was_funded: impl Fn(ChannelId) -> io::Result<bool>,
) -> io::Result<bool> {
    match event {
        Event::ChannelClosed { channel_id, .. } => Ok(!was_funded(*channel_id)?),
        _ => Ok(false),
    }
}

/// Makes the end of a channel that of one which has failed to open.
pub fn failed_to_open(event: &mut Published) {
    if let Published::ChannelStateChanged(change) = event {
        change.set_state(ChannelState::OpenFailed);
    }
}

fn forwarded_payment(event: &Event) -> Option<types::ForwardedPayment> {
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
    let number = |id: &UserChannelId| id.0.to_string();
    let key = |node_id: &Option<PublicKey>| node_id.map(|id| id.to_string()).unwrap_or_default();
    Some(types::ForwardedPayment {
        prev_channel_id: prev_channel_id.to_string(),
        next_channel_id: next_channel_id.to_string(),
        prev_user_channel_id: prev_user_channel_id.as_ref().map(number).unwrap_or_default(),
        next_user_channel_id: next_user_channel_id.as_ref().map(number),
        total_fee_earned_msat: *total_fee_earned_msat,
        skimmed_fee_msat: *skimmed_fee_msat,
        claim_from_onchain_tx: *claim_from_onchain_tx,
        outbound_amount_forwarded_msat: *outbound_amount_forwarded_msat,
        prev_node_id: key(prev_node_id),
        next_node_id: key(next_node_id),
        created_at: 0,
    })
}

fn splice_state(
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
    use ldk_node::bitcoin::hashes::Hash as _;
    use ldk_node::bitcoin::secp256k1::{Secp256k1, SecretKey};
    use ldk_node::lightning::events::ClosureReason;
    use ldk_node::lightning_types::payment::PaymentHash;
    use ldk_server_grpc::events::ChannelStateChangeReasonKind;

    use super::*;

    fn changed(event: Event) -> ChannelStateChanged {
        match published(event, None) {
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
        let Some(Published::PaymentReceived(received)) = published(event, None) else {
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

    fn peer() -> PublicKey {
        PublicKey::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[1; 32]).unwrap())
    }

    fn funding() -> OutPoint {
        OutPoint { txid: Txid::from_byte_array([2; 32]), vout: 3 }
    }

    fn splice(event: Event) -> SpliceStateChanged {
        match published(event, None) {
            Some(Published::SpliceStateChanged(change)) => change,
            other => panic!("not a splice: {other:?}"),
        }
    }

    #[test]
    fn a_splice_that_is_agreed_on_has_its_transaction() {
        let event = || Event::SplicePending {
            channel_id: ChannelId([1; 32]),
            user_channel_id: UserChannelId(7),
            counterparty_node_id: peer(),
            new_funding_txo: funding(),
        };
        assert_eq!(note(&event()), Some(Note::SplicePending(UserChannelId(7), funding().txid)));
        let change = splice(event());
        assert_eq!(change.state(), SpliceState::Pending);
        assert_eq!(change.channel_id, "01".repeat(32));
        assert_eq!(change.user_channel_id, "7");
        assert_eq!(change.counterparty_node_id, peer().to_string());
        assert_eq!(change.funding_txo, Some(format!("{}:3", "02".repeat(32))));
    }

    #[test]
    fn a_splice_that_has_failed_is_told_with_or_without_a_transaction() {
        for abandoned_funding_txo in [None, Some(funding())] {
            let event = || Event::SpliceFailed {
                channel_id: ChannelId([1; 32]),
                user_channel_id: UserChannelId(7),
                counterparty_node_id: peer(),
                abandoned_funding_txo,
            };
            assert_eq!(note(&event()), Some(Note::SpliceFailed(UserChannelId(7))));
            let change = splice(event());
            assert_eq!(change.state(), SpliceState::Failed);
            assert_eq!(change.funding_txo, abandoned_funding_txo.map(|found| found.to_string()));
        }
    }

    #[test]
    fn a_funding_transaction_is_noted() {
        let event = Event::ChannelPending {
            channel_id: ChannelId([1; 32]),
            user_channel_id: UserChannelId(7),
            former_temporary_channel_id: ChannelId([2; 32]),
            counterparty_node_id: peer(),
            funding_txo: funding(),
        };
        assert_eq!(note(&event), Some(Note::ChannelFunded(UserChannelId(7), funding().txid)));
    }

    #[test]
    fn whether_it_was_funded_makes_the_difference_between_closed_and_failed() {
        let event = || Event::ChannelClosed {
            channel_id: ChannelId([1; 32]),
            user_channel_id: UserChannelId(7),
            counterparty_node_id: None,
            reason: None,
        };
        assert!(!has_failed_to_open(&event(), |_| Ok(true)).unwrap());
        assert!(has_failed_to_open(&event(), |_| Ok(false)).unwrap());
        let mut change = published(event(), None).unwrap();
        failed_to_open(&mut change);
        let Published::ChannelStateChanged(change) = change else { panic!("another event") };
        assert_eq!(change.state(), ChannelState::OpenFailed);
    }

    #[test]
    fn a_channel_that_was_never_funded_failed_to_open() {
        let change = closed(ClosureReason::CounterpartyCoopClosedUnfundedChannel);
        assert_eq!(change.state(), ChannelState::OpenFailed);
        assert_eq!(change.closure_initiator(), ChannelClosureInitiator::Remote);
    }
}
