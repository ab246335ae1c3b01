//! Making changes: a batch is one transaction.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::types::PaymentFailureReason;
use rusqlite::{Connection, TransactionBehavior};

use super::channel_manager::ManagerWriter;
use super::connection::Writing;
use super::primary::Primary;
use super::sole_writer::SoleWriter;
use super::{
    audit, consumers, datastore, epoch, events, intents, invoices, orders, payments, quarantine,
    records, reservations,
};
use crate::store::backend::{Backend, BackendError};
use crate::store::change::{Change, Compose, Meaning, Outcome, PaymentEvent, RecordChange, Reply};
use crate::store::model::RecordedEvent;

/// Writes to the file.
pub(super) struct SqliteWriter {
    /// The connection that writes. What is done between two commits shares it, on the same thread.
    writing: Arc<Mutex<Writing>>,
    /// The database that the file is a working copy of, if it is one.
    primary: Option<Box<dyn Primary>>,
    /// Why the file does not have what its primary has.
    behind: Option<rusqlite::Error>,
}

impl SqliteWriter {
    pub(super) fn new(database: Connection, sole_writer: SoleWriter) -> Self {
        let writing = Arc::new(Mutex::new(Writing::new(database, sole_writer)));
        Self { writing, primary: None, behind: None }
    }

    /// From now on, each batch is committed by this database before it is committed here.
    pub(super) fn follow(&mut self, primary: Box<dyn Primary>) {
        locked(&self.writing).is_working_copy = true;
        self.primary = Some(primary);
    }

    pub(super) fn downgrade(&self) -> Weak<Mutex<Writing>> {
        Arc::downgrade(&self.writing)
    }
}

fn locked(writing: &Mutex<Writing>) -> MutexGuard<'_, Writing> {
    writing.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Backend for SqliteWriter {
    fn apply(&mut self, batch: Vec<Change>, now: u64) -> Result<Vec<Outcome>, BackendError> {
        let Self { writing, primary, behind } = self;
        let Writing { database, manager, .. } = &mut *locked(writing);
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let batch_under_way = BatchUnderWay { database: &transaction, now };
        let outcomes = batch.into_iter().map(|change| {
            if let Change::Record(record) = &change {
                write_record(&transaction, manager, record)?;
            }
            batch_under_way.make(change)
        });
        let outcomes = outcomes.collect::<rusqlite::Result<_>>()?;
        epoch::advance(&transaction)?;
        match primary {
            None => transaction.commit()?,
            Some(primary) => {
                primary.commit(&transaction)?;
                // What the primary has is durable, and its callers must not be told otherwise.
                *behind = transaction.commit().err();
            },
        }
        Ok(outcomes)
    }

    fn committed(&mut self) -> Result<(), BackendError> {
        if let Some(error) = self.behind.take() {
            return Err(error.into());
        }
        let Writing { wal_reader, log, database, .. } = &mut *locked(&self.writing);
        wal_reader.look(database);
        Ok(log.bound(database)?)
    }

    fn close(self: Box<Self>) {
        let Self { writing, primary, .. } = *self;
        let mut writing = locked(&writing);
        // The next process reads it as it is.
        if let Err(error) = writing.complete() {
            tracing::warn!(%error, "only this server can read the channel manager: it is in chunks");
        }
        writing.wal_reader.end();
        drop(writing);
        if let Some(primary) = primary {
            primary.close();
        }
    }
}

/// The transaction of a batch, and its time in Unix seconds.
struct BatchUnderWay<'a> {
    database: &'a Connection,
    now: u64,
}

