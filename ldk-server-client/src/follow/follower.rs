//! One subscription after the other, as one sequence of events.

use futures_util::StreamExt as _;
use ldk_server_grpc::api::SubscribeEventsRequest;
use ldk_server_grpc::events::EventEnvelope;

use super::delays::Delays;
use super::{ConnectionChange, Listener};
use crate::client::Client;
use crate::error::Error;
use crate::event_stream::EventStream;

pub(super) struct Follower {
    client: Client,
    /// What to ask for next. Its `resume_after_index` is the place that was reached; it stays unset
    /// only while the place is known to the server alone, which is that of a consumer before its
    /// first event.
    request: SubscribeEventsRequest,
    delays: Delays,
    listener: Listener,
    has_subscribed: bool,
}

impl Follower {
    pub(super) fn new(
        client: Client,
        request: SubscribeEventsRequest,
        delays: Delays,
        listener: Listener,
    ) -> Self {
        Self { client, request, delays, listener, has_subscribed: false }
    }

    /// Subscribes for the first time.
    pub(super) async fn begin(&mut self, fail_fast: bool) -> Result<EventStream, Error> {
        match self.subscribe().await {
            Err(error) if !fail_fast => self.subscribe_again(error).await,
            first => first,
        }
    }

    /// The next event of this subscription, or of the one that takes its place when it has ended.
    pub(super) async fn next(&mut self, events: &mut EventStream) -> Result<EventEnvelope, Error> {
        loop {
            let ended = match events.next().await {
                Some(Ok(envelope)) if self.is_next(envelope.event_index)? => {
                    self.delays.went_well();
                    return Ok(envelope);
                },
                Some(Ok(_)) => continue,
                Some(Err(error)) => error,
                None => Error::Unavailable("the server ended the stream of events".to_owned()),
            };
            *events = self.subscribe_again(ended).await?;
        }
    }

    /// Whether this event is the next one, which is the new place then; not if it was seen already.
    fn is_next(&mut self, event_index: u64) -> Result<bool, Error> {
        if event_index == 0 {
            return Err(not_numbered());
        }
        match self.request.resume_after_index {
            Some(last) if event_index <= last => return Ok(false),
            Some(last) if event_index - last > 1 => {
                return Err(Error::DataLoss(format!(
                    "the server sent event {event_index} after event {last}, and none in between"
                )));
            },
            _ => {},
        }
        self.request.resume_after_index = Some(event_index);
        Ok(true)
    }

    async fn subscribe(&mut self) -> Result<EventStream, Error> {
        let events = self.client.subscribe_events(self.request.clone()).await?;
        let head = events.head_index().ok_or_else(not_numbered)?;
        if self.request.consumer.is_empty() {
            self.request.resume_after_index.get_or_insert(head);
        }
        self.has_subscribed = true;
        self.delays.subscribed();
        Ok(events)
    }

    /// Subscribes again, as often as it takes, after `error` has ended a subscription or an attempt.
    async fn subscribe_again(&mut self, mut error: Error) -> Result<EventStream, Error> {
        loop {
            if !self.can_pass(&error) {
                return Err(error);
            }
            let Some((attempt, delay)) = self.delays.next() else { return Err(error) };
            (self.listener)(ConnectionChange::Retrying { error: &error, attempt, delay });
            tokio::time::sleep(delay).await;
            match self.subscribe().await {
                Ok(events) => {
                    (self.listener)(ConnectionChange::Restored);
                    return Ok(events);
                },
                Err(again) => error = again,
            }
        }
    }

    /// Whether there is sense in trying again after this error.
    fn can_pass(&self, error: &Error) -> bool {
        match error {
            // It may mean that there are too many consumers, for one more.
            Error::ResourceExhausted(_) => self.request.consumer.is_empty() || self.has_subscribed,
            error => error.is_temporary(),
        }
    }
}

fn not_numbered() -> Error {
    Error::Unimplemented(
        "this server does not number its events, so that a stream of them cannot be resumed"
            .to_owned(),
    )
}
