//! A node whose subscriptions go by a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt as _, stream};
use ldk_server_client::events::EventEnvelope;
use ldk_server_grpc::api::lightning_node_server::LightningNode;
use ldk_server_grpc::api::{AckEventsRequest, AckEventsResponse, SubscribeEventsRequest};
use ldk_server_grpc::codec::Shared;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, async_trait};

/// What becomes of one subscription.
pub(crate) enum Scene {
    Refused(Status),
    /// These events are sent, and then it ends so.
    Accepted {
        head_index: Option<u64>,
        events: Vec<u64>,
        end: End,
    },
}

/// How a stream ends.
pub(crate) enum End {
    Status(Status),
    /// Without any status.
    Ok,
    /// Not at all: it waits for more to happen.
    Open,
}

/// A stream of a server whose newest event has this number.
pub(crate) fn stream(head_index: u64, events: impl Into<Vec<u64>>, end: End) -> Scene {
    Scene::Accepted { head_index: Some(head_index), events: events.into(), end }
}

/// The end of the stream of a server that stops.
pub(crate) fn stopping() -> End {
    End::Status(Status::unavailable("the server is stopping"))
}

/// What a subscription is answered that the script knows nothing of, which is final.
pub(crate) const SCRIPT_IS_OVER: &str = "the script is over";

/// Plays its scenes, one for each subscription, and remembers what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Script {
    scenes: Arc<Mutex<VecDeque<Scene>>>,
    subscriptions: Arc<Mutex<Vec<SubscribeEventsRequest>>>,
    acknowledged: Arc<Mutex<Vec<AckEventsRequest>>>,
    ack_refusals: Arc<Mutex<Vec<Status>>>,
}

impl Script {
    pub(crate) fn new(scenes: impl IntoIterator<Item = Scene>) -> Self {
        Self { scenes: Arc::new(Mutex::new(scenes.into_iter().collect())), ..Self::default() }
    }

    /// The first acknowledgements are refused with these.
    pub(crate) fn refusing_acks(self, refusals: impl IntoIterator<Item = Status>) -> Self {
        self.ack_refusals.lock().unwrap().extend(refusals);
        self
    }

    /// After which event, and as which consumer, each subscription was asked for.
    pub(crate) fn subscriptions(&self) -> Vec<(Option<u64>, String)> {
        let subscriptions = self.subscriptions.lock().unwrap();
        let asked = |request: &SubscribeEventsRequest| {
            (request.resume_after_index, request.consumer.clone())
        };
        subscriptions.iter().map(asked).collect()
    }

    /// Consumer and event of each acknowledgement, the refused ones too.
    pub(crate) fn acknowledged(&self) -> Vec<(String, u64)> {
        let acknowledged = self.acknowledged.lock().unwrap();
        acknowledged.iter().map(|ack| (ack.consumer.clone(), ack.event_index)).collect()
    }
}

#[async_trait]
impl LightningNode for Script {
    async fn subscribe_events(
        &self,
        request: Request<SubscribeEventsRequest>,
    ) -> Result<Response<BoxStream<Shared<EventEnvelope>>>, Status> {
        self.subscriptions.lock().unwrap().push(request.into_inner());
        let scene = self.scenes.lock().unwrap().pop_front();
        match scene.unwrap_or(Scene::Refused(Status::not_found(SCRIPT_IS_OVER))) {
            Scene::Refused(status) => Err(status),
            Scene::Accepted { head_index, events, end } => {
                let mut response = Response::new(played(events, end));
                if let Some(head_index) = head_index {
                    let head_index = head_index.to_string().parse().unwrap();
                    response.metadata_mut().insert("event-head-index", head_index);
                }
                Ok(response)
            },
        }
    }

    async fn ack_events(
        &self,
        request: Request<AckEventsRequest>,
    ) -> Result<Response<AckEventsResponse>, Status> {
        let request = request.into_inner();
        let acknowledged_index = request.event_index;
        self.acknowledged.lock().unwrap().push(request);
        match self.ack_refusals.lock().unwrap().pop() {
            Some(refusal) => Err(refusal),
            None => Ok(Response::new(AckEventsResponse { acknowledged_index })),
        }
    }
}

fn played(events: Vec<u64>, end: End) -> BoxStream<Shared<EventEnvelope>> {
    let events = events
        .into_iter()
        .map(|event_index| Ok(EventEnvelope { event_index, ..EventEnvelope::default() }.into()));
    let end = match end {
        End::Status(status) => stream::iter([Err(status)]).boxed(),
        End::Ok => stream::empty().boxed(),
        End::Open => stream::pending().boxed(),
    };
    Box::pin(stream::iter(events).chain(end))
}
