//! What an event of the library means to the server and to its users. An event is matched here, once;
//! nothing else is done, so that it can be tested without a node.

use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::bitcoin::hashes::sha256::Hash as Sha256;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::bitcoin::{OutPoint, Txid};
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

use crate::hold::Held;
use crate::store::{Digest, NewEvent, dedup_key};
use crate::wire;

/// What an event means.
pub(super) struct Effect {
    /// The name of the event, without its contents, which hold preimages.
    pub(super) event: &'static str,
    /// By what the event is known again when it is delivered once more.
    pub(super) source_digest: Digest,
    /// The payment that it is about.
    pub(super) payment: Option<PaymentId>,
    /// What the server has to take account of before the event is published.
    pub(super) change: Option<Change>,
    /// By what another event that tells the same is known, if it cannot happen twice.
    dedup_key: Option<Digest>,
    /// What is published, still without the payment.
    publication: Published,
}

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

impl Effect {
    /// What `event` means.
    pub(super) fn of(event: Event) -> Self {
        let source_digest = Sha256::hash(&event.encode()).to_byte_array();
        let meaning = meaning(event);
        let dedup_key = match meaning.repetition {
            Repetition::None => Some(source_digest),
            Repetition::OncePerPayment(hash) => Some(dedup_key(meaning.event, &hash)),
            Repetition::Possible => None,
        };
        let Meaning { event, payment, change, repetition: _, publication } = meaning;
        Self { event, source_digest, payment, change, dedup_key, publication }
    }

    /// The channel of this event was closed before it was funded. The reasons of the library do not
    /// all tell such a channel from one that was closed.
    pub(super) fn has_failed_to_open(&mut self) {
        if let Published::ChannelStateChanged(change) = &mut self.publication {
            change.set_state(ChannelState::OpenFailed);
        }
    }

    /// What is recorded, if anything. `payment` is the one it is about, as it is now; one that is not
    /// on record is left out of the message.
    pub(super) fn into_row(self, payment: Option<types::Payment>) -> Option<NewEvent> {
        let Self { source_digest, dedup_key, publication: mut event, .. } = self;
        if let (Published::PaymentFailed(_), Some(payment)) = (&event, &payment)
            && payment.outcome_unknown
        {
            tracing::warn!(
                "payment {} was given up by the library, which had lost sight of it: it may have \
                 arrived",
                payment.id
            );
            return None;
        }
        set_payment(&mut event, payment);
        let forward = match &event {
            Published::PaymentForwarded(PaymentForwarded { forwarded_payment }) => {
                forwarded_payment.clone()
            },
            _ => None,
        };
        Some(NewEvent { event, dedup_key, source_digest: Some(source_digest), forward })
    }
}

/// What is read from the contents of an event.
struct Meaning {
    event: &'static str,
    payment: Option<PaymentId>,
    change: Option<Change>,
    repetition: Repetition,
    publication: Published,
}

/// Whether another event may tell the same.
enum Repetition {
    /// No other event is equal.
    None,
    /// A payment has one such event.
    OncePerPayment(PaymentHash),
    /// A payment fails again when it is tried again, and a forward or the failure of a splice may well
    /// be like another.
    Possible,
}

/// The one place where the kinds of events are told apart.
fn meaning(event: Event) -> Meaning {
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
        Event::PaymentFailed { payment_id, payment_hash: _, reason: _ } => failed(payment_id),
        Event::PaymentClaimable {
            payment_id,
            payment_hash,
            claimable_amount_msat,
            claim_deadline,
            custom_records,
        } => {
            let held = Held { payment_hash, claimable_amount_msat, claim_deadline };
            claimable(payment_id, held, custom_records)
        },
        forwarded @ Event::PaymentForwarded { .. } => Meaning {
            event: "PaymentForwarded",
            payment: None,
            change: None,
            repetition: Repetition::Possible,
            publication: Published::PaymentForwarded(PaymentForwarded {
                forwarded_payment: forwarded_payment(&forwarded),
            }),
        },
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
        change: Some(Change::Received(hash, amount_msat)),
        repetition: Repetition::OncePerPayment(hash),
        publication: Published::PaymentReceived(PaymentReceived { payment: None, custom_records }),
    }
}

fn successful(payment: Option<PaymentId>, hash: PaymentHash) -> Meaning {
    Meaning {
        event: "PaymentSuccessful",
        payment,
        change: None,
        repetition: Repetition::OncePerPayment(payment.map_or(hash, |id| PaymentHash(id.0))),
        publication: Published::PaymentSuccessful(PaymentSuccessful { payment: None }),
    }
}

