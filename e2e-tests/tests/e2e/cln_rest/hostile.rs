//! Strangers, and holders of runes who wait or do not read.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e_tests::{Node, Port, print_uncaptured, resident_bytes, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::Rest;

const PATIENCE: Duration = Duration::from_secs(30);
/// More than there may be.
const CONNECTIONS: usize = 600;
const WAITERS: usize = 64;
const MAX_TAKEN_BYTES: u64 = 64 * 1024 * 1024;

fn head(method: &str, rune: Option<&str>, length: usize) -> String {
    let rune = rune.map(|rune| format!("rune: {rune}\r\n")).unwrap_or_default();
    format!("POST /v1/{method} HTTP/1.1\r\nhost: a\r\n{rune}content-length: {length}\r\n\r\n")
}

async fn send(port: &Port, text: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(port.address()).await?;
    stream.write_all(text.as_bytes()).await?;
    Ok(stream)
}

async fn first_line(stream: &mut TcpStream) -> Result<String> {
    let mut read = vec![0; 4096];
    let length = timeout(PATIENCE, stream.read(&mut read)).await??;
    let text = String::from_utf8_lossy(&read[..length]);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

pub(super) async fn nothing_of_a_strangers_body_is_read(port: &Port) -> Result<()> {
    let mut stream = send(port, &head("invoice", None, 100 * 1024 * 1024)).await?;
    assert_eq!(first_line(&mut stream).await?, "HTTP/1.1 403 Forbidden");
    Ok(())
}

pub(super) async fn strangers_have_no_place_for_long(
    rest: &Rest,
    alice: &Node,
    port: &Port,
) -> Result<()> {
    let pid = alice.pid().await?;
    rest.result("getinfo", Value::Null).await?;
    let before = resident_bytes(pid)?;
    let mut held = Vec::new();
    for at in 0..CONNECTIONS {
        let text = if at % 2 == 0 {
            "POST /v1/getinfo HTTP/1.1\r\nhost:".to_owned()
        } else {
            head("getinfo", None, 0)
        };
        // One that is sent away is as good.
        held.extend(send(port, &text).await.ok());
    }
    let begun = Instant::now();
    rest.result("getinfo", Value::Null).await?;
    let taken = resident_bytes(pid)?.saturating_sub(before);
    print_uncaptured(&format!(
        "{} connections of strangers take {} KiB; an honest client, with its start, {:?}",
        held.len(),
        taken / 1024,
        begun.elapsed()
    ));
    ensure!(taken < MAX_TAKEN_BYTES, "{taken}");
    Ok(())
}

pub(super) async fn who_waits_holds_up_nobody(rest: &Rest, port: &Port) -> Result<()> {
    let (rune, body) = (Some(rest.admin.as_str()), r#"{"lastpay_index":99999999999}"#);
    let mut waiting = Vec::new();
    for _ in 0..WAITERS {
        waiting.push(send(port, &(head("waitanyinvoice", rune, body.len()) + body)).await?);
    }
    // And one that reads nothing of many answers.
    let many = head("help", rune, 0).repeat(5_000);
    let mut slow = TcpStream::connect(port.address()).await?;
    let writing = timeout(Duration::from_secs(2), slow.write_all(many.as_bytes())).await;
    rest.result("getinfo", json!({})).await?;
    drop((waiting, slow, writing));
    until("the places of those who waited are free", PATIENCE, async || {
        rest.result("getinfo", json!({})).await.map(drop)
    })
    .await
}
