//! What callers keep under keys of their own, as Core Lightning's `datastore` does, and what they have
//! said of payments.

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;

use super::Store;
use super::change::{Change, Reply};
use super::model::{
    DatastoreChange, DatastoreKey, DatastoreMode, DatastoreRefusal, DatastoreRow, PayOrder,
};
use super::writer::unexpected;

impl Store {
    /// Writes a value, if what is there is as `mode` and `generation` say. Returns what is there now; on
    /// disk once this returns.
    pub fn put_data(
        &self,
        key: DatastoreKey,
        value: Vec<u8>,
        mode: DatastoreMode,
        generation: Option<u64>,
    ) -> io::Result<Result<DatastoreRow, DatastoreRefusal>> {
        self.change_data(DatastoreChange::Put { key, value, mode, generation })
    }

    /// Deletes a value, if it has changed as often as `generation` says. Returns what was there.
    pub fn delete_data(
        &self,
        key: DatastoreKey,
        generation: Option<u64>,
    ) -> io::Result<Result<DatastoreRow, DatastoreRefusal>> {
        self.change_data(DatastoreChange::Delete { key, generation })
    }

    /// The value at this key and those that lie under it, or all, in the order of the keys. Those further
    /// below than one name have no value here: they only tell that there are some.
    pub fn data(&self, key: Option<&DatastoreKey>) -> io::Result<Vec<DatastoreRow>> {
        self.reads.data(key)
    }

    /// Keeps what a caller has said of a payment; on disk once this returns.
    pub fn keep_pay_order(&self, id: PaymentId, order: PayOrder) -> io::Result<()> {
        self.writer.write(Change::PayOrder(id, Some(Box::new(order)))).map(drop)
    }

    /// Forgets what a caller has said of a payment that there is not.
    pub fn forget_pay_order(&self, id: PaymentId) -> io::Result<()> {
        self.writer.write(Change::PayOrder(id, None)).map(drop)
    }

    /// What callers have said of these payments, in the same order.
    pub fn pay_orders(&self, ids: &[PaymentId]) -> io::Result<Vec<Option<PayOrder>>> {
        self.reads.pay_orders(ids)
    }

    fn change_data(
        &self,
        change: DatastoreChange,
    ) -> io::Result<Result<DatastoreRow, DatastoreRefusal>> {
        match self.writer.write(Change::Datastore(change))? {
            Reply::Datastore(outcome) => Ok(*outcome),
            _ => Err(unexpected()),
        }
    }
}
