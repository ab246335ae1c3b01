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
mod cut;
mod entry;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::compat::channel_state::{self, Id};
use crate::store::durability::Position;
pub(super) use cut::Cut;
pub(super) use entry::Entry;
pub(in crate::store) use entry::Kind;
pub(in crate::store) use entry::Ticket;
use entry::{DEFERRAL, Deferral, Held, Wait};

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

    /// Adds a write before all others, so that it is in the next cut.
    pub(super) fn push_first(&mut self, position: Position, payload: T) {
        self.last = position;
        let kind = Kind::Plain;
        self.entries.push_front(Entry {
            position,
            kind,
            wait: None,
            deferral: None,
            key: None,
            payload,
        });
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
}
