//! The effect of an event of the library on the server and on its users. Nothing is done here, so that it
//! can be tested without a node.

use ldk_node::Event;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::bitcoin::hashes::sha256::Hash as Sha256;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_server_grpc::events::event_envelope::Event as Published;
use ldk_server_grpc::events::{ChannelState, PaymentForwarded};
use ldk_server_grpc::types;

use super::meaning::{Change, Meaning, Repetition, meaning};
use super::messages::set_payment;
use crate::store::{Digest, NewEvent, dedup_key};

/// What an event means.
pub(super) struct Effect {
    /// The name of the event, without its contents, which hold preimages.
    pub(super) event: &'static str,
    /// By what the event is known again when it is delivered once more.
    pub(super) source_digest: Digest,
    /// The payment that it is about.
    pub(super) payment: Option<PaymentId>,
    /// Why that failed, if it has.
    pub(super) failure: Option<types::PaymentFailureReason>,
    /// What the server has to take account of before the event is published.
    pub(super) change: Option<Change>,
    /// By what another event that tells the same is known, if it cannot happen twice.
    dedup_key: Option<Digest>,
    /// What is published, still without the payment.
    publication: Published,
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
        let Meaning { event, payment, failure, change, repetition: _, publication } = meaning;
        Self { event, source_digest, payment, failure, change, dedup_key, publication }
    }

    /// What is published, still without the payment.
    pub(super) fn published(&self) -> &Published {
        &self.publication
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
                payment_id = payment.id,
                "the library gave up a payment that it had lost track of; it may have arrived"
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

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::hashes::Hash as _;
    use ldk_node::bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
    use ldk_node::bitcoin::{OutPoint, Txid};
    use ldk_node::lightning::events::ClosureReason;
    use ldk_node::lightning::ln::types::ChannelId;
    use ldk_node::lightning_types::payment::PaymentHash;
    use ldk_node::{CustomTlvRecord, UserChannelId};
    use ldk_server_grpc::events::{
        ChannelClosureInitiator, ChannelStateChangeReasonKind, ChannelStateChanged, SpliceState,
        SpliceStateChanged,
    };

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
