//! Renews the lease, on a thread and a connection of its own, and says when it is lost.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio_util::sync::CancellationToken;

use super::error::PostgresError;
use super::lease;
use super::session::Session;
use super::settings::PostgresSettings;

/// How often the lease is renewed while it lasts.
const RENEWALS: u32 = 3;
/// The pause after a renewal that has failed, as a part of the time that the lease lasts.
const PAUSES: u32 = 20;

/// Keeps a lease.
pub(super) struct LeaseKeeper {
    lost: CancellationToken,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
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
        let (lose, stopped) = (lost.clone(), stop.clone());
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let keep = move || {
            let kept = keep(&settings, token, taken_at);
            let reason = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = stopped.cancelled() => None,
                    reason = kept => Some(reason),
                }
            });
            if let Some(reason) = reason {
                lose.cancel();
                on_lost(&reason.to_string());
            }
        };
        let thread = thread::Builder::new().name("lease".to_owned()).spawn(keep)?;
        Ok(Self { lost, stop, thread: Some(thread) })
    }

    /// Waits until the lease is lost.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Stops renewing it.
    pub(super) fn stop(self) {
        drop(self);
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Renews the lease until it is lost, and returns why.
async fn keep(settings: &PostgresSettings, token: i64, taken_at: Instant) -> PostgresError {
    let mut renewed_at = taken_at;
    let mut session = None;
    let mut failure = PostgresError::Timeout;
    let mut pause = settings.lease / RENEWALS;
    loop {
        tokio::time::sleep(pause).await;
        // Whoever was stopped for longer than the lease lasts must not go on.
        let Some(left) = settings.lease.checked_sub(renewed_at.elapsed()) else {
            return PostgresError::NotHolder(format!("it was not renewed in time ({failure})"));
        };
        let begun = Instant::now();
        match tokio::time::timeout(left, renew(settings, &mut session, token)).await {
            Ok(Ok(true)) => (renewed_at, pause) = (begun, settings.lease / RENEWALS),
            Ok(Ok(false)) => return PostgresError::NotHolder("another one has it".to_owned()),
            Ok(Err(error)) => (failure, pause) = (error, retry_pause(settings, &mut session)),
            Err(_) => pause = retry_pause(settings, &mut session),
        }
    }
}

fn retry_pause(settings: &PostgresSettings, session: &mut Option<Session>) -> Duration {
    *session = None;
    settings.lease / PAUSES
}

async fn renew(
    settings: &PostgresSettings,
    session: &mut Option<Session>,
    token: i64,
) -> Result<bool, PostgresError> {
    let session = match session {
        Some(session) => session,
        None => session.insert(Session::connect(settings).await?),
    };
    lease::renew(session, settings, token).await
}
