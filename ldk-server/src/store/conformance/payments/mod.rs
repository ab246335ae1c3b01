//! The history of payments.

pub(in crate::store) mod invoices;
pub(in crate::store) mod list;
mod notes;
mod status;

use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::offers::offer::OfferId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::{
    ConfirmationStatus, PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus as Status,
};
use ldk_server_grpc::types;

use super::TestDatabase;
use crate::store::model::{PAYMENTS, PaymentFilter, PaymentPlace};
use crate::store::{Page, PaymentCounts, Store};

pub(in crate::store) const PENDING: Status = Status::Pending;
pub(in crate::store) const SUCCEEDED: Status = Status::Succeeded;
pub(in crate::store) const FAILED: Status = Status::Failed;

/// A store as the library uses it.
pub(in crate::store) struct Library {
    pub(in crate::store) store: Store,
}

impl Library {
    pub(in crate::store) fn open(database: &impl TestDatabase) -> Self {
        Self { store: database.open() }
    }

    pub(in crate::store) fn put(&self, details: &PaymentDetails) {
        let key = hex::encode(details.id.0);
        KVStoreSync::write(&self.store, PAYMENTS.0, PAYMENTS.1, &key, details.encode()).unwrap();
    }

    pub(in crate::store) fn write(&self, id: u8, status: Status, at: u64) {
        self.put(&received(id, status, at));
    }

    pub(in crate::store) fn remove(&self, id: u8) {
        KVStoreSync::remove(&self.store, PAYMENTS.0, PAYMENTS.1, &key(id), false).unwrap();
    }

    fn page(
        &self,
        filter: &PaymentFilter,
        after: Option<PaymentPlace>,
        size: usize,
    ) -> Page<types::Payment> {
        self.store.payments(filter, after, size).unwrap().unwrap()
    }

    /// The payments that pass, by pages of this size.
    pub(in crate::store) fn read(
        &self,
        filter: &PaymentFilter,
        size: usize,
    ) -> Vec<types::Payment> {
        let (mut payments, mut after) = (Vec::new(), None);
        loop {
            let Page { rows, has_more } = self.page(filter, after, size);
            after = rows.last().map(place_of);
            assert!(rows.len() == size || !has_more);
            payments.extend(rows);
            if !has_more {
                return payments;
            }
        }
    }

    /// The payments in their order, each with its time.
    pub(in crate::store) fn listed(&self) -> Vec<(u8, u64)> {
        let payments = self.read(&PaymentFilter::default(), 3);
        payments.iter().map(|payment| (first_byte(payment), payment.created_at)).collect()
    }

    pub(in crate::store) fn payment(&self, id: u8) -> types::Payment {
        self.store.payment(PaymentId([id; 32])).unwrap().unwrap()
    }

    /// Begun, pending, succeeded, failed.
    pub(in crate::store) fn counts(&self) -> [u64; 4] {
        let PaymentCounts { begun, pending, succeeded, failed, .. } = self.store.payment_counts();
        [begun, pending, succeeded, failed]
    }
}

pub(in crate::store) fn key(id: u8) -> String {
    hex::encode([id; 32])
}

fn first_byte(payment: &types::Payment) -> u8 {
    hex::decode(&payment.id).unwrap()[0]
}

fn place_of(payment: &types::Payment) -> PaymentPlace {
    let id = hex::decode(&payment.id).unwrap().try_into().unwrap();
    PaymentPlace { created_at: payment.created_at, id: PaymentId(id) }
}

fn bolt11(id: u8) -> PaymentKind {
    PaymentKind::Bolt11 { hash: PaymentHash([id; 32]), preimage: None, secret: None }
}

/// An inbound payment to an invoice.
pub(in crate::store) fn received(id: u8, status: Status, at: u64) -> PaymentDetails {
    PaymentDetails {
        id: PaymentId([id; 32]),
        kind: bolt11(id),
        amount_msat: Some(1),
        fee_paid_msat: None,
        direction: PaymentDirection::Inbound,
        status,
        latest_update_timestamp: at,
    }
}

pub(in crate::store) fn sent(id: u8, status: Status, at: u64) -> PaymentDetails {
    PaymentDetails { direction: PaymentDirection::Outbound, ..received(id, status, at) }
}

/// An outbound payment to an offer, whose id is not its hash.
fn sent_to_offer(id: u8, hash: u8, status: Status, at: u64) -> PaymentDetails {
    let kind = PaymentKind::Bolt12Offer {
        hash: Some(PaymentHash([hash; 32])),
        preimage: None,
        secret: None,
        offer_id: OfferId([9; 32]),
        payer_note: None,
        quantity: None,
    };
    PaymentDetails { kind, ..sent(id, status, at) }
}

fn onchain(id: u8, status: Status, at: u64) -> PaymentDetails {
    let txid = Txid::from_byte_array([id; 32]);
    let kind = PaymentKind::Onchain { txid, status: ConfirmationStatus::Unconfirmed };
    PaymentDetails { kind, ..sent(id, status, at) }
}

on_each!({
    invoices {
        an_invoice_that_is_put_away_stays_in_the_history_as_failed,
        an_invoice_that_is_not_made_is_not_missed,
        an_invoice_expires_as_long_after_its_making_as_it_says,
        expired_invoices_are_found_in_bounded_steps,
        an_invoice_that_is_paid_after_all_has_succeeded,
        an_invoice_of_no_use_does_not_come_into_the_history,
    }
    list {
        the_newest_is_first_and_the_smallest_id_in_a_second,
        the_order_survives_updates_and_restarts,
        pages_follow_one_another_without_gap_or_repetition,
        a_page_that_begins_after_no_payment_is_refused,
        every_filter_and_pair_of_filters_leaves_what_passes,
        a_place_is_good_with_any_filter,
        what_has_succeeded_is_read_in_order,
    }
    notes {
        notes_are_written_with_the_payment_that_is_sent,
        notes_stay_whatever_becomes_of_the_payment,
        a_transaction_gets_the_notes_of_its_call,
        notes_are_changed_and_nothing_else,
    }
    status {
        every_change_of_status_is_counted_once,
        a_payment_that_arrived_is_not_said_to_be_under_way_again,
        both_ways_to_write_are_written_down,
        what_the_library_would_not_read_is_not_written,
        an_outdated_state_is_noticed_while_another_event_is_acknowledged,
        a_failure_after_an_outdated_state_is_not_believed,
        why_a_payment_failed_is_kept_until_it_is_tried_again,
    }
});
