//! The order of what is to be written, and where it may be cut.
//!
//! The library writes the state of a channel in two records: its monitor, and a moment later the
//! manager of all channels. What is on disk must never have a monitor that the manager beside it does
//! not know of: the library closes such a channel at its next start. So a write of a monitor waits
//! here until a manager comes that *covers* it, and what is committed at once, a *cut*, is everything
//! before the first write that waits.
//!
//! A manager covers what was queued before it was serialized. It may have been serialized a moment
//! before it was queued, and monitors may have been queued in between; then it is moved before the
//! first of them. It is never moved before a monitor that it knows: a node does not start from a
//! manager that is ahead of a monitor.
//!
//! The record of a payment that goes out and the manager that knows of the payment are committed
//! together. While such a payment is being handed to the library, managers are held back, so that the
//! record is queued before the manager that knows of it is looked at.

mod cover;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::lightning::ln::types::ChannelId;

use crate::compat::channel_state::{self, Id};
use crate::store::durability::Position;

/// How long a payment that no manager knows may be waited for, once there was a manager without it.
/// Nearly always the payment was over before it was written down.
const PAYMENT_PATIENCE: Duration = Duration::from_millis(20);

/// After so long without a manager that covers what waits, something is wrong. It is better then to
/// write what there is, and perhaps lose a channel at a crash, than to stand still.
const PATIENCE: Duration = Duration::from_secs(10);

/// So long a write that is in no hurry waits for one that is, whose commit it shares.
const DEFERRAL: Duration = Duration::from_millis(500);

/// With more writes than this none is deferred.
const MAX_DEFERRED: usize = 256;

/// Which of the writes that are in no hurry it is; later ones have higher ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Ticket(u64);

/// What a write is to the cut.
#[derive(Clone, Debug)]
pub(in crate::store) enum Kind {
    /// It stands where it was put.
    Plain,
    /// The monitor of a channel comes to this update.
    Monitor {
        /// The channel.
        channel: Id,
        /// The number of the update.
        update: u64,
        /// It is the first of the channel.
        is_first: bool,
    },
    /// The record of a payment that is on its way out.
    Outbound(Id),
    /// The manager, serialized.
    Manager(Arc<Vec<u8>>),
}

impl Kind {
    /// The channel whose monitor it is, and whether it is the first.
    pub(super) fn monitored(&self) -> Option<(ChannelId, bool)> {
        match self {
            Self::Monitor { channel, is_first, .. } => Some((ChannelId(*channel), *is_first)),
            Self::Plain | Self::Outbound(_) | Self::Manager(_) => None,
        }
    }
}

/// A write in the order.
#[derive(Debug)]
pub(super) struct Entry<K, T> {
    position: Position,
    pub(super) kind: Kind,
    /// While it must not be committed.
    wait: Option<Wait>,
    /// While no commit is made for it alone.
    deferral: Option<Deferral>,
    /// What it writes. Writes with the same key stay in their order.
    pub(super) key: Option<K>,
    pub(super) payload: T,
}

#[derive(Debug)]
struct Wait {
    since: Instant,
    /// When the first manager came that may have been serialized before.
    first_manager: Option<Instant>,
}

#[derive(Debug)]
struct Deferral {
    ticket: Ticket,
    until: Instant,
}

/// A manager that came while payments were being handed to the library.
#[derive(Debug)]
struct Held<K, T> {
    entry: Entry<K, T>,
    since: Instant,
    /// The last of these payments.
    last_pin: u64,
}

/// What was found out since the last time somebody asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Managers that were put before monitors which were queued before them.
    pub(super) managers_moved: u64,
    /// Managers that know a monitor and not one queued before it; the next one is waited for.
    pub(super) inversions: u64,
    /// Cuts that were made although something waited, because it had waited too long.
    pub(super) forced: u64,
}

