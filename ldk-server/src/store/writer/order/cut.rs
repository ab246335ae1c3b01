//! Where the queue is cut.

use std::time::{Duration, Instant};

use super::Order;
use super::entry::{Entry, Kind, PAYMENT_PATIENCE};
use crate::store::durability::Position;

/// After so long without a manager that covers what waits, something is wrong. It is better then to
/// write what there is, and perhaps lose a channel at a crash, than to stand still.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// With more writes than this none is deferred.
const MAX_DEFERRED: usize = 256;

/// What is to be committed at once.
pub(in crate::store::writer) struct Cut<K, T> {
    pub(in crate::store::writer) entries: Vec<Entry<K, T>>,
    /// When it is durable, all up to this is.
    pub(in crate::store::writer) watermark: Position,
}

impl<K: Eq + Clone, T> Order<K, T> {
    /// Up to where it can be cut.
    fn end(&self) -> usize {
        let waits = |entry: &Entry<K, T>| entry.is_monitor() && entry.wait.is_some();
        self.entries.iter().position(waits).unwrap_or(self.entries.len())
    }

    /// Whether anything can be committed.
    pub(in crate::store::writer) fn has_cut(&self, now: Instant) -> bool {
        let defers = self.entries.len() <= MAX_DEFERRED;
        let is_due = |entry: &Entry<K, T>| {
            entry.is_free(now) && !(defers && entry.deferred_for(now).is_some())
        };
        self.is_late(now) || self.entries.iter().take(self.end()).any(is_due)
    }

    /// For how long the oldest of what waits for a manager has waited.
    pub(in crate::store::writer) fn waited(&self, now: Instant) -> Option<Duration> {
        let waits = self.entries.iter().filter_map(|entry| entry.wait.as_ref());
        let since = waits.map(|wait| wait.since).chain(self.held.iter().map(|held| held.since));
        since.min().map(|since| now.saturating_duration_since(since))
    }

    fn is_late(&self, now: Instant) -> bool {
        self.waited(now).is_some_and(|waited| waited >= PATIENCE)
    }

    /// When to look again if nothing comes meanwhile.
    pub(in crate::store::writer) fn look_again_in(&self, now: Instant) -> Option<Duration> {
        let late = self.waited(now).map(|waited| PATIENCE.saturating_sub(waited));
        let payments = self.entries.iter().take(self.end()).filter_map(Entry::free_from);
        let payment = payments.min().map(|from| from.saturating_duration_since(now));
        let deferred = self.entries.iter().take(self.end());
        let deferred = deferred.filter_map(|entry| entry.deferred_for(now)).min();
        late.into_iter().chain(payment).chain(deferred).min()
    }

    /// Takes what is to be committed next. Everything if something has waited too long.
    pub(in crate::store::writer) fn cut(&mut self, now: Instant) -> Cut<K, T> {
        if self.is_late(now) {
            self.counts.forced += 1;
            self.release(u64::MAX, now);
            return Cut { entries: self.entries.drain(..).collect(), watermark: self.last };
        }
        let end = self.end();
        let (mut free, mut waiting) = (Vec::with_capacity(end), Vec::new());
        // The queue keeps its room for what comes next.
        for entry in self.entries.drain(..end) {
            if entry.is_free(now) { free.push(entry) } else { waiting.push(entry) }
        }
        for entry in free.iter().filter(|entry| entry.wait.is_some()) {
            if let Kind::Outbound(payment) = entry.kind {
                self.unproven.insert(payment);
            }
        }
        waiting.into_iter().rev().for_each(|entry| self.entries.push_front(entry));
        Cut { entries: free, watermark: self.watermark() }
    }

    /// Takes the last cut, and what is left behind it. Nothing of that is durable, so nothing has left
    /// the node: it is as if it had not been written, as after a crash.
    pub(in crate::store::writer) fn last_cut(
        &mut self,
        now: Instant,
    ) -> (Cut<K, T>, Vec<Entry<K, T>>) {
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
