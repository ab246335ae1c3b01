//! Renews the lease, on a thread and a connection of its own, and says when it is lost. On the same
//! connection it looks now and then at the replicas and the standbys. When nobody needs the lease any more
//! it is given up.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{self, Runtime};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::error::PostgresError;
use super::lease;
use super::replicas;
use super::session::Session;
use super::settings::PostgresSettings;
use super::standbys;

/// How often the lease is renewed while it lasts.
const RENEWALS: u32 = 3;
/// The pause after a renewal that has failed, as a part of the time that the lease lasts.
const PAUSES: u32 = 20;
/// What a look at the replicas and the standbys may take, as a part of the pause until the next renewal.
const LOOKS: u32 = 2;
/// How often the keeper looks at them.
const LOOK_PERIOD: Duration = Duration::from_secs(10);
/// How long giving the lease up may take.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);

/// Keeps a lease. Dropping it gives the lease up.
pub(super) struct LeaseKeeper {
    lost: CancellationToken,
    stop: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl LeaseKeeper {
    /// Keeps the lease with this token, which was taken at this time at the earliest. If it is lost,
    /// `on_lost` is told why.
    pub(super) fn start(
        settings: Arc<PostgresSettings>,
        token: i64,
        taken_at: Instant,
        on_lost: impl FnOnce(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let renewals =
            Renewals { settings, token, renewed_at: taken_at, session: None, looked_at: None };
        let (lose, stopped) = (lost.clone(), stop.clone());
        let keep = move || {
            if let Some(reason) = renewals.until(&runtime, &stopped) {
                lose.cancel();
                on_lost(&reason.to_string());
            }
        };
        let thread = thread::Builder::new().name("lease".to_owned()).spawn(keep)?;
        Ok(Self { lost, stop, thread: Mutex::new(Some(thread)) })
    }

    /// Waits until the lease is lost.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Gives the lease up, so that another node need not wait until it ends. What is committed afterwards
    /// is refused once another node has it.
    pub(super) fn give_up(&self) {
        self.stop.cancel();
        // Whoever comes second waits as well.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// The renewals of a lease.
struct Renewals {
    settings: Arc<PostgresSettings>,
    token: i64,
    renewed_at: Instant,
    session: Option<Session>,
    looked_at: Option<Instant>,
}

impl Renewals {
    /// Renews the lease until it is lost, and returns why; or until this stops, and gives it up.
    fn until(mut self, runtime: &Runtime, stop: &CancellationToken) -> Option<PostgresError> {
        let lost = runtime.block_on(async {
            tokio::select! {
                biased;
                () = stop.cancelled() => None,
                reason = self.keep() => Some(reason),
            }
        });
        if lost.is_none() {
            runtime.block_on(self.give_up());
        }
        lost
    }

    async fn keep(&mut self) -> PostgresError {
        let lasts = self.settings.lease;
        let mut failure = PostgresError::Timeout;
        self.settings.tell(|health| health.renewed(self.renewed_at));
        let mut due = self.renewed_at + lasts / RENEWALS;
        self.look(lasts / RENEWALS / LOOKS).await;
        loop {
            sleep_until(due.into()).await;
            // Whoever was stopped for longer than the lease lasts must not go on.
            let Some(left) = lasts.checked_sub(self.renewed_at.elapsed()) else {
                return PostgresError::NotHolder(format!("it was not renewed in time ({failure})"));
            };
            let begun = Instant::now();
            let error = match timeout(left, self.renew()).await {
                Ok(Ok(true)) => {
                    self.renewed_at = begun;
                    self.settings.tell(|health| health.renewed(begun));
                    due = begun + lasts / RENEWALS;
                    self.look(lasts / RENEWALS / LOOKS).await;
                    continue;
                },
                Ok(Ok(false)) => return PostgresError::NotHolder("another one has it".to_owned()),
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            failure = error.unwrap_or(failure);
            self.session = None;
            due = Instant::now() + lasts / PAUSES;
        }
    }

    async fn renew(&mut self) -> Result<bool, PostgresError> {
        let (settings, token) = (Arc::clone(&self.settings), self.token);
        lease::renew(self.connected().await?, &settings, token).await
    }

    /// Looks at the replicas and the standbys, unless that was done not long ago. The next renewal never
    /// waits for it: after this time the connection is given up with what is asked for on it.
    async fn look(&mut self, limit: Duration) {
        if self.looked_at.is_some_and(|looked_at| looked_at.elapsed() < LOOK_PERIOD) {
            return;
        }
        self.looked_at = Some(Instant::now());
        let settings = Arc::clone(&self.settings);
        let found = timeout(limit, async {
            let session = self.connected().await?;
            Ok((replicas::look(session).await?, standbys::count(session, &settings).await?))
        });
        match found.await.unwrap_or(Err(PostgresError::Timeout)) {
            Ok((replicas, standbys)) => settings.tell(|health| health.found(replicas, standbys)),
            Err(error) => {
                tracing::debug!(%error, "cannot look at replicas and standbys");
                self.session = None;
            },
        }
    }

    async fn connected(&mut self) -> Result<&Session, PostgresError> {
        if self.session.as_ref().is_none_or(|session| session.client.is_closed()) {
            self.session = Some(Session::connect(&self.settings).await?);
        }
        self.session.as_ref().ok_or(PostgresError::Timeout)
    }

    /// Gives the lease up, so that another node need not wait until it ends.
    async fn give_up(&mut self) {
        let (settings, token) = (Arc::clone(&self.settings), self.token);
        let release = async { lease::release(self.connected().await?, &settings, token).await };
        let released = timeout(RELEASE_LIMIT, release).await.unwrap_or(Err(PostgresError::Timeout));
        if let Err(error) = released {
            tracing::warn!(%error, "the lease in PostgreSQL is not released, and ends by itself");
        }
    }
}
