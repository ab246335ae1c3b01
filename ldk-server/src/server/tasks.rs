//! The tasks of the server. Each has a name, and a phase of the shutdown that waits for it. Tasks
//! that are left are aborted when [`Tasks`] is dropped.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

use tokio::task::{JoinError, JoinSet};

type BoxError = Box<dyn Error + Send + Sync>;

/// The phase of a shutdown that waits for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ShutdownPhase {
    /// The first: the task reports that the shutdown has begun.
    Health,
    /// When no call is left: the task has the connections.
    Connections,
    /// When no caller is served any more.
    Serving,
    /// When no more events are taken from the node.
    Events,
    /// None: the task is aborted at the end.
    Abort,
}

/// The running tasks.
#[derive(Default)]
pub(super) struct Tasks(BTreeMap<ShutdownPhase, JoinSet<Ended>>);

struct Ended {
    name: &'static str,
    is_vital: bool,
    outcome: Result<(), BoxError>,
}

/// A task ended that should not have, or with an error.
#[derive(Debug)]
pub struct TaskEnded {
    name: &'static str,
    reason: Option<BoxError>,
}

impl Tasks {
    /// Spawns a task that may end at any time.
    pub(super) fn spawn(
        &mut self,
        phase: ShutdownPhase,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let ended = async move {
            task.await;
            Ended { name, is_vital: false, outcome: Ok(()) }
        };
        self.phase(phase).spawn(ended);
    }

    /// Spawns a task that the server cannot run without.
    pub(super) fn spawn_vital<E: Into<BoxError>>(
        &mut self,
        phase: ShutdownPhase,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let ended = async move {
            let outcome = task.await.map_err(Into::into);
            Ended { name, is_vital: true, outcome }
        };
        self.phase(phase).spawn(ended);
    }

    /// Waits until a vital task has ended or any task has panicked.
    pub(super) async fn failed(&mut self) -> TaskEnded {
        poll_fn(|context| {
            for phase in self.0.values_mut() {
                while let Poll::Ready(Some(joined)) = phase.poll_join_next(context) {
                    match joined {
                        Ok(ended) if !ended.is_vital => {},
                        joined => return Poll::Ready(TaskEnded::of(joined)),
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Waits until all tasks of a phase have ended; the error is that of the first one that failed.
    pub(super) async fn ended(&mut self, phase: ShutdownPhase) -> Result<(), TaskEnded> {
        let Some(mut tasks) = self.0.remove(&phase) else { return Ok(()) };
        let mut outcome = Ok(());
        while let Some(joined) = tasks.join_next().await {
            if !matches!(joined, Ok(Ended { outcome: Ok(()), .. })) {
                outcome = outcome.and(Err(TaskEnded::of(joined)));
            }
        }
        outcome
    }

    fn phase(&mut self, phase: ShutdownPhase) -> &mut JoinSet<Ended> {
        self.0.entry(phase).or_default()
    }
}

impl TaskEnded {
    fn of(joined: Result<Ended, JoinError>) -> Self {
        match joined {
            Ok(Ended { name, outcome, .. }) => Self { name, reason: outcome.err() },
            Err(error) => Self { name: "task", reason: Some(error.into()) },
        }
    }
}

impl fmt::Display for TaskEnded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the {} ended", self.name)?;
        self.reason.iter().try_for_each(|reason| write!(formatter, ": {reason}"))
    }
}

impl Error for TaskEnded {}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_vital_task_that_ends_is_told_of_and_no_other() {
        let mut tasks = Tasks::default();
        tasks.spawn(ShutdownPhase::Serving, "retention", async {});
        tasks.spawn_vital(
            ShutdownPhase::Events,
            "event loop",
            pending::<Result<(), std::convert::Infallible>>(),
        );
        tokio::task::yield_now().await;
        assert!(tasks.failed().now_or_never().is_none());
        tasks.spawn_vital(ShutdownPhase::Connections, "listener", async { Err("no socket") });
        assert_eq!(tasks.failed().await.to_string(), "the listener ended: no socket");
        tasks.spawn_vital(ShutdownPhase::Connections, "listener", async { Ok::<_, String>(()) });
        assert_eq!(tasks.failed().await.to_string(), "the listener ended");
    }

    #[tokio::test]
    async fn a_phase_is_waited_for_as_a_whole() {
        let mut tasks = Tasks::default();
        let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn(ShutdownPhase::Serving, "slow", async { drop(wait.await) });
        tasks.spawn_vital(ShutdownPhase::Serving, "failing", async { Err("in vain") });
        tasks.spawn(ShutdownPhase::Abort, "supervisor", pending());
        let mut ended = Box::pin(tasks.ended(ShutdownPhase::Serving));
        tokio::task::yield_now().await;
        assert!(ended.as_mut().now_or_never().is_none());
        go_on.send(()).unwrap();
        assert_eq!(ended.await.unwrap_err().to_string(), "the failing ended: in vain");
        assert!(tasks.ended(ShutdownPhase::Health).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_left_is_aborted() {
        let mut tasks = Tasks::default();
        let held = Arc::new(());
        let holding = Arc::clone(&held);
        tasks.spawn(ShutdownPhase::Abort, "holding", async move {
            let _holding = holding;
            pending::<()>().await;
        });
        tokio::task::yield_now().await;
        drop(tasks);
        let begun = Instant::now();
        while Arc::strong_count(&held) > 1 {
            assert!(begun.elapsed() < Duration::from_secs(60), "it is still there");
            tokio::task::yield_now().await;
        }
    }
}
