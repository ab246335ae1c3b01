//! The events of one subscriber.

use std::sync::Arc;

use futures_util::StreamExt as _;
use ldk_server_grpc::codec::Shared;
use ldk_server_grpc::events::EventEnvelope;

use super::Feeds;
use super::request::{Kinds, Wanted};
use crate::api::{Stream, rpc};
use crate::caller::Caller;
use crate::error::Error;
use crate::events::{JsonEvent, JsonEvents};

/// A subscription that has begun.
pub(super) struct Subscription {
    stream: Stream<Shared<EventEnvelope>>,
    kinds: Kinds,
    events: Arc<JsonEvents>,
}

impl Subscription {
    /// Subscribes, if the caller may.
    pub(super) async fn begin(
        feeds: &Feeds,
        caller: Caller,
        wanted: Wanted,
    ) -> Result<Self, Error> {
        let request = wanted.request();
        let stream = feeds.dispatcher.call(rpc::SubscribeEvents, caller, request).await?;
        Ok(Self { stream, kinds: wanted.kinds, events: Arc::clone(&feeds.events) })
    }

    /// What was known when it began, by name: the newest event and the oldest one.
    pub(super) fn head(&self) -> &[(&'static str, u64)] {
        &self.stream.head
    }

    /// The next event of the kinds that are wanted. No event is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Arc<JsonEvent>, Error> {
        while let Some(envelope) = self.stream.messages.next().await {
            let envelope = envelope?;
            let event = self.events.of(&envelope)?;
            if self.kinds.has(&event) {
                return Ok(event);
            }
        }
        Err(Error::Unavailable("the stream has ended".to_owned()))
    }
}