impl BatchUnderWay<'_> {
    fn make(&self, change: Change) -> rusqlite::Result<Outcome> {
        match change {
            // The record is written.
            Change::Record(change) | Change::Meaning(change) => self.write_meaning(change.meaning),
            Change::Payments(events) => self.write_payments(events),
            Change::Notes { payment, change } => {
                payments::change_notes(self.database, payment, &change)
                    .map(Reply::IsChanged)
                    .map(Outcome::from)
            },
            Change::Audit(change) => audit::make(self.database, change)
                .map(Reply::AuditEntriesRemoved)
                .map(Outcome::from),
            Change::Intent(change) => {
                intents::make(self.database, change).map(Reply::IntentsRemoved).map(Outcome::from)
            },
            Change::Invoice(change) => invoices::make(self.database, change),
            Change::Datastore(change) => datastore::make(self.database, change)
                .map(|outcome| Reply::Datastore(Box::new(outcome)))
                .map(Outcome::from),
            Change::PayOrder(id, order) => {
                match order {
                    Some(order) => orders::put(self.database, id, &order)?,
                    None => orders::forget(self.database, id)?,
                }
                Ok(Outcome::default())
            },
            Change::RestoreMonitor(name) => {
                quarantine::restore(self.database, &name)?;
                Ok(Outcome::default())
            },
            change => self.make_of_budgets(change),
        }
    }

    /// Makes a change of what is drawn on budgets.
    fn make_of_budgets(&self, change: Change) -> rusqlite::Result<Outcome> {
        let database = self.database;
        match change {
            Change::Reserve { reservations, purpose } => {
                reservations::add(database, &reservations, purpose)?;
            },
            Change::ReservationIsFor { number, purpose } => {
                reservations::are_for(database, number, purpose)?;
            },
            Change::Release { number } => reservations::release(database, number)?,
            Change::TidyReservations => reservations::tidy(database, self.now)?,
            change => return self.make_of_events(change),
        }
        Ok(Outcome::default())
    }

    /// Makes a change of the events and their consumers.
    fn make_of_events(&self, change: Change) -> rusqlite::Result<Outcome> {
        let Self { database, now } = *self;
        let reply = match change {
            Change::Event(event) => return events::record(database, *event, now).map(recorded),
            Change::LibraryEvent { payment, failure, compose } => {
                return self.record_library_event(payment, failure, compose);
            },
            Change::EventAcknowledged => {
                events::acknowledged(database)?;
                return Ok(Outcome { is_acknowledged: true, ..Outcome::default() });
            },
            Change::AddConsumer { name, after } => {
                Reply::ConsumerAdded(consumers::add(database, &name, after, now)?)
            },
            Change::AckEvents { consumer, event_index } => {
                Reply::Ack(consumers::acknowledge(database, &consumer, event_index, now)?)
            },
            Change::DeleteConsumer(name) => Reply::IsChanged(consumers::delete(database, &name)?),
            Change::RemoveOldEvents { recorded_before, keep_count } => {
                Reply::Removed(events::remove_old(database, recorded_before, keep_count)?)
            },
            _ => Reply::Made,
        };
        Ok(reply.into())
    }

    fn record_library_event(
        &self,
        payment: Option<PaymentId>,
        failure: Option<PaymentFailureReason>,
        compose: Compose,
    ) -> rusqlite::Result<Outcome> {
        let Self { database, now } = *self;
        if let Some((id, reason)) = payment.zip(failure) {
            payments::set_failure(database, id, reason)?;
        }
        let row = payment.map(|id| payments::find(database, id)).transpose()?;
        let event = match compose(row.flatten()) {
            Some(event) => events::record(database, event, now)?,
            None => None,
        };
        Ok(Outcome { news: payment.into_iter().collect(), ..recorded(event) })
    }

    /// Writes down what the change of a record means to the server.
    fn write_meaning(&self, meaning: Meaning) -> rusqlite::Result<Outcome> {
        match meaning {
            Meaning::None => Ok(Outcome::default()),
            Meaning::Payment(event) => self.write_payments(vec![*event]),
            Meaning::Queue { acknowledges, reveals_outdated_state } => {
                if reveals_outdated_state {
                    let under_way = payments::on_their_way_out(self.database)?.into_iter();
                    let outdated = |id| (PaymentId(id), PaymentEvent::StateOutdated);
                    self.write_payments(under_way.map(outdated).collect())?;
                }
                if acknowledges {
                    events::acknowledged(self.database)?;
                }
                Ok(Outcome { is_acknowledged: acknowledges, ..Outcome::default() })
            },
        }
    }

    fn write_payments(&self, events: Vec<(PaymentId, PaymentEvent)>) -> rusqlite::Result<Outcome> {
        let mut outcome = Outcome::default();
        for (id, event) in events {
            if let Some(intent) = event.intent() {
                intents::make(self.database, intent.clone())?;
            }
            let (change, invoice) = payments::change(self.database, id, &event, self.now)?;
            if let Some(notes) = event.notes() {
                payments::change_notes(self.database, id, notes)?;
            }
            outcome.invoices.extend(invoices::follow(self.database, invoice, self.now)?);
            let Some(change) = change else { continue };
            // What was reserved for it is corrected with what it has cost.
            if let Some(cost_msat) = change.cost_msat() {
                let settlements = reservations::settle(self.database, id, cost_msat)?;
                outcome.settlements.extend(settlements);
            }
            if matches!(event, PaymentEvent::NotSent) {
                payments::set_failure(self.database, id, PaymentFailureReason::NotSent)?;
            }
            outcome.news.push(id);
            outcome.payments.push(change);
        }
        Ok(outcome)
    }
}

fn recorded(event: Option<RecordedEvent>) -> Outcome {
    let reply = Reply::IsChanged(event.is_some());
    Outcome { event: event.map(Box::new), ..Outcome::from(reply) }
}

fn write_record(
    database: &Connection,
    manager: &mut ManagerWriter,
    RecordChange { name, value, .. }: &RecordChange,
) -> rusqlite::Result<()> {
    if name.is_manager() {
        manager.put(database, name, value)?;
        return epoch::managed(database);
    }
    match value {
        Some(value) => records::put(database, name, value)?,
        None => records::delete(database, name)?,
    }
    if name.monitor().is_some() { epoch::channel_changed(database) } else { Ok(()) }
}
