//! The slots for connections, and which connection loses its slot when all are in use.
//!
//! A connection that has not carried a call signed with the key belongs to a stranger. Strangers may
//! have most slots, but never all. A new connection takes the slot of the oldest stranger: a client that
//! only holds connections open keeps out neither callers with the key nor health checks without one. The
//! connection of a known caller loses its slot only while it carries no call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One in so many slots is reserved for known callers.
const RESERVED_SHARE: usize = 64;

/// The slots of all connections.
pub(super) struct Slots {
    most: usize,
    most_strangers: usize,
    occupied: Mutex<Occupied>,
}

#[derive(Default)]
struct Occupied {
    last_id: u64,
    strangers: BTreeMap<u64, Arc<SlotState>>,
    known: BTreeMap<u64, Arc<SlotState>>,
}

/// The state of one connection.
struct SlotState {
    is_known: AtomicBool,
    calls: AtomicUsize,
    idle_since: Mutex<Instant>,
    evicted: CancellationToken,
}

/// The slot of one connection. Dropping it frees the slot.
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    state: Arc<SlotState>,
}

impl Slots {
    /// `most` slots, all free.
    pub(super) fn new(most: usize) -> Arc<Self> {
        let most_strangers = (most - most / RESERVED_SHARE).max(1);
        Arc::new(Self { most, most_strangers, occupied: Mutex::default() })
    }

    /// Takes a slot for a new connection. `None` if known callers use all of them.
    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        let mut occupied = self.occupied();
        if occupied.strangers.len() >= self.most_strangers {
            occupied.evict_stranger();
        } else if occupied.strangers.len() + occupied.known.len() >= self.most
            && !occupied.evict_stranger()
            && !occupied.evict_idle()
        {
            return None;
        }
        let state = Arc::new(SlotState {
            is_known: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            evicted: CancellationToken::new(),
        });
        occupied.last_id += 1;
        let id = occupied.last_id;
        occupied.strangers.insert(id, Arc::clone(&state));
        Some(Slot { slots: Arc::clone(self), id, state })
    }

    fn occupied(&self) -> MutexGuard<'_, Occupied> {
        self.occupied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupied {
    /// Evicts the oldest stranger, and returns whether there was one.
    fn evict_stranger(&mut self) -> bool {
        let oldest = self.strangers.pop_first();
        oldest.is_some_and(|(_, state)| {
            state.evicted.cancel();
            true
        })
    }

    /// Evicts the known caller that has been idle for the longest time, and returns whether there was
    /// one.
    fn evict_idle(&mut self) -> bool {
        let idle = self.known.iter().filter(|(_, state)| state.calls.load(Ordering::Relaxed) == 0);
        let longest = idle.min_by_key(|(_, state)| *state.idle_since()).map(|(id, _)| *id);
        longest.and_then(|id| self.known.remove(&id)).is_some_and(|state| {
            state.evicted.cancel();
            true
        })
    }
}

impl SlotState {
    fn idle_since(&self) -> MutexGuard<'_, Instant> {
        self.idle_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Records that a call on the connection was signed with the key. Returns whether it was the first.
    pub(super) fn mark_known(&self) -> bool {
        if self.state.is_known.swap(true, Ordering::Relaxed) {
            return false;
        }
        let mut occupied = self.slots.occupied();
        // A connection that was evicted a moment ago stays evicted.
        if let Some(state) = occupied.strangers.remove(&self.id) {
            occupied.known.insert(self.id, state);
        }
        true
    }

    /// Whether a call on the connection was signed with the key.
    pub(super) fn is_known(&self) -> bool {
        self.state.is_known.load(Ordering::Relaxed)
    }

    /// Frees the slot and ends the connection, even if it carries calls.
    pub(super) fn evict(&self) {
        self.state.evicted.cancel();
        self.leave();
    }

    fn leave(&self) {
        let mut occupied = self.slots.occupied();
        occupied.strangers.remove(&self.id);
        occupied.known.remove(&self.id);
    }

    /// Waits until the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.state.evicted.cancelled().await;
    }

    /// Counts a call on the connection until the result is dropped.
    pub(super) fn begin_call(&self) -> ActiveCall {
        self.state.calls.fetch_add(1, Ordering::Relaxed);
        ActiveCall(Arc::clone(&self.state))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A call that a connection carries.
pub(super) struct ActiveCall(Arc<SlotState>);

impl Drop for ActiveCall {
    fn drop(&mut self) {
        *self.0.idle_since() = Instant::now();
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::*;

    fn is_evicted(slot: &Slot) -> bool {
        slot.evicted().now_or_never().is_some()
    }

    #[tokio::test]
    async fn a_new_connection_evicts_the_oldest_stranger() {
        let slots = Slots::new(8);
        let mut held: Vec<Slot> = (0..7).map(|_| slots.take().unwrap()).collect();
        assert!(!held.iter().any(is_evicted));
        assert!(held[0].mark_known() && !held[0].mark_known());
        held.push(slots.take().unwrap());
        assert!(!held.iter().any(is_evicted), "one of them is known by now");
        held.push(slots.take().unwrap());
        let evicted: Vec<_> = held.iter().map(is_evicted).collect();
        assert_eq!(evicted, [false, true, false, false, false, false, false, false, false]);
        drop(held);
        let occupied = slots.occupied();
        assert_eq!((occupied.strangers.len(), occupied.known.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn known_callers_are_evicted_only_while_idle() {
        let slots = Slots::new(4);
        let held: Vec<Slot> = (0..4)
            .map(|_| {
                let slot = slots.take().unwrap();
                slot.mark_known();
                slot
            })
            .collect();
        let calls: Vec<ActiveCall> = held.iter().map(Slot::begin_call).collect();
        assert!(slots.take().is_none());
        let mut calls = calls.into_iter();
        let (first, second) = (calls.next(), calls.next());
        drop(second);
        advance(std::time::Duration::from_secs(1)).await;
        drop(first);
        let stranger = slots.take().unwrap();
        assert!(is_evicted(&held[1]) && !is_evicted(&held[0]));
        let next = slots.take().unwrap();
        assert!(is_evicted(&stranger) && !is_evicted(&held[0]));
        next.mark_known();
        let last = slots.take().unwrap();
        assert!(is_evicted(&held[0]) && !is_evicted(&next) && !is_evicted(&last));
    }

    #[tokio::test]
    async fn strangers_may_use_a_single_slot() {
        let slots = Slots::new(1);
        let first = slots.take().unwrap();
        let second = slots.take().unwrap();
        assert!(is_evicted(&first) && !is_evicted(&second));
        first.mark_known();
        assert_eq!(slots.occupied().known.len(), 0, "it was evicted before");
    }
}
