//! Making changes: a batch is one transaction.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rusqlite::{Connection, TransactionBehavior};

use super::connection::Writing;
use super::sole_writer::SoleWriter;
use super::{audit, consumers, epoch, events, payments, quarantine, records, reservations};
use crate::store::backend::{Backend, BackendError};
use crate::store::change::{Change, Meaning, Outcome, RecordChange, Reply};
use crate::store::model::RecordedEvent;

/// The connection that writes. What is done between two commits shares it, on the same thread.
pub(in crate::store) struct SqliteWriter(Arc<Mutex<Writing>>);

impl SqliteWriter {
    pub(super) fn new(database: Connection, sole_writer: SoleWriter) -> Self {
        Self(Arc::new(Mutex::new(Writing::new(database, sole_writer))))
    }

    pub(super) fn downgrade(&self) -> Weak<Mutex<Writing>> {
        Arc::downgrade(&self.0)
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for SqliteWriter {
    fn apply(&mut self, batch: Vec<Change>) -> Result<Vec<Outcome>, BackendError> {
        let database = &mut self.writing().database;
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcomes = batch.into_iter().map(|change| settled(&transaction, change));
        let outcomes = outcomes.collect::<rusqlite::Result<_>>()?;
        epoch::advance(&transaction)?;
        transaction.commit()?;
        Ok(outcomes)
    }

    fn committed(&mut self) -> Result<(), BackendError> {
        let Writing { wal_reader, log, database, .. } = &mut *self.writing();
        wal_reader.look(database);
        Ok(log.bound(database)?)
    }

    fn close(self: Box<Self>) {
        self.writing().wal_reader.end();
    }
}

/// Makes a change, and corrects what was reserved for the payments that it tells the outcome of.
fn settled(database: &Connection, change: Change) -> rusqlite::Result<Outcome> {
    let mut outcome = make(database, change)?;
    for payment in &outcome.payments {
        if let Some(cost_msat) = payment.cost_msat() {
            let settlements = reservations::settle(database, payment.id, cost_msat)?;
            outcome.settlements.extend(settlements);
        }
    }
    Ok(outcome)
}

fn make(database: &Connection, change: Change) -> rusqlite::Result<Outcome> {
    match change {
        Change::Record(change) => {
            write_record(database, &change)?;
            write_meaning(database, change)
        },
        Change::Meaning(change) => write_meaning(database, change),
        Change::PaymentsFailed(payments) => {
            let payments = payments::have_failed(database, &payments)?;
            Ok(Outcome { payments, ..Outcome::default() })
        },
        Change::OutcomesUnknown(payments) => {
            payments.iter().try_for_each(|payment| payments::give_up(database, payment))?;
            Ok(Outcome::default())
        },
        Change::TransactionMade(details) => {
            payments::transaction_made(database, &details).map(Outcome::from)
        },
        Change::TransactionRefused(id) => {
            payments::transaction_refused(database, id).map(Outcome::from)
        },
        Change::PrunedInvoicePaid { id, amount_msat } => {
            payments::paid_after_all(database, id, amount_msat).map(Outcome::from)
        },
        Change::Audit(change) => {
            audit::make(database, change).map(Reply::AuditEntriesRemoved).map(Outcome::from)
        },
        Change::RestoreMonitor(name) => {
            quarantine::restore(database, &name)?;
            Ok(Outcome::default())
        },
        change => make_of_budgets(database, change),
    }
}

/// Changes of what is drawn on budgets.
fn make_of_budgets(database: &Connection, change: Change) -> rusqlite::Result<Outcome> {
    match change {
        Change::Reserve { reservations, purpose } => {
            reservations::add(database, &reservations, purpose)?;
        },
        Change::ReservationIsFor { number, purpose } => {
            reservations::are_for(database, number, purpose)?;
        },
        Change::Release { number } => reservations::release(database, number)?,
        Change::TidyReservations { now_secs } => reservations::tidy(database, now_secs)?,
        change => return make_of_events(database, change),
    }
    Ok(Outcome::default())
}

/// Changes of the events and their consumers.
fn make_of_events(database: &Connection, change: Change) -> rusqlite::Result<Outcome> {
    let reply = match change {
        Change::Event(event) => return events::record(database, *event).map(recorded),
        Change::LibraryEvent { payment, compose } => {
            let payment = payment.map(|id| payments::current(database, id)).transpose()?;
            let Some(event) = compose(payment.flatten()) else { return Ok(recorded(None)) };
            return events::record(database, event).map(recorded);
        },
        Change::EventAcknowledged => {
            events::acknowledged(database)?;
            return Ok(Outcome { is_acknowledged: true, ..Outcome::default() });
        },
        Change::AddConsumer { name, after } => {
            Reply::ConsumerAdded(consumers::add(database, &name, after)?)
        },
        Change::AckEvents { consumer, event_index } => {
            Reply::Ack(consumers::acknowledge(database, &consumer, event_index)?)
        },
        Change::DeleteConsumer(name) => Reply::IsChanged(consumers::delete(database, &name)?),
        Change::RemoveOldEvents { recorded_before, keep_count } => {
            Reply::Removed(events::remove_old(database, recorded_before, keep_count)?)
        },
        _ => Reply::Made,
    };
    Ok(reply.into())
}

fn recorded(event: Option<RecordedEvent>) -> Outcome {
    let reply = Reply::IsChanged(event.is_some());
    Outcome { event: event.map(Box::new), ..Outcome::from(reply) }
}

fn write_record(database: &Connection, change: &RecordChange) -> rusqlite::Result<()> {
    let RecordChange { name, value, .. } = change;
    match value {
        Some(value) => records::put(database, name, value)?,
        None => records::delete(database, name)?,
    }
    if name.monitor().is_some() {
        epoch::channel_changed(database)
    } else if name.is_manager() {
        epoch::managed(database)
    } else {
        Ok(())
    }
}

/// Writes down what the change of a record means to the server.
fn write_meaning(database: &Connection, change: RecordChange) -> rusqlite::Result<Outcome> {
    Ok(match change.meaning {
        Meaning::None => Outcome::default(),
        Meaning::Payment(details, expires_at) => {
            let value = change.value.as_deref().map(Vec::as_slice).unwrap_or_default();
            Some(payments::put(database, &details, value, expires_at)?).into()
        },
        Meaning::PaymentRemoved(id) => payments::removed(database, &id)?.into(),
        Meaning::Queue { acknowledges, reveals_outdated_state } => {
            if reveals_outdated_state {
                payments::doubt_pending(database)?;
            }
            if acknowledges {
                events::acknowledged(database)?;
            }
            Outcome { is_acknowledged: acknowledges, ..Outcome::default() }
        },
    })
}
