//! What waits to be written, and how it is handed to the thread that writes.

mod pending;

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;

use super::GivenUp;
use super::job::{Failure, Job};
use super::metrics::CommitMetrics;
use super::order::{self, Cut, Kind, Ticket};
use crate::compat::channel_state::Id;
use crate::store::backend::MaintenanceTask;
use crate::store::change::{Change, PaymentEvent};
use crate::store::durability::{Durability, Position, Watermark};
use crate::store::model::{Name, Value};
use pending::{Queue, State};

/// How many changes may wait. More callers are held up: by then each commit holds thousands.
const CAPACITY: usize = 4096;

/// What is on disk when cuts begin.
pub(in crate::store) struct Known {
    /// The update that the monitor of each channel is at.
    pub(in crate::store) updates: HashMap<Id, u64>,
    /// The manager.
    pub(in crate::store) manager: Option<Arc<Vec<u8>>>,
}

/// For how long what is to be written has waited; 0 if nothing waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// For the disk.
    pub disk: Duration,
    /// For the manager of the channels that covers it.
    pub manager: Duration,
}

/// Jobs are on the heap: a change is large, and entries are moved from the queue to the batch.
pub(super) type Entry = order::Entry<Name, Box<Job>>;
pub(super) type Jobs = Vec<Entry>;

/// What to do next.
pub(super) struct Batch {
    /// To be committed at once.
    pub(super) jobs: Jobs,
    /// When they are, all up to this is durable.
    pub(super) watermark: Position,
    /// What will not be committed.
    pub(super) left: Jobs,
    /// To be done then.
    pub(super) maintenance: Vec<MaintenanceTask>,
    /// That nothing is written afterwards.
    pub(super) giving_up: Option<GivenUp>,
}

/// What callers and the thread that writes share.
pub(super) struct Shared {
    queue: Mutex<Queue>,
    /// There is something to look at, or nothing more will come.
    filled: Condvar,
    /// There is room again, or it makes no difference any more.
    emptied: Condvar,
    metrics: CommitMetrics,
    watermark: Watermark,
}

