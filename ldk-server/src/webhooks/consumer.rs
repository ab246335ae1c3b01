//! The events that a webhook has not delivered yet.

use std::sync::Arc;
use std::time::Duration;

use ldk_server_grpc::codec::Shared;
use ldk_server_grpc::events::EventEnvelope;
use tokio::time::timeout;

use super::hook::Hook;
use crate::bulkhead::Bulkhead;
use crate::error::Error;
use crate::events::EventCursor;
use crate::executor::{Executor, joined};
use crate::store::{EventBounds, Store};

/// Events that are passed over are acknowledged when there were so many, or none came for so long: each
/// acknowledgement is a write.
const MAX_PASSED: u64 = 128;
const PASSED_TIMEOUT: Duration = Duration::from_secs(1);

/// Where events come from.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) store: Arc<Store>,
    pub(super) executor: Executor,
    pub(super) replaying: Bulkhead,
}

/// The events after the last that was delivered.
pub(super) struct Undelivered {
    source: Source,
    hook: Arc<Hook>,
    cursor: EventCursor,
    /// How many were passed over since the last acknowledgement.
    passed: u64,
}

impl Source {
    /// Does work that blocks.
    pub(super) async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let store = Arc::clone(&self.store);
        joined("webhook", self.executor.spawn("webhook", move || work(&store))).await
    }

    /// The cursor after this event, and which events there are.
    async fn cursor(&self, after: u64) -> Result<(EventCursor, EventBounds), Error> {
        // Before the bounds are read, so that what comes meanwhile is not missed.
        let live = self.store.live_events();
        let bounds = self.blocking(|store| store.event_bounds().map_err(Error::internal)).await?;
        let Self { store, executor, replaying } = self.clone();
        let head = bounds.head_index;
        Ok((EventCursor::new(store, executor, replaying, live, after, head), bounds))
    }
}

impl Undelivered {
    pub(super) async fn of(source: &Source, hook: &Arc<Hook>) -> Result<Self, Error> {
        let (source, hook) = (source.clone(), Arc::clone(hook));
        let (cursor, _) = source.cursor(hook.position()).await?;
        Ok(Self { source, hook, cursor, passed: 0 })
    }

    /// The next event, as soon as there is one. Can be given up at any time.
    pub(super) async fn next(&mut self) -> Result<Shared<EventEnvelope>, Error> {
        loop {
            let next = self.cursor.next();
            let next = if self.passed == 0 {
                next.await
            } else if let Ok(next) = timeout(PASSED_TIMEOUT, next).await {
                next
            } else {
                self.acknowledge();
                continue;
            };
            match next {
                Err(Error::OutOfRange(_)) => self.skip_removed().await?,
                next => return next,
            }
        }
    }

    /// An event is not for this webhook.
    pub(super) fn pass_over(&mut self, event_index: u64) {
        self.hook.progressed(|progress| progress.position = event_index);
        self.passed += 1;
        if self.passed >= MAX_PASSED {
            self.acknowledge();
        }
    }

    /// An event is delivered.
    pub(super) fn delivered(&mut self, event_index: u64) {
        self.hook.progressed(|progress| progress.position = event_index);
        self.acknowledge();
    }

    /// The last of the events that were passed over are delivered again otherwise, which does no harm.
    pub(super) fn acknowledge(&mut self) {
        self.passed = 0;
        self.source.store.ack_events_soon(self.hook.consumer(), self.hook.position());
    }

    /// Goes on with the oldest event that is kept.
    async fn skip_removed(&mut self) -> Result<(), Error> {
        let position = self.hook.position();
        let (_, bounds) = self.source.cursor(position).await?;
        let oldest_before = bounds.oldest_index.saturating_sub(1).max(position);
        let lost = oldest_before - position;
        tracing::warn!(
            webhook = self.hook.id,
            lost,
            "events were removed before they were delivered"
        );
        let hook = Arc::clone(&self.hook);
        let count = move |_: &Store| hook.change(|record| record.lost_events += lost);
        self.source.blocking(move |store| count(store).map_err(Error::internal)).await?;
        self.hook.progressed(|progress| progress.position = oldest_before);
        self.acknowledge();
        (self.cursor, _) = self.source.cursor(oldest_before).await?;
        Ok(())
    }
}
