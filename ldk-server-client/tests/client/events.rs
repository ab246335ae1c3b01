//! The event stream.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt as _;
use ldk_server_client::api::SubscribeEventsRequest;
use ldk_server_client::events::EventEnvelope;
use ldk_server_client::{Error, EventStream};
use ldk_server_grpc::api::lightning_node_server::LightningNode;
use ldk_server_grpc::codec::Shared;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, async_trait};

use crate::server::{DEADLINE, TestServer};

type Item = Result<EventEnvelope, Status>;

/// A node that streams what the test sends it, to the first subscriber.
struct Node(Mutex<Option<mpsc::Receiver<Item>>>);

#[async_trait]
impl LightningNode for Node {
    async fn subscribe_events(
        &self,
        _: Request<SubscribeEventsRequest>,
    ) -> Result<Response<BoxStream<Shared<EventEnvelope>>>, Status> {
        let items = self.0.lock().unwrap().take();
        let items = items.ok_or_else(|| Status::resource_exhausted("one subscriber at most"))?;
        let mut response: Response<BoxStream<_>> =
            Response::new(Box::pin(ReceiverStream::new(items).map(|item| item.map(Shared::from))));
        response.metadata_mut().insert("event-head-index", "41".parse().unwrap());
        response.metadata_mut().insert("event-oldest-index", "7".parse().unwrap());
        Ok(response)
    }
}

async fn subscribed() -> (TestServer, mpsc::Sender<Item>, EventStream) {
    let (sender, receiver) = mpsc::channel(8);
    let server = TestServer::start(Node(Mutex::new(Some(receiver)))).await;
    // The limit of a call holds for the acceptance, not for the stream.
    let client = server.client_builder().call_timeout(DEADLINE).build().unwrap();
    let subscription = client.subscribe_events(SubscribeEventsRequest::default());
    // It resolves before there is any event.
    let events = timeout(DEADLINE, subscription).await.unwrap().unwrap();
    (server, sender, events)
}

async fn next(events: &mut EventStream) -> Option<Result<EventEnvelope, Error>> {
    timeout(DEADLINE, events.next()).await.expect("neither an event nor an end in time")
}

fn event(event_index: u64) -> EventEnvelope {
    EventEnvelope { event_index, ..Default::default() }
}

#[tokio::test]
async fn events_arrive_in_order_until_the_server_says_why_it_ends() {
    let (_server, sender, mut events) = subscribed().await;
    sender.send(Ok(event(1))).await.unwrap();
    sender.send(Ok(event(2))).await.unwrap();
    sender.send(Err(Status::data_loss("3 events were lost"))).await.unwrap();
    assert_eq!(next(&mut events).await, Some(Ok(event(1))));
    assert_eq!(next(&mut events).await, Some(Ok(event(2))));
    let lost = Error::DataLoss("3 events were lost".to_owned());
    assert_eq!(next(&mut events).await, Some(Err(lost)));
    assert_eq!(next(&mut events).await, None);
}

#[tokio::test]
async fn a_stream_knows_what_the_server_had_when_it_began() {
    let (_server, _sender, events) = subscribed().await;
    assert_eq!(events.head_index(), Some(41));
    assert_eq!(events.oldest_index(), Some(7));
}

#[tokio::test]
async fn a_refused_subscription_is_an_error_at_once() {
    let (server, _sender, _events) = subscribed().await;
    let second = server.client();
    let subscription = second.subscribe_events(SubscribeEventsRequest::default());
    let refusal = timeout(DEADLINE, subscription).await.unwrap().unwrap_err();
    assert_eq!(refusal, Error::ResourceExhausted("one subscriber at most".to_owned()));
}

#[tokio::test]
async fn a_lost_connection_is_a_transport_error() {
    let (server, sender, mut events) = subscribed().await;
    sender.send(Ok(event(1))).await.unwrap();
    assert_eq!(next(&mut events).await, Some(Ok(event(1))));
    server.drop_connections();
    let end = next(&mut events).await;
    assert!(matches!(end, Some(Err(Error::Transport(_)))), "{end:?}");
}

#[tokio::test]
async fn a_stream_outlives_the_limit_of_a_call() {
    let (sender, receiver) = mpsc::channel(8);
    let server = TestServer::start(Node(Mutex::new(Some(receiver)))).await;
    let limit = Duration::from_millis(500);
    let client = server.client_builder().call_timeout(limit).build().unwrap();
    let mut events = client.subscribe_events(SubscribeEventsRequest::default()).await.unwrap();
    assert!(timeout(2 * limit, events.next()).await.is_err(), "the stream ended by itself");
    sender.send(Ok(event(1))).await.unwrap();
    assert_eq!(next(&mut events).await, Some(Ok(event(1))));
}
