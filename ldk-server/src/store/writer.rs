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
mod wait;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use ldk_node::lightning::io;

use super::backend::{Backend, BackendError, BetweenCommits, MaintenanceTask};
use super::change::{Change, Outcome, RecordChange, Reply};
use super::durability::Durability;
use super::model::{Name, Value};
use crate::clock::unix_secs;
pub(super) use job::{Answer, unexpected};
use job::{Failure, Job};
pub(super) use metrics::CommitMetrics;
pub(super) use order::{Kind, Ticket};
pub use pin::SendPin;
pub(super) use pin::is_pinned;
pub(super) use queue::Known;
pub use queue::Waits;
use queue::{Batch, Entry, Jobs, Shared};
pub(super) use wait::{wait, wait_async};

/// Writes to the database.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Is called when the database was given up.
pub(super) type GivenUp = Box<dyn FnOnce() + Send>;

/// Is told what came of each change, on the thread that writes, before who asked for it is answered.
pub(super) type Observer = Box<dyn Fn(&mut Outcome) + Send>;

impl Writer {
    /// Begins to write to this database. If a commit fails, `on_failure` is called with the reason
    /// before anybody is answered.
    pub(super) fn start(
        backend: Box<dyn Backend>,
        observer: Observer,
        on_failure: impl FnOnce(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new()?);
        let for_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || for_thread.write_all(backend, &observer, on_failure))
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
    pub(super) fn between_commits(&self) -> Arc<dyn BetweenCommits> {
        Arc::clone(&self.shared) as Arc<dyn BetweenCommits>
    }

    /// Makes a change; it is durable once this returns.
    pub(super) fn write(&self, change: Change) -> io::Result<Reply> {
        self.write_whole(change).map(|outcome| outcome.reply)
    }

    /// The same, for one who asks for all that came of it.
    pub(super) fn write_whole(&self, change: Change) -> io::Result<Outcome> {
        wait(|answer| self.submit(change, answer))
    }

    /// Makes a change, and calls `answer` on the writing thread when it is durable or has failed.
    /// Answers come in the order of the changes.
    pub(super) fn submit(&self, change: Change, answer: Answer<Outcome>) {
        self.shared.push(Job::new(change, answer));
    }

    /// Makes a change with the next commit, before all that waits.
    pub(super) fn submit_first(&self, change: Change, answer: Answer<Outcome>) {
        self.shared.push_first(Job::new(change, answer));
    }

    /// Makes a change in the commit of the next one that is in a hurry, or soon if there is none.
    pub(super) fn submit_deferred(&self, change: Change, answer: Answer<Outcome>) -> Ticket {
        self.shared.push_deferred(Job::new(change, answer))
    }

    /// Makes a change at once that was deferred.
    pub(super) fn hurry(&self, ticket: Ticket) {
        self.shared.hurry(ticket);
    }

    /// Makes a change of one of the library's records in the order that cuts keep. The library reads
    /// the value from now on.
    pub(super) fn submit_record(&self, kind: Kind, change: RecordChange, answer: Answer<Outcome>) {
        let (name, value) = (change.name.clone(), change.value.clone());
        self.shared.push_record(kind, name, value, Job::new(Change::Record(change), answer));
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

    /// Commits what can be committed by now, closes the database, and calls `then`. Nothing is written any
    /// more, and whoever asks for it is never answered: an error would make the library panic. So the
    /// process has to end, as after a crash.
    pub(super) fn give_up(&self, then: GivenUp) {
        self.shared.give_up(then);
    }

    /// Holds back the managers of the channels until this is dropped.
    pub(super) fn pin(&self) -> SendPin {
        SendPin::new(Arc::clone(&self.shared))
    }
}

impl BetweenCommits for Shared {
    fn run(&self, task: MaintenanceTask) {
        self.maintain(task);
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
    fn write_all(
        &self,
        mut backend: Box<dyn Backend>,
        observer: &Observer,
        on_failure: impl FnOnce(&str),
    ) {
        while let Some(Batch { mut jobs, watermark, left, maintenance, giving_up }) = self.take() {
            if !jobs.is_empty() {
                let begun = Instant::now();
                if let Err(error) = commit(&mut *backend, &mut jobs) {
                    return self.fail(jobs, &error, on_failure);
                }
                self.committed(&jobs, watermark, begun.elapsed());
                jobs.into_iter().for_each(|entry| entry.payload.succeed(observer));
                if let Err(error) = backend.committed() {
                    return self.fail(Vec::new(), &error, on_failure);
                }
            }
            maintenance.into_iter().for_each(|task| task());
            if let Some(then) = giving_up {
                backend.close();
                then();
                wait_for_the_end();
            }
            leave(left);
        }
        self.end();
        backend.close();
    }

    fn fail(&self, mut jobs: Jobs, error: &BackendError, on_failure: impl FnOnce(&str)) {
        let failure = Failure::from(format!("the database cannot be written: {error}"));
        on_failure(&failure);
        jobs.extend(self.fail_with(&failure));
        jobs.into_iter().for_each(|entry| entry.payload.fail(&failure));
    }
}

/// Those who wait for a commit are still there, and must not be answered.
fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}

/// What is not in a consistent cut when the store is closed is not written.
fn leave(left: Jobs) {
    if !left.is_empty() {
        tracing::warn!(
            writes = left.len(),
            "writes of the library are discarded: the channel manager that covers them was not \
             written, and nothing of them has left the node"
        );
    }
    let failure = Failure::from("the store is closed");
    left.into_iter().for_each(|entry| entry.payload.fail(&failure));
}

/// Of several managers only the last counts, and each is large.
fn commit(backend: &mut dyn Backend, jobs: &mut Jobs) -> Result<(), BackendError> {
    let is_manager = |kind: &Kind| matches!(kind, Kind::Manager(_));
    let last_manager = jobs.iter().rposition(|entry| is_manager(&entry.kind));
    let (mut batch, mut made) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
    for (index, Entry { kind, payload, .. }) in jobs.iter_mut().enumerate() {
        let is_made = !is_manager(kind) || last_manager == Some(index);
        if let Some(change) = is_made.then(|| payload.take_change()).flatten() {
            batch.push(change);
            made.push(payload);
        }
    }
    let outcomes = backend.apply(batch, unix_secs())?;
    made.iter_mut().zip(outcomes).for_each(|(job, outcome)| job.came_to(outcome));
    Ok(())
}
