//! The one thread that writes. What is asked for while a commit is on its way to the disk goes into
//! the next one together (group commit): under load a commit is shared by all who wait, and one who
//! is alone waits for nobody.
//!
//! A caller is answered after the commit that holds its change is durable. Changes are made in the
//! order in which they were asked for. When a commit fails nothing of it is kept, none of its callers
//! is told otherwise, and nothing is written any more: what the disk holds is then the state as of the
//! last commit, and only another process may go on from there. Until `on_failure` has returned nobody
//! is told anything, those who come late included.
//!
//! What the library writes may be answered at once, before it is durable; [`order`] then says how far
//! a commit may go. Until it is committed the library reads it from the queue.

mod job;
mod metrics;
mod order;
mod pin;
mod queue;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use ldk_node::lightning::io;
use rusqlite::{Connection, TransactionBehavior};

use super::durability::Durability;
use super::sqlite::checkpoint::Log;
use super::sqlite::epoch;
use super::sqlite::records::Name;
use super::sqlite::replica::WalReader;
use super::sqlite::sole_writer::SoleWriter;
use job::Failure;
pub(super) use job::{Answer, job, wait, wait_async};
pub(super) use metrics::CommitMetrics;
pub(super) use order::Kind;
pub use pin::SendPin;
pub(super) use pin::is_pinned;
pub use queue::Waits;
use queue::{Batch, Jobs, Shared};
pub(super) use queue::{Known, OnOver};

/// Writes to the database.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What is done between two commits, on the thread that makes them.
type MaintenanceTask = Box<dyn FnOnce(&Connection, &mut WalReader) + Send>;

/// Has something done between two commits.
#[derive(Clone)]
pub(super) struct Maintenance(Arc<Shared>);

/// A value of the library's, or that it has none.
pub(super) type Value = Option<Arc<Vec<u8>>>;

impl Writer {
    /// Begins to write to this database. If a commit fails, `on_failure` is called with the reason
    /// before anybody is answered. `on_over` makes the change for a payment that is over.
    pub(super) fn start(
        (database, sole_writer): (Connection, SoleWriter),
        on_failure: impl FnOnce(&str) + Send + 'static,
        on_over: OnOver,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(on_over)?);
        let for_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                for_thread.write_all(database, on_failure);
                drop(sole_writer);
            })
            .map_err(|error| io::Error::new(io::ErrorKind::Other, error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What is measured of commits.
    pub(super) fn metrics(&self) -> &CommitMetrics {
        self.shared.metrics()
    }

    /// How much of what was asked for is on disk.
    pub(super) fn durability(&self) -> Durability {
        self.shared.durability()
    }

    /// How many changes wait for the commit after the one under way.
    pub(super) fn queued(&self) -> usize {
        self.shared.queued()
    }

    /// For how long what is to be written has waited.
    pub(super) fn waits(&self) -> Waits {
        self.shared.waits()
    }

    /// Has things done between two commits.
    pub(super) fn maintenance(&self) -> Maintenance {
        Maintenance(Arc::clone(&self.shared))
    }

    /// Makes a change; it is durable once this returns.
    pub(super) fn write<T: Send + 'static>(
        &self,
        make: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        wait(|answer| self.submit(make, answer))
    }

    /// Makes a change, and calls `answer` on the writing thread when it is durable or has failed.
    /// Answers come in the order of the changes.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        make: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        answer: impl FnOnce(io::Result<T>) + Send + 'static,
    ) {
        self.shared.push(job(make, answer));
    }

    /// Makes a change of one of the library's records in the order that cuts keep. The library reads
    /// the value from now on.
    pub(super) fn submit_record<T: Send + 'static>(
        &self,
        kind: Kind,
        name: Name,
        value: Value,
        make: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        answer: impl FnOnce(io::Result<T>) + Send + 'static,
    ) {
        self.shared.push_record(kind, name, value, job(make, answer));
    }

    /// What was written under this name and is not committed.
    pub(super) fn pending(&self, name: &Name) -> Option<Value> {
        self.shared.pending(name)
    }

    /// The keys of this namespace for which something was written that is not committed, and whether
    /// they have a value.
    pub(super) fn pending_keys(&self, namespace: (&str, &str)) -> Vec<(String, bool)> {
        self.shared.pending_keys(namespace)
    }

    /// From now on, what the library writes is cut so that the states of its channels fit each other.
    pub(super) fn begin_cuts(&self, known: Known) {
        self.shared.begin_cuts(known);
    }

    /// From now on, it is written in its order.
    pub(super) fn end_cuts(&self) {
        self.shared.end_cuts();
    }

    /// Holds back the managers of the channels until this is dropped.
    pub(super) fn pin(&self) -> SendPin {
        SendPin::new(Arc::clone(&self.shared))
    }
}

impl Maintenance {
    /// Has this done between two commits, and waits for its outcome.
    pub(super) fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&Connection, &mut WalReader) -> T + Send + 'static,
    ) -> io::Result<T> {
        wait(|answer| {
            self.0.run(Box::new(|database, wal_reader| answer(Ok(task(database, wal_reader)))));
        })
    }
}

impl Drop for Writer {
    /// Waits until everything is written.
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn write_all(&self, mut database: Connection, on_failure: impl FnOnce(&str)) {
        let (mut log, mut wal_reader) = (Log::of(&database), WalReader::of(&database));
        while let Some(Batch { mut jobs, watermark, left, maintenance }) = self.take() {
            if !jobs.is_empty() {
                let begun = Instant::now();
                if let Err(error) = commit(&mut database, &mut jobs) {
                    return self.fail(jobs, &error, on_failure);
                }
                self.committed(&jobs, watermark, begun.elapsed());
                jobs.into_iter().for_each(|entry| entry.payload.answer(Ok(())));
                wal_reader.look(&database);
                if let Err(error) = log.bound(&database) {
                    return self.fail(Vec::new(), &error, on_failure);
                }
            }
            maintenance.into_iter().for_each(|task| task(&database, &mut wal_reader));
            leave(left);
        }
        self.end();
        wal_reader.end();
    }

    fn fail(&self, mut jobs: Jobs, error: &rusqlite::Error, on_failure: impl FnOnce(&str)) {
        let failure = Failure::from(format!("the database cannot be written: {error}"));
        on_failure(&failure);
        jobs.extend(self.fail_with(&failure));
        jobs.into_iter().for_each(|entry| entry.payload.answer(Err(Arc::clone(&failure))));
    }
}

/// What is not in a consistent cut when the store is closed is not written.
fn leave(left: Jobs) {
    if !left.is_empty() {
        tracing::warn!(
            "{} writes of the library are left behind: the manager of the channels that knows of \
             them has not come, and nothing of them has left the node",
            left.len()
        );
    }
    let failure = Failure::from("the store is closed");
    left.into_iter().for_each(|entry| entry.payload.answer(Err(Arc::clone(&failure))));
}

/// Of several managers only the last counts, and each is large.
fn commit(database: &mut Connection, jobs: &mut Jobs) -> rusqlite::Result<()> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let is_manager = |kind: &Kind| matches!(kind, Kind::Manager(_));
    let last_manager = jobs.iter().rposition(|entry| is_manager(&entry.kind));
    for (index, entry) in jobs.iter_mut().enumerate() {
        if !is_manager(&entry.kind) || last_manager == Some(index) {
            entry.payload.apply(&transaction)?;
        } else {
            entry.payload.skip();
        }
    }
    epoch::advance(&transaction)?;
    transaction.commit()
}
