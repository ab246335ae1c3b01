//! The events after a given one, in order and without gap: from the disk as long as there are more,
//! then as they are recorded. A reader who falls behind goes back to the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use ldk_server_grpc::codec::Shared;
use ldk_server_grpc::events::EventEnvelope;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::bulkhead::Bulkhead;
use crate::error::Error;
use crate::executor::{Executor, joined};
use crate::store::{EventBounds, Store};

/// How many events are read from the disk at once.
const PAGE_SIZE: usize = 128;
/// Streams that read events from the disk at once. The others wait, each for a page of somebody
/// else's at a time, so that calls find a free thread and core.
const MAX_REPLAYING: usize = 4;

/// The bound of all streams together that read events from the disk.
pub fn replaying() -> Bulkhead {
    Bulkhead::new(MAX_REPLAYING, "too many streams read events")
}

/// What lies outside of the events that there are.
pub fn out_of_range(why: &str, bounds: EventBounds) -> Error {
    let EventBounds { oldest_index, head_index } = bounds;
    Error::OutOfRange(format!("{why}; the oldest is {oldest_index}, the newest {head_index}"))
}

/// The place of one subscriber among the events.
pub struct EventCursor {
    store: Arc<Store>,
    executor: Executor,
    replaying: Bulkhead,
    /// What is recorded, since before `is_behind` was last known to be false.
    live: broadcast::Receiver<Shared<EventEnvelope>>,
    /// Read from the disk, and next to be sent.
    page: VecDeque<Shared<EventEnvelope>>,
    /// The last event that was sent, or after which to begin.
    last_index: u64,
    /// Whether the disk may have events after the page that `live` has not.
    is_behind: bool,
}

impl EventCursor {
    /// The events after `after`, when `head` was the newest after `live` had begun.
    pub(crate) fn new(
        store: Arc<Store>,
        executor: Executor,
        replaying: Bulkhead,
        live: broadcast::Receiver<Shared<EventEnvelope>>,
        after: u64,
        head: u64,
    ) -> Self {
        let is_behind = after < head;
        let page = VecDeque::new();
        Self { store, executor, replaying, live, page, last_index: after, is_behind }
    }

    /// The next event, as soon as there is one. OUT_OF_RANGE if it is no longer kept.
    pub(crate) async fn next(&mut self) -> Result<Shared<EventEnvelope>, Error> {
        let event = loop {
            if let Some(event) = self.page.pop_front() {
                break event;
            }
            if self.is_behind {
                self.read_page().await?;
                continue;
            }
            match self.live.recv().await {
                Ok(event) if event.event_index <= self.last_index => {},
                Ok(event) if event.event_index == self.last_index.saturating_add(1) => {
                    break event;
                },
                Ok(_) | Err(RecvError::Lagged(_)) => self.is_behind = true,
                Err(RecvError::Closed) => {
                    return Err(Error::Unavailable("the server is stopping".to_owned()));
                },
            }
        };
        self.last_index = event.event_index;
        Ok(event)
    }

    async fn read_page(&mut self) -> Result<(), Error> {
        let (store, after) = (Arc::clone(&self.store), self.last_index);
        let read = move || {
            let page = store.events_after(after, PAGE_SIZE).map_err(Error::internal)?;
            let first = page.first().map_or(after.saturating_add(1), |event| event.event_index);
            if first > after.saturating_add(1) {
                let bounds = store.event_bounds().map_err(Error::internal)?;
                let why = format!("the events after {after} are no longer all kept");
                return Err(out_of_range(&why, bounds));
            }
            Ok(page)
        };
        let page = self.in_turn(read).await?;
        self.is_behind = page.len() == PAGE_SIZE;
        self.page = page.into();
        Ok(())
    }

