//! What those who have not shown the key have under way, all of them together: so much and no more.
//! When it is too much the oldest is reset. What is honest is over long before it is the oldest.
//!
//! The connection stays: somebody who has to make a new one costs more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::stream::Stream;

/// The requests of strangers, from the oldest.
pub(super) struct Strangers {
    most: usize,
    entered: Mutex<Entered>,
}

#[derive(Default)]
struct Entered {
    last_id: u64,
    streams: BTreeMap<u64, Arc<Stream>>,
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

    /// Lets the request on the current stream in.
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

    /// How many there are.
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
    async fn the_oldest_makes_room() {
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
