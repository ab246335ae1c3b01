//! Transactions that the wallet has made. The library writes them down only when it finds them on the
//! chain, with Bitcoin Core in a block; the history has them from the beginning.

use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::payment::{
    ConfirmationStatus, PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus,
};
use ldk_server_grpc::types::PaymentMethod;
use rusqlite::{Connection, OptionalExtension as _};

use super::{NAMESPACE, StatusChange, class_of, put, read};
use crate::clock::unix_secs;
use crate::store::sqlite::records::{self, Name};
use crate::store::{Store, writer};

/// The id that the library gives the payment of a transaction: the bytes of its txid.
pub fn payment_id(txid: &Txid) -> PaymentId {
    PaymentId(txid.to_byte_array())
}

impl Store {
    /// Takes note of a transaction that the wallet has made, unless the library did so already. The
    /// amount is that which is paid, if it is known.
    pub fn transaction_made(&self, txid: Txid, amount_sats: Option<u64>) -> io::Result<()> {
        let details = PaymentDetails {
            id: payment_id(&txid),
            kind: PaymentKind::Onchain { txid, status: ConfirmationStatus::Unconfirmed },
            amount_msat: amount_sats.map(|sats| sats.saturating_mul(1000)),
            fee_paid_msat: None,
            direction: PaymentDirection::Outbound,
            status: PaymentStatus::Pending,
            latest_update_timestamp: unix_secs(),
        };
        self.change_payment(move |database| {
            if class_of(database, &details.id.0)?.is_some() {
                return Ok(None);
            }
            put(database, &details, &details.encode(), None).map(Some)
        })
    }

    /// Takes note that a transaction which the wallet has made was not accepted by the network.
    pub fn transaction_refused(&self, txid: Txid) -> io::Result<()> {
        self.change_payment(move |database| refused(database, payment_id(&txid)))
    }

    /// The transactions that the wallet has made and the library has not written down yet.
    pub fn transactions_not_found(&self) -> io::Result<Vec<Txid>> {
        self.readers.read(|database| {
            let mut statement = database.prepare_cached(
                "SELECT id FROM ldk_server_payments
                 WHERE status = 0 AND direction = 1 AND method = ?1 AND NOT EXISTS
                     (SELECT 1 FROM ldk_node_data
                      WHERE primary_namespace = ?2 AND secondary_namespace = ?3
                          AND key = lower(hex(id)))",
            )?;
            let (primary, secondary) = NAMESPACE;
            let rows = statement
                .query_map((PaymentMethod::Onchain as i32, primary, secondary), |row| {
                    row.get(0).map(Txid::from_byte_array)
                })?;
            rows.collect()
        })
    }

    /// Changes a payment in the history; on disk once this returns.
    pub(super) fn change_payment(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<Option<StatusChange>> + Send + 'static,
    ) -> io::Result<()> {
        let counts = self.payment_counts.clone();
        writer::wait(|answer| {
            self.writer.submit(change, move |change| {
                answer(change.map(|change| {
                    if let Some(change) = change {
                        counts.changed(change);
                    }
                }));
            });
        })
    }
}

fn refused(database: &Connection, id: PaymentId) -> rusqlite::Result<Option<StatusChange>> {
    // If the library knows it, the library knows better.
    let is_found = match Name::new(NAMESPACE.0, NAMESPACE.1, &hex::encode(id.0)) {
        Ok(name) => records::exists(database, &name)?,
        Err(_) => return Ok(None),
    };
    let mut statement = database
        .prepare_cached("SELECT payment FROM ldk_server_payments WHERE id = ?1 AND status = 0")?;
    let value: Option<Vec<u8>> = statement.query_row([id.0], |row| row.get(0)).optional()?;
    let Some(Ok(details)) = value.filter(|_| !is_found).as_deref().map(read) else {
        return Ok(None);
    };
    let failed = PaymentDetails {
        status: PaymentStatus::Failed,
        latest_update_timestamp: unix_secs(),
        ..details
    };
    put(database, &failed, &failed.encode(), None).map(Some)
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::util::persist::KVStoreSync;
    use ldk_server_grpc::types::PaymentStatus as Shown;

    use super::*;
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
        KVStoreSync::write(store, NAMESPACE.0, NAMESPACE.1, &key, details.encode()).unwrap();
    }

    fn status_and_fee(store: &Store) -> (Shown, Option<u64>) {
        let payment = store.payment(payment_id(&txid())).unwrap().unwrap();
        (payment.status(), payment.fee_paid_msat)
    }

    #[test]
    fn a_transaction_is_in_the_history_before_the_library_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = testing::open(dir.path());
        store.transaction_made(txid(), Some(5)).unwrap();
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
        store.transaction_made(txid(), None).unwrap();
        store.transaction_refused(txid()).unwrap();
        assert_eq!(status_and_fee(&store), (Shown::Pending, Some(140)));
    }

    #[test]
    fn a_transaction_that_was_refused_has_failed_unless_it_is_found_after_all() {
        let dir = tempfile::tempdir().unwrap();
        let store = testing::open(dir.path());
        store.transaction_refused(txid()).unwrap();
        store.transaction_made(txid(), None).unwrap();
        store.transaction_refused(txid()).unwrap();
        assert_eq!(status_and_fee(&store), (Shown::Failed, None));
        assert_eq!(store.transactions_not_found().unwrap(), []);
        library_finds(&store);
        assert_eq!(status_and_fee(&store), (Shown::Pending, Some(140)));
    }
}
