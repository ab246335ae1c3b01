//! The limit on requests of all strangers together: above it, the oldest request is reset. An honest
//! request has ended long before it is the oldest.
//!
//! Its connection stays open, because accepting a new one would cost more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::stream::Stream;

/// The requests of strangers, the oldest first.
pub(super) struct Strangers {
    most: usize,
    entered: Mutex<Entered>,
}

#[derive(Default)]
struct Entered {
    last_id: u64,
    streams: BTreeMap<u64, Arc<Stream>>,
}

/// A request of a stranger. Dropping it ends the count.
pub(super) struct Stranger {
    strangers: Arc<Strangers>,
    id: u64,
}

impl Strangers {
    /// Allows `most` requests at once.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, entered: Mutex::default() })
    }

    /// Counts the request on the current stream, and resets the oldest one if there are too many.
    pub(super) fn enter(self: &Arc<Self>) -> Stranger {
        let stream = Stream::current();
        let mut entered = self.entered();
        let is_full = entered.streams.len() >= self.most;
        let oldest = if is_full { entered.streams.pop_first() } else { None };
        entered.last_id += 1;
        let id = entered.last_id;
        entered.streams.insert(id, stream);
        drop(entered);
        if let Some((_, oldest)) = oldest {
            oldest.reset();
        }
        Stranger { strangers: Arc::clone(self), id }
    }

    /// The number of requests.
    #[cfg(test)]
    pub(super) fn number(&self) -> usize {
        self.entered().streams.len()
    }

    fn entered(&self) -> MutexGuard<'_, Entered> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.strangers.entered().streams.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_request_is_reset() {
        let strangers = Strangers::new(2);
        let streams: Vec<_> = (0..4).map(|_| Arc::new(Stream::default())).collect();
        let enter = async |stream: &Arc<Stream>| stream.run(async { strangers.enter() }).await;
        let (first, second) = (enter(&streams[0]).await, enter(&streams[1]).await);
        // It ends by itself.
        drop(second);
        let later = [enter(&streams[2]).await, enter(&streams[3]).await];
        let reset: Vec<_> =
            streams.iter().map(|stream| stream.was_reset().now_or_never().is_some()).collect();
        assert_eq!(reset, [true, false, false, false]);
        drop((first, later));
        assert_eq!(strangers.number(), 0);
    }
}