fn failed(payment: Option<PaymentId>) -> Meaning {
    Meaning {
        event: "PaymentFailed",
        payment,
        change: None,
        repetition: Repetition::Possible,
        publication: Published::PaymentFailed(PaymentFailed { payment: None }),
    }
}

fn claimable(payment: PaymentId, held: Held, custom_records: Vec<CustomTlvRecord>) -> Meaning {
    let publication = PaymentClaimable {
        payment: None,
        custom_records: records(custom_records),
        claim_deadline: held.claim_deadline,
        claimable_amount_msat: Some(held.claimable_amount_msat),
    };
    Meaning {
        event: "PaymentClaimable",
        payment: Some(payment),
        change: Some(Change::Held(held)),
        repetition: Repetition::None,
        publication: Published::PaymentClaimable(publication),
    }
}

fn channel(event: &'static str, change: Change, state: ChannelStateChanged) -> Meaning {
    Meaning {
        event,
        payment: None,
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
    Meaning { event, payment: None, change: Some(change), repetition, publication }
}

/// Puts the payment into a message that tells of one.
fn set_payment(event: &mut Published, payment: Option<types::Payment>) {
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

    fn row(event: Event) -> Published {
        Effect::of(event).into_row(None).unwrap().event
    }

    fn changed(event: Event) -> ChannelStateChanged {
        match row(event) {
            Published::ChannelStateChanged(change) => change,
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
        let Published::PaymentReceived(received) = row(event) else { panic!("not published") };
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
        match row(event) {
            Published::SpliceStateChanged(change) => change,
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
        assert_eq!(
            Effect::of(event()).change,
            Some(Change::SplicePending(UserChannelId(7), funding().txid))
        );
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
            assert_eq!(Effect::of(event()).change, Some(Change::SpliceFailed(UserChannelId(7))));
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
        assert_eq!(
            Effect::of(event).change,
            Some(Change::ChannelFunded(UserChannelId(7), funding().txid))
        );
    }

    #[test]
    fn whether_it_was_funded_makes_the_difference_between_closed_and_failed() {
        let event = || Event::ChannelClosed {
            channel_id: ChannelId([1; 32]),
            user_channel_id: UserChannelId(7),
            counterparty_node_id: None,
            reason: None,
        };
        assert_eq!(changed(event()).state(), ChannelState::Closed);
        let mut effect = Effect::of(event());
        let closed = Change::ChannelClosed(UserChannelId(7), ChannelId([1; 32]));
        assert_eq!(effect.change, Some(closed));
        effect.has_failed_to_open();
        let change = effect.into_row(None).unwrap().event;
        let Published::ChannelStateChanged(change) = change else { panic!("another event") };
        assert_eq!(change.state(), ChannelState::OpenFailed);
    }

    #[test]
    fn a_channel_that_was_never_funded_failed_to_open() {
        let change = closed(ClosureReason::CounterpartyCoopClosedUnfundedChannel);
        assert_eq!(change.state(), ChannelState::OpenFailed);
        assert_eq!(change.closure_initiator(), ChannelClosureInitiator::Remote);
    }

    #[test]
    fn what_can_happen_once_has_a_key() {
        let successful = |id: u8, preimage| Event::PaymentSuccessful {
            payment_id: Some(PaymentId([id; 32])),
            payment_hash: PaymentHash([9; 32]),
            payment_preimage: preimage,
            fee_paid_msat: None,
        };
        let key = |event| Effect::of(event).dedup_key;
        let preimage = Some(ldk_node::lightning_types::payment::PaymentPreimage([3; 32]));
        assert!(key(successful(1, None)).is_some());
        assert_eq!(key(successful(1, None)), key(successful(1, preimage)));
        assert_ne!(key(successful(1, None)), key(successful(2, None)));
        let failed = Event::PaymentFailed {
            payment_id: Some(PaymentId([1; 32])),
            payment_hash: None,
            reason: None,
        };
        assert_eq!(key(failed), None);
    }

    #[test]
    fn a_payment_that_failed_is_told_as_failed() {
        let failed = Event::PaymentFailed {
            payment_id: Some(PaymentId([1; 32])),
            payment_hash: None,
            reason: None,
        };
        let pending = types::Payment::default();
        let row = Effect::of(failed.clone()).into_row(Some(pending.clone())).unwrap();
        let Published::PaymentFailed(event) = row.event else { panic!("another event") };
        assert_eq!(event.payment.unwrap().status(), types::PaymentStatus::Failed);
        let unknown = types::Payment { outcome_unknown: true, ..pending };
        assert!(Effect::of(failed).into_row(Some(unknown)).is_none());
    }
}
