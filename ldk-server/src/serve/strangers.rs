//! What those who have not shown the key have under way, all of them together: so much and no more,
//! and the oldest makes room for the next. What is honest is over long before it is the oldest.

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

    /// Lets the request on the current stream in; the oldest is reset if there are too many.
    pub(super) fn enter(self: &Arc<Self>) -> Stranger {
        let stream = Stream::current();
        let mut entered = self.entered();
        if entered.streams.len() >= self.most
            && let Some((_, oldest)) = entered.streams.pop_first()
        {
            oldest.reset();
        }
        entered.last_id += 1;
        let id = entered.last_id;
        entered.streams.insert(id, stream);
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
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::super::stream::Ended;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_makes_room() {
        let strangers = Strangers::new(2);
        let streams: Vec<_> = (0..4).map(|_| Arc::new(Stream::default())).collect();
        let mut held = Vec::new();
        for stream in &streams {
            held.push(stream.run(async { strangers.enter() }).await);
            if held.len() == 3 {
                // The second ends by itself.
                held.remove(1);
            }
        }
        let ended: Vec<_> = streams
            .iter()
            .map(|stream| stream.ended(Duration::from_secs(1)).now_or_never())
            .collect();
        assert_eq!(ended, [Some(Ended::Reset), None, None, None]);
        drop(held);
        assert_eq!(strangers.number(), 0);
    }
}
