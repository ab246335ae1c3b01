//! The one thread that writes. What is asked for while a commit is on its way to the disk goes into
//! the next one together (group commit): under load a commit is shared by all who wait, and one who
//! is alone waits for nobody.
//!
//! A caller is answered after the commit that holds its change is durable. Changes are made in the
//! order in which they were asked for. When a commit fails nothing of it is kept, none of its callers
//! is told otherwise, and nothing is written any more: what the disk holds is then the state as of the
//! last commit, and only another process may go on from there. Until `on_failure` has returned nobody
//! is told anything, those who come late included.

mod figures;

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use ldk_node::lightning::io;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::durability::{Durability, Position, Watermark};
use super::epoch;
use super::log::Log;
use super::mirror::Tail;
use figures::CommitFigures;

/// How many changes may wait. More callers are held up: by then each commit holds thousands.
const QUEUE_CAPACITY: usize = 4096;

/// Writes to the database.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write, or nothing more will come.
    filled: Condvar,
    /// There is room again, or it makes no difference any more.
    emptied: Condvar,
    figures: CommitFigures,
    watermark: Watermark,
}

type Jobs = Vec<Box<dyn Job>>;

struct Queue {
    jobs: Jobs,
    /// Which write the last of these is.
    last: Position,
    errands: Vec<Errand>,
    state: State,
}

enum State {
    Open,
    /// What is in the queue is written, and that is all.
    Closing,
    /// Why nothing can be written.
    Failed(Failure),
}

/// What is done between two commits, on the thread that makes them.
type Errand = Box<dyn FnOnce(&Connection, &mut Tail) + Send>;

/// Has something done between two commits.
#[derive(Clone)]
pub(super) struct Errands(Arc<Shared>);

/// What to tell everybody after a commit has failed.
type Failure = Arc<str>;

/// A change, and somebody who waits for it.
trait Job: Send {
    /// Makes the change within a transaction.
    fn apply(&mut self, database: &Connection) -> rusqlite::Result<()>;
    /// Tells that the change is durable, or that it was not made.
    fn answer(self: Box<Self>, committed: Result<(), Failure>);
}

struct Change<F, T, A> {
    make: Option<F>,
    made: Option<T>,
    answer: A,
}

