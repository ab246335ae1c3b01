//! The library's client for Bitcoin Core, and other clients at its port.

use ::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use lightning_block_sync::http::{HttpEndpoint, JsonResponse};
use lightning_block_sync::rpc::RpcClient;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::stub::{self, Stub};
use super::*;
use crate::chain::gate::http::MAX_BODY_BYTES;
use crate::chain::gate::ports::MAX_CONNECTIONS;

const BROADCAST: &str = "sendrawtransaction";

/// An answer larger than any buffer.
const LARGE_BYTES: usize = 6 * 1024 * 1024;

type Rpc = Stub<(::http::request::Parts, Vec<u8>)>;

/// Answers like Bitcoin Core.
async fn core() -> Rpc {
    stub::http(None, |head, body| {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let (status, answer) = match request["method"].as_str() {
            _ if head.uri.path().starts_with("/rest") => (200, json!("rest")),
            Some("none") => (404, json!({ "error": { "code": -32601, "message": "none" } })),
            Some("fails") => (500, json!({ "error": { "code": -5, "message": "fails" } })),
            Some("refused") => (401, json!("")),
            Some("large") => (200, json!({ "result": "x".repeat(LARGE_BYTES), "error": null })),
            Some(method) => (200, json!({ "result": method, "error": null })),
            None => (500, json!({ "error": { "code": -32700, "message": "Parse error" } })),
        };
        let answer = Full::new(Bytes::from(answer.to_string()));
        Response::builder().status(status).body(answer).unwrap()
    })
    .await
}

fn client(port: u16) -> RpcClient {
    RpcClient::new("dTpw", HttpEndpoint::for_host("127.0.0.1".to_owned()).with_port(port))
}

async fn call(client: &RpcClient, method: &str) -> std::io::Result<Value> {
    client.call_method::<Json>(method, &[json!("00")]).await.map(|answer| answer.0)
}

struct Json(Value);

impl TryFrom<JsonResponse> for Json {
    type Error = std::io::Error;

    fn try_from(answer: JsonResponse) -> std::io::Result<Self> {
        Ok(Self(answer.0))
    }
}

fn broadcasts(core: &Rpc) -> usize {
    core.asked.count(|(_, body)| String::from_utf8_lossy(body).contains(BROADCAST))
}