impl Shared {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            queue: Mutex::new(Queue::new()),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            metrics: CommitMetrics::new()?,
            watermark: Watermark::new(),
        })
    }

    pub(super) fn metrics(&self) -> &CommitMetrics {
        &self.metrics
    }

    pub(super) fn durability(&self) -> Durability {
        self.watermark.durability()
    }

    pub(super) fn queued(&self) -> usize {
        self.queue().order.len()
    }

    pub(super) fn waits(&self) -> Waits {
        let (queue, now) = (self.queue(), Instant::now());
        let committing = queue.committing_since;
        Waits {
            disk: committing.map(|since| now.saturating_duration_since(since)).unwrap_or_default(),
            manager: queue.order.waited(now).unwrap_or_default(),
        }
    }

    pub(super) fn begin_cuts(&self, Known { updates, manager }: Known) {
        self.queue().order.begin_with(updates, manager);
        self.watermark.makes_cuts(true);
    }

    pub(super) fn end_cuts(&self) {
        self.queue().order.end_waits(Instant::now());
        self.watermark.makes_cuts(false);
        self.filled.notify_one();
    }

    /// Adds a change, when there is room for it.
    pub(super) fn push(&self, job: Job) {
        let mut queue = self.queue();
        while queue.is_open() && queue.order.len() >= CAPACITY {
            queue = self.emptied.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        self.add(queue, Kind::Plain, None, job);
    }

    /// Adds a change that comes before all that waits. It depends on nothing that does, and is bounded by
    /// who adds it.
    pub(super) fn push_first(&self, job: Job) {
        let mut queue = self.queue();
        if let Some(failure) = queue.refusal() {
            drop(queue);
            return job.fail(&failure);
        }
        let position = self.watermark.accept();
        queue.order.push_first(position, Box::new(job));
        drop(queue);
        self.filled.notify_one();
    }

    /// Adds a change that is in no hurry. It does not count as a write of its own: nobody else waits until
    /// it is durable. It never waits for room, so whoever adds such changes bounds them.
    pub(super) fn push_deferred(&self, job: Job) -> Ticket {
        let mut queue = self.queue();
        if let Some(failure) = queue.refusal() {
            drop(queue);
            job.fail(&failure);
            return Ticket::default();
        }
        let position = self.watermark.durability().accepted();
        let ticket = queue.order.push_deferred(position, Box::new(job), Instant::now());
        drop(queue);
        self.filled.notify_one();
        ticket
    }

    pub(super) fn hurry(&self, ticket: Ticket) {
        if self.queue().order.hurry(ticket) {
            self.filled.notify_one();
        }
    }

    /// Adds a change of one of the library's records. It never waits for what waits for the library.
    pub(super) fn push_record(&self, kind: Kind, name: Name, value: Value, job: Job) {
        let mut queue = self.queue();
        while queue.is_open() && queue.is_full(Instant::now()) {
            queue = self.emptied.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        self.add(queue, kind, Some((name, value)), job);
    }

    fn add(
        &self,
        mut queue: MutexGuard<'_, Queue>,
        kind: Kind,
        record: Option<(Name, Value)>,
        job: Job,
    ) {
        if let Some(failure) = queue.refusal() {
            drop(queue);
            return job.fail(&failure);
        }
        let position = self.watermark.accept();
        let key = record.map(|(name, value)| {
            queue.cover_with(name.clone(), position, value);
            name
        });
        let now = Instant::now();
        let monitored = kind.monitored();
        let waits = queue.order.push(position, kind, key, Box::new(job), now);
        if let Some((channel, is_new)) = monitored.filter(|_| waits) {
            self.watermark.monitored(channel, position, is_new);
        }
        self.looked(queue, now);
    }

    pub(super) fn pin(&self) -> u64 {
        self.queue().order.pin()
    }

    pub(super) fn unpin(&self, pin: u64) {
        let (mut queue, now) = (self.queue(), Instant::now());
        queue.order.unpin(pin, now);
        self.looked(queue, now);
    }

    /// After a manager may have been looked at: writes down which payments are over, and has the
    /// thread see what can be committed.
    fn looked(&self, mut queue: MutexGuard<'_, Queue>, now: Instant) {
        for payment in queue.order.take_over() {
            let (id, position) = (PaymentId(payment), self.watermark.accept());
            let change = Change::Payments(vec![(id, PaymentEvent::NotSent)]);
            let job = Job::new(change, Box::new(drop));
            queue.order.push(position, Kind::Plain, Some(Name::of_payment(id)), Box::new(job), now);
        }
        self.metrics.cut(queue.order.take_counts());
        drop(queue);
        // Also if nothing can be written yet: the thread watches how long it waits.
        self.filled.notify_one();
    }

    pub(super) fn maintain(&self, task: MaintenanceTask) {
        let mut queue = self.queue();
        if queue.is_open() {
            queue.maintenance.push(task);
            self.filled.notify_one();
        }
    }

    pub(super) fn give_up(&self, then: GivenUp) {
        let mut queue = self.queue();
        if queue.is_open() {
            queue.giving_up = Some(then);
            self.filled.notify_one();
        }
    }

    pub(super) fn pending(&self, name: &Name) -> Option<Value> {
        self.queue().overlay.get(name).map(|(_, value)| value.clone())
    }

    pub(super) fn pending_keys(&self, namespace: (&str, &str)) -> Vec<(String, bool)> {
        let queue = self.queue();
        let here = queue.overlay.iter().filter(|(name, _)| name.is_in(namespace));
        here.map(|(name, (_, value))| (name.key().to_owned(), value.is_some())).collect()
    }

    /// What is to be written next, all at once, and what is to be done then; `None` if there will be
    /// no more.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut queue = self.queue();
        loop {
            let now = Instant::now();
            if !queue.is_open() || queue.has_errand() || queue.order.has_cut(now) {
                break;
            }
            queue = match queue.look_again_in(now) {
                None => self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(wait) => {
                    let waited = self.filled.wait_timeout(queue, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                },
            };
            queue.tell_wait(Instant::now(), &self.metrics);
        }
        if !queue.is_open() && queue.order.len() == 0 && queue.maintenance.is_empty() {
            return None;
        }
        let now = Instant::now();
        let (Cut { entries, watermark }, left) = if queue.is_open() {
            (queue.order.cut(now), Vec::new())
        } else {
            queue.order.last_cut(now)
        };
        queue.committing_since = (!entries.is_empty()).then_some(now);
        self.metrics.cut(queue.order.take_counts());
        Some(Batch {
            jobs: entries,
            watermark,
            left,
            maintenance: mem::take(&mut queue.maintenance),
            giving_up: queue.giving_up.take(),
        })
    }

    /// These are on disk.
    pub(super) fn committed(&self, jobs: &Jobs, watermark: Position, took: Duration) {
        self.metrics.committed(jobs.len(), took);
        let mut queue = self.queue();
        queue.committing_since = None;
        for entry in jobs {
            queue.uncover(entry);
        }
        drop(queue);
        self.emptied.notify_all();
        let managers = jobs.iter().filter(|entry| matches!(entry.kind, Kind::Manager(_)));
        self.watermark.reached_with(watermark, managers.map(Entry::position).max());
    }

    /// Nothing more is written, and this is why. Returns what will not be.
    pub(super) fn fail_with(&self, failure: &Failure) -> Jobs {
        let mut queue = self.queue();
        queue.state = State::Failed(Arc::clone(failure));
        queue.maintenance.clear();
        let (cut, mut left) = queue.order.last_cut(Instant::now());
        left.extend(cut.entries);
        drop(queue);
        self.end();
        left
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        if queue.is_open() {
            queue.state = State::Closing;
        }
        drop(queue);
        self.filled.notify_all();
    }

    /// Nothing more becomes durable.
    pub(super) fn end(&self) {
        self.watermark.end();
        self.emptied.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