impl<F, T, A> Job for Change<F, T, A>
where
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
    T: Send,
    A: FnOnce(io::Result<T>) + Send,
{
    fn apply(&mut self, database: &Connection) -> rusqlite::Result<()> {
        if let Some(make) = self.make.take() {
            self.made = Some(make(database)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Failure>) {
        let Self { made, answer, .. } = *self;
        answer(match (committed, made) {
            (Ok(()), Some(made)) => Ok(made),
            (Err(failure), _) => Err(error(&failure)),
            (Ok(()), None) => Err(error("the change was not made")),
        });
    }
}

impl Writer {
    /// Begins to write to this database. If a commit fails, `on_failure` is called with the reason
    /// before anybody is answered.
    pub(super) fn start(
        database: Connection,
        on_failure: impl FnOnce(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                jobs: Vec::new(),
                last: 0,
                errands: Vec::new(),
                state: State::Open,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            figures: CommitFigures::new()?,
            watermark: Watermark::new(),
        });
        let for_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || for_thread.write_all(database, on_failure))
            .map_err(|error| io::Error::new(io::ErrorKind::Other, error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What is measured of commits.
    pub(super) fn figures(&self) -> &CommitFigures {
        &self.shared.figures
    }

    /// How much of what was asked for is on disk.
    pub(super) fn durability(&self) -> Durability {
        self.shared.watermark.durability()
    }

    /// How many changes wait for the commit after the one under way.
    pub(super) fn queued(&self) -> usize {
        self.shared.queue().jobs.len()
    }

    /// Has things done between two commits.
    pub(super) fn errands(&self) -> Errands {
        Errands(Arc::clone(&self.shared))
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
        let job = Box::new(Change { make: Some(make), made: None, answer });
        if let Err((job, failure)) = self.shared.push(job) {
            job.answer(Err(failure));
        }
    }
}

impl Errands {
    /// Has this done after all changes that were asked for before, and waits for its outcome.
    pub(super) fn run<T: Send + 'static>(
        &self,
        errand: impl FnOnce(&Connection, &mut Tail) -> T + Send + 'static,
    ) -> io::Result<T> {
        wait(|answer| {
            let errand: Errand = Box::new(|database, tail| answer(Ok(errand(database, tail))));
            let mut queue = self.0.queue();
            if matches!(queue.state, State::Open) {
                queue.errands.push(errand);
                self.0.filled.notify_one();
            }
        })
    }
}

impl Drop for Writer {
    /// Waits until everything is written.
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        if matches!(queue.state, State::Open) {
            queue.state = State::Closing;
        }
        drop(queue);
        self.shared.filled.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn push(&self, job: Box<dyn Job>) -> Result<(), (Box<dyn Job>, Failure)> {
        let mut queue = self.queue();
        while matches!(queue.state, State::Open) && queue.jobs.len() >= QUEUE_CAPACITY {
            queue = self.emptied.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        match &queue.state {
            State::Open => {},
            State::Closing => return Err((job, Failure::from("the store is closed"))),
            State::Failed(failure) => return Err((job, Arc::clone(failure))),
        }
        queue.jobs.push(job);
        queue.last = self.watermark.accept();
        // The thread waits only while there is nothing.
        if queue.jobs.len() == 1 {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// What is to be written next, all at once, and what is to be done then; `None` if there will be
    /// no more.
    fn take(&self) -> Option<(Jobs, Position, Vec<Errand>)> {
        let mut queue = self.queue();
        while queue.jobs.is_empty() && queue.errands.is_empty() {
            if !matches!(queue.state, State::Open) {
                return None;
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        self.emptied.notify_all();
        let Queue { jobs, last, errands, .. } = &mut *queue;
        Some((mem::take(jobs), *last, mem::take(errands)))
    }

    fn write_all(&self, mut database: Connection, on_failure: impl FnOnce(&str)) {
        let (mut log, mut tail) = (Log::of(&database), Tail::of(&database));
        while let Some((mut jobs, last, errands)) = self.take() {
            if !jobs.is_empty() {
                let begun = Instant::now();
                if let Err(error) = commit(&mut database, &mut jobs) {
                    return self.fail(jobs, &error, on_failure);
                }
                self.figures.committed(jobs.len(), begun.elapsed());
                self.watermark.reached(last);
                jobs.into_iter().for_each(|job| job.answer(Ok(())));
                tail.look(&database);
                if let Err(error) = log.bound(&database) {
                    return self.fail(Vec::new(), &error, on_failure);
                }
            }
            errands.into_iter().for_each(|errand| errand(&database, &mut tail));
        }
        self.watermark.end();
        tail.end();
    }

    fn fail(&self, mut jobs: Jobs, error: &rusqlite::Error, on_failure: impl FnOnce(&str)) {
        let failure = Failure::from(format!("the database cannot be written: {error}"));
        on_failure(&failure);
        let mut queue = self.queue();
        queue.state = State::Failed(Arc::clone(&failure));
        jobs.append(&mut queue.jobs);
        queue.errands.clear();
        drop(queue);
        self.watermark.end();
        self.emptied.notify_all();
        jobs.into_iter().for_each(|job| job.answer(Err(Arc::clone(&failure))));
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn commit(database: &mut Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in jobs {
        job.apply(&transaction)?;
    }
    epoch::advance(&transaction)?;
    transaction.commit()
}

/// What to call with the outcome of a change.
pub(super) type Answer<T> = Box<dyn FnOnce(io::Result<T>) + Send>;

/// Waits for the answer to what `ask` asks for.
pub(super) fn wait<T: Send + 'static>(ask: impl FnOnce(Answer<T>)) -> io::Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    ask(Box::new(move |answer| {
        // Somebody waits below.
        let _ = sender.send(answer);
    }));
    receiver.recv().unwrap_or_else(|_| Err(error("the writer is gone")))
}

/// Asks at once, so that its place in the order is that of this call, and waits for the answer when
/// the future is polled.
pub(super) fn wait_async<T: Send + 'static>(
    ask: impl FnOnce(Answer<T>),
) -> Pin<Box<dyn Future<Output = io::Result<T>> + Send>> {
    let (sender, receiver) = oneshot::channel();
    ask(Box::new(move |answer| {
        // Whoever has stopped waiting does not mind.
        let _ = sender.send(answer);
    }));
    Box::pin(async { receiver.await.unwrap_or_else(|_| Err(error("the writer is gone"))) })
}

fn error(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Other, reason)
}
