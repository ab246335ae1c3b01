//! Which servers the client talks to.

use std::time::Duration;

use ldk_server_client::api::GetNodeInfoRequest;
use ldk_server_client::{Client, Error};
use ldk_server_grpc::api::lightning_node_server::LightningNode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::server::{API_KEY, DEADLINE, Identity, Listener, TestServer};

/// A node that answers UNIMPLEMENTED, which is as good as any answer here.
struct Stub;

impl LightningNode for Stub {}

async fn call(address: impl ToString, pem: &str) -> Error {
    let client = Client::builder(address.to_string(), API_KEY, pem).build().unwrap();
    let answer = timeout(DEADLINE, client.get_node_info(GetNodeInfoRequest {})).await;
    answer.expect("no answer in time").unwrap_err()
}

#[track_caller]
fn assert_accepted(error: &Error) {
    assert!(matches!(error, Error::Unimplemented(_)), "{error:?}");
}

#[track_caller]
fn assert_transport(error: &Error, text: &str) {
    assert!(matches!(error, Error::Transport(_)), "{error:?}");
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(error.code(), None);
}

#[track_caller]
fn assert_not_pinned(error: &Error, text: &str) {
    assert!(matches!(error, Error::NotPinned(_)), "{error:?}");
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(error.code(), None);
}

#[tokio::test]
async fn the_pinned_certificate_is_accepted_whatever_its_name() {
    let identity = Identity::self_signed("somewhere.else.example");
    let server = TestServer::start_as(&identity, Stub).await;
    assert_accepted(&call(server.address, &server.pem).await);
}

#[tokio::test]
async fn one_of_several_pinned_certificates_is_enough() {
    let server = TestServer::start(Stub).await;
    let pem = Identity::self_signed("localhost").pem() + &server.pem;
    assert_accepted(&call(server.address, &pem).await);
}

#[tokio::test]
async fn another_certificate_of_the_same_name_is_refused() {
    let server = TestServer::start(Stub).await;
    let error = call(server.address, &Identity::self_signed("localhost").pem()).await;
    assert_not_pinned(&error, "is not a pinned one");
    assert_not_pinned(&error, &server.address.to_string());
}

#[tokio::test]
async fn a_certificate_issued_by_the_pinned_one_is_accepted_for_its_name_only() {
    let authority = Identity::self_signed("authority");
    let identity = Identity::issued_by(&authority, "localhost");
    let server = TestServer::start_as(&identity, Stub).await;
    let port = server.address.port();
    assert_accepted(&call(format!("localhost:{port}"), &authority.pem()).await);
    let error = call(format!("127.0.0.1:{port}"), &authority.pem()).await;
    assert_not_pinned(&error, "not valid for name");
}

#[tokio::test]
async fn nobody_listening_is_a_transport_error() {
    let server = TestServer::start(Stub).await;
    let (address, pem) = (server.address, server.pem.clone());
    drop(server);
    let error = call(address, &pem).await;
    assert!(error.to_string().starts_with("cannot connect to"), "{error}");
    assert_transport(&error, &format!("{address}: Connection refused"));
}

#[tokio::test]
async fn a_server_without_tls_is_a_transport_error() {
    let server = Listener::start(|mut tcp| async move {
        let _ = tcp.read(&mut [0; 1024]).await;
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let error = call(server.address, &Identity::self_signed("localhost").pem()).await;
    assert_transport(&error, &format!("the TLS handshake with {} failed", server.address));
}

#[tokio::test]
async fn a_silent_server_is_given_up_on() {
    let server = Listener::start(|tcp| async move {
        let _open = tcp;
        std::future::pending::<()>().await;
    })
    .await;
    let client = Client::builder(
        server.address.to_string(),
        API_KEY,
        Identity::self_signed("localhost").pem(),
    )
    .connect_timeout(Duration::from_millis(50))
    .build()
    .unwrap();
    let answer = timeout(DEADLINE, client.get_node_info(GetNodeInfoRequest {})).await;
    assert_transport(&answer.unwrap().unwrap_err(), "no connection to");
}
