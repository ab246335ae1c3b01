//! Following events across lost connections and restarts of the server.

mod delays;
mod follower;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use ldk_server_grpc::api::SubscribeEventsRequest;
use ldk_server_grpc::events::EventEnvelope;

use crate::client::Client;
use crate::error::Error;
use delays::Delays;
use follower::Follower;

type Listener = Box<dyn FnMut(ConnectionChange<'_>) + Send>;

impl Client {
    /// Follows the server's events for as long as the stream is kept, subscribing again after a lost
    /// connection or a restart of the server, from where it was. Each event comes once, in the order
    /// of `event_index` and without gap. Await it to subscribe; its methods are the settings.
    ///
    /// The first subscription is the request's: after `resume_after_index`, where `consumer` is, or
    /// from now on. Errors that may pass ([`Error::is_temporary`]) lead to another attempt, for ever
    /// unless [`ResumableSubscription::max_retries`] is set, the first subscription included unless
    /// [`ResumableSubscription::fail_fast`] is. All others end the stream:
    ///
    /// - [`Error::OutOfRange`] when events after the place to go on at are no longer kept,
    /// - [`Error::ResourceExhausted`] when there are too many consumers for a new one,
    /// - [`Error::Unimplemented`] when the server does not number its events,
    /// - [`Error::DataLoss`] when the server passed over an event,
    /// - and any error that says that the request, the key or the server's certificate is wrong.
    ///
    /// ```no_run
    /// use futures_util::StreamExt as _;
    /// # use ldk_server_client::{Client, Error, api::SubscribeEventsRequest};
    /// # async fn example(client: Client, last_index: u64) -> Result<(), Error> {
    /// // The number of the last event that was processed is kept with what came of it.
    /// let request =
    ///     SubscribeEventsRequest { resume_after_index: Some(last_index), ..Default::default() };
    /// let mut events = client.subscribe_events_resumable(request).await?;
    /// while let Some(envelope) = events.next().await {
    ///     let envelope = envelope?;
    ///     println!("{}: {:?}", envelope.event_index, envelope.event);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe_events_resumable(
        &self,
        request: SubscribeEventsRequest,
    ) -> ResumableSubscription {
        ResumableSubscription::new(self.clone(), request)
    }
}

/// How to follow the events; made by [`Client::subscribe_events_resumable`]. Await it to subscribe.
#[must_use = "nothing is subscribed to until this is awaited"]
pub struct ResumableSubscription {
    client: Client,
    request: SubscribeEventsRequest,
    delays: Delays,
    fail_fast: bool,
    listener: Listener,
}

/// What happens to the connection of who follows events.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ConnectionChange<'a> {
    /// There is no stream, and there will be an attempt to get one.
    #[non_exhaustive]
    Retrying {
        /// Why there is none.
        error: &'a Error,
        /// Which attempt it will be, from 1, since the stream last went well.
        attempt: u32,
        /// How long until then.
        delay: Duration,
    },
    /// The attempt has succeeded, and the events go on.
    Restored,
}

impl ResumableSubscription {
    fn new(client: Client, request: SubscribeEventsRequest) -> Self {
        Self {
            client,
            request,
            delays: Delays::default(),
            fail_fast: false,
            listener: Box::new(|_| ()),
        }
    }

    /// How long to wait before an attempt: about `shortest` before the first one, about double the
    /// time before each that follows, and at most `longest`. Times are random in part, so that many
    /// clients do not come back in one moment. Default: 100 ms and 30 s.
    pub fn retry_delays(mut self, shortest: Duration, longest: Duration) -> Self {
        self.delays = self.delays.between(shortest, longest);
        self
    }

    /// Gives up when so many attempts have failed in a row, with the error of the last. Default:
    /// never.
    pub fn max_retries(mut self, retries: usize) -> Self {
        self.delays = self.delays.at_most(retries);
        self
    }

    /// Fails at once if the very first attempt fails, as is right for a program that somebody
    /// starts by hand. Default: the first attempt is repeated like any other, so that a service
    /// can be started before the server.
    pub fn fail_fast(mut self) -> Self {
        self.fail_fast = true;
        self
    }

    /// Tells `listener` when the connection is lost and when it is back. It is called from within
    /// the stream, and so must not block.
    pub fn on_connection_change(
        mut self,
        listener: impl FnMut(ConnectionChange<'_>) + Send + 'static,
    ) -> Self {
        self.listener = Box::new(listener);
        self
    }
}

impl IntoFuture for ResumableSubscription {
    type Output = Result<ResumableEventStream, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Subscribes. Once this resolves, no later event is missed.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut follower = Follower::new(self.client, self.request, self.delays, self.listener);
            let first = follower.begin(self.fail_fast).await?;
            let events =
                stream::try_unfold((follower, first), |(mut follower, mut events)| async {
                    let envelope = follower.next(&mut events).await?;
                    Ok(Some((envelope, (follower, events))))
                });
            Ok(ResumableEventStream(events.boxed()))
        })
    }
}

impl fmt::Debug for ResumableSubscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ResumableSubscription")
            .field("client", &self.client)
            .field("request", &self.request)
            .field("fail_fast", &self.fail_fast)
            .finish_non_exhaustive()
    }
}

/// The server's events, from [`Client::subscribe_events_resumable`]: each one once, in order, without gap.
/// It ends with an error only, after which nothing follows. To stop waiting for the next event, as
/// `select!` does, loses none. Dropping the stream ends the subscription.
pub struct ResumableEventStream(BoxStream<'static, Result<EventEnvelope, Error>>);

impl Stream for ResumableEventStream {
    type Item = Result<EventEnvelope, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for ResumableEventStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ResumableEventStream").finish_non_exhaustive()
    }
}
