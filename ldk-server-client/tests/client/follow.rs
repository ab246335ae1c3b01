//! Following events from one connection to the next.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use ldk_server_client::api::SubscribeEventsRequest;
use ldk_server_client::{
    Client, ConnectionChange, Error, ResumableEventStream, ResumableSubscription,
};
use tokio::time::timeout;
use tonic::Status;

use crate::script::{End, SCRIPT_IS_OVER, Scene, Script, stopping, stream};
use crate::server::{API_KEY, DEADLINE, Identity, Listener, TestServer};

const MOMENT: Duration = Duration::from_millis(1);

/// Follows from now on.
fn now() -> SubscribeEventsRequest {
    SubscribeEventsRequest::default()
}

fn after(index: u64) -> SubscribeEventsRequest {
    SubscribeEventsRequest { resume_after_index: Some(index), ..now() }
}

fn as_consumer(name: &str) -> SubscribeEventsRequest {
    SubscribeEventsRequest { consumer: name.to_owned(), ..now() }
}

fn refused(status: Status) -> Scene {
    Scene::Refused(status)
}

fn follow(client: &Client, request: SubscribeEventsRequest) -> ResumableSubscription {
    client.subscribe_events_resumable(request).retry_delays(MOMENT, 10 * MOMENT)
}

/// The numbers of the events that come, and the error that ends them.
async fn followed(follow: ResumableSubscription) -> (Vec<u64>, Error) {
    let followed = async {
        match follow.await {
            Ok(events) => until_it_ends(events).await,
            Err(error) => (Vec::new(), error),
        }
    };
    timeout(DEADLINE, followed).await.expect("it did not end")
}

async fn until_it_ends(mut events: ResumableEventStream) -> (Vec<u64>, Error) {
    let mut numbers = Vec::new();
    loop {
        match events.next().await.expect("an end without an error") {
            Ok(envelope) => numbers.push(envelope.event_index),
            Err(error) => {
                assert_eq!(events.next().await, None, "something followed an error");
                return (numbers, error);
            },
        }
    }
}

async fn next(events: &mut ResumableEventStream) -> u64 {
    let next = timeout(DEADLINE, events.next()).await.expect("no event in time");
    next.expect("an end").expect("an error").event_index
}

/// What comes of following by this script, and after which events it was subscribed to. The script
/// being over is what ends it, unless the script has another reason.
async fn played(
    request: SubscribeEventsRequest,
    scenes: impl IntoIterator<Item = Scene>,
) -> (Vec<u64>, Error, Vec<Option<u64>>) {
    let script = Script::new(scenes);
    let server = TestServer::start(script.clone()).await;
    let consumer = request.consumer.clone();
    let (numbers, error) = followed(follow(&server.client(), request)).await;
    let subscriptions = script.subscriptions().into_iter().map(|(after, asked_as)| {
        assert_eq!(asked_as, consumer);
        after
    });
    (numbers, error, subscriptions.collect())
}

fn script_is_over() -> Error {
    Error::NotFound(SCRIPT_IS_OVER.to_owned())
}

#[tokio::test]
async fn it_goes_on_after_the_last_event_when_the_server_has_stopped() {
    let scenes =
        [stream(4, [5, 6], stopping()), stream(6, [7], End::Ok), stream(9, [8, 9], stopping())];
    let (numbers, error, subscriptions) = played(now(), scenes).await;
    assert_eq!(numbers, [5, 6, 7, 8, 9]);
    assert_eq!(error, script_is_over());
    assert_eq!(subscriptions, [None, Some(6), Some(7), Some(9)]);
}

#[tokio::test]
async fn it_goes_on_after_the_last_event_when_the_connection_breaks() {
    let script = Script::new([stream(0, [1, 2], End::Open), stream(2, [3], End::Open)]);
    let server = TestServer::start(script.clone()).await;
    let mut events = follow(&server.client(), now()).await.unwrap();
    assert_eq!([next(&mut events).await, next(&mut events).await], [1, 2]);
    server.drop_connections();
    assert_eq!(next(&mut events).await, 3);
    let subscriptions: Vec<_> =
        script.subscriptions().into_iter().map(|(after, _)| after).collect();
    assert_eq!(subscriptions, [None, Some(2)]);
}

