//! How much of what was asked to be written is on disk. Whoever lets something out of the process
//! first asks which write was accepted last, and waits until that one is durable: what a crash could
//! undo is then never seen outside.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::ln::types::ChannelId;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// The place of a write in the order of all writes since the store was opened, from 1.
pub type Position = u64;

/// Nothing more will become durable: the database cannot be written, or the store is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was written cannot be made durable")]
pub struct NeverDurable;

#[derive(Clone, Copy)]
struct Durable {
    /// This write and all before it are on disk.
    through: Position,
    /// The last manager of the channels that is.
    manager: Position,
    /// Nothing more will be.
    is_over: bool,
}

struct Inner {
    accepted: AtomicU64,
    /// The last update of each channel's monitor.
    monitors: Mutex<HashMap<ChannelId, Position>>,
    /// The last monitor of a new channel.
    new_monitor: AtomicU64,
    /// Monitors wait for managers at all.
    makes_cuts: AtomicBool,
    durable: watch::Sender<Durable>,
    /// How many transactions are being made.
    spends: watch::Sender<usize>,
    /// For those who wait on a thread.
    waiting: Mutex<()>,
    changed: Condvar,
}

/// While this exists, no broadcast is let out.
pub struct BroadcastPin(Durability);

impl Drop for BroadcastPin {
    fn drop(&mut self) {
        self.0.0.spends.send_modify(|spends| *spends -= 1);
    }
}

/// Tells how far the store is; the side of the one who writes.
pub(crate) struct Watermark(Arc<Inner>);

/// Asks how far the store is.
#[derive(Clone)]
pub struct Durability(Arc<Inner>);

impl Watermark {
    pub(crate) fn new() -> Self {
        let durable = watch::Sender::new(Durable { through: 0, manager: 0, is_over: false });
        Self(Arc::new(Inner {
            accepted: AtomicU64::new(0),
            monitors: Mutex::default(),
            new_monitor: AtomicU64::new(0),
            makes_cuts: AtomicBool::new(false),
            durable,
            spends: watch::Sender::new(0),
            waiting: Mutex::new(()),
            changed: Condvar::new(),
        }))
    }

    /// The other side.
    pub(crate) fn durability(&self) -> Durability {
        Durability(Arc::clone(&self.0))
    }

    /// Accepts one more write. To be called in the order of the writes.
    pub(crate) fn accept(&self) -> Position {
        self.0.accepted.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// This write, which was accepted last, updates the monitor of this channel, or is the first of a
    /// new one, and waits for the manager that knows of it.
    pub(crate) fn monitored(&self, channel: ChannelId, position: Position, is_new: bool) {
        self.0.monitors().insert(channel, position);
        if is_new {
            self.0.new_monitor.store(position, Ordering::SeqCst);
        }
    }

    /// Whether monitors wait for managers from now on.
    pub(crate) fn makes_cuts(&self, makes_cuts: bool) {
        self.0.makes_cuts.store(makes_cuts, Ordering::SeqCst);
    }

    /// This write and all before it are on disk.
    #[cfg(test)]
    pub(crate) fn reached(&self, through: Position) {
        self.reached_with(through, None);
    }

    /// This write and all before it are on disk, and so is this manager of the channels.
    pub(crate) fn reached_with(&self, through: Position, manager: Option<Position>) {
        self.change(|durable| {
            durable.through = durable.through.max(through);
            durable.manager = durable.manager.max(manager.unwrap_or(0));
        });
    }

    /// Nothing more will be.
    pub(crate) fn end(&self) {
        self.change(|durable| durable.is_over = true);
    }

    fn change(&self, change: impl FnOnce(&mut Durable)) {
        let waiting = self.0.waiting();
        self.0.durable.send_modify(change);
        drop(waiting);
        self.0.changed.notify_all();
    }
}

impl Durability {
    /// The last write that was accepted.
    pub fn accepted(&self) -> Position {
        self.0.accepted.load(Ordering::SeqCst)
    }

    /// A transaction is being made: holds back all broadcasts until this is dropped, so that it is
    /// written down before it can leave.
    pub fn pin_broadcasts(&self) -> BroadcastPin {
        self.0.spends.send_modify(|spends| *spends += 1);
        BroadcastPin(self.clone())
    }

    /// Waits until no transaction is being made.
    pub async fn no_spend(&self) {
        let mut spends = self.0.spends.subscribe();
        // This has the sender, so that it is not gone.
        let _ = spends.wait_for(|spends| *spends == 0).await;
    }

    /// Whether an update of the monitor of one of these channels was accepted after this write, or the
    /// monitor of a new channel, which need not be among them yet.
    pub fn is_monitored_since(&self, position: Position, channels: &[ChannelId]) -> bool {
        if self.0.new_monitor.load(Ordering::SeqCst) > position {
            return true;
        }
        let monitors = self.0.monitors();
        let last = channels.iter().filter_map(|channel| monitors.get(channel)).max();
        last.is_some_and(|last| *last > position)
    }

