//! The layers together: which check comes first.

use http::{Method, header};
use ldk_server_grpc::auth;
use tonic::Code;
use tower::{ServiceExt as _, service_fn};

use super::*;
use crate::clock::unix_secs;

const KEY: &str = "aa";
const PATH: &str = "/api.LightningNode/GetNodeInfo";
const FRAME: &[u8] = &[0, 0, 0, 0, 0];

/// A well-formed request, which each test spoils in some ways.
fn request(x_auth: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
    Request::post(PATH)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(auth::HEADER, x_auth)
        .body(Full::new(Bytes::from_static(body)))
        .unwrap()
}

fn signed(body: &'static [u8]) -> Request<Full<Bytes>> {
    request(&auth::sign(KEY, unix_secs(), body), body)
}

async fn answer(request: Request<Full<Bytes>>) -> Code {
    let inner =
        service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let access = Access {
        permissions: Permissions::with_api_key(KEY),
        accepted: AcceptedForms { timestamp_only: true, body_bound: true },
        body_timeout: Duration::from_secs(30),
        started_at_secs: 0,
    };
    let answered = checked(inner, access).oneshot(request).await;
    answered.map_or_else(|refusal| refusal.code(), |_| Code::Ok)
}

/// Spoils one more thing of the request, the last one that is checked first.
type Spoil = fn(&mut Request<Full<Bytes>>);

#[tokio::test]
async fn the_checks_are_made_in_the_order_of_the_contract() {
    assert_eq!(answer(signed(FRAME)).await, Code::Ok);
    let spoils: [(Spoil, Code); 7] = [
        (|request| insert(request, "grpc-timeout", "0m"), Code::DeadlineExceeded),
        (|request| insert(request, "x-ldk-server-api", "other"), Code::InvalidArgument),
        (
            |request| *request.uri_mut() = "/api.Other/GetNodeInfo".parse().unwrap(),
            Code::Unimplemented,
        ),
        (|request| insert(request, "grpc-timeout", "soon"), Code::InvalidArgument),
        (|request| insert(request, "x-auth", "HMAC 1:aa"), Code::Unauthenticated),
        (|request| insert(request, "content-type", "application/json"), Code::InvalidArgument),
        (|request| *request.method_mut() = Method::GET, Code::Unimplemented),
    ];
    for last in 0..spoils.len() {
        let mut request = signed(FRAME);
        for (spoil, _) in &spoils[..=last] {
            spoil(&mut request);
        }
        let (_, expected) = spoils[last];
        assert_eq!(answer(request).await, expected, "{last}");
    }
}

fn insert(request: &mut Request<Full<Bytes>>, name: &'static str, value: &str) {
    request.headers_mut().insert(name, value.parse().unwrap());
}

#[tokio::test]
async fn the_frame_is_checked_after_the_key_and_the_method() {
    let truncated = &FRAME[..3];
    assert_eq!(answer(signed(truncated)).await, Code::InvalidArgument);
    let compressed = &[1, 0, 0, 0, 0];
    assert_eq!(answer(signed(compressed)).await, Code::Unimplemented);
    let other_key = auth::sign("bb", unix_secs(), truncated);
    assert_eq!(answer(request(&other_key, truncated)).await, Code::Unauthenticated);
    let mut unknown = signed(truncated);
    *unknown.uri_mut() = "/api.LightningNode/NoSuchMethod".parse().unwrap();
    assert_eq!(answer(unknown).await, Code::Unimplemented);
    let mut expired = signed(truncated);
    insert(&mut expired, "grpc-timeout", "0m");
    assert_eq!(answer(expired).await, Code::InvalidArgument);
}
