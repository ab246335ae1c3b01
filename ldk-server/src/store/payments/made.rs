//! Transactions that the wallet has made. The library writes them down only when it finds them on the
//! chain, with Bitcoin Core in a block; the history has them from the beginning.

use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::payment::{
    ConfirmationStatus, PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus,
};

use super::notes;
use crate::clock::unix_secs;
use crate::store::change::{MadeTransaction, PaymentEvent};
use crate::store::{Intent, IntentOutcome, Store};

/// The id that the library gives to the payment of a transaction: the bytes of its txid.
pub fn payment_id(txid: &Txid) -> PaymentId {
    PaymentId(txid.to_byte_array())
}

impl Store {
    /// Adds a transaction of the wallet to the history, unless the library has recorded it already.
    /// `amount_sats` is the amount that it pays, if that is known, and `intent` the call that it is the
    /// outcome of, if that has a key.
    pub fn transaction_made(
        &self,
        txid: Txid,
        amount_sats: Option<u64>,
        intent: Option<&Intent>,
    ) -> io::Result<()> {
        let details = PaymentDetails {
            id: payment_id(&txid),
            kind: PaymentKind::Onchain { txid, status: ConfirmationStatus::Unconfirmed },
            amount_msat: amount_sats.map(|sats| sats.saturating_mul(1000)),
            fee_paid_msat: None,
            direction: PaymentDirection::Outbound,
            status: PaymentStatus::Pending,
            latest_update_timestamp: unix_secs(),
        };
        let intent = intent.map(|intent| intent.came_to(&IntentOutcome::Transaction(txid)));
        let notes = notes::of_call();
        let event =
            PaymentEvent::TransactionMade(Box::new(MadeTransaction { details, intent, notes }));
        self.payment_event(payment_id(&txid), event)
    }

    /// Records that a transaction of the wallet was not accepted by the network.
    pub fn transaction_refused(&self, txid: Txid) -> io::Result<()> {
        self.payment_event(payment_id(&txid), PaymentEvent::TransactionRefused)
    }

    /// The pending transactions of the wallet that the library has not recorded yet.
    pub fn transactions_not_found(&self) -> io::Result<Vec<Txid>> {
        self.reads.transactions_not_found()
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::util::persist::KVStoreSync;
    use ldk_node::lightning::util::ser::Writeable as _;
    use ldk_server_grpc::types::PaymentStatus as Shown;

    use super::*;
    use crate::store::model::PAYMENTS;
    use crate::store::{PaymentFilter, testing};

    const TXID: [u8; 32] = [7; 32];

    fn txid() -> Txid {
        Txid::from_byte_array(TXID)
    }

    fn library_finds(store: &Store) {
        let details = PaymentDetails {
            id: payment_id(&txid()),
            kind: PaymentKind::Onchain { txid: txid(), status: ConfirmationStatus::Unconfirmed },
            amount_msat: Some(5_000),
            fee_paid_msat: Some(140),
            direction: PaymentDirection::Outbound,
            status: PaymentStatus::Pending,
            latest_update_timestamp: 10,
        };
        let key = hex::encode(TXID);
        KVStoreSync::write(store, PAYMENTS.0, PAYMENTS.1, &key, details.encode()).unwrap();
    }

    fn status_and_fee(store: &Store) -> (Shown, Option<u64>) {
        let payment = store.payment(payment_id(&txid())).unwrap().unwrap();
        (payment.status(), payment.fee_paid_msat)
    }

    #[test]
    fn a_transaction_is_in_the_history_before_the_library_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = testing::open(dir.path());
        store.transaction_made(txid(), Some(5), None).unwrap();
        let listed = store.payments(&PaymentFilter::default(), None, 10).unwrap().unwrap().rows;
        assert_eq!((listed.len(), listed[0].amount_msat), (1, Some(5_000)));
        assert_eq!(store.transactions_not_found().unwrap(), [txid()]);
        library_finds(&store);
        assert_eq!(status_and_fee(&store), (Shown::Pending, Some(140)));
        assert_eq!(store.transactions_not_found().unwrap(), []);
        assert_eq!(store.payment_counts().begun, 1);
    }

    #[test]
    fn what_the_library_has_found_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = testing::open(dir.path());
        library_finds(&store);
        store.transaction_made(txid(), None, None).unwrap();
        store.transaction_refused(txid()).unwrap();
        assert_eq!(status_and_fee(&store), (Shown::Pending, Some(140)));
    }

    #[test]
    fn a_transaction_that_was_refused_has_failed_unless_it_is_found_after_all() {
        let dir = tempfile::tempdir().unwrap();
        let store = testing::open(dir.path());
        store.transaction_refused(txid()).unwrap();
        store.transaction_made(txid(), None, None).unwrap();
        store.transaction_refused(txid()).unwrap();
        assert_eq!(status_and_fee(&store), (Shown::Failed, None));
        assert_eq!(store.transactions_not_found().unwrap(), []);
        library_finds(&store);
        assert_eq!(status_and_fee(&store), (Shown::Pending, Some(140)));
    }
}
