//! The limit on requests of all strangers together: above it, the oldest requests are reset. An honest
//! request has ended long before it is the oldest.
//!
//! Its connection stays open, because accepting a new one would cost more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::stream::Stream;

/// The requests of strangers, the oldest first.
pub(super) struct Strangers {
    room: usize,
    entered: Mutex<Entered>,
}

#[derive(Default)]
struct Entered {
    last_id: u64,
    taken: usize,
    requests: BTreeMap<u64, Entry>,
}

struct Entry {
    stream: Arc<Stream>,
    takes: usize,
}

/// A request of a stranger. Dropping it ends the count.
pub(super) struct Stranger {
    strangers: Arc<Strangers>,
    id: u64,
}

impl Strangers {
    /// Has room for requests that take this much together.
    pub(super) fn new(room: usize) -> Arc<Self> {
        Arc::new(Self { room, entered: Mutex::default() })
    }

    /// Counts the request on the current stream, which takes so much of the room, and resets the oldest
    /// ones if there is too little.
    pub(super) fn enter(self: &Arc<Self>, takes: usize) -> Stranger {
        let stream = Stream::current();
        let mut entered = self.entered();
        let mut removed = Vec::new();
        while entered.taken + takes > self.room
            && let Some((_, oldest)) = entered.requests.pop_first()
        {
            entered.taken -= oldest.takes;
            removed.push(oldest.stream);
        }
        entered.taken += takes;
        entered.last_id += 1;
        let id = entered.last_id;
        entered.requests.insert(id, Entry { stream, takes });
        drop(entered);
        for stream in removed {
            stream.reset();
        }
        Stranger { strangers: Arc::clone(self), id }
    }

    /// The number of requests.
    #[cfg(test)]
    pub(super) fn number(&self) -> usize {
        self.entered().requests.len()
    }

    fn entered(&self) -> MutexGuard<'_, Entered> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut entered = self.strangers.entered();
        if let Some(entry) = entered.requests.remove(&self.id) {
            entered.taken -= entry.takes;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// The streams of requests, and those of them that were reset.
    async fn resets(strangers: &Arc<Strangers>, takes: &[usize]) -> (Vec<Stranger>, Vec<bool>) {
        let streams: Vec<_> = takes.iter().map(|_| Arc::new(Stream::default())).collect();
        let mut entered = Vec::new();
        for (stream, takes) in streams.iter().zip(takes) {
            entered.push(stream.run(async { strangers.enter(*takes) }).await);
        }
        let reset = streams.iter().map(|stream| stream.was_reset().now_or_never().is_some());
        (entered, reset.collect())
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_request_is_reset() {
        let strangers = Strangers::new(2);
        // It ends by itself.
        let ended = resets(&strangers, &[1]).await;
        drop(ended);
        let (entered, reset) = resets(&strangers, &[1, 1, 1]).await;
        assert_eq!(reset, [true, false, false]);
        drop(entered);
        assert_eq!(strangers.number(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn large_requests_take_the_room_of_several() {
        let strangers = Strangers::new(10);
        let (entered, reset) = resets(&strangers, &[2, 2, 2, 2, 5]).await;
        assert_eq!(reset, [true, true, false, false, false]);
        assert_eq!(strangers.number(), 3);
        drop(entered);
        // One that takes more than there is has it all.
        let (_entered, reset) = resets(&strangers, &[1, 11, 1]).await;
        assert_eq!(reset, [true, true, false]);
    }
}
