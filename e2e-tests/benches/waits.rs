//! What waiting costs: 10,000 callers of WaitInvoice and WaitAnyInvoice over 50 connections, how long it
//! takes until the last of them is told of a payment, and the memory of the daemon meanwhile.
//!
//! `cargo bench --workspace --bench waits`

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, until};
use ldk_server_client::{Client, Code, Error};
use ldk_server_grpc::api::{Bolt11ReceiveRequest, WaitAnyInvoiceRequest, WaitInvoiceRequest};
use tokio::task::JoinSet;

const CONNECTIONS: usize = 50;
const ON_A_CONNECTION: usize = 200;
const WAITERS: usize = CONNECTIONS * ON_A_CONNECTION;
const CHANNEL_SATS: u64 = 1_000_000;
const LABEL: &str = "awaited";
const PATIENCE: Duration = Duration::from_secs(120);

/// What the callers wait for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Invoice,
    Any,
}

#[tokio::main]
async fn main() -> Result<()> {
    let network = Network::start().await?;
    let limits = format!("[limits]\nmax_waiting_calls = {WAITERS}\n");
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node_with("bob", limits))?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    println!(
        "{:>8} {:>16} {:>10} {:>10} {:>10} {:>10}",
        "", "waiters", "ms p50", "ms p99", "ms max", "RSS MiB"
    );
    for kind in [Kind::Any, Kind::Invoice] {
        measure(&alice, &bob, kind).await?;
    }
    network.stop().await
}

async fn measure(payer: &Node, payee: &Node, kind: Kind) -> Result<()> {
    let request = Bolt11ReceiveRequest {
        amount_msat: Some(1_000_000),
        expiry_secs: 3_600,
        label: format!("{LABEL} {kind:?}"),
        ..Default::default()
    };
    let made = payee.client().bolt11_receive(request.clone()).await?;
    let last = wait_any(payee.client(), u64::MAX, 0).await?.last_pay_index;
    let mut waiting = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = Client::from_config_file(payee.config_file())?;
        for _ in 0..ON_A_CONNECTION {
            waiting.spawn(waiter(client.clone(), kind, request.label.clone(), last));
        }
    }
    until("all wait", PATIENCE, async || {
        let refused = wait_any(payee.client(), 0, 0).await.err();
        let code = refused.as_ref().and_then(Error::code);
        ensure!(code == Some(Code::ResourceExhausted), "{refused:?}");
        Ok(())
    })
    .await?;
    let resident_mib = resident_kib(payee.pid().await?)? / 1024;
    let payment_id = payer.send(&made.invoice).await?;
    payer.settled(&payment_id).await?;
    let mut told = Vec::new();
    while let Some(at) = waiting.join_next().await {
        told.push(at??);
    }
    told.sort_unstable();
    let first = *told.first().context("nobody was told")?;
    let after = |share: usize| {
        let at = told[(told.len() - 1) * share / 100];
        at.duration_since(first).as_secs_f64() * 1_000.0
    };
    println!(
        "{:>8} {:>16} {:>10.0} {:>10.0} {:>10.0} {resident_mib:>10}",
        format!("{kind:?}"),
        told.len(),
        after(50),
        after(99),
        after(100),
    );
    Ok(())
}

/// Waits, and returns when it was told.
async fn waiter(client: Client, kind: Kind, label: String, last: u64) -> Result<Instant> {
    let timeout_secs = Some(110);
    let invoice = match kind {
        Kind::Any => wait_any(&client, last, 110).await?.invoice,
        Kind::Invoice => {
            let request = WaitInvoiceRequest { label, timeout_secs, ..Default::default() };
            client.wait_invoice(request).await?.invoice
        },
    };
    let told = Instant::now();
    let pay_index = invoice.and_then(|invoice| invoice.pay_index);
    ensure!(pay_index == Some(last + 1), "told of {pay_index:?}");
    Ok(told)
}

async fn wait_any(
    client: &Client,
    last_pay_index: u64,
    timeout_secs: u32,
) -> Result<ldk_server_grpc::api::WaitAnyInvoiceResponse, Error> {
    let request = WaitAnyInvoiceRequest { last_pay_index, timeout_secs: Some(timeout_secs) };
    client.wait_any_invoice(request).await
}

fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.context("no VmRSS")?.trim().parse()?)
}
