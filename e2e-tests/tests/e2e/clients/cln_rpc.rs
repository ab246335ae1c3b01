//! The crate `cln-rpc` at the Unix socket: its types hold each answer to what Core Lightning always answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cln_rpc::model::responses::InvoiceResponse;
use cln_rpc::{ClnRpc, Request, RpcError};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub(super) const PATIENCE: Duration = Duration::from_secs(90);
/// Between two attempts to reach a daemon that is away.
const PAUSE: Duration = Duration::from_millis(200);
/// What a failed payment is told with, as far as nothing is left of it.
const FAILED: [i32; 6] = [-32602, 203, 205, 206, 207, 210];

pub(super) struct Rust {
    socket: PathBuf,
    rpc: ClnRpc,
    /// Whether invoices are asked for as cdk does it.
    is_cdk: bool,
    told: UnboundedReceiver<String>,
    tells: UnboundedSender<String>,
    /// Ends when this is dropped.
    waiting: JoinSet<()>,
}

impl Rust {
    pub(super) async fn new(socket: PathBuf) -> Result<Self> {
        let rpc = ClnRpc::new(&socket).await?;
        let (tells, told) = unbounded_channel();
        Ok(Self { socket, rpc, is_cdk: false, told, tells, waiting: JoinSet::new() })
    }

    /// With the calls of the crate `cdk-cln`, as far as they are others.
    pub(super) async fn as_cdk(socket: PathBuf) -> Result<Self> {
        Ok(Self { is_cdk: true, ..Self::new(socket).await? })
    }

    pub(super) async fn ask(&mut self, story: &str, request: &Value) -> Result<Value> {
        match story {
            "start" => self.start().await,
            "invoice" => self.invoice(request).await,
            "is_paid" => self.is_paid(request).await,
            "pay" => self.pay(request).await,
            "wait" => self.wait().await,
            "history" => self.history().await,
            _ => bail!("{story}?"),
        }
    }

    /// Waits until this payment was told.
    pub(super) async fn is_told(&mut self, payment_hash: &str) -> Result<()> {
        loop {
            let told = timeout(PATIENCE, self.told.recv()).await.context("it was not told")?;
            if told.context("nobody waits")? == payment_hash {
                return Ok(());
            }
        }
    }

    async fn start(&mut self) -> Result<Value> {
        let funds = call(&mut self.rpc, "listfunds", json!({})).await?;
        let channels = funds["channels"].as_array().into_iter().flatten();
        let balance_msat: u64 = channels.filter_map(|row| msat(&row["our_amount_msat"])).sum();
        let info = call(&mut self.rpc, "getinfo", json!({})).await?;
        Ok(json!({"id": info["id"], "balance_msat": balance_msat}))
    }

    async fn invoice(&mut self, request: &Value) -> Result<Value> {
        let params = json!({
            "amount_msat": in_words(&request["amount_msat"]),
            "label": request["label"],
            "description": request["description"],
        });
        if self.is_cdk {
            // The type of the crate has no room for `true`.
            let mut params = params;
            params["exposeprivatechannels"] = json!(true);
            let made: InvoiceResponse = self.rpc.call_raw("invoice", &params).await?;
            let payment_hash = made.payment_hash.to_string();
            return Ok(json!({"bolt11": made.bolt11, "payment_hash": payment_hash}));
        }
        Ok(call(&mut self.rpc, "invoice", params).await?)
    }

    async fn is_paid(&mut self, request: &Value) -> Result<Value> {
        let params = json!({"payment_hash": request["payment_hash"]});
        let listed = call(&mut self.rpc, "listinvoices", params).await?;
        Ok(json!(listed["invoices"][0]["status"] == "paid"))
    }

    async fn pay(&mut self, request: &Value) -> Result<Value> {
        let params =
            json!({"invstring": request["bolt11"], "maxfee": in_words(&request["max_fee_msat"])});
        match call(&mut self.rpc, "xpay", params).await {
            Ok(paid) => {
                let decoded = call(&mut self.rpc, "decode", json!({"string": request["bolt11"]}));
                let payment_hash = decoded.await?["payment_hash"].take();
                let params = json!({"payment_hash": payment_hash});
                let listed = call(&mut self.rpc, "listpays", params).await?;
                let is_paid = listed["pays"][0]["preimage"] == paid["payment_preimage"];
                Ok(json!({"paid": is_paid, "preimage": paid["payment_preimage"]}))
            },
            Err(error) => {
                let failed = error.code.is_some_and(|code| FAILED.contains(&code));
                Ok(json!({"failed": failed, "message": error.message}))
            },
        }
    }

    async fn wait(&mut self) -> Result<Value> {
        let listed = call(&mut self.rpc, "listinvoices", json!({})).await?;
        let rows = listed["invoices"].as_array().into_iter().flatten();
        let last = rows.filter_map(|row| row["pay_index"].as_u64()).max();
        let (socket, tells) = (self.socket.clone(), self.tells.clone());
        self.waiting.spawn(async move {
            let mut last = last.unwrap_or_default();
            loop {
                // It ends when the daemon does, and goes on where it was.
                let _ended = wait(&socket, &mut last, &tells).await;
                sleep(PAUSE).await;
            }
        });
        Ok(Value::Null)
    }

    /// Comes back on a new connection, for the daemon was restarted.
    async fn history(&mut self) -> Result<Value> {
        self.rpc = ClnRpc::new(&self.socket).await?;
        let invoices = call(&mut self.rpc, "listinvoices", json!({})).await?;
        let payments = call(&mut self.rpc, "listpays", json!({"status": "complete"})).await?;
        let hashes = |rows: &Value, status: &str| -> Vec<Value> {
            let rows = rows.as_array().into_iter().flatten();
            let rows = rows.filter(|row| row["status"] == status);
            rows.map(|row| row["payment_hash"].clone()).collect()
        };
        let received = hashes(&invoices["invoices"], "paid");
        Ok(json!({"received": received, "sent": hashes(&payments["pays"], "complete")}))
    }
}

async fn wait(socket: &Path, last: &mut u64, tells: &UnboundedSender<String>) -> Result<()> {
    let mut rpc = ClnRpc::new(socket).await?;
    loop {
        let row = call(&mut rpc, "waitanyinvoice", json!({"lastpay_index": *last})).await?;
        *last = row["pay_index"].as_u64().context("no pay_index")?;
        let payment_hash = row["payment_hash"].as_str().context("no payment_hash")?;
        tells.send(payment_hash.to_owned())?;
    }
}

/// An amount as the types of the crate are read from JSON: in words.
fn in_words(msat: &Value) -> Value {
    json!(format!("{msat}msat"))
}

/// An amount as these types are written.
fn msat(written: &Value) -> Option<u64> {
    let in_words = || written.as_str()?.strip_suffix("msat")?.parse().ok();
    written.as_u64().or_else(in_words)
}

/// Calls a method with the types of its request and its response, and returns what these have read.
pub(super) async fn call(rpc: &mut ClnRpc, method: &str, params: Value) -> Result<Value, RpcError> {
    let unreadable =
        |error: serde_json::Error| RpcError { code: None, message: error.to_string(), data: None };
    let request = json!({"method": method, "params": params});
    let request: Request = serde_json::from_value(request).map_err(unreadable)?;
    let response = rpc.call(request).await?;
    let mut response = serde_json::to_value(response).map_err(unreadable)?;
    Ok(response["result"].take())
}
