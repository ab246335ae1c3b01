//! The places of connections: who gets one when there are no more.
//!
//! A connection on which no call was signed with the key is a stranger's. Strangers have most of the
//! places, but never all, and make room for whoever comes next, the oldest of them first: so somebody
//! who only holds connections open keeps nobody else out, neither those who have the key nor the health
//! checks of those who have none. A connection of a caller who is known makes room only when no call is
//! on it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Of the places, this part is never a stranger's.
const KEPT_SHARE: usize = 64;

/// All places.
pub(super) struct Places {
    most: usize,
    most_strangers: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    last_id: u64,
    strangers: BTreeMap<u64, Arc<Seat>>,
    known: BTreeMap<u64, Arc<Seat>>,
}

/// What is known of one connection.
struct Seat {
    is_known: AtomicBool,
    calls: AtomicUsize,
    idle_since: Mutex<Instant>,
    evicted: CancellationToken,
}

/// The place of one connection, until this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    seat: Arc<Seat>,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let most_strangers = (most - most / KEPT_SHARE).max(1);
        Arc::new(Self { most, most_strangers, taken: Mutex::default() })
    }

    /// A place for a connection that has just come; none if all are in use by callers who are known.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken();
        if taken.strangers.len() >= self.most_strangers {
            taken.evict_stranger();
        } else if taken.strangers.len() + taken.known.len() >= self.most
            && !taken.evict_stranger()
            && !taken.evict_idle()
        {
            return None;
        }
        let seat = Arc::new(Seat {
            is_known: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            evicted: CancellationToken::new(),
        });
        taken.last_id += 1;
        let id = taken.last_id;
        taken.strangers.insert(id, Arc::clone(&seat));
        Some(Place { places: Arc::clone(self), id, seat })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Whether there was one.
    fn evict_stranger(&mut self) -> bool {
        let oldest = self.strangers.pop_first();
        oldest.is_some_and(|(_, seat)| {
            seat.evicted.cancel();
            true
        })
    }

    /// Frees the place of the connection that has had no call for the longest; whether there was one.
    fn evict_idle(&mut self) -> bool {
        let idle = self.known.iter().filter(|(_, seat)| seat.calls.load(Ordering::Relaxed) == 0);
        let longest = idle.min_by_key(|(_, seat)| *seat.idle_since()).map(|(id, _)| *id);
        longest.and_then(|id| self.known.remove(&id)).is_some_and(|seat| {
            seat.evicted.cancel();
            true
        })
    }
}

impl Seat {
    fn idle_since(&self) -> MutexGuard<'_, Instant> {
        self.idle_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A call on the connection was signed with the key. Tells whether it is the first one.
    pub(super) fn keep(&self) -> bool {
        if self.seat.is_known.swap(true, Ordering::Relaxed) {
            return false;
        }
        let mut taken = self.places.taken();
        // Who was just evicted stays so.
        if let Some(seat) = taken.strangers.remove(&self.id) {
            taken.known.insert(self.id, seat);
        }
        true
    }

    /// Whether a call on it was signed with the key.
    pub(super) fn is_kept(&self) -> bool {
        self.seat.is_known.load(Ordering::Relaxed)
    }

    /// Gives the place up, whatever is on the connection.
    pub(super) fn evict(&self) {
        self.seat.evicted.cancel();
        self.leave();
    }

    fn leave(&self) {
        let mut taken = self.places.taken();
        taken.strangers.remove(&self.id);
        taken.known.remove(&self.id);
    }

    /// Waits until the place has gone to another.
    pub(super) async fn evicted(&self) {
        self.seat.evicted.cancelled().await;
    }

    /// A call is on the connection until this is dropped.
    pub(super) fn call(&self) -> OnCall {
        self.seat.calls.fetch_add(1, Ordering::Relaxed);
        OnCall(Arc::clone(&self.seat))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A call that is on a connection.
pub(super) struct OnCall(Arc<Seat>);

impl Drop for OnCall {
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

    fn is_evicted(place: &Place) -> bool {
        place.evicted().now_or_never().is_some()
    }

    #[tokio::test]
    async fn strangers_make_room_for_who_comes_next() {
        let places = Places::new(8);
        let mut held: Vec<Place> = (0..7).map(|_| places.take().unwrap()).collect();
        assert!(!held.iter().any(is_evicted));
        assert!(held[0].keep() && !held[0].keep());
        held.push(places.take().unwrap());
        assert!(!held.iter().any(is_evicted), "one of them is known by now");
        held.push(places.take().unwrap());
        let evicted: Vec<_> = held.iter().map(is_evicted).collect();
        assert_eq!(evicted, [false, true, false, false, false, false, false, false, false]);
        drop(held);
        let taken = places.taken();
        assert_eq!((taken.strangers.len(), taken.known.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_who_are_known_make_room_when_they_are_idle() {
        let places = Places::new(4);
        let held: Vec<Place> = (0..4)
            .map(|_| {
                let place = places.take().unwrap();
                place.keep();
                place
            })
            .collect();
        let calls: Vec<OnCall> = held.iter().map(Place::call).collect();
        assert!(places.take().is_none());
        let mut calls = calls.into_iter();
        let (first, second) = (calls.next(), calls.next());
        drop(second);
        advance(std::time::Duration::from_secs(1)).await;
        drop(first);
        let stranger = places.take().unwrap();
        assert!(is_evicted(&held[1]) && !is_evicted(&held[0]));
        let next = places.take().unwrap();
        assert!(is_evicted(&stranger) && !is_evicted(&held[0]));
        next.keep();
        let last = places.take().unwrap();
        assert!(is_evicted(&held[0]) && !is_evicted(&next) && !is_evicted(&last));
    }

    #[tokio::test]
    async fn a_single_place_is_for_everybody() {
        let places = Places::new(1);
        let first = places.take().unwrap();
        let second = places.take().unwrap();
        assert!(is_evicted(&first) && !is_evicted(&second));
        first.keep();
        assert_eq!(places.taken().known.len(), 0, "it was evicted before");
    }
}
