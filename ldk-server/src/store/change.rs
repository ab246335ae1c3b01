//! What is to be written, and what came of it, as data. A backend makes the changes; nothing here
//! knows how.

use std::sync::Arc;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::payment::PaymentDetails;
use ldk_server_grpc::types::PaymentFailureReason;

use super::model::{
    Ack, AuditChange, InvoiceChange, InvoiceNews, Name, NewEvent, NewIntent, NotesChange,
    PaymentRow, Purpose, RecordedEvent, Removed, Reservation, Settlement, StatusChange, Value,
};

/// A change of what is stored.
pub(super) enum Change {
    /// One of the library's records, and what it means to the server.
    Record(RecordChange),
    /// Only what a change of one of the library's records means: the record is in another store.
    Meaning(RecordChange),
    /// What has happened to payments, one after the other.
    Payments(Vec<(PaymentId, PaymentEvent)>),
    /// The notes of a payment change, if there is one with this id.
    Notes {
        /// Its id.
        payment: PaymentId,
        /// What changes.
        change: NotesChange,
    },
    /// An event.
    Event(Box<NewEvent>),
    /// An event of the library.
    LibraryEvent {
        /// The payment that it is about.
        payment: Option<PaymentId>,
        /// Why that failed, if it has.
        failure: Option<PaymentFailureReason>,
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
    TidyReservations,
    /// A change of what is known of a call under a key.
    Intent(IntentChange),
    /// A change of the audit.
    Audit(AuditChange),
    /// A change of the invoices.
    Invoice(InvoiceChange),
    /// The library gets back a monitor that was set aside.
    RestoreMonitor(String),
}

/// Makes an event of the payment that it is about; none if there is nothing to tell.
pub(super) type Compose = Box<dyn FnOnce(Option<PaymentRow>) -> Option<NewEvent> + Send>;

/// What has happened to a payment. What becomes of it is told by [`super::payments::rules`].
pub(super) enum PaymentEvent {
    /// The library has written it.
    Written(Box<WrittenPayment>),
    /// The library has removed its record.
    Removed,
    /// It has not left the node, unless its record says something else by now.
    NotSent,
    /// Whether it has arrived is not known.
    OutcomeUnknown,
    /// The state of a channel was lost while it was on its way.
    StateOutdated,
    /// It is a transaction that the wallet has made.
    TransactionMade(Box<MadeTransaction>),
    /// It is a transaction of the wallet that was not accepted.
    TransactionRefused,
    /// It is an invoice that was pruned, and was paid all the same.
    PrunedInvoicePaid {
        /// What was paid.
        amount_msat: u64,
    },
}

impl PaymentEvent {
    /// What is known now of the call under a key that it is the outcome of.
    pub(super) fn intent(&self) -> Option<&IntentChange> {
        match self {
            Self::Written(payment) => payment.intent.as_ref(),
            Self::TransactionMade(made) => made.intent.as_ref(),
            _ => None,
        }
    }

    /// The notes that the payment gets with it.
    pub(super) fn notes(&self) -> Option<&NotesChange> {
        match self {
            Self::Written(payment) => payment.notes.as_ref(),
            Self::TransactionMade(made) => made.notes.as_ref(),
            _ => None,
        }
    }

    /// Whether it matters if the library has a record of the payment.
    pub(super) fn asks_for_record(&self) -> bool {
        matches!(self, Self::NotSent | Self::TransactionRefused)
    }
}

/// A payment as the library writes it.
pub(super) struct WrittenPayment {
    pub(super) details: PaymentDetails,
    /// The same, as it was written.
    pub(super) value: Arc<Vec<u8>>,
    /// The time of creation, unless it is in the history already; in Unix seconds.
    pub(super) created_at: u64,
    /// If it is an invoice that is being made: when it expires, in Unix seconds.
    pub(super) expires_at: Option<u64>,
    /// The call under a key that it is the outcome of.
    pub(super) intent: Option<IntentChange>,
    /// What the caller notes with it.
    pub(super) notes: Option<NotesChange>,
}

/// A transaction that the wallet has made.
pub(super) struct MadeTransaction {
    pub(super) details: PaymentDetails,
    /// The call under a key that it is the outcome of.
    pub(super) intent: Option<IntentChange>,
    /// What the caller notes with it.
    pub(super) notes: Option<NotesChange>,
}

/// A change of what is known of calls under keys.
#[derive(Clone)]
pub(super) enum IntentChange {
    /// What is known of one now.
    Put(Box<NewIntent>),
    /// Nothing of it was sent: the key is free.
    Drop(String),
    /// Forgets the oldest of those that were made before this, in Unix seconds.
    RemoveOld {
        /// The time.
        created_before: u64,
    },
}

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
    /// This has happened to a payment.
    Payment(Box<(PaymentId, PaymentEvent)>),
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
    /// What became of invoices.
    pub(super) invoices: Vec<InvoiceNews>,
    /// What became of reservations.
    pub(super) settlements: Vec<Settlement>,
    /// Payments of which there are news.
    pub(super) news: Vec<PaymentId>,
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
    /// How many calls under a key were forgotten.
    IntentsRemoved(u64),
    /// The number of the invoice; `None` if there is another with its label.
    InvoiceAdded(Option<u64>),
    /// How many invoices were removed.
    InvoicesRemoved(u64),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self { reply, ..Self::default() }
    }
}
