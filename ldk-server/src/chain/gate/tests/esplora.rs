//! The library's client for Esplora servers.

use ::http::Response;
use bytes::Bytes;
use http_body_util::Full;
use reqwest::Client;

use super::stub::{self, Stub};
use super::*;

type Esplora = Stub<(::http::request::Parts, Vec<u8>)>;

async fn server() -> Esplora {
    stub::http(None, |head, _| {
        let status = if head.uri.path().ends_with("/missing") { 404 } else { 200 };
        let body = Full::new(Bytes::from(head.uri.path().to_owned()));
        Response::builder().status(status).body(body).unwrap()
    })
    .await
}

/// As the library makes it.
fn client() -> Client {
    Client::builder().timeout(PATIENCE).build().unwrap()
}

fn is_broadcast((head, body): &(::http::request::Parts, Vec<u8>)) -> bool {
    !body.is_empty() || head.uri.path().ends_with("/broadcast")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_waits_for_the_disk_and_nothing_else_does() {
    let server = server().await;
    let fixture = Fixture::esplora(format!("http://127.0.0.1:{}/api/", server.port)).await;
    let (client, url) = (client(), fixture.url());
    fixture.disk.accept();
    let mut broadcasts = tokio::task::JoinSet::new();
    for path in ["/tx", "/tx/", "/txs/package"] {
        let request = client.post(format!("{url}{path}")).body("00");
        broadcasts.spawn(async move { request.send().await.unwrap().text().await.unwrap() });
    }
    let request = client.get(format!("{url}/broadcast?tx=00"));
    broadcasts.spawn(async move { request.send().await.unwrap().text().await.unwrap() });
    fixture.waiting(4).await;
    for_a_while(async || {
        let answer = client.get(format!("{url}/blocks/tip/height")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "/api/blocks/tip/height");
    })
    .await;
    assert_eq!(server.asked.count(is_broadcast), 0);
    fixture.disk.sync();
    let mut answers = broadcasts.join_all().await;
    answers.sort();
    assert_eq!(answers, ["/api/broadcast", "/api/tx", "/api/tx/", "/api/txs/package"]);
    assert_eq!(server.asked.count(is_broadcast), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_sees_what_it_would_see_without_a_gate() {
    let server = server().await;
    let origin = format!("me:secret@localhost:{}", server.port);
    let fixture = Fixture::esplora(format!("http://{origin}/api")).await;
    let url = fixture.url();
    assert_eq!(url, format!("http://me:secret@127.0.0.1:{}/api", fixture.port()));
    let ask = |path: &str| client().get(format!("{url}{path}")).header("x-key", "k").send();
    assert_eq!(ask("/a?b=c").await.unwrap().status(), 200);
    assert_eq!(ask("/missing").await.unwrap().status(), 404);
    for (head, _) in server.asked.take() {
        assert!(head.uri.to_string().starts_with("/api/"), "{head:?}");
        assert_eq!(head.headers["host"], format!("localhost:{}", server.port));
        assert_eq!(head.headers["authorization"], "Basic bWU6c2VjcmV0");
        assert_eq!(head.headers["x-key"], "k");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_no_secrets() {
    let server = server().await;
    let server_url = format!("http://me:secret@127.0.0.1:{}", server.port);
    let headers = vec![("x-key".to_owned(), "k".into())];
    let esplora = EsploraConfig { server_url, headers, ca_cert_path: None };
    let fixture = Fixture::new(&ChainSource::Esplora(esplora)).await;
    let stranger = format!("http://127.0.0.1:{}/x", fixture.port());
    client().get(stranger).send().await.unwrap();
    for (head, _) in server.asked.take() {
        assert!(!head.headers.contains_key("authorization"), "{head:?}");
        assert!(!head.headers.contains_key("x-key"), "{head:?}");
    }
    let ChainSource::Esplora(seen) = fixture.gate.source() else { panic!("not esplora") };
    assert_eq!(seen.headers.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_on_disk_is_never_broadcast() {
    let server = server().await;
    let fixture = Fixture::esplora(format!("http://127.0.0.1:{}", server.port)).await;
    fixture.disk.accept();
    fixture.disk.fail();
    let url = fixture.url();
    assert!(client().post(format!("{url}/tx")).body("00").send().await.is_err());
    assert_eq!(server.asked.count(is_broadcast), 0);
    assert_eq!(fixture.refused(), 1);
}
