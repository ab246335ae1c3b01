//! Subscriptions: events of the node as Core Lightning's notifications.
//!
//! A subscriber has a subscription of the API, with the caller's permissions: it keeps nothing in memory
//! for who reads slowly, and ends when the server stops. What there are no events for is watched, as long as
//! the subscription of the API lasts.

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use ldk_server_grpc::api::{
    GetNodeInfoRequest, ListInvoicesRequest, ListPeersRequest, SubscribeEventsRequest,
};
use prost_reflect::DynamicMessage;
use serde_json::Value as Json;
use tonic::Status;

use super::rpcs::Rpc;
use super::{Events, answers, unfit};
use crate::api::rpc;
use crate::caller::Caller;
use crate::cln::Cln;
use crate::cln::error::RpcError;
use crate::cln::notices::{Notices, Topic, Watch, Watched};
use crate::error::Error;

/// What a subscription streams.
pub(super) type Messages = BoxStream<'static, Result<DynamicMessage, Status>>;

/// The subscriptions. Clones share their state.
#[derive(Clone)]
pub(super) struct Subscriptions {
    cln: Cln,
}

/// What a call subscribes to.
enum Source {
    Events(Topic),
    Watched(&'static [Watched]),
    /// Core Lightning has it, and here it never happens.
    Nothing,
}

fn source(name: &str) -> Option<Source> {
    Some(match name {
        "SubscribeBlockAdded" => Source::Watched(&[Watched::Block]),
        "SubscribeChannelOpenFailed" => Source::Events(Topic::ChannelOpenFailed),
        "SubscribeChannelOpened" => Source::Events(Topic::ChannelOpened),
        "SubscribeChannelStateChanged" => Source::Events(Topic::ChannelStateChanged),
        "SubscribeConnect" => Source::Watched(&[Watched::Connect]),
        "SubscribeCustomMsg" => Source::Nothing,
        "SubscribeDisconnect" => Source::Watched(&[Watched::Disconnect]),
        "SubscribeForwardEvent" => Source::Events(Topic::ForwardEvent),
        "SubscribeInvoiceCreation" => Source::Watched(&[Watched::InvoiceCreation]),
        "SubscribeInvoicePayment" => Source::Events(Topic::InvoicePayment),
        "SubscribeSendPayFailure" => Source::Events(Topic::SendPayFailure),
        "SubscribeSendPaySuccess" => Source::Events(Topic::SendPaySuccess),
        _ => return None,
    })
}

impl Subscriptions {
    pub(super) fn new(cln: Cln) -> Self {
        Self { cln }
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
            Source::Events(topic) => notices(events, Notices::new(self.cln.clone(), asking), topic),
            Source::Watched(watched) => self.watch(events, asking, watched).await?,
        };
        let message = |notice: Json| answers::message(&rpc.response, &notice).map_err(unfit);
        Ok(notices.map(move |notice| notice.and_then(message)).boxed())
    }

    /// Watches, if the caller may see it, until the subscription ends.
    async fn watch(
        &self,
        events: Events,
        caller: Caller,
        watched: &'static [Watched],
    ) -> Result<BoxStream<'static, Result<Json, Status>>, Status> {
        let dispatcher = &self.cln.0.dispatcher;
        for of in watched {
            let caller = caller.clone();
            match of {
                Watched::Block => {
                    dispatcher.call(rpc::GetNodeInfo, caller, GetNodeInfoRequest {}).await?;
                },
                Watched::Connect | Watched::Disconnect => {
                    dispatcher.call(rpc::ListPeers, caller, ListPeersRequest {}).await?;
                },
                Watched::InvoiceCreation => {
                    let few = ListInvoicesRequest { page_size: Some(1), ..Default::default() };
                    dispatcher.call(rpc::ListInvoices, caller, few).await?;
                },
            }
        }
        let mut watch = Watch::new(self.cln.clone(), watched);
        watch.begin().await.map_err(|error| unavailable(&error))?;
        let told = watch
            .notices()
            .map(|told| told.map(|(_, notice)| notice).map_err(|error| unavailable(&error)));
        Ok(stream::select(ends_only(events), told).boxed())
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
fn notices(
    events: Events,
    notices: Notices,
    topic: Topic,
) -> BoxStream<'static, Result<Json, Status>> {
    let state = (events, notices);
    let notices = stream::unfold(state, move |(mut events, notices)| async move {
        let noticed = match events.next().await? {
            Ok(event) => notices.of(topic, &event).await.map_err(|error| unavailable(&error)),
            Err(end) => Err(end.into()),
        };
        let noticed = match noticed {
            Ok(noticed) => noticed.into_iter().map(Ok).collect(),
            Err(end) => vec![Err(end)],
        };
        Some((stream::iter(noticed), (events, notices)))
    });
    notices.flatten().boxed()
}

fn unavailable(error: &RpcError) -> Status {
    Status::unavailable(error.message())
}
