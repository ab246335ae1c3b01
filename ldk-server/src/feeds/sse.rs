//! `GET /v1/events`: server-sent events, which browsers resume by themselves.

use std::convert::Infallible;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::Uri;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::time::timeout;
use tonic::Status;

use super::refusal::{error, refuse};
use super::request::Wanted;
use super::session::Session;
use super::subscription::Subscription;
use super::{Feeds, HEARTBEAT};
use crate::caller::Caller;
use crate::error::Error;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// What nginx buffers, it sends late.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The first bytes, so that the head of the answer is sent at once: when to connect again.
const BEGIN: Bytes = Bytes::from_static(b"retry: 1000\n\n");
/// A comment.
const STILL_THERE: Bytes = Bytes::from_static(b":\n\n");

/// Answers with the events that the query asks for.
pub(super) async fn serve(
    State(feeds): State<Feeds>,
    Extension(session): Extension<Session>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    match begin(&feeds, session.caller(), (&uri, &headers)).await {
        Ok(subscription) => answer(session, subscription),
        Err(error) => refuse(&Status::from(error)),
    }
}

async fn begin(
    feeds: &Feeds,
    caller: Caller,
    (uri, headers): (&Uri, &HeaderMap),
) -> Result<Subscription, Error> {
    let last_event_id = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
    let wanted = Wanted::in_query(uri.query())?.resumed(last_event_id)?;
    Subscription::begin(feeds, caller, wanted).await
}

fn answer(session: Session, subscription: Subscription) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    for (name, value) in subscription.head() {
        headers.insert(*name, HeaderValue::from(*value));
    }
    let events = stream::iter([BEGIN]).chain(parts(session, subscription));
    (headers, Body::from_stream(events.map(Ok::<_, Infallible>))).into_response()
}

/// Each event, and a comment when there has been none for a while.
fn parts(session: Session, subscription: Subscription) -> impl Stream<Item = Bytes> {
    stream::unfold(Some((session, subscription)), |state| async {
        let (session, mut subscription) = state?;
        Some(match timeout(HEARTBEAT, subscription.next()).await {
            Err(_) => (STILL_THERE, Some((session, subscription))),
            Ok(Ok(event)) => (event.server_sent(), Some((session, subscription))),
            Ok(Err(end)) => (last(&Status::from(end)), None),
        })
    })
}

/// Why there are no further events. It is not called `error`, as browsers call the end of a connection.
fn last(status: &Status) -> Bytes {
    format!("event: end\ndata: {}\n\n", error(status)).into()
}
