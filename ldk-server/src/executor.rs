//! Runs blocking work off the async threads: bounded, and waited for at shutdown.

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Span;

use crate::bulkhead::Bulkhead;
use crate::error::Error;

/// Calls that run at once. The library serialises most of its work on a few locks, so more would
/// only wait there.
const MAX_RUNNING: usize = 64;

/// Runs the blocking work of calls. Clones share their state.
#[derive(Clone)]
pub struct Executor {
    running: Bulkhead,
    admitted: Bulkhead,
    tracker: TaskTracker,
}

impl Executor {
    /// Admits this number of calls that run or wait; one more is refused.
    pub fn new(max_in_flight: usize) -> Self {
        let full = format!("limits.max_calls_in_flight: {max_in_flight} calls are under way");
        Self {
            running: Bulkhead::new(MAX_RUNNING, "too many calls are running"),
            admitted: Bulkhead::new(max_in_flight, &full),
            tracker: TaskTracker::new(),
        }
    }

    /// Runs the work of a call on a blocking thread. It continues even if the caller gives up.
    pub(crate) async fn run<R, E, F>(&self, name: &'static str, work: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: WorkError,
        F: FnOnce() -> Result<R, E> + Send + 'static,
    {
        let admitted = self.admitted.try_enter()?;
        let running = self.running.enter().await?;
        let work = self.spawn(name, move || {
            let _places = (admitted, running);
            work()
        });
        joined(name, work).await
    }

    /// Runs work that is bounded elsewhere on a blocking thread. It continues even if nobody waits.
    pub(crate) fn spawn<R, E, F>(&self, name: &'static str, work: F) -> JoinHandle<Result<R, E>>
    where
        R: Send + 'static,
        E: WorkError,
        F: FnOnce() -> Result<R, E> + Send + 'static,
    {
        let span = Span::current();
        self.tracker.spawn_blocking(move || {
            let _entered = span.entered();
            let result = work();
            // Here, because the caller may not wait for it, and is not told.
            if let Some(Error::Internal(reason)) = result.as_ref().err().map(E::error) {
                tracing::error!(%reason, "{name} failed");
            }
            result
        })
    }

    /// Waits until all work has ended.
    pub async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// What work can fail with.
pub(crate) trait WorkError: From<Error> + Send + 'static {
    /// Why it failed.
    fn error(&self) -> &Error;

    /// Says that the work ended without a result, so that its outcome is unknown.
    fn without_result(reason: Error) -> Self;
}

impl WorkError for Error {
    fn error(&self) -> &Error {
        self
    }

    fn without_result(reason: Error) -> Self {
        reason
    }
}

/// Waits for the result of spawned work.
pub(crate) async fn joined<R, E: WorkError>(
    name: &'static str,
    work: JoinHandle<Result<R, E>>,
) -> Result<R, E> {
    match work.await {
        Ok(result) => result,
        Err(error) => Err(E::without_result(Error::Internal(format!("{name}: {error}")))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn one_call_more_than_the_limit_is_refused_until_one_has_ended() {
        let executor = Executor::new(2);
        let (go_on, wait) = mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        let slow: Vec<_> = (0..2)
            .map(|_| {
                let (executor, wait) = (executor.clone(), Arc::clone(&wait));
                tokio::spawn(async move {
                    let work = move || Ok::<_, Error>(wait.lock().unwrap().recv().is_ok());
                    executor.run("slow", work).await
                })
            })
            .collect();
        let begun = Instant::now();
        while executor.admitted.free() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "they are not begun");
            tokio::task::yield_now().await;
        }
        let refused = executor.run("quick", || Ok::<_, Error>(())).await.unwrap_err();
        let Error::ResourceExhausted(reason) = refused else { panic!("{refused:?}") };
        assert!(reason.starts_with("limits.max_calls_in_flight: 2 calls"), "{reason}");
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        for call in slow {
            assert!(call.await.unwrap().unwrap());
        }
        executor.run("quick", || Ok::<_, Error>(())).await.unwrap();
    }
}
