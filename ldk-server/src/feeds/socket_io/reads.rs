//! When the clients of sessions read: the library takes messages until its queue for a client is full, and
//! does not tell when there is room again. There is when something was sent: as the answer to a request that
//! polls, or on a connection that has become a WebSocket. It also goes on taking messages when a connection
//! has failed; so of what the client has not read there is a bound here, too.

use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;

/// How many sessions are told apart. Those that share a place are told of more than they need.
const PLACES: usize = 1024;

/// Packets since the last read.
const MAX_UNREAD: usize = 14;

/// Who waits for the client of which session.
#[derive(Clone)]
pub(super) struct Readers {
    by_session: Arc<[Arc<Notify>]>,
    hasher: RandomState,
}

/// The reads of the client of one session.
pub(super) struct Reads {
    /// On the connection on which it has begun, before it had an id.
    at_first: Arc<Notify>,
    later: Arc<Notify>,
}

impl Readers {
    pub(super) fn new() -> Self {
        let by_session = (0..PLACES).map(|_| Arc::default()).collect();
        Self { by_session, hasher: RandomState::new() }
    }

    /// Who waits for the client of the session with this id.
    pub(super) fn of(&self, session_id: &str) -> &Arc<Notify> {
        let place = self.hasher.hash_one(session_id) % PLACES as u64;
        &self.by_session[place as usize]
    }
}

impl Reads {
    pub(super) fn new(at_first: Arc<Notify>, later: Arc<Notify>) -> Self {
        Self { at_first, later }
    }

    /// Waits for the next read after this was called.
    pub(super) fn next(&self) -> impl Future<Output = ()> {
        let (at_first, later) = (self.at_first.notified(), self.later.notified());
        async move {
            tokio::select! {
                () = at_first => {},
                () = later => {},
            }
        }
    }
}

/// The room for packets to a client.
pub(super) struct Room<'a> {
    reads: &'a Reads,
    /// The next read after the first of the packets.
    read: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
    packets: usize,
}

impl<'a> Room<'a> {
    pub(super) fn new(reads: &'a Reads) -> Self {
        Self { reads, read: Box::pin(reads.next()), packets: 0 }
    }

    /// Whether there is room for one more packet, as far as is known here.
    pub(super) fn is_left(&self) -> bool {
        self.packets < MAX_UNREAD
    }

    /// A packet was sent.
    pub(super) fn take(&mut self) {
        self.packets += 1;
    }

    /// Waits until there may be room again.
    pub(super) async fn wait(&mut self) {
        (&mut self.read).await;
        self.read = Box::pin(self.reads.next());
        self.packets = 0;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_read_is_heard_of_from_when_it_is_waited_for() {
        let readers = Readers::new();
        let at_first = Arc::<Notify>::default();
        let reads = Reads::new(Arc::clone(&at_first), Arc::clone(readers.of("a")));
        readers.of("a").notify_waiters();
        assert!(reads.next().now_or_never().is_none());
        for told in [&at_first, readers.of("a")] {
            let next = reads.next();
            told.notify_waiters();
            assert!(next.now_or_never().is_some());
        }
    }

    #[tokio::test]
    async fn there_is_room_again_when_something_was_read_since() {
        let read = Arc::<Notify>::default();
        let reads = Reads::new(Arc::clone(&read), Arc::default());
        let mut room = Room::new(&reads);
        for _ in 0..2 {
            (0..MAX_UNREAD).for_each(|_| room.take());
            assert!(!room.is_left());
            assert!(room.wait().now_or_never().is_none());
            read.notify_waiters();
            room.wait().now_or_never().unwrap();
            assert!(room.is_left());
        }
    }

    #[test]
    fn an_id_has_one_place() {
        let readers = Readers::new();
        assert!(Arc::ptr_eq(readers.of("a"), readers.clone().of("a")));
        assert!((0..10).any(|id| !Arc::ptr_eq(readers.of("a"), readers.of(&id.to_string()))));
    }
}
