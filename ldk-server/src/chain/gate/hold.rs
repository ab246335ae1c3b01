//! Holds broadcasts until the state that they depend on is on disk.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ldk_node::bitcoin::Transaction;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::broadcasts::{Broadcasts, Waiting};
use crate::store::{Answer, Durability, Journal, NeverDurable, Number};

/// The library broadcasts a transaction from another task than the one that writes the state it
/// depends on, and usually before. Within this time that write has begun: this takes well under a
/// millisecond, unless the machine is busy.
const WRITE_GRACE: Duration = Duration::from_millis(50);
/// How long a broadcast waits for the answer to the previous one, which it may spend from. The
/// library waits as long.
const TURN: Duration = Duration::from_secs(5);

/// Holds broadcasts.
pub(super) struct Hold {
    /// `None`: nothing is held.
    durability: Option<Durability>,
    /// The journal that broadcasts are written to before they wait.
    journal: Option<Arc<Journal>>,
    places: Arc<Semaphore>,
    /// Broadcasts leave in the order in which they came.
    turns: Arc<Semaphore>,
    broadcasts: Broadcasts,
}

/// Why a broadcast is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// The state that it depends on cannot be written.
    #[error(transparent)]
    NeverDurable(#[from] NeverDurable),
    /// Too many broadcasts wait.
    #[error("{} broadcasts wait already", Hold::MAX_WAITING)]
    TooMany,
}

/// A broadcast that waits.
pub(super) struct Held {
    hold: Arc<Hold>,
    since: Instant,
    place: Place,
    written: Written,
}

/// A broadcast in the journal, until the chain source has answered.
#[derive(Clone, Default)]
pub(super) struct Written(Option<(Arc<Journal>, Number)>);

struct Place {
    _permit: OwnedSemaphorePermit,
    _waiting: Waiting,
}

/// A broadcast that may be sent.
pub(super) struct Turn {
    place: Place,
    turn: Option<OwnedSemaphorePermit>,
    written: Written,
}

impl Hold {
    /// The library waits 5 seconds for each broadcast and then begins the next, so that they
    /// accumulate slowly while the disk stalls.
    pub(super) const MAX_WAITING: usize = 32;

    pub(super) fn new(
        durability: Option<Durability>,
        journal: Option<Arc<Journal>>,
        broadcasts: Broadcasts,
    ) -> Self {
        let (places, turns) = (Semaphore::new(Self::MAX_WAITING), Semaphore::new(1));
        let (places, turns) = (Arc::new(places), Arc::new(turns));
        Self { durability, journal, places, turns, broadcasts }
    }

    /// Takes a permit for a broadcast of these transactions, and begins to write them to the journal.
    pub(super) fn enter(self: &Arc<Self>, transactions: Vec<Transaction>) -> Result<Held, Refused> {
        let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(self.refused(Refused::TooMany));
        };
        let place = Place { _permit: permit, _waiting: self.broadcasts.begin() };
        let journal = self.journal.as_ref();
        let written =
            journal.and_then(|journal| Some((Arc::clone(journal), journal.add(transactions)?)));
        Ok(Held { hold: Arc::clone(self), since: Instant::now(), place, written: Written(written) })
    }

    fn refused(&self, why: Refused) -> Refused {
        self.broadcasts.refused();
        tracing::error!(reason = %why, "a transaction was not broadcast");
        why
    }
}

impl Held {
    /// Waits until it may be sent.
    pub(super) async fn released(self) -> Result<Turn, Refused> {
        let Self { hold, since, place, written } = self;
        let Some(durability) = &hold.durability else {
            return Ok(Turn { place, turn: None, written });
        };
        // It is never closed.
        let turn = Arc::clone(&hold.turns).acquire_owned().await.ok();
        sleep(WRITE_GRACE).await;
        // What the wallet makes is in the history by then.
        durability.no_spend().await;
        let reached = durability.reached(durability.accepted()).await;
        reached.map_err(|never| hold.refused(never.into()))?;
        hold.broadcasts.sent(since.elapsed());
        written.is_durable();
        Ok(Turn { place, turn, written })
    }
}

impl Written {
    /// The state that it depends on is on disk.
    fn is_durable(&self) {
        if let Some((journal, number)) = &self.0 {
            journal.is_durable(*number);
        }
    }