#[tokio::test]
async fn nothing_is_lost_between_the_first_subscription_and_the_first_event() {
    let scenes =
        || [stream(4, [], stopping()), stream(6, [], stopping()), stream(6, [5, 6], stopping())];
    let (numbers, _, subscriptions) = played(now(), scenes()).await;
    assert_eq!(numbers, [5, 6]);
    assert_eq!(subscriptions, [None, Some(4), Some(4), Some(6)]);

    let (numbers, _, subscriptions) = played(after(4), scenes()).await;
    assert_eq!(numbers, [5, 6]);
    assert_eq!(subscriptions, [Some(4), Some(4), Some(4), Some(6)]);
}

#[tokio::test]
async fn a_consumer_begins_where_the_server_knows_and_goes_on_where_the_stream_was() {
    let scenes = [
        refused(Status::unavailable("the node is starting")),
        stream(9, [], stopping()),
        stream(9, [3, 4], stopping()),
        stream(9, [5], stopping()),
    ];
    let (numbers, _, subscriptions) = played(as_consumer("shop"), scenes).await;
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!(subscriptions, [None, None, None, Some(4), Some(5)]);
}

#[tokio::test]
async fn a_server_that_refuses_for_a_while_is_asked_again() {
    let refusals = [
        Status::unavailable("the node is starting"),
        Status::deadline_exceeded("no answer in time"),
        Status::resource_exhausted("too many calls at once"),
    ];
    let scenes = refusals.map(refused).into_iter().chain([stream(0, [1], stopping())]);
    let (numbers, error, subscriptions) = played(now(), scenes).await;
    assert_eq!(numbers, [1]);
    assert_eq!(error, script_is_over());
    assert_eq!(subscriptions, [None, None, None, None, Some(1)]);
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let identity = Identity::self_signed("localhost");
    let socket = Listener::socket().await;
    let address = socket.local_addr().unwrap().to_string();
    let client = Client::builder(address, API_KEY, identity.pem()).connect_timeout(200 * MOMENT);
    let (failed, has_failed) = tokio::sync::oneshot::channel();
    let mut failed = Some(failed);
    let follow = follow(&client.build().unwrap(), now()).on_connection_change(move |_| {
        failed.take().map(|failed| failed.send(()));
    });
    let following = tokio::spawn(followed(follow));
    timeout(DEADLINE, has_failed).await.unwrap().unwrap();
    let _server =
        TestServer::start_on(socket, &identity, Script::new([stream(0, [1], stopping())]));
    assert_eq!(following.await.unwrap(), (vec![1], script_is_over()));
}

#[tokio::test]
async fn an_event_that_is_repeated_is_handed_out_once() {
    let scenes = [
        stream(4, [5, 5, 6], stopping()),
        stream(6, [5, 6, 7], stopping()),
        stream(7, [7, 8, 6, 9], stopping()),
    ];
    let (numbers, error, _) = played(now(), scenes).await;
    assert_eq!(numbers, [5, 6, 7, 8, 9]);
    assert_eq!(error, script_is_over());
}

#[tokio::test]
async fn an_event_that_is_left_out_ends_the_stream() {
    let cases = [
        (now(), vec![stream(4, [5, 7, 8], End::Open)], vec![5]),
        (now(), vec![stream(4, [6], End::Open)], vec![]),
        (after(2), vec![stream(9, [4], End::Open)], vec![]),
        (now(), vec![stream(4, [5], stopping()), stream(9, [9], End::Open)], vec![5]),
        (as_consumer("shop"), vec![stream(4, [2, 4], End::Open)], vec![2]),
    ];
    for (request, scenes, expected) in cases {
        let count = scenes.len();
        let (numbers, error, subscriptions) = played(request, scenes).await;
        assert_eq!(numbers, expected);
        assert!(matches!(error, Error::DataLoss(_)), "{error:?}");
        assert_eq!(subscriptions.len(), count);
    }
    let (_, error, _) = played(now(), [stream(4, [5, 7], End::Open)]).await;
    assert_eq!(error.to_string(), "the server sent event 7 after event 5, and none in between");
}

