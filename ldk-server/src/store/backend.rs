//! The seam between what the store promises and the database that keeps it. Above are the order of
//! writes, group commit, the durable position, the consistent cuts, and the rules of payments; below
//! are tables and files.
//!
//! A backend is an [`OpenDatabase`]: three views of one database. It must promise that
//!
//! - a batch is atomic: [`Backend::apply`] makes all of its changes, in their order, or none, and
//!   none of a batch that failed is ever found by a reader or by the next process;
//! - a batch is durable: once [`Backend::apply`] has returned, a crash of the process, of the system
//!   or of the machine undoes none of it;
//! - each batch begins a new [`Epoch`] of the state, in the same transaction;
//! - there is one writer: while a database is open, no other process or connection writes to it;
//! - [`Reads`] finds what the last batch has made as soon as [`Backend::apply`] has returned, all of one
//!   moment within one call, and waits neither for the writer nor for the tasks between two batches;
//! - [`Upkeep`] copies a state as of one commit, and never what lies between two.
//!
//! A backend takes no decision on a payment and reads no clock: it looks a payment up, asks
//! [`super::payments::rules`], and writes what they answer. The tests in `conformance` check all of this;
//! a new backend implements `conformance::TestDatabase` and is added to the list there.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use ldk_node::bitcoin::Txid;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::events::ChannelStateChanged;
use ldk_server_grpc::types::EventConsumer;

use super::books::Times;
use super::change::{Change, Outcome};
use super::model::{
    AuditEntry, AuditFilter, AuditPlace, Class, DatastoreKey, DatastoreRow, Digest, Epoch,
    EventBounds, ForwardFilter, ForwardPlace, ForwardRow, IntentRow, InvoiceFilter, InvoiceName,
    InvoicePlace, InvoiceRow, Lineage, MirrorState, Name, PayOrder, PaymentFilter, PaymentPlace,
    PaymentRow, QuarantinedMonitor, Reservation, SpaceUsed, Unpaid,
};
use crate::compat::channel_state::Id;

/// Why the database cannot be written.
pub(super) type BackendError = Box<dyn Error + Send + Sync>;

/// A database that is open.
pub(super) struct OpenDatabase {
    /// Writes to it.
    pub(super) writes: Box<dyn Backend>,
    /// Reads it.
    pub(super) reads: Box<dyn Reads>,
    /// Makes what keeps it as a whole, which may have things done between two commits.
    pub(super) upkeep: MakeUpkeep,
    /// Lets another process have it.
    pub(super) release: Release,
}

/// Lets another process have the database at once, when nothing more is to be written. Blocks until that
/// is so; done twice, it does nothing.
pub(super) type Release = Box<dyn Fn() + Send + Sync>;

/// Makes the [`Upkeep`] of a database, once there is a writer.
pub(super) type MakeUpkeep = Box<dyn FnOnce(Arc<dyn BetweenCommits>) -> Box<dyn Upkeep>>;

/// Writes to the database, on one thread.
pub(super) trait Backend: Send {
    /// Makes these changes in their order, all or none; they are durable once this returns. `now`, in
    /// Unix seconds, is the time that the rows get. The result has an outcome for each change, in the
    /// same order.
    fn apply(&mut self, batch: Vec<Change>, now: u64) -> Result<Vec<Outcome>, BackendError>;

    /// Does what is to be done after a commit. Those who waited for it have their answers by now.
    fn committed(&mut self) -> Result<(), BackendError>;

    /// Closes the database: nothing more will be written.
    fn close(self: Box<Self>);
}

/// Something to be done between two commits.
pub(super) type MaintenanceTask = Box<dyn FnOnce() + Send>;

/// Has things done between two commits, on the thread that makes them.
pub(super) trait BetweenCommits: Send + Sync {
    /// Has this done, when all that can be committed by now is. It is dropped if nothing more will be
    /// written.
    fn run(&self, task: MaintenanceTask);
}

/// Reads what was committed last, on any thread, without waiting for who writes.
pub(super) trait Reads: Send + Sync {
    /// One of the library's records.
    fn record(&self, name: &Name) -> io::Result<Option<Vec<u8>>>;
    /// The keys of the records in a namespace.
    fn keys(&self, namespace: (&str, &str)) -> io::Result<BTreeSet<String>>;
    /// How far the state has come.
    fn epoch(&self) -> io::Result<(Lineage, Epoch)>;
    /// How often the state of a channel was changed, if the library has written down all that
    /// belongs to the last of these changes.
    fn settled_channels(&self) -> io::Result<Option<u64>>;