    /// Reads from the disk, when it is this subscriber's turn.
    async fn in_turn<R, F>(&self, read: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce() -> Result<R, Error> + Send + 'static,
    {
        let place = self.replaying.enter().await?;
        let work = self.executor.spawn("subscribe_events", move || {
            let _place = place;
            read().inspect_err(|error| tracing::error!(%error, "event stream failed"))
        });
        joined("subscribe_events", work).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;
    use crate::store::testing::{self, event, record};

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A store, and a broadcast of its events that holds only a few.
    struct Recorder {
        store: Arc<Store>,
        live: broadcast::Sender<Shared<EventEnvelope>>,
        _dir: TempDir,
    }

    impl Recorder {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Arc::new(testing::open(dir.path()));
            Self { store, live: broadcast::channel(2).0, _dir: dir }
        }

        fn cursor(&self, after: u64) -> EventCursor {
            let live = self.live.subscribe();
            let head = self.store.event_bounds().unwrap().head_index;
            let (executor, replaying) = (Executor::new(1), replaying());
            EventCursor::new(Arc::clone(&self.store), executor, replaying, live, after, head)
        }

        /// Records events and sends them to who listens.
        async fn record(&self, number: usize) {
            for _ in 0..number {
                let mut recorded = self.store.live_events();
                assert!(self.store.record_event(event()).unwrap());
                // An error means that nobody listens.
                let _ = self.live.send(recorded.recv().await.unwrap());
            }
        }
    }

    async fn next(cursor: &mut EventCursor) -> Result<u64, Error> {
        let event = timeout(PATIENCE, cursor.next()).await.expect("there is no next event");
        event.map(|event| event.event_index)
    }

    async fn expect(cursor: &mut EventCursor, indices: impl IntoIterator<Item = u64>) {
        for index in indices {
            assert_eq!(next(cursor).await.unwrap(), index);
        }
    }

    fn refusal(result: Result<u64, Error>) -> String {
        match result {
            Err(Error::OutOfRange(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_stored_comes_before_what_is_recorded_meanwhile() {
        let recorder = Recorder::new();
        let stored = 2 * PAGE_SIZE + 3;
        record(&recorder.store, stored);
        let mut cursor = recorder.cursor(1);
        recorder.record(2).await;
        expect(&mut cursor, 2..=stored as u64 + 2).await;
        recorder.record(2).await;
        expect(&mut cursor, stored as u64 + 3..=stored as u64 + 4).await;
    }

    #[tokio::test]
    async fn without_a_place_the_stream_begins_now() {
        let recorder = Recorder::new();
        recorder.record(3).await;
        let mut cursor = recorder.cursor(3);
        assert!(timeout(Duration::ZERO, cursor.next()).await.is_err());
        recorder.record(2).await;
        expect(&mut cursor, 4..=5).await;
    }

    #[tokio::test]
    async fn who_falls_behind_loses_nothing() {
        let recorder = Recorder::new();
        let mut cursor = recorder.cursor(0);
        for round in 0..3 {
            recorder.record(7).await;
            expect(&mut cursor, round * 7 + 1..=round * 7 + 7).await;
        }
        // Nor if only the newest are what it hears of.
        record(&recorder.store, 4);
        recorder.record(1).await;
        expect(&mut cursor, 22..=26).await;
        assert!(timeout(Duration::ZERO, cursor.next()).await.is_err());
    }

    #[tokio::test]
    async fn what_was_removed_meanwhile_ends_the_stream() {
        let recorder = Recorder::new();
        let mut cursor = recorder.cursor(0);
        recorder.record(1).await;
        expect(&mut cursor, [1]).await;
        recorder.record(9).await;
        assert_eq!(recorder.store.remove_old_events(0, 2).unwrap().events, 8);
        let message = refusal(next(&mut cursor).await);
        assert!(message.contains("after 1 "), "{message}");
        assert!(message.ends_with("the oldest is 9, the newest 10"), "{message}");
        expect(&mut recorder.cursor(8), 9..=10).await;
    }
}
