//! What is to be written, and what came of it, as data. A backend makes the changes; nothing here
//! knows how.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::payment::PaymentDetails;
use ldk_server_grpc::types::Payment;

use super::model::{
    Ack, AuditChange, Name, NewEvent, Purpose, RecordedEvent, Removed, Reservation, Settlement, StatusChange,
    Value,
};
use crate::compat::channel_state::Id;

/// A change of what is stored.
pub(super) enum Change {
    /// One of the library's records, and what it means to the server.
    Record(RecordChange),
    /// Only what a change of one of the library's records means: the record is in another store.
    Meaning(RecordChange),
    /// These payments have failed, unless their records say something else by now.
    PaymentsFailed(Vec<Id>),
    /// Whether these payments have arrived is not known.
    OutcomesUnknown(Vec<Id>),
    /// The wallet has made a transaction. Nothing is changed if it is known already.
    TransactionMade(Box<PaymentDetails>),
    /// A transaction of the wallet was not accepted. If the library knows it, nothing is changed.
    TransactionRefused(PaymentId),
    /// An invoice that was pruned was paid all the same.
    PrunedInvoicePaid {
        /// The payment that it asks for.
        id: PaymentId,
        /// What was paid.
        amount_msat: u64,
    },
    /// An event.
    Event(Box<NewEvent>),
    /// An event of the library.
    LibraryEvent {
        /// The payment that it is about.
        payment: Option<PaymentId>,
        /// Makes the event, of the payment as it is on record by then.
        compose: Compose,
    },
    /// The event of the library that was recorded last will not be delivered again.
    EventAcknowledged,
    /// A consumer that begins after this event, unless there is one of this name.
    AddConsumer {
        /// Its name.
        name: String,
        /// The event.
        after: u64,
    },
    /// A consumer is done with the events up to this one.
    AckEvents {
        /// Its name.
        consumer: String,
        /// The event.
        event_index: u64,
    },
    /// There is no such consumer any more.
    DeleteConsumer(String),
    /// Removes the oldest events, some at a time.
    RemoveOldEvents {
        /// Those that were recorded before this, in Unix seconds,
        recorded_before: u64,
        /// and those that are more than this.
        keep_count: u64,
    },
    /// Amounts are reserved on budgets.
    Reserve {
        /// The amounts, all with the same number.
        reservations: Vec<Reservation>,
        /// What they are for, as far as that is known.
        purpose: Purpose,
    },
    /// It is known what reservations are for.
    ReservationIsFor {
        /// Their number.
        number: u64,
        /// What they are for.
        purpose: Purpose,
    },
    /// Nothing was spent of what was reserved.
    Release {
        /// The number of the reservations.
        number: u64,
    },
    /// Settles the reservations that a crash has left, and forgets those that count no more.
    TidyReservations {
        /// The time, in Unix seconds.
        now_secs: u64,
    },
    /// A change of the audit.
    Audit(AuditChange),
    /// The library gets back a monitor that was set aside.
    RestoreMonitor(String),
}

/// Makes an event of the payment that it is about; none if there is nothing to tell.
pub(super) type Compose = Box<dyn FnOnce(Option<Payment>) -> Option<NewEvent> + Send>;

/// A change of one of the library's records.
pub(super) struct RecordChange {
    pub(super) name: Name,
    /// `None` to remove it.
    pub(super) value: Value,
    pub(super) meaning: Meaning,
}

/// What a change of a record means to the server.
pub(super) enum Meaning {
    /// Nothing.
    None,
    /// The payment is now this. If it is an invoice that is being made, it expires then.
    Payment(Box<PaymentDetails>, Option<u64>),
    /// The payment with this id is no longer the library's.
    PaymentRemoved(Vec<u8>),
    /// An event came into the library's queue or left it.
    Queue {
        /// The event that was recorded last will not be delivered again.
        acknowledges: bool,
        /// What is on its way may have arrived, even if the library says that it failed.
        reveals_outdated_state: bool,
    },
}

/// What came of a change.
#[derive(Default)]
pub(super) struct Outcome {
    /// The payments that have another status, or were looked at to see whether they have.
    pub(super) payments: Vec<StatusChange>,
    /// What became of reservations.
    pub(super) settlements: Vec<Settlement>,
    /// The event that is recorded.
    pub(super) event: Option<Box<RecordedEvent>>,
    /// That no event of the library is recorded and not acknowledged.
    pub(super) is_acknowledged: bool,
    /// The answer to who asked for it.
    pub(super) reply: Reply,
}

/// What is answered to who asked for a change.
#[derive(Default)]
pub(super) enum Reply {
    /// That it is made.
    #[default]
    Made,
    /// Whether there was something to change.
    IsChanged(bool),
    /// The last event that the consumer has acknowledged; `None` if there are too many consumers.
    ConsumerAdded(Option<u64>),
    /// What became of the acknowledgement.
    Ack(Ack),
    /// What was removed.
    Removed(Removed),
    /// How many entries of the audit were removed.
    AuditEntriesRemoved(u64),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self { reply, ..Self::default() }
    }
}

impl From<Option<StatusChange>> for Outcome {
    fn from(payment: Option<StatusChange>) -> Self {
        Self { payments: payment.into_iter().collect(), ..Self::default() }
    }
}
