//! Bytes as no well-behaved client sends them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Node, until};
use serde_json::{Value, json};

use super::client::Raw;

/// What the daemon lets in.
const MAX_CONNECTIONS: usize = 256;
const PATIENCE: Duration = Duration::from_secs(30);

fn request(id: impl Into<Value>, method: &str, params: &Value) -> Vec<u8> {
    let id: Value = id.into();
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string().into_bytes()
}

pub(super) async fn requests_end_where_their_json_ends(socket: &Path) -> Result<()> {
    let mut raw = Raw::connect(socket).await?;
    // Two in one write, with nothing between them.
    let two =
        [request(1, "getinfo", &json!({})), request("b", "help", &json!(["getinfo"]))].concat();
    raw.send(&two).await?;
    let mut ids = [raw.next().await?["id"].clone(), raw.next().await?["id"].clone()];
    ids.sort_by_key(Value::is_string);
    assert_eq!(ids, [json!(1), json!("b")]);
    // One in two writes.
    let (begin, end) = two.split_at(20);
    raw.send(begin).await?;
    raw.send(end).await?;
    raw.next().await?;
    raw.next().await?;
    // What is wrong with one request does not end the connection.
    raw.send(b"{\"method\":\"getinfo\"}").await?;
    assert_eq!(raw.next().await?["error"]["code"], -32600);
    raw.send(&request(2, "nosuch", &json!({}))).await?;
    let unknown = raw.next().await?;
    assert_eq!(unknown["error"], json!({"code": -32601, "message": "Unknown command 'nosuch'"}));
    raw.send(&request(3, "fetchinvoice", &json!(["lno"]))).await?;
    let impossible = raw.next().await?.to_string();
    ensure!(impossible.contains("is not possible on this node"), "{impossible}");
    raw.send(b"{\"id\":4,\"method\":\"help\",\"params\":[],\"filter\":{\"format-hint\":true}}")
        .await?;
    assert_eq!(raw.next().await?["result"], json!({"format-hint": "simple"}));
    // Whoever sends nothing more is still answered.
    raw.send(&request(5, "getinfo", &json!([]))).await?;
    raw.finish().await?;
    ensure!(raw.next().await?["result"]["id"].is_string());
    ensure!(raw.reply().await?.is_none());
    Ok(())
}

pub(super) async fn garbage_ends_a_connection(socket: &Path) -> Result<()> {
    let endless = [b"{\"a\":\"".to_vec(), vec![b'a'; 1024 * 1024]].concat();
    let cases: [&[u8]; 6] =
        [b"GET / HTTP/1.1\r\n\r\n", b"[]", b"{]", b"{\"id\":\xff}", &[b'['; 64], &endless];
    for garbage in cases {
        let mut raw = Raw::connect(socket).await?;
        // The connection may have ended before all is written.
        let _ = raw.send(garbage).await;
        let refused = raw.next().await?;
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32600)));
        ensure!(raw.reply().await?.is_none());
    }
    let mut nested = Raw::connect(socket).await?;
    nested.send(&b"{\"a\":".repeat(1_000)).await?;
    assert_eq!(nested.next().await?["error"]["code"], -32600);
    // Half a request and then nothing.
    let mut half = Raw::connect(socket).await?;
    half.send(b"{\"id\":1,\"meth").await?;
    half.finish().await?;
    ensure!(half.reply().await?.is_none());
    Ok(())
}

pub(super) async fn what_waits_holds_up_nobody(socket: &Path) -> Result<()> {
    let mut raw = Raw::connect(socket).await?;
    for id in 0..31 {
        raw.send(&request(id, "waitanyinvoice", &json!([0]))).await?;
    }
    raw.send(&request("now", "getinfo", &json!({}))).await?;
    assert_eq!(raw.next().await?["id"], "now");
    Ok(())
}

pub(super) async fn connections_are_bounded(socket: &Path) -> Result<()> {
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS + 50 {
        held.push(Raw::connect(socket).await?);
    }
    // One more is closed at once.
    let mut refused = Raw::connect(socket).await?;
    ensure!(refused.reply().await?.is_none());
    drop(held);
    until("there is room again", PATIENCE, async || {
        let mut raw = Raw::connect(socket).await?;
        raw.send(&request(1, "getinfo", &json!({}))).await?;
        raw.next().await
    })
    .await?;
    Ok(())
}

pub(super) async fn a_stop_is_told(node: &Node, socket: &Path) -> Result<()> {
    let mut raw = Raw::connect(socket).await?;
    raw.send(&request(1, "waitanyinvoice", &json!([0]))).await?;
    raw.send(&request(2, "getinfo", &json!([]))).await?;
    assert_eq!(raw.next().await?["id"], 2);
    node.stop().await?;
    let told = raw.next().await?;
    assert_eq!((&told["id"], &told["error"]["code"]), (&json!(1), &json!(-1)));
    ensure!(raw.reply().await?.is_none());
    Ok(())
}