    /// The payment with this id.
    fn payment(&self, id: PaymentId) -> io::Result<Option<PaymentRow>>;
    /// The payments after this place, or from the newest on; `None` if no payment is at this place.
    fn payments(
        &self,
        filter: &PaymentFilter,
        after: Option<PaymentPlace>,
        limit: usize,
    ) -> io::Result<Option<Vec<PaymentRow>>>;
    /// How many payments there are of each class.
    fn payment_classes(&self) -> io::Result<BTreeMap<Class, u64>>;
    /// The Lightning payments on their way out of which it is not known already that their outcome
    /// is not.
    fn on_their_way_out(&self) -> io::Result<Vec<Id>>;
    /// Invoices that expired before this and are not paid, those after this one.
    fn expired_invoices(
        &self,
        expired_before: u64,
        after: Option<Unpaid>,
        limit: usize,
    ) -> io::Result<Vec<Unpaid>>;
    /// The transactions that the wallet has made and the library has not written down.
    fn transactions_not_found(&self) -> io::Result<Vec<Txid>>;
    /// The forwards after this place, each as it was encoded; `None` if no forward is at this place.
    fn forwards(
        &self,
        filter: &ForwardFilter,
        after: Option<ForwardPlace>,
        limit: usize,
    ) -> io::Result<Option<Vec<ForwardRow>>>;

    /// The Lightning payments that have succeeded in this span of time, those after this place, the first
    /// that began first.
    fn settled_payments(
        &self,
        times: Times,
        after: Option<PaymentPlace>,
        limit: usize,
    ) -> io::Result<Vec<PaymentRow>>;
    /// The forwards of this span of time, those after this place, the first first.
    fn forwards_in_order(
        &self,
        times: Times,
        after: Option<ForwardPlace>,
        limit: usize,
    ) -> io::Result<Vec<ForwardRow>>;
    /// The invoice of this name.
    fn invoice(&self, name: &InvoiceName) -> io::Result<Option<InvoiceRow>>;
    /// The invoices after this place, or from the newest on.
    fn invoices(
        &self,
        filter: &InvoiceFilter,
        after: Option<InvoicePlace>,
        limit: usize,
    ) -> io::Result<Vec<InvoiceRow>>;
    /// The one that was paid first after that with this index.
    fn paid_after(&self, pay_index: u64) -> io::Result<Option<InvoiceRow>>;
    /// The index of the one that was paid last; 0 before the first.
    fn last_pay_index(&self) -> io::Result<u64>;
    /// The caller's own preimage of the payment with this hash.
    fn own_preimage(&self, payment_hash: [u8; 32]) -> io::Result<Option<[u8; 32]>>;

    /// Which events there are.
    fn event_bounds(&self) -> io::Result<EventBounds>;
    /// The events after this one, each as it was encoded.
    fn events_after(&self, event_index: u64, limit: usize) -> io::Result<Vec<Vec<u8>>>;
    /// The last of these that tells of the state of this channel.
    fn last_channel_state(&self, user_channel_id: &str) -> io::Result<Option<ChannelStateChanged>>;
    /// The event of the library that is recorded and not acknowledged.
    fn unacknowledged_event(&self) -> io::Result<Option<Digest>>;
    /// The last event that this consumer has acknowledged.
    fn acknowledged_index(&self, consumer: &str) -> io::Result<Option<u64>>;
    /// The consumers, by name, and which events there are at the same moment.
    fn event_consumers(&self) -> io::Result<(Vec<EventConsumer>, EventBounds)>;
    /// How many consumers there are.
    fn consumer_count(&self) -> io::Result<usize>;

    /// What was drawn on budgets, in the order of the numbers.
    fn reservations(&self) -> io::Result<Vec<Reservation>>;

    /// What was asked for under this key.
    fn intent(&self, key: &str) -> io::Result<Option<IntentRow>>;

    /// What callers keep at this key and under it, or at all keys, in the order of the keys. Those further
    /// below than one name have no value here.
    fn data(&self, key: Option<&DatastoreKey>) -> io::Result<Vec<DatastoreRow>>;
    /// What callers have said of these payments, in the same order.
    fn pay_orders(&self, ids: &[PaymentId]) -> io::Result<Vec<Option<PayOrder>>>;

    /// The number of the last entry of the audit; 0 if there is none.
    fn last_audit_number(&self) -> io::Result<u64>;
    /// The entries of the audit after this place, or from the newest on. Of those up to this number,
    /// which are of earlier runs, none is under way.
    fn audit_entries(
        &self,
        filter: &AuditFilter,
        after: Option<AuditPlace>,
        limit: usize,
        last_of_before: u64,
    ) -> io::Result<Vec<AuditEntry>>;

    /// The monitors that are set aside.
    fn quarantined_monitors(&self) -> io::Result<Vec<QuarantinedMonitor>>;
}

/// Keeps the database as a whole: copies of it, and the space that it takes. Dropped after the writer
/// has closed it; that completes the mirror, or gives it up.
pub(super) trait Upkeep: Any + Send + Sync {
    /// Copies the state as of one commit into this file, which must not exist, and returns which
    /// commit that is. Writers go on meanwhile.
    fn snapshot(&self, path: &Path) -> io::Result<(Lineage, Epoch)>;

    /// Completes what is on disk, so that until the next write a copy of the files is a copy of the
    /// state, and waits for the mirror within bounds.
    fn checkpoint(&self) -> io::Result<()>;

    /// Copies the database, and every commit from now on, to this directory. Fails only if there is
    /// something in it that must not be overwritten.
    fn mirror_to(&self, dir: &Path, lineage: Lineage) -> std::io::Result<()>;

    /// How far the mirror is; `None` if there is none.
    fn mirror_state(&self) -> Option<MirrorState>;

    /// The space that the database takes, and what is left.
    fn space_used(&self) -> SpaceUsed;
}
