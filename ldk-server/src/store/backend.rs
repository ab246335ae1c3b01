//! The seam between what the store promises and the database that keeps it. Above are the order of
//! writes, group commit, the durable position and the consistent cuts; below are tables and files.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use ldk_node::bitcoin::Txid;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::types::EventConsumer;

use super::change::{Change, Outcome};
use super::model::{
    AuditEntry, AuditFilter, AuditPlace, Class, Digest, Epoch, EventBounds, ForwardFilter, ForwardPlace, ForwardRow, Lineage, Name,
    PaymentFilter, PaymentPlace, PaymentRow, QuarantinedMonitor, Reservation, Unpaid,
};
use crate::compat::channel_state::Id;

/// Why the database cannot be written.
pub(super) type BackendError = Box<dyn Error + Send + Sync>;

/// Writes to the database, on one thread.
pub(super) trait Backend: Send {
    /// Makes these changes in their order, all or none; they are durable once this returns. What came
    /// of each has the place of the change.
    fn apply(&mut self, batch: Vec<Change>) -> Result<Vec<Outcome>, BackendError>;

    /// Those who wait for what was applied last have their answers; for what is done after a commit.
    fn committed(&mut self) -> Result<(), BackendError>;

    /// Nothing more will be written.
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

    /// Which events there are.
    fn event_bounds(&self) -> io::Result<EventBounds>;
    /// The events after this one, each as it was encoded.
    fn events_after(&self, event_index: u64, limit: usize) -> io::Result<Vec<Vec<u8>>>;
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
