//! Waits for news of one thing, such as a payment, beside many others who wait for other things. One
//! who waits costs an entry in a map, no thread and no polling.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Those who wait for news, by what the news are of.
pub struct Waiters<K>(Arc<Mutex<HashMap<K, Awaited>>>);

/// What somebody waits for.
#[derive(Default)]
struct Awaited {
    waiting: usize,
    news: Arc<Notify>,
}

/// One who waits. Its place is free again when this is dropped.
struct Waiter<K: Eq + Hash> {
    waiters: Waiters<K>,
    key: K,
    news: Arc<Notify>,
}

impl<K> Clone for Waiters<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Waiters<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> Waiters<K> {
    /// There are news of this.
    pub fn wake(&self, key: &K) {
        let news = self.lock().get(key).map(|awaited| Arc::clone(&awaited.news));
        if let Some(news) = news {
            news.notify_waiters();
        }
    }

    /// Asks again after each news, until there is an answer. `None` if it does not come in time: `ask`
    /// is called once in any case, and the state it saw last may be told.
    pub async fn until<T, E, F>(
        &self,
        key: K,
        deadline: Instant,
        mut ask: impl FnMut() -> F,
    ) -> Result<Option<T>, E>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        let waiter = self.add(key);
        loop {
            let mut news = pin!(waiter.news.notified());
            // From here on, no news are missed, also while the question is being answered.
            news.as_mut().enable();
            if let Some(answer) = ask().await? {
                return Ok(Some(answer));
            }
            if timeout_at(deadline, news).await.is_err() {
                return Ok(None);
            }
        }
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.lock().values().map(|awaited| awaited.waiting).sum()
    }

    fn add(&self, key: K) -> Waiter<K> {
        let mut waiters = self.lock();
        let awaited = waiters.entry(key.clone()).or_default();
        awaited.waiting += 1;
        let news = Arc::clone(&awaited.news);
        Waiter { waiters: self.clone(), key, news }
    }
}

impl<K> Waiters<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Awaited>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Waiter<K> {
    fn drop(&mut self) {
        let mut waiters = self.waiters.lock();
        if let Some(awaited) = waiters.get_mut(&self.key) {
            awaited.waiting -= 1;
            if awaited.waiting == 0 {
                waiters.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    async fn is_set(flag: &AtomicBool) -> Result<Option<()>, Infallible> {
        Ok(flag.load(Ordering::SeqCst).then_some(()))
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_of_news_of_the_same_thing_only() {
        let (waiters, paid, asked) =
            (Waiters::default(), AtomicBool::new(false), AtomicUsize::new(0));
        let wait = waiters.until(1, Instant::now() + HOUR, || {
            asked.fetch_add(1, Ordering::SeqCst);
            is_set(&paid)
        });
        let news = async {
            tokio::task::yield_now().await;
            waiters.wake(&2);
            tokio::task::yield_now().await;
            assert_eq!(asked.load(Ordering::SeqCst), 1, "news of something else");
            paid.store(true, Ordering::SeqCst);
            waiters.wake(&1);
        };
        let (answer, ()) = tokio::join!(wait, news);
        assert_eq!(answer, Ok(Some(())));
        assert_eq!(waiters.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn news_that_come_while_the_question_is_answered_are_not_missed() {
        let (waiters, paid) = (Waiters::default(), AtomicBool::new(false));
        let answer = waiters
            .until(1, Instant::now() + HOUR, || async {
                let answer = is_set(&paid).await;
                paid.store(true, Ordering::SeqCst);
                waiters.wake(&1);
                answer
            })
            .await;
        assert_eq!(answer, Ok(Some(())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_in_time_and_leaves_nothing_behind() {
        let (waiters, paid) = (Waiters::default(), AtomicBool::new(false));
        let answer = waiters.until(1, Instant::now() + HOUR, || is_set(&paid)).await;
        assert_eq!(answer, Ok(None));
        let given_up = waiters.until(1, Instant::now() + HOUR, || is_set(&paid));
        assert!(tokio::time::timeout(Duration::from_secs(1), given_up).await.is_err());
        assert_eq!(waiters.count(), 0);
    }
}
