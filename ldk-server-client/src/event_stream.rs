//! The stream of events.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _};
use ldk_server_grpc::events::EventEnvelope;
use tonic::Streaming;

use crate::error::Error;

/// The server's events, from [`Client::subscribe_events`](crate::Client::subscribe_events).
/// Nothing follows an error. Dropping the stream ends the subscription.
pub struct EventStream(Streaming<EventEnvelope>);

impl EventStream {
    pub(crate) fn new(stream: Streaming<EventEnvelope>) -> Self {
        Self(stream)
    }
}

impl Stream for EventStream {
    type Item = Result<EventEnvelope, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context).map_err(Error::from)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EventStream").finish_non_exhaustive()
    }
}
