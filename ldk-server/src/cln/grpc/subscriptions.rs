//! Subscriptions: events of the node as Core Lightning's notifications.
//!
//! A subscriber has a subscription of the API, with the caller's permissions: it keeps nothing in memory
//! for who reads slowly, and ends when the server stops. What there are no events for is looked at once a
//! second.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use ldk_server_grpc::api::SubscribeEventsRequest;
use prost_reflect::DynamicMessage;
use serde_json::Value as Json;
use tokio::sync::Semaphore;
use tonic::Status;

use super::notifications::{Notices, Topic};
use super::polls::{Polled, Watch};
use super::rpcs::Rpc;
use super::{Events, answers, unfit};
use crate::api::rpc;
use crate::caller::Caller;
use crate::cln::Cln;
use crate::error::Error;

/// Who may look at something every second, all together.
const MAX_POLLING: usize = 64;

/// What a subscription streams.
pub(super) type Messages = BoxStream<'static, Result<DynamicMessage, Status>>;

/// The subscriptions. Clones share their state.
#[derive(Clone)]
pub(super) struct Subscriptions {
    cln: Cln,
    polling: Arc<Semaphore>,
}

/// What a call subscribes to.
enum Source {
    Events(Topic),
    Polled(Polled),
    /// Core Lightning has it, and here it never happens.
    Nothing,
}

fn source(name: &str) -> Option<Source> {
    Some(match name {
        "SubscribeBlockAdded" => Source::Polled(Polled::Block),
        "SubscribeChannelOpenFailed" => Source::Events(Topic::ChannelOpenFailed),
        "SubscribeChannelOpened" => Source::Events(Topic::ChannelOpened),
        "SubscribeChannelStateChanged" => Source::Events(Topic::ChannelStateChanged),
        "SubscribeConnect" => Source::Polled(Polled::Connect),
        "SubscribeCustomMsg" => Source::Nothing,
        "SubscribeDisconnect" => Source::Polled(Polled::Disconnect),
        "SubscribeForwardEvent" => Source::Events(Topic::ForwardEvent),
        "SubscribeInvoicePayment" => Source::Events(Topic::InvoicePayment),
        "SubscribeSendPayFailure" => Source::Events(Topic::SendPayFailure),
        "SubscribeSendPaySuccess" => Source::Events(Topic::SendPaySuccess),
        _ => return None,
    })
}

impl Subscriptions {
    pub(super) fn new(cln: Cln) -> Self {
        Self { cln, polling: Arc::new(Semaphore::new(MAX_POLLING)) }
    }

    /// Subscribes for this caller, to what happens from now on.
    pub(super) async fn begin(
        &self,
        rpc: &'static Rpc,
        caller: Caller,
    ) -> Result<Messages, Status> {
        let Some(source) = source(&rpc.name) else {
            return Err(Status::unimplemented(format!(
                "{}: the node has no events of this kind",
                rpc.name
            )));
        };
        // The call is answered when the subscription has begun; what is asked for later are calls of their own.
        let asking = Caller::known(caller.identity().clone(), caller.grant().clone());
        let events = self.events(caller).await?;
        let notices: BoxStream<'static, Result<Json, Status>> = match source {
            Source::Nothing => ends_only(events),
            Source::Events(topic) => notices(events, Notices::new(self.cln.clone(), asking, topic)),
            Source::Polled(polled) => {
                let place = Arc::clone(&self.polling).try_acquire_owned().map_err(|_| {
                    let name = &rpc.name;
                    Status::resource_exhausted(format!("{name}: {MAX_POLLING} have subscribed"))
                })?;
                Watch::new(self.cln.clone(), asking, polled, place).notices(events).await?
            },
        };
        let message = |notice: Json| answers::message(&rpc.response, &notice).map_err(unfit);
        Ok(notices.map(move |notice| notice.and_then(message)).boxed())
    }

    async fn events(&self, caller: Caller) -> Result<Events, Status> {
        let request = SubscribeEventsRequest::default();
        let subscribed = self.cln.0.dispatcher.call(rpc::SubscribeEvents, caller, request).await?;
        Ok(subscribed.messages)
    }
}

/// The end of a subscription, and nothing before.
fn ends_only(events: Events) -> BoxStream<'static, Result<Json, Status>> {
    let end = |event: Result<_, Error>| async move { event.err() };
    events.filter_map(end).map(|end| Err(end.into())).boxed()
}

/// The notifications that events are.
fn notices(events: Events, notices: Notices) -> BoxStream<'static, Result<Json, Status>> {
    let state = (events, notices);
    let notices = stream::unfold(state, |(mut events, notices)| async move {
        loop {
            let noticed = match events.next().await? {
                Ok(event) => notices.of(&event).await,
                Err(end) => Some(Err(end.into())),
            };
            if let Some(noticed) = noticed {
                return Some((noticed, (events, notices)));
            }
        }
    });
    notices.boxed()
}
