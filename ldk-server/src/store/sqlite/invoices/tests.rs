//! Invoices of a database that is older than their table.

use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;
use ldk_server_grpc::types::InvoiceKind;
use rusqlite::Connection;

use super::super::testing::Directory;
use crate::store::conformance::TestDatabase as _;
use crate::store::conformance::payments::{FAILED, Library, PENDING, SUCCEEDED, received, sent};
use crate::store::model::{InvoiceFilter, InvoiceName, InvoiceStatus};

/// Makes the database one of the version before there were invoices.
fn without_invoices(directory: &Directory) {
    let database = Connection::open(directory.path().join(SQLITE_DB_FILE_NAME)).unwrap();
    database
        .execute_batch(
            "DROP TABLE ldk_server_invoices;
             DROP TABLE ldk_server_invoice_state;
             DROP TABLE ldk_server_intents;
             DROP TABLE ldk_server_datastore;
             DROP TABLE ldk_server_pay_orders;
             DROP TABLE ldk_server_manager_chunks;
             ALTER TABLE ldk_server_payments DROP COLUMN failure;
             ALTER TABLE ldk_server_payments DROP COLUMN label;
             ALTER TABLE ldk_server_payments DROP COLUMN metadata;
             UPDATE ldk_server_schema SET version = 4;",
        )
        .unwrap();
}

#[test]
fn what_was_paid_before_is_numbered_in_the_order_of_time() {
    let directory = Directory::new();
    let library = Library::open(&directory);
    // The later one is paid first.
    for (id, status, at) in
        [(1, PENDING, 10), (2, PENDING, 11), (3, PENDING, 12), (4, PENDING, 13), (5, PENDING, 14)]
    {
        library.write(id, status, at);
    }
    library.write(2, SUCCEEDED, 20);
    library.write(1, SUCCEEDED, 30);
    library.write(3, FAILED, 31);
    library.remove(4);
    library.put(&sent(6, SUCCEEDED, 32));
    library.put(&received(7, SUCCEEDED, 15));
    drop(library);
    without_invoices(&directory);
    let library = Library::open(&directory);
    let found = |id: u8| library.store.invoice(&InvoiceName::PaymentHash([id; 32])).unwrap();
    let paid: Vec<_> = [7, 2, 1].map(|id| found(id).unwrap().pay_index).into();
    assert_eq!(paid, [Some(1), Some(2), Some(3)]);
    assert_eq!(library.store.invoice_log().last_pay_index(), 3);
    let statuses = [3, 4, 5].map(|id| found(id).unwrap().status);
    assert_eq!(statuses, [InvoiceStatus::Cancelled, InvoiceStatus::Open, InvoiceStatus::Open]);
    assert!(found(4).unwrap().has_expired(u64::MAX));
    let open = found(5).unwrap();
    assert_eq!((open.kind, open.text.as_str()), (InvoiceKind::Bolt11ForHash, ""));
    assert_eq!(found(6), None);
    // It goes on from there.
    library.write(5, SUCCEEDED, 40);
    assert_eq!(found(5).unwrap().pay_index, Some(4));
    let all = library.store.invoices(&InvoiceFilter::default(), None, 100).unwrap();
    assert_eq!(all.rows.len(), 6);
}
