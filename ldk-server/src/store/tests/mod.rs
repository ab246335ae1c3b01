//! What the store as a whole promises.

mod checkpoint;
mod compatibility;
mod cuts;
mod failure;
mod funding;
mod library_store;
mod order;

use std::path::Path;

use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus};

/// The library's own store of the same file.
fn library(dir: &Path) -> io::Result<SqliteStore> {
    let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
    SqliteStore::new(dir.to_owned(), Some(file), Some(table))
}

/// The key and the value by which the library writes a payment.
fn payment(id: [u8; 32], amount_msat: u64) -> (String, Vec<u8>) {
    let hash = PaymentHash(id);
    let details = PaymentDetails {
        id: PaymentId(id),
        kind: PaymentKind::Bolt11 { hash, preimage: None, secret: None },
        amount_msat: Some(amount_msat),
        fee_paid_msat: None,
        direction: PaymentDirection::Inbound,
        status: PaymentStatus::Pending,
        latest_update_timestamp: 7,
    };
    (hex::encode(id), details.encode())
}
