//! Running calls off the async threads: bounded, and waited for at shutdown.

use std::sync::Arc;
use std::time::Duration;

use ldk_server_grpc::api::ConnectPeerResponse;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::{App, jit, peers};
use crate::error::Error;
use crate::request_id::RequestId;

/// Calls that run at once. The library serialises most of its work on a few locks, so more would
/// only wait there.
const MAX_RUNNING: usize = 64;
/// Connection attempts at once, apart from the calls, which they would otherwise hold up: each
/// takes until the peer answers.
const MAX_CONNECTING: usize = 32;
/// Orders of just-in-time channels at once: each waits for the provider's answers, up to 10 seconds.
const MAX_ORDERING: usize = 8;
/// How long a peer may take to be connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Names being looked up at once, apart from the calls as well.
const MAX_LOOKING_UP: usize = 32;
/// Streams that read events from the disk at once. The others wait, each for a page of somebody
/// else's at a time, so that calls find a free thread and core.
const MAX_REPLAYING: usize = 4;

/// The calls under way.
#[derive(Clone)]
pub struct Calls {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    max_in_flight: usize,
    connecting: Arc<Semaphore>,
    ordering: Arc<Semaphore>,
    looking_up: Arc<Semaphore>,
    replaying: Arc<Semaphore>,
    backing_up: Arc<Semaphore>,
    tracker: TaskTracker,
}

impl Calls {
    /// Admits so many calls that run or wait; one more is refused.
    pub fn new(max_in_flight: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(MAX_RUNNING)),
            admitted: Arc::new(Semaphore::new(max_in_flight)),
            max_in_flight,
            connecting: Arc::new(Semaphore::new(MAX_CONNECTING)),
            ordering: Arc::new(Semaphore::new(MAX_ORDERING)),
            looking_up: Arc::new(Semaphore::new(MAX_LOOKING_UP)),
            replaying: Arc::new(Semaphore::new(MAX_REPLAYING)),
            backing_up: Arc::new(Semaphore::new(1)),
            tracker: TaskTracker::new(),
        }
    }

    /// Runs `work` on a blocking thread. It goes on even if the caller gives up.
    pub(super) async fn run<R, F>(&self, method: &'static str, work: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce() -> Result<R, Error> + Send + 'static,
    {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| {
            Error::ResourceExhausted(format!(
                "limits.max_calls_in_flight: {} calls are under way; try again later",
                self.max_in_flight
            ))
        })?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(closed)?;
        let work = self.spawn(method, move || {
            let _permits = (admitted, running);
            work()
        });
        work.await.map_err(|error| Error::Internal(format!("{method}: {error}")))?
    }

    /// Connects to a peer, or says that it did not answer in time.
    pub(super) async fn connect(
        &self,
        app: Arc<App>,
        peer: peers::Target,
    ) -> Result<ConnectPeerResponse, Error> {
        let permit = Arc::clone(&self.connecting).try_acquire_owned().map_err(|_| {
            Error::ResourceExhausted(format!(
                "{MAX_CONNECTING} connection attempts are under way; try again later"
            ))
        })?;
        let name = peer.to_string();
        let work = self.spawn("connect", move || {
            let _permit = permit;
            peers::connect(&app, peer)
        });
        match tokio::time::timeout(CONNECT_TIMEOUT, work).await {
            Ok(done) => done.map_err(|error| Error::Internal(format!("connect: {error}")))?,
            Err(_) => {
                let secs = CONNECT_TIMEOUT.as_secs();
                Err(Error::FailedPrecondition(format!("{name} did not answer within {secs} s")))
            },
        }
    }

    /// Orders a just-in-time channel, and returns the invoice that is paid through it.
    pub(super) async fn order_channel(
        &self,
        app: Arc<App>,
        order: jit::Order,
    ) -> Result<String, Error> {
        let lsp = jit::lsp(&app)?;
        let permit = Arc::clone(&self.ordering).try_acquire_owned().map_err(|_| {
            Error::ResourceExhausted(format!(
                "{MAX_ORDERING} channels are being ordered; try again later"
            ))
        })?;
        self.connect(Arc::clone(&app), lsp).await.map_err(jit::unreachable)?;
        let work = self.spawn("order_channel", move || {
            let _permit = permit;
            jit::order(&app, order)
        });
        work.await.map_err(|error| Error::Internal(format!("order_channel: {error}")))?
    }

    /// Looks up a name, which ends by itself, or when the caller gives up.
    pub(super) async fn look_up<R>(
        &self,
        work: impl Future<Output = Result<R, Error>>,
    ) -> Result<R, Error> {
        let _permit = self.looking_up.try_acquire().map_err(|_| {
            Error::ResourceExhausted(format!(
                "{MAX_LOOKING_UP} names are being looked up; try again later"
            ))
        })?;
        work.await
    }

    /// Reads a page of events from the disk, in its turn.
    pub(super) async fn replay<R, F>(&self, read: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce() -> Result<R, Error> + Send + 'static,
    {
        let permit = Arc::clone(&self.replaying).acquire_owned().await.map_err(closed)?;
        let work = self.tracker.spawn_blocking(move || {
            let _permit = permit;
            read().inspect_err(|error| tracing::error!("a stream of events ends: {error}"))
        });
        work.await.map_err(|error| Error::Internal(format!("replay: {error}")))?
    }

    /// Makes a backup, if no other is being made. It ends by itself when nobody takes it.
    pub(super) fn back_up(
        &self,
        work: impl FnOnce() -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let permit = Arc::clone(&self.backing_up).try_acquire_owned().map_err(|_| {
            Error::ResourceExhausted("another backup is being made; try again later".to_owned())
        })?;
        self.spawn("create_backup", move || {
            let _permit = permit;
            work()
        });
        Ok(())
    }

    fn spawn<R, F>(&self, method: &'static str, work: F) -> JoinHandle<Result<R, Error>>
    where
        R: Send + 'static,
        F: FnOnce() -> Result<R, Error> + Send + 'static,
    {
        let request = RequestId::current();
        self.tracker.spawn_blocking(move || {
            let result = work();
            // Here, because the caller may not wait for it, and is not told.
            if let Err(Error::Internal(reason)) = &result {
                tracing::error!("request {request} {method} failed: {reason}");
            }
            result
        })
    }

    /// Waits until no call runs any more.
    pub async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

fn closed(_: tokio::sync::AcquireError) -> Error {
    Error::Unavailable("the server is stopping".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn one_call_more_than_the_limit_is_refused_until_one_has_ended() {
        let calls = Calls::new(2);
        let (go_on, wait) = mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        let slow: Vec<_> = (0..2)
            .map(|_| {
                let (calls, wait) = (calls.clone(), Arc::clone(&wait));
                tokio::spawn(async move {
                    calls.run("slow", move || Ok(wait.lock().unwrap().recv().is_ok())).await
                })
            })
            .collect();
        while calls.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = calls.run("quick", || Ok(())).await.unwrap_err();
        let Error::ResourceExhausted(reason) = refused else { panic!("{refused:?}") };
        assert!(reason.starts_with("limits.max_calls_in_flight: 2 calls"), "{reason}");
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        for call in slow {
            assert!(call.await.unwrap().unwrap());
        }
        calls.run("quick", || Ok(())).await.unwrap();
    }
}
