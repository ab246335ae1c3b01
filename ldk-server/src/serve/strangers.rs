//! What those who have not shown the key have under way, all of them together: so much and no more.
//! When it is too much the oldest loses its connection. What is honest is over long before it is the
//! oldest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::places::Place;

/// The requests of strangers, from the oldest.
pub(super) struct Strangers {
    most: usize,
    entered: Mutex<Entered>,
}

#[derive(Default)]
struct Entered {
    last_id: u64,
    places: BTreeMap<u64, Arc<Place>>,
}

/// A request of a stranger, until this is dropped.
pub(super) struct Stranger {
    strangers: Arc<Strangers>,
    id: u64,
}

impl Strangers {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, entered: Mutex::default() })
    }

    /// Lets a request on this connection in.
    pub(super) fn enter(self: &Arc<Self>, place: &Arc<Place>) -> Stranger {
        let mut entered = self.entered();
        let is_full = entered.places.len() >= self.most;
        let oldest = if is_full { entered.places.pop_first() } else { None };
        entered.last_id += 1;
        let id = entered.last_id;
        entered.places.insert(id, Arc::clone(place));
        drop(entered);
        if let Some((_, oldest)) = oldest {
            oldest.evict();
        }
        Stranger { strangers: Arc::clone(self), id }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn number(&self) -> usize {
        self.entered().places.len()
    }

    fn entered(&self) -> MutexGuard<'_, Entered> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // Outside of the lock, because it may be the last that has the place.
        let place = self.strangers.entered().places.remove(&self.id);
        drop(place);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::super::places::Places;
    use super::*;

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let (places, strangers) = (Places::new(10), Strangers::new(2));
        let place: Vec<_> = (0..4).map(|_| Arc::new(places.take().unwrap())).collect();
        let (first, second) = (strangers.enter(&place[0]), strangers.enter(&place[1]));
        // It ends by itself.
        drop(second);
        let later = [strangers.enter(&place[2]), strangers.enter(&place[3])];
        let evicted: Vec<_> =
            place.iter().map(|place| place.evicted().now_or_never().is_some()).collect();
        assert_eq!(evicted, [true, false, false, false]);
        drop((first, later));
        assert_eq!(strangers.number(), 0);
    }
}