    /// Whether this write and all before it are on disk.
    pub fn is_reached(&self, position: Position) -> bool {
        self.0.durable.borrow().through >= position
    }

    /// Waits until this write and all before it are on disk.
    pub async fn reached(&self, position: Position) -> Result<(), NeverDurable> {
        let mut durable = self.0.durable.subscribe();
        let is_known = |durable: &Durable| durable.through >= position || durable.is_over;
        let durable = *durable.wait_for(is_known).await.map_err(|_| NeverDurable)?;
        if durable.through >= position { Ok(()) } else { Err(NeverDurable) }
    }

    /// Waits until this write and all before it are on disk, and so is a manager of the channels that
    /// came later; or, if none comes until the deadline, until all that was accepted by then is.
    /// While no cuts are made, managers are not waited for.
    ///
    /// Some of what the library does to a channel is in no monitor, only in the manager that it writes
    /// soon afterwards, such as the agreement on a splice. Mostly there is nothing of the kind, and no
    /// manager comes.
    pub async fn covered(&self, position: Position, deadline: Instant) -> Result<(), NeverDurable> {
        if !self.0.makes_cuts.load(Ordering::SeqCst) {
            return self.reached(position).await;
        }
        let mut durable = self.0.durable.subscribe();
        let is_covered = |durable: &Durable| {
            durable.is_over || (durable.manager > position && durable.through >= position)
        };
        // A timer, even one that has run out, takes a millisecond.
        let is_late = if deadline <= Instant::now() {
            !is_covered(&durable.borrow())
        } else {
            timeout_at(deadline, durable.wait_for(is_covered)).await.is_err()
        };
        self.reached(if is_late { self.accepted() } else { position }).await
    }

    /// Waits until a manager of the channels that came after this write is on disk, with all before it;
    /// at most until the deadline. Returns whether it is. While no cuts are made, none is waited for.
    pub async fn managed(&self, position: Position, deadline: Instant) -> bool {
        if !self.0.makes_cuts.load(Ordering::SeqCst) {
            return true;
        }
        let mut durable = self.0.durable.subscribe();
        let is_managed = |durable: &Durable| durable.is_over || durable.manager > position;
        let managed = timeout_at(deadline, durable.wait_for(is_managed)).await;
        managed.is_ok_and(|durable| durable.is_ok_and(|durable| durable.manager > position))
    }

    /// Waits, on this thread, until everything that was accepted is on disk.
    pub fn barrier(&self) -> Result<(), NeverDurable> {
        let position = self.accepted();
        let mut waiting = self.0.waiting();
        loop {
            let Durable { through, is_over, manager: _ } = *self.0.durable.borrow();
            if through >= position {
                return Ok(());
            }
            if is_over {
                return Err(NeverDurable);
            }
            waiting = self.0.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Inner {
    fn monitors(&self) -> MutexGuard<'_, HashMap<ChannelId, Position>> {
        self.monitors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, ()> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A disk that does what a test says.
#[cfg(test)]
pub(crate) struct TestDisk(Watermark);

#[cfg(test)]
impl TestDisk {
    pub(crate) fn new() -> Self {
        Self(Watermark::new())
    }

    pub(crate) fn durability(&self) -> Durability {
        self.0.durability()
    }

    /// Accepts a write, which is not on disk yet.
    pub(crate) fn accept(&self) {
        self.0.accept();
    }

    /// All that was accepted is on disk.
    pub(crate) fn sync(&self) {
        self.0.reached(self.durability().accepted());
    }

    /// Nothing more will be.
    pub(crate) fn fail(&self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_waits_until_what_was_accepted_is_durable() {
        let watermark = Watermark::new();
        let durability = watermark.durability();
        assert_eq!(durability.reached(durability.accepted()).now_or_never(), Some(Ok(())));
        let (first, second) = (watermark.accept(), watermark.accept());
        assert_eq!(durability.accepted(), second);
        watermark.reached(first);
        assert!(durability.is_reached(first) && !durability.is_reached(second));
        assert_eq!(durability.reached(second).now_or_never(), None);
        let waiting = durability.clone();
        let barrier = std::thread::spawn(move || waiting.barrier());
        watermark.reached(second);
        assert_eq!(durability.reached(second).await, Ok(()));
        assert_eq!(barrier.join().unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn at_the_end_nobody_waits_and_only_what_is_durable_counts() {
        let watermark = Watermark::new();
        let durability = watermark.durability();
        let (first, second) = (watermark.accept(), watermark.accept());
        watermark.reached(first);
        watermark.end();
        assert_eq!(durability.reached(first).await, Ok(()));
        assert_eq!(durability.reached(second).await, Err(NeverDurable));
        assert_eq!(durability.barrier(), Err(NeverDurable));
    }
}
