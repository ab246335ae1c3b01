//! Answers that are not the server's.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use http::Response;
use ldk_server_client::api::{GetNodeInfoRequest, SubscribeEventsRequest};
use ldk_server_client::{ConnectionChange, Error};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::body::Body;

use crate::server::{DEADLINE, TestServer};

const MOMENT: Duration = Duration::from_millis(1);

fn bad_gateway() -> Response<Body> {
    let page = Response::builder().status(502).header("content-type", "text/html");
    page.body(Body::new("<html>Bad Gateway</html>".to_owned())).unwrap()
}

/// Says that it is gRPC, and ends before there is a status.
fn cut_short() -> Response<Body> {
    let answer = Response::builder()
        .header("content-type", "application/grpc")
        .header("event-head-index", "0");
    answer.body(Body::empty()).unwrap()
}

fn unauthenticated_an_hour_ago() -> Response<Body> {
    let then = SystemTime::now() - Duration::from_secs(3600);
    let answer = Response::builder()
        .header("content-type", "application/grpc")
        .header("date", httpdate::fmt_http_date(then))
        .header("grpc-status", "16")
        .header("grpc-message", "refused");
    answer.body(Body::empty()).unwrap()
}

async fn node_info_of(answer: fn() -> Response<Body>) -> Error {
    let server = TestServer::start_answering(answer).await;
    let client = server.client();
    let call = client.get_node_info(GetNodeInfoRequest {});
    timeout(DEADLINE, call).await.expect("no answer in time").unwrap_err()
}

/// Why the first attempts to follow the events failed, which did not end it.
async fn retried(answer: fn() -> Response<Body>) -> Error {
    let server = TestServer::start_answering(answer).await;
    let (told, mut reasons) = mpsc::unbounded_channel();
    let subscription = server
        .client()
        .subscribe_events_resumable(SubscribeEventsRequest::default())
        .retry_delays(MOMENT, MOMENT)
        .on_connection_change(move |change| {
            if let ConnectionChange::Retrying { error, attempt: 3, .. } = change {
                let _ = told.send(error.clone());
            }
        });
    let followed = async {
        let mut events = subscription.await?;
        events.next().await.expect("an end without an error").map(drop)
    };
    tokio::select! {
        ended = followed => panic!("it ended: {ended:?}"),
        reason = timeout(DEADLINE, reasons.recv()) => reason.unwrap().unwrap(),
    }
}

#[tokio::test]
async fn what_a_proxy_answers_is_told_by_its_http_status() {
    let error = node_info_of(bad_gateway).await;
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains("HTTP status 502 Bad Gateway"), "{error}");
}

#[tokio::test]
async fn who_follows_events_waits_for_a_proxy_to_find_the_server_again() {
    let error = retried(bad_gateway).await;
    assert!(error.to_string().contains("HTTP status 502 Bad Gateway"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_a_lost_connection() {
    let error = node_info_of(cut_short).await;
    assert!(matches!(error, Error::Transport(_)), "{error:?}");
    assert!(matches!(retried(cut_short).await, Error::Transport(_)));
}

#[tokio::test]
async fn clocks_that_are_apart_are_named_where_the_server_refuses_the_key() {
    let error = node_info_of(unauthenticated_an_hour_ago).await;
    assert!(matches!(error, Error::Auth(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("refused; this clock is 36"), "{text}");
    assert!(text.contains("ahead of the server's"), "{text}");
}
