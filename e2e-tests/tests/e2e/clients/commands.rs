//! The commands of documents on Core Lightning, as `lightning-cli` sends them, and what becomes of each.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::cln_rpc::PATIENCE;
use super::doors::Doors;

/// A command as it stands in the table, and what became of it.
pub(super) struct Command {
    pub(super) text: &'static str,
    pub(super) result: String,
}

/// What a command must come to.
enum Expected {
    /// An answer that has this member.
    Answer(&'static str),
    /// A refusal with this number, and what the table says of it.
    Refusal(i64, &'static str),
}

use Expected::{Answer, Refusal};

const IMPOSSIBLE: &str = "impossible: the node library finds and pays routes by itself";

/// Runs the commands of a talk of 2018 on Core Lightning's API, in its order.
pub(super) async fn run(doors: &Doors) -> Result<Vec<Command>> {
    let theirs = doors.bob.invoice(2_000_000).await?;
    let ours = doors.alice.invoice(2_000_000).await?;
    let bob = doors.bob.id();
    let hash = "00".repeat(32);
    let commands = [
        ("getinfo", json!([]), Answer("id")),
        ("help", json!([]), Answer("help")),
        (
            "invoice [msatoshi] [label] [description]",
            json!([2_000_000, "talk", "coffee"]),
            Answer("bolt11"),
        ),
        ("listinvoices", json!([]), Answer("invoices")),
        ("listinvoices [label]", json!(["talk"]), Answer("invoices")),
        ("waitinvoice [label]", json!(["talk"]), Answer("paid_at")),
        ("waitanyinvoice [last-pay-index]", json!([0]), Answer("pay_index")),
        ("delexpiredinvoice [maxexpiry]", json!([1]), Answer("")),
        ("pay [bolt11]", json!([theirs]), Answer("payment_preimage")),
        ("getroute [destination] [msatoshi] [riskfactor]", json!([bob, 1_000, 1]), Answer("route")),
        ("sendpay [route] [payment_hash]", json!([[], hash]), Refusal(-1, IMPOSSIBLE)),
        ("waitsendpay [payment_hash]", json!([hash]), Refusal(-1, IMPOSSIBLE)),
        ("listpayments", json!([]), Refusal(-32601, "is `listpays` today")),
        ("listpays", json!([]), Answer("pays")),
        ("connect [id] [host] [port]", connect(doors)?, Answer("address")),
        ("decode [bolt11]", json!([ours]), Answer("payee")),
    ];
    let mut results = Vec::new();
    for (text, params, expected) in commands {
        let method = text.split(' ').next().unwrap_or_default();
        if text.starts_with("waitinvoice") {
            is_paid(doors, "talk").await?;
        }
        let reply = send(doors, method, &params).await?;
        let result = judge(&reply, &expected).with_context(|| format!("{text}: {reply}"))?;
        results.push(Command { text, result });
    }
    Ok(results)
}

fn connect(doors: &Doors) -> Result<Value> {
    let address = doors.bob.address();
    let (host, port) = address.rsplit_once(':').context("no port")?;
    Ok(json!([doors.bob.id(), host, port.parse::<u16>()?]))
}

/// Has bob pay the invoice with this label.
async fn is_paid(doors: &Doors, label: &str) -> Result<()> {
    let reply = send(doors, "listinvoices", &json!([label])).await?;
    let bolt11 = reply["result"]["invoices"][0]["bolt11"].as_str().context("no invoice")?;
    doors.bob.settled(&doors.bob.send(bolt11).await?).await.map(drop)
}

fn judge(reply: &Value, expected: &Expected) -> Result<String> {
    match expected {
        Answer(member) => {
            let has_it = member.is_empty() || reply["result"].get(member).is_some();
            ensure!(reply.get("error").is_none() && has_it, "no {member}");
            Ok("pass".to_owned())
        },
        Refusal(code, why) => {
            ensure!(reply["error"]["code"] == *code, "not refused with {code}");
            Ok((*why).to_owned())
        },
    }
}

/// What `lightning-cli` is answered: it asks for progress, then calls, both on one connection.
async fn send(doors: &Doors, method: &str, params: &Value) -> Result<Value> {
    let mut stream = UnixStream::connect(doors.socket()).await?;
    let id = format!("cli:{method}#1");
    let enable =
        json!({"jsonrpc": "2.0", "id": id, "method": "notifications", "params": {"enable": true}});
    let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let mut reply = Value::Null;
    for request in [enable, request] {
        stream.write_all(format!("{request}\n\n").as_bytes()).await?;
        reply = read(&mut stream).await?;
        ensure!(reply["id"] == json!(id), "{reply}");
    }
    Ok(reply)
}

async fn read(stream: &mut UnixStream) -> Result<Value> {
    let mut text = Vec::new();
    while !text.ends_with(b"\n\n") {
        let length = timeout(PATIENCE, stream.read_buf(&mut text)).await??;
        ensure!(length > 0, "the connection has ended");
    }
    Ok(serde_json::from_slice(&text)?)
}