/// Sends these bytes over a connection of their own, and reads what comes until it is closed.
async fn raw(port: u16, parts: &[&str]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    for part in parts {
        stream.write_all(part.as_bytes()).await.unwrap();
        // So that they arrive one by one.
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_waits_for_the_disk_and_nothing_else_does() {
    let core = core().await;
    let fixture = Fixture::bitcoind(core.port).await;
    let (reader, broadcaster) = (client(fixture.port()), client(fixture.port()));
    fixture.disk.accept();
    let broadcast = tokio::spawn(async move { call(&broadcaster, BROADCAST).await });
    fixture.waiting(1).await;
    for_a_while(async || {
        assert_eq!(call(&reader, "getblockcount").await.unwrap(), json!("getblockcount"));
    })
    .await;
    assert_eq!((broadcasts(&core), broadcast.is_finished()), (0, false));
    fixture.disk.sync();
    assert_eq!(broadcast.await.unwrap().unwrap(), json!(BROADCAST));
    assert_eq!((broadcasts(&core), fixture.sent()), (1, 1));
    fixture.waiting(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_whose_caller_has_gone_is_sent_all_the_same() {
    let core = core().await;
    let fixture = Fixture::bitcoind(core.port).await;
    fixture.disk.accept();
    let broadcaster = client(fixture.port());
    let broadcast = tokio::spawn(async move { call(&broadcaster, BROADCAST).await });
    fixture.waiting(1).await;
    broadcast.abort();
    assert!(broadcast.await.unwrap_err().is_cancelled());
    fixture.disk.sync();
    until("it is sent", PATIENCE, async || {
        ensure!(broadcasts(&core) == 1);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_that_is_held_gets_out_before_the_gate_is_closed() {
    let core = core().await;
    let fixture = Fixture::bitcoind(core.port).await;
    let client = client(fixture.port());
    fixture.disk.accept();
    let calling = tokio::spawn(async move { call(&client, BROADCAST).await });
    fixture.waiting(1).await;
    tokio::join!(fixture.gate.close(), async { fixture.disk.sync() });
    assert_eq!(broadcasts(&core), 1);
    assert_eq!(calling.await.unwrap().unwrap(), json!(BROADCAST));
    assert!(TcpStream::connect(("127.0.0.1", fixture.port())).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_on_disk_is_never_broadcast() {
    let core = core().await;
    let fixture = Fixture::bitcoind(core.port).await;
    let client = client(fixture.port());
    fixture.disk.accept();
    fixture.disk.fail();
    assert!(call(&client, BROADCAST).await.is_err());
    assert_eq!(call(&client, "getblockcount").await.unwrap(), json!("getblockcount"));
    assert_eq!(broadcasts(&core), 0);
    // The library's client tries everything twice.
    assert_eq!((fixture.sent(), fixture.refused()), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_is_known_in_whatever_form_it_comes() {
    let core = core().await;
    let fixture = Fixture::bitcoind(core.port).await;
    fixture.disk.accept();
    let batch = r#"[{"method":"getblockcount"},{"method":"sendrawtransaction"}]"#;
    let escaped = post(r#"{"method":"sendraw\u0074ransaction"}"#);
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\
                   \r\n\r\n4\r\n{\"me\r\n1b\r\nthod\":\"sendrawtransaction\"}\r\n0\r\n\r\n";
    let mut callers = JoinSet::new();
    for form in [post(batch), escaped, post("no JSON"), chunked.to_owned()] {
        let port = fixture.port();
        callers.spawn(async move {
            let parts: Vec<String> = form.as_bytes().chunks(7).map(lossy).collect();
            raw(port, &parts.iter().map(String::as_str).collect::<Vec<_>>()).await
        });
    }
    fixture.waiting(4).await;
    for_a_while(async || drop(raw(fixture.port(), &[&post("{}")]).await)).await;
    assert_eq!(core.asked.count(|(_, body)| body != b"{}"), 0);
    fixture.disk.sync();
    while let Some(answer) = callers.join_next().await {
        let answer = answer.unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }
    assert_eq!(core.asked.count(|(_, body)| body != b"{}"), 4);
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_as_they_are() {
    let core = core().await;
    let fixture = Fixture::bitcoind(core.port).await;
    let (direct, through) = (client(core.port), client(fixture.port()));
    for method in ["none", "fails", "refused", "large", "getblockcount"] {
        let [direct, through] = [call(&direct, method).await, call(&through, method).await]
            .map(|answer| answer.map_err(|error| error.to_string()));
        assert_eq!(direct, through, "{method}");
    }
    let rest = raw(fixture.port(), &["GET /rest/x.json?a HTTP/1.1\r\nConnection: close\r\n\r\n"]);
    assert!(rest.await.ends_with("\"rest\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_arrive_as_the_server_is_to_have_them() {
    let core = core().await;
    let fixture = Fixture::bitcoind(core.port).await;
    call(&client(fixture.port()), "getblockcount").await.unwrap();
    let head = "POST /wallet/w?q HTTP/1.1\r\nHost: evil\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\
                Expect: 100-continue\r\nTE: trailers\r\nX-Kept: 2\r\nContent-Length: 2\r\n\r\n{}";
    raw(fixture.port(), &[head]).await;
    let asked = core.asked.take();
    let [(library, _), (other, _)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(library.headers["authorization"], "Basic dTpw");
    assert_eq!(other.uri.to_string(), "/wallet/w?q");
    assert_eq!(other.headers["x-kept"], "2");
    for gone in ["authorization", "connection", "x-hop", "expect", "te"] {
        assert!(!other.headers.contains_key(gone), "{gone}");
    }
    for head in [library, other] {
        assert_eq!(head.headers["host"], format!("127.0.0.1:{}", core.port));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_again() {
    let core = core().await;
    let fixture = Fixture::bitcoind(core.port).await;
    let client = client(fixture.port());
    for _ in 0..20 {
        call(&client, "getblockcount").await.unwrap();
        call(&client, BROADCAST).await.unwrap();
    }
    assert_eq!(*core.connections.lock().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_a_connection_that_closes() {
    let core = core().await;
    let fixture = Fixture::bitcoind(core.port).await;
    let client = client(fixture.port());
    call(&client, "getblockcount").await.unwrap();
    let port = core.port;
    drop(core);
    assert!(call(&client, "getblockcount").await.is_err());
    assert!(call(&client, BROADCAST).await.is_err());
    assert_eq!(raw(fixture.port(), &[&post("{}")]).await, "");
    let back = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let calling = tokio::spawn(async move { call(&client, "getblockcount").await });
    let (mut stream, _) = back.accept().await.unwrap();
    // Long after it was asked, it answers.
    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"result\":1}";
    stream.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(calling.await.unwrap().unwrap(), json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_no_further() {
    let core = core().await;
    let fixture = Fixture::bitcoind(core.port).await;
    let large = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}",
        MAX_BODY_BYTES + 1,
        "x".repeat(1000)
    );
    let answer = raw(fixture.port(), &[&large]).await;
    let refused = StatusCode::PAYLOAD_TOO_LARGE;
    assert!(answer.starts_with(&format!("HTTP/1.1 {refused}")), "{answer}");
    let answer = raw(fixture.port(), &["garbage\r\n\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(core.asked.take().len(), 0);
    let mut silent: Vec<TcpStream> = Vec::new();
    for _ in 0..3 * MAX_CONNECTIONS {
        silent.push(TcpStream::connect(("127.0.0.1", fixture.port())).await.unwrap());
    }
    until("those beyond the limit are closed", PATIENCE, async || {
        let is_open = |stream: &&TcpStream| {
            let read = stream.try_read(&mut [0]);
            read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        };
        let open = silent.iter().filter(is_open).count();
        ensure!(open <= MAX_CONNECTIONS, "{open} are open");
        Ok(())
    })
    .await
    .unwrap();
    drop(silent);
    until("there is room again", PATIENCE, async || {
        call(&client(fixture.port()), "getblockcount").await?;
        Ok(())
    })
    .await
    .unwrap();
}