/// Writes in their order.
#[derive(Debug)]
pub(super) struct Order<K, T> {
    entries: VecDeque<Entry<K, T>>,
    held: VecDeque<Held<K, T>>,
    /// The payments that are being handed to the library.
    pins: BTreeSet<u64>,
    last_pin: u64,
    last_ticket: Ticket,
    /// The highest update of each channel's monitor, on disk or queued.
    latest: HashMap<Id, u64>,
    /// The manager that was looked at last.
    manager: Option<Arc<Vec<u8>>>,
    /// Payments that were committed though no manager knew them yet.
    unproven: HashSet<Id>,
    /// Payments that are over: a manager that was serialized after they were written down does not
    /// know them.
    over: Vec<Id>,
    last: Position,
    counts: Counts,
    /// Nothing waits, and nothing is moved.
    is_plain: bool,
}

/// What is to be committed at once.
pub(super) struct Cut<K, T> {
    pub(super) entries: Vec<Entry<K, T>>,
    /// When it is durable, all up to this is.
    pub(super) watermark: Position,
}

impl<K: Eq + Clone, T> Order<K, T> {
    pub(super) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            held: VecDeque::new(),
            pins: BTreeSet::new(),
            last_pin: 0,
            last_ticket: Ticket::default(),
            latest: HashMap::new(),
            manager: None,
            unproven: HashSet::new(),
            over: Vec::new(),
            last: 0,
            counts: Counts::default(),
            is_plain: false,
        }
    }

    /// What is on disk: of each channel the update that its monitor is at, and the manager.
    pub(super) fn begin_with(&mut self, latest: HashMap<Id, u64>, manager: Option<Arc<Vec<u8>>>) {
        (self.latest, self.manager) = (latest, manager);
    }

    /// What is queued waits no longer, and what comes does not.
    pub(super) fn end_waits(&mut self, now: Instant) {
        self.is_plain = true;
        self.release(u64::MAX, now);
        for entry in &mut self.entries {
            entry.wait = None;
        }
    }

    /// Adds a write at the end. Whether it waits for a manager.
    pub(super) fn push(
        &mut self,
        position: Position,
        kind: Kind,
        key: Option<K>,
        payload: T,
        now: Instant,
    ) -> bool {
        self.last = position;
        let waits = self.must_wait(&kind);
        let wait = waits.then_some(Wait { since: now, first_manager: None });
        self.supersede(key.as_ref());
        let is_manager = matches!(kind, Kind::Manager(_));
        let entry = Entry { position, kind, wait, deferral: None, key, payload };
        if !is_manager || self.is_plain {
            self.entries.push_back(entry);
        } else if self.pins.is_empty() && self.held.is_empty() {
            self.place(entry, now);
        } else {
            self.held.push_back(Held { entry, since: now, last_pin: self.last_pin });
        }
        waits
    }

    /// Adds a write at the end that is in no hurry, and has the position of the one before.
    pub(super) fn push_deferred(&mut self, position: Position, payload: T, now: Instant) -> Ticket {
        self.last_ticket.0 += 1;
        let ticket = self.last_ticket;
        let deferral = Some(Deferral { ticket, until: now + DEFERRAL });
        let kind = Kind::Plain;
        self.entries.push_back(Entry { position, kind, wait: None, deferral, key: None, payload });
        ticket
    }

    /// A write is in a hurry now, and so are those that were deferred before it. Whether any of them is
    /// still here.
    pub(super) fn hurry(&mut self, ticket: Ticket) -> bool {
        let mut is_here = false;
        for entry in &mut self.entries {
            if entry.deferral.take_if(|deferral| deferral.ticket <= ticket).is_some() {
                is_here = true;
            }
        }
        is_here
    }

    /// Whether what is being written needs a manager that covers it. A monitor that is written anew
    /// at the same update, as for each block, does not.
    fn must_wait(&mut self, kind: &Kind) -> bool {
        match kind {
            _ if self.is_plain => false,
            Kind::Plain | Kind::Manager(_) => false,
            Kind::Monitor { channel, update, is_first } => {
                let latest = self.latest.entry(*channel).or_default();
                let is_news = *update > *latest || *is_first;
                *latest = (*latest).max(*update);
                is_news
            },
            Kind::Outbound(payment) => {
                let manager = self.manager.as_ref();
                !manager.is_some_and(|bytes| channel_state::knows_payment(bytes, payment))
            },
        }
    }

    /// The record of a payment that is written once more waits no longer: the later one tells.
    fn supersede(&mut self, key: Option<&K>) {
        let Some(key) = key else { return };
        for entry in &mut self.entries {
            if matches!(entry.kind, Kind::Outbound(_)) && entry.key.as_ref() == Some(key) {
                entry.wait = None;
            }
        }
    }

    /// A payment is about to be handed to the library.
    pub(super) fn pin(&mut self) -> u64 {
        self.last_pin += 1;
        self.pins.insert(self.last_pin);
        self.last_pin
    }

    /// It was, and if it is on its way its record is queued.
    pub(super) fn unpin(&mut self, pin: u64, now: Instant) {
        self.pins.remove(&pin);
        let first_pin = self.pins.first().copied().unwrap_or(u64::MAX);
        self.release(first_pin, now);
    }

    /// Looks at the managers that came before this pin was made.
    fn release(&mut self, before_pin: u64, now: Instant) {
        while self.held.front().is_some_and(|held| held.last_pin < before_pin) {
            if let Some(held) = self.held.pop_front() {
                self.place(held.entry, now);
            }
        }
    }

    /// Puts a manager where it belongs.
    fn place(&mut self, manager: Entry<K, T>, now: Instant) {
        let Kind::Manager(bytes) = &manager.kind else { return };
        let bytes = Arc::clone(bytes);
        self.prove(&bytes);
        let verdict = cover::judge(&self.entries, manager.position, &bytes);
        self.manager = Some(bytes);
        if verdict.is_inverted {
            self.counts.inversions += 1;
            self.entries.push_back(manager);
            return;
        }
        self.counts.managers_moved += u64::from(verdict.place < self.entries.len());
        for index in verdict.covered {
            self.entries[index].wait = None;
        }
        for (index, payment) in verdict.over {
            self.entries[index].wait = None;
            self.over.push(payment);
        }
        for index in verdict.passed {
            if let Some(wait) = &mut self.entries[index].wait {
                wait.first_manager.get_or_insert(now);
            }
        }
        let mut place = verdict.place;
        for index in verdict.known_payments {
            self.entries[index].wait = None;
            place = self.bring_forward(index, place);
        }
        self.entries.insert(place, manager);
    }

    /// Moves a payment's record to this place if it stands behind it, with what was written under
    /// the same key before. Returns the place behind them.
    fn bring_forward(&mut self, index: usize, first: usize) -> usize {
        let key = self.entries[index].key.clone();
        let mut place = first;
        for at in first..=index {
            if at == index || (key.is_some() && self.entries[at].key == key) {
                if let Some(entry) = self.entries.remove(at) {
                    self.entries.insert(place, entry);
                }
                place += 1;
            }
        }
        place
    }

    /// Payments that were committed without a manager that knows them: is it known now, or over?
    fn prove(&mut self, manager: &[u8]) {
        for payment in self.unproven.drain() {
            if !channel_state::knows_payment(manager, &payment) {
                self.over.push(payment);
            }
        }
    }

    /// The payments that turned out to be over, once each.
    pub(super) fn take_over(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.over)
    }

    /// What was found out since the last time.
    pub(super) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// How many writes are not committed.
    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.held.len()
    }

    /// Up to where it can be cut.
    fn end(&self) -> usize {
        let waits = |entry: &Entry<K, T>| entry.is_monitor() && entry.wait.is_some();
        self.entries.iter().position(waits).unwrap_or(self.entries.len())
    }

    /// Whether anything can be committed.
    pub(super) fn has_cut(&self, now: Instant) -> bool {
        let defers = self.entries.len() <= MAX_DEFERRED;
        let is_due = |entry: &Entry<K, T>| {
            entry.is_free(now) && !(defers && entry.deferred_for(now).is_some())
        };
        self.is_late(now) || self.entries.iter().take(self.end()).any(is_due)
    }

    /// For how long the oldest of what waits for a manager has waited.
    pub(super) fn waited(&self, now: Instant) -> Option<Duration> {
        let waits = self.entries.iter().filter_map(|entry| entry.wait.as_ref());
        let since = waits.map(|wait| wait.since).chain(self.held.iter().map(|held| held.since));
        since.min().map(|since| now.saturating_duration_since(since))
    }

    fn is_late(&self, now: Instant) -> bool {
        self.waited(now).is_some_and(|waited| waited >= PATIENCE)
    }

    /// When to look again if nothing comes meanwhile.
    pub(super) fn look_again_in(&self, now: Instant) -> Option<Duration> {
        let late = self.waited(now).map(|waited| PATIENCE.saturating_sub(waited));
        let payments = self.entries.iter().take(self.end()).filter_map(Entry::free_from);
        let payment = payments.min().map(|from| from.saturating_duration_since(now));
        let deferred = self.entries.iter().take(self.end());
        let deferred = deferred.filter_map(|entry| entry.deferred_for(now)).min();
        late.into_iter().chain(payment).chain(deferred).min()
    }

    /// Takes what is to be committed next. Everything if something has waited too long.
    pub(super) fn cut(&mut self, now: Instant) -> Cut<K, T> {
        if self.is_late(now) {
            self.counts.forced += 1;
            self.release(u64::MAX, now);
            return Cut { entries: self.entries.drain(..).collect(), watermark: self.last };
        }
        let rest = self.entries.split_off(self.end());
        let before = std::mem::take(&mut self.entries);
        let (free, waiting): (Vec<_>, Vec<_>) =
            before.into_iter().partition(|entry| entry.is_free(now));
        for entry in free.iter().filter(|entry| entry.wait.is_some()) {
            if let Kind::Outbound(payment) = entry.kind {
                self.unproven.insert(payment);
            }
        }
        self.entries.extend(waiting.into_iter().chain(rest));
        Cut { entries: free, watermark: self.watermark() }
    }

    /// Takes the last cut, and what is left behind it. Nothing of that is durable, so nothing has left
    /// the node: it is as if it had not been written, as after a crash.
    pub(super) fn last_cut(&mut self, now: Instant) -> (Cut<K, T>, Vec<Entry<K, T>>) {
        self.release(u64::MAX, now);
        let cut = self.cut(now + PAYMENT_PATIENCE);
        (cut, self.entries.drain(..).collect())
    }

    /// Everything up to this has been taken.
    fn watermark(&self) -> Position {
        let left = self.entries.iter().map(|entry| entry.position);
        let held = self.held.iter().map(|held| held.entry.position);
        left.chain(held).min().map_or(self.last, |first| first.saturating_sub(1))
    }
}

impl<K, T> Entry<K, T> {
    /// Its place in the order of all writes.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    fn is_monitor(&self) -> bool {
        matches!(self.kind, Kind::Monitor { .. })
    }

    /// From when on it may be committed without being covered; `None` if not, or if it is.
    fn free_from(&self) -> Option<Instant> {
        let first_manager = self.wait.as_ref()?.first_manager?;
        (!self.is_monitor()).then(|| first_manager + PAYMENT_PATIENCE)
    }

    /// For how long no commit is made for it alone; `None` if it is in a hurry.
    fn deferred_for(&self, now: Instant) -> Option<Duration> {
        let until = self.deferral.as_ref()?.until;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    fn is_free(&self, now: Instant) -> bool {
        self.wait.is_none() || self.free_from().is_some_and(|from| from <= now)
    }
}