#[tokio::test]
async fn what_time_does_not_mend_ends_the_stream() {
    for status in [
        Status::invalid_argument("m"),
        Status::unauthenticated("m"),
        Status::permission_denied("m"),
        Status::not_found("m"),
        Status::out_of_range("m"),
        Status::unimplemented("m"),
        Status::failed_precondition("m"),
        Status::internal("m"),
        Status::data_loss("m"),
    ] {
        let expected = Error::from(status.clone());
        let (numbers, error, subscriptions) = played(now(), [refused(status.clone())]).await;
        assert_eq!((numbers, error), (vec![], expected.clone()));
        assert_eq!(subscriptions, [None]);

        let scenes = [
            stream(4, [5], stopping()),
            refused(Status::unavailable("m")),
            stream(6, [6], End::Status(status)),
        ];
        let (numbers, error, subscriptions) = played(now(), scenes).await;
        assert_eq!((numbers, error), (vec![5, 6], expected));
        assert_eq!(subscriptions, [None, Some(5), Some(5)]);
    }
}

#[tokio::test]
async fn too_many_consumers_is_an_error_for_a_new_one_only() {
    let exhausted = || Status::resource_exhausted("there are 256 consumers");
    let (_, error, subscriptions) = played(as_consumer("new"), [refused(exhausted())]).await;
    assert_eq!(error, Error::from(exhausted()));
    assert_eq!(subscriptions, [None]);

    let scenes = [stream(1, [1], stopping()), refused(exhausted()), stream(2, [2], stopping())];
    let (numbers, error, _) = played(as_consumer("known"), scenes).await;
    assert_eq!((numbers, error), (vec![1, 2], script_is_over()));
}

#[tokio::test]
async fn another_certificate_is_not_waited_for() {
    let server = TestServer::start(Script::default()).await;
    let pem = Identity::self_signed("localhost").pem();
    let client = Client::builder(server.address.to_string(), API_KEY, pem).build().unwrap();
    let (numbers, error) = followed(follow(&client, now())).await;
    assert!(numbers.is_empty());
    assert!(matches!(error, Error::NotPinned(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_does_not_number_its_events_is_an_error() {
    let unnumbered = Scene::Accepted { head_index: None, events: vec![1], end: End::Open };
    for scene in [unnumbered, stream(0, [0], End::Open)] {
        let (numbers, error, subscriptions) = played(now(), [scene]).await;
        assert!(numbers.is_empty());
        assert!(matches!(error, Error::Unimplemented(_)), "{error:?}");
        assert!(error.to_string().contains("does not number"), "{error}");
        assert_eq!(subscriptions, [None]);
    }
}

#[tokio::test]
async fn attempts_in_a_row_can_be_limited() {
    let away = || refused(Status::unavailable("away"));
    let broken = || stream(9, [], stopping());
    let scenes =
        [away(), away(), stream(4, [5], stopping()), away(), broken(), stream(9, [6], stopping())];
    let script = Script::new(scenes.into_iter().chain([away(), away(), away(), away()]));
    let server = TestServer::start(script.clone()).await;
    let (numbers, error) = followed(follow(&server.client(), now()).max_retries(3)).await;
    assert_eq!((numbers, error), (vec![5, 6], Error::Unavailable("away".to_owned())));
    assert_eq!(script.subscriptions().len(), 6 + 3);
}

#[tokio::test]
async fn the_first_attempt_alone_fails_fast() {
    let away = || refused(Status::unavailable("away"));
    let script =
        Script::new([away(), stream(4, [5], stopping()), away(), stream(6, [6], stopping())]);
    let server = TestServer::start(script.clone()).await;
    let client = server.client();
    let first = followed(follow(&client, now()).fail_fast()).await;
    assert_eq!(first, (vec![], Error::Unavailable("away".to_owned())));
    assert_eq!(script.subscriptions().len(), 1);
    let second = followed(follow(&client, now()).fail_fast()).await;
    assert_eq!(second, (vec![5, 6], script_is_over()));
}

#[tokio::test]
async fn the_listener_is_told_of_every_attempt_and_of_the_last() {
    let away = || refused(Status::unavailable("away"));
    let scenes =
        [stream(4, [5], stopping()), away(), stream(6, [6], stopping()), stream(7, [7], End::Ok)];
    let server = TestServer::start(Script::new(scenes)).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let follow = follow(&server.client(), now()).on_connection_change(move |change| {
        telling.lock().unwrap().push(match change {
            ConnectionChange::Retrying { error, attempt, .. } => format!("{attempt}: {error}"),
            _ => "restored".to_owned(),
        });
    });
    followed(follow).await;
    let expected = [
        "1: the server is stopping",
        "2: away",
        "restored",
        "1: the server is stopping",
        "restored",
        "1: the server ended the stream of events",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}
