//! The task of a webhook.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::consumer::{Source, Undelivered};
use super::delivery::{Attempt, Pauses};
use super::hook::Hook;
use super::message::{Message, kind};
use super::metrics::AttemptMetrics;
use super::receivers::Post;
use super::record::{Pause, Record};
use crate::error::Error;
use crate::events::JsonEvents;

/// How long an attempt under way may take when the server stops. Otherwise the event is sent again.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// The pause after an error of the server's own.
const ERROR_PAUSE: Duration = Duration::from_secs(10);

/// What the tasks of all webhooks work with.
#[derive(Clone)]
pub(super) struct Tools<P> {
    pub(super) source: Source,
    pub(super) events: Arc<JsonEvents>,
    pub(super) receivers: P,
    pub(super) metrics: AttemptMetrics,
    pub(super) pause_after_secs: u64,
    pub(super) stop: CancellationToken,
    /// The time, in Unix seconds.
    pub(super) now: fn() -> u64,
}

/// Delivers the events of one webhook.
pub(super) struct Worker<P> {
    pub(super) hook: Arc<Hook>,
    pub(super) tools: Tools<P>,
}

/// Why nothing more is delivered for now.
enum End {
    Stopping,
    Paused,
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl<P: Post> Worker<P> {
    /// Delivers events until the server stops or the webhook is deleted.
    pub(super) async fn run(self) {
        tokio::select! {
            biased;
            () = self.hook.deleted.cancelled() => {},
            () = self.work() => {},
        }
    }

    async fn work(&self) {
        while self.is_active().await {
            match self.follow().await {
                Ok(never) => match never {},
                Err(End::Stopping) => break,
                Err(End::Paused) => {},
                Err(End::Failed(error)) => {
                    tracing::error!(webhook = self.hook.id, %error, "cannot deliver events");
                    self.idle(ERROR_PAUSE).await;
                },
            }
        }
    }

    /// Waits until it is not paused. Returns false if the server stops.
    async fn is_active(&self) -> bool {
        while self.hook.is_paused() {
            tokio::select! {
                () = self.tools.stop.cancelled() => break,
                () = self.hook.woken.notified() => {},
            }
        }
        !self.tools.stop.is_cancelled()
    }

    async fn follow(&self) -> Result<Infallible, End> {
        let mut events = Undelivered::of(&self.tools.source, &self.hook).await?;
        loop {
            let event = tokio::select! {
                biased;
                () = self.tools.stop.cancelled() => {
                    events.acknowledge();
                    return Err(End::Stopping);
                },
                event = events.next() => event?,
            };
            if self.hook.is_for(kind(&event)) {
                let message = Message::of(&self.hook.id, &event, &self.tools.events)?;
                self.deliver(&message).await?;
                events.delivered(event.event_index);
            } else {
                events.pass_over(event.event_index);
            }
        }
    }

    /// Sends a message until it is taken.
    async fn deliver(&self, message: &Message) -> Result<(), End> {
        let mut pauses = Pauses::new();
        loop {
            let record = self.hook.record();
            if record.paused.is_some() {
                return Err(End::Paused);
            }
            let attempt = self.attempt(&record, message).await?;
            self.tools.metrics.attempted(&attempt);
            self.hook.progressed(|progress| progress.attempted(&attempt));
            if attempt.is_delivered() {
                return self.succeeded(&record).await;
            }
            if self.failed(&record, &attempt).await? {
                return Err(End::Paused);
            }
            let pause = pauses.after(&attempt);
            let next = (self.tools.now)().saturating_add(pause.as_secs());
            self.hook.progressed(|progress| progress.next_attempt_at = Some(next));
            self.idle(pause).await;
        }
    }

    async fn attempt(&self, record: &Record, message: &Message) -> Result<Attempt, End> {
        if self.tools.stop.is_cancelled() {
            return Err(End::Stopping);
        }
        let given_up = async {
            self.tools.stop.cancelled().await;
            sleep(STOP_GRACE).await;
        };
        tokio::select! {
            biased;
            attempt = self.tools.receivers.post(&record.url, &record.secret, message) => Ok(attempt),
            () = given_up => Err(End::Stopping),
        }
    }

    async fn succeeded(&self, record: &Record) -> Result<(), End> {
        if record.failing_since.is_some() {
            tracing::info!(webhook = self.hook.id, "events are delivered again");
            self.change(|record| record.failing_since = None).await?;
        }
        Ok(())
    }

    /// Returns whether the webhook pauses.
    async fn failed(&self, record: &Record, attempt: &Attempt) -> Result<bool, End> {
        let (now, reason) = ((self.tools.now)(), attempt.error.clone().unwrap_or_default());
        let (webhook, since) = (&self.hook.id, record.failing_since.unwrap_or(now));
        let is_over = now.saturating_sub(since) >= self.tools.pause_after_secs;
        if attempt.is_gone() || is_over {
            tracing::warn!(webhook, reason, "a webhook pauses; resume-webhook lets it go on");
            let pause =
                Pause { at: now, reason: explained(attempt.is_gone(), now - since, &reason) };
            self.change(move |record| {
                record.failing_since = Some(since);
                record.paused = Some(pause);
            })
            .await?;
            return Ok(true);
        }
        if record.failing_since.is_none() {
            tracing::warn!(webhook, reason, "an event cannot be delivered; it is sent again");
            self.change(move |record| record.failing_since = Some(since)).await?;
        }
        Ok(false)
    }

    async fn change(&self, change: impl FnOnce(&mut Record) + Send + 'static) -> Result<(), Error> {
        let hook = Arc::clone(&self.hook);
        let changing = move |_: &_| hook.change(change).map_err(Error::internal);
        self.tools.source.blocking(changing).await
    }

    /// Waits, but no longer than until somebody changes the webhook or the server stops.
    async fn idle(&self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {},
            () = self.hook.woken.notified() => {},
            () = self.tools.stop.cancelled() => {},
        }
    }
}

fn explained(is_gone: bool, failing_secs: u64, reason: &str) -> String {
    if is_gone {
        format!("the receiver wants no more events: {reason}")
    } else {
        format!("nothing was delivered for {failing_secs} seconds; the last attempt: {reason}")
    }
}

#[cfg(test)]
mod tests;