    /// The chain source has answered.
    pub(super) fn answered(&self, answer: &Answer) {
        if let Some((journal, number)) = &self.0 {
            journal.answered(*number, answer);
        }
    }

    /// Whether it is in a journal.
    pub(super) fn is_any(&self) -> bool {
        self.0.is_some()
    }
}

impl Turn {
    /// The broadcast in the journal.
    pub(super) fn written(&self) -> Written {
        self.written.clone()
    }

    /// Waits for the answer. The next broadcast waits meanwhile, for a limited time.
    pub(super) async fn until<T>(self, answer: impl Future<Output = T>) -> T {
        let Self { place: _place, turn, written: _ } = self;
        let mut answer = pin!(answer);
        if let Ok(answer) = timeout(TURN, answer.as_mut()).await {
            return answer;
        }
        drop(turn);
        answer.await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::*;
    use crate::store::TestDisk;

    fn hold(disk: &TestDisk) -> Arc<Hold> {
        Arc::new(Hold::new(Some(disk.durability()), None, Broadcasts::new().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_written_after_the_broadcast_has_begun_is_waited_for() {
        let disk = TestDisk::new();
        let mut released = pin!(hold(&disk).enter(Vec::new()).unwrap().released());
        assert!(released.as_mut().now_or_never().is_none());
        advance(WRITE_GRACE / 2).await;
        disk.accept();
        advance(WRITE_GRACE * 1_000).await;
        assert!(released.as_mut().now_or_never().is_none());
        disk.sync();
        assert!(released.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_while_a_transaction_is_being_made() {
        let disk = TestDisk::new();
        let hold = hold(&disk);
        let pin = disk.durability().pin_broadcasts();
        let mut released = pin!(hold.enter(Vec::new()).unwrap().released());
        assert!(released.as_mut().now_or_never().is_none());
        advance(WRITE_GRACE * 1_000).await;
        assert!(released.as_mut().now_or_never().is_none());
        disk.accept();
        drop(pin);
        assert!(released.as_mut().now_or_never().is_none(), "what was written meanwhile");
        disk.sync();
        assert!(released.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_never_be_written_is_never_sent() {
        let disk = TestDisk::new();
        let hold = hold(&disk);
        disk.accept();
        let mut released = pin!(hold.enter(Vec::new()).unwrap().released());
        assert!(released.as_mut().now_or_never().is_none());
        disk.fail();
        assert_eq!(released.await.err(), Some(Refused::NeverDurable(NeverDurable)));
        assert!(hold.enter(Vec::new()).is_ok());
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let disk = TestDisk::new();
        let hold = hold(&disk);
        let mut waiting: Vec<Held> =
            (0..Hold::MAX_WAITING).map(|_| hold.enter(Vec::new()).unwrap()).collect();
        assert_eq!(hold.enter(Vec::new()).err(), Some(Refused::TooMany));
        waiting.pop();
        assert!(hold.enter(Vec::new()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_broadcast_leaves_when_the_one_before_was_answered_or_its_time_is_over() {
        let disk = TestDisk::new();
        let hold = hold(&disk);
        let first = hold.enter(Vec::new()).unwrap().released().await.unwrap();
        let mut second = pin!(hold.enter(Vec::new()).unwrap().released());
        let mut third = pin!(hold.enter(Vec::new()).unwrap().released());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        advance(TURN).await;
        assert!(second.as_mut().now_or_never().is_none());
        first.until(async {}).await;
        let unanswered = second.await.unwrap().until(std::future::pending::<()>());
        let began = Instant::now();
        tokio::select! {
            () = unanswered => {},
            third = third => assert!(third.is_ok()),
        }
        assert_eq!(began.elapsed().as_secs(), TURN.as_secs());
    }

    #[tokio::test]
    async fn without_a_disk_to_wait_for_nothing_is_held() {
        let hold = Arc::new(Hold::new(None, None, Broadcasts::new().unwrap()));
        let first = hold.enter(Vec::new()).unwrap().released().now_or_never();
        let second = hold.enter(Vec::new()).unwrap().released().now_or_never();
        assert!(first.unwrap().is_ok() && second.unwrap().is_ok());
    }
}
