//! Making payments, so many at a time, and taking their times.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e_tests::{Network, Node, Usage};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ldk_server_client::api::{Bolt11SendRequest, SpontaneousSendRequest};
use ldk_server_client::{Client, Error};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::case::{Case, Kind};
use crate::figures::Millis;
use crate::pair::Pair;
use crate::settlements::{Settled, Settlements};
use crate::slots::Slots;
use crate::store::Store;

/// How long one payment may take, with all its tries.
const PATIENCE: Duration = Duration::from_secs(120);
/// Invoices that are made at once.
const INVOICES_AT_ONCE: usize = 16;

/// What a run of payments took.
pub(crate) struct Measured {
    pub(crate) payments: usize,
    pub(crate) per_second: f64,
    /// From the first call for a payment to its PaymentSuccessful.
    pub(crate) latency: Millis,
    /// Calls that were answered with FAILED_PRECONDITION, and made again.
    pub(crate) refused: usize,
    /// Payments that were begun and failed, and were begun again.
    pub(crate) failed: usize,
    pub(crate) payer: Usage,
    pub(crate) payee: Usage,
}

/// Makes all the payments of a case.
pub(crate) async fn measure(
    pair: &Pair,
    case: Case,
    payments: usize,
    amount_msat: u64,
) -> Result<Measured> {
    let [payer, payee] = pair.payer_and_payee(case);
    let queue = match case.kind {
        Kind::Keysend => Queue::Keysends(payee.node.id().to_owned()),
        Kind::Bolt11 => Queue::Invoices(invoices(&payee.node, payments, amount_msat).await?),
    };
    let till = Arc::new(Till {
        client: payer.node.client().clone(),
        queue,
        amount_msat,
        has_keys: pair.store == Store::Keyed,
        payments,
        slots: Slots::of(&payer.node, &payee.node, amount_msat).await?,
        begun: AtomicUsize::new(0),
        settlements: Settlements::default(),
        refused: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
    });
    let events = payer.node.events().await?;
    let before = (payer.usage().await?, payee.usage().await?);

    let started = Instant::now();
    let latencies = tokio::select! {
        latencies = pay_all(&till, case.in_flight) => latencies?,
        failed = till.settlements.follow(events) => match failed? {},
        failed = till.slots.find(&payer.node, &payee.node, &till.settlements) => match failed? {},
    };
    let took = started.elapsed();

    // What a payment costs is not all spent when it has succeeded.
    Network::at_rest(&payer.node, &payee.node).await?;
    Ok(Measured {
        payments,
        per_second: payments as f64 / took.as_secs_f64(),
        latency: latencies.into_iter().collect(),
        refused: till.refused.load(Ordering::Relaxed),
        failed: till.failed.load(Ordering::Relaxed),
        payer: payer.usage().await?.since(before.0),
        payee: payee.usage().await?.since(before.1),
    })
}

async fn invoices(payee: &Node, count: usize, amount_msat: u64) -> Result<Vec<String>> {
    stream::iter(0..count)
        .map(|_| payee.invoice(amount_msat))
        .buffered(INVOICES_AT_ONCE)
        .try_collect()
        .await
}

/// Whom or what to pay.
enum Queue {
    /// Always this node.
    Keysends(String),
    /// One after the other.
    Invoices(Vec<String>),
}

/// Where the payments of a case are made.
struct Till {
    client: Client,
    queue: Queue,
    amount_msat: u64,
    /// Whether each call has an idempotency key.
    has_keys: bool,
    payments: usize,
    slots: Slots,
    begun: AtomicUsize,
    settlements: Settlements,
    refused: AtomicUsize,
    failed: AtomicUsize,
}

async fn pay_all(till: &Arc<Till>, in_flight: usize) -> Result<Vec<Duration>> {
    let mut payers: JoinSet<Result<Vec<Duration>>> =
        (0..in_flight).map(|_| Arc::clone(till).pay_on()).collect();
    let mut latencies = Vec::with_capacity(till.payments);
    while let Some(paid) = payers.join_next().await {
        latencies.extend(paid??);
    }
    Ok(latencies)
}

impl Till {
    /// Makes one payment after the other until all are made.
    async fn pay_on(self: Arc<Self>) -> Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        loop {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            if number >= self.payments {
                return Ok(latencies);
            }
            let paid = timeout(PATIENCE, self.pay(number)).await;
            let latency = paid.with_context(|| {
                format!("payment {number} has not succeeded within {PATIENCE:?}")
            })?;
            latencies.push(latency?);
        }
    }

    /// Makes a payment, trying until it succeeds.
    async fn pay(&self, number: usize) -> Result<Duration> {
        let started = Instant::now();
        loop {
            match self.slots.call(self.send(number)).await? {
                Ok(payment_id) => match self.settlements.of(payment_id).await? {
                    Settled::Succeeded(at) => return Ok(at.duration_since(started)),
                    Settled::Failed => count(&self.failed),
                },
                Err(Error::Lightning(reason)) => {
                    if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                        eprintln!("a payment was refused, and is tried again: {reason}");
                    }
                    self.settlements.next().await;
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Another key each time: what failed is begun anew, not told again.
    fn key(&self) -> String {
        if self.has_keys { format!("{:032x}", rand::random::<u128>()) } else { String::new() }
    }

    /// Begins a payment, and returns its id.
    async fn send(&self, number: usize) -> Result<String, Error> {
        match &self.queue {
            Queue::Keysends(node_id) => {
                let request = SpontaneousSendRequest {
                    amount_msat: self.amount_msat,
                    node_id: node_id.clone(),
                    idempotency_key: self.key(),
                    ..Default::default()
                };
                Ok(self.client.spontaneous_send(request).await?.payment_id)
            },
            Queue::Invoices(invoices) => {
                let invoice = invoices.get(number).cloned().unwrap_or_default();
                let idempotency_key = self.key();
                let request = Bolt11SendRequest { invoice, idempotency_key, ..Default::default() };
                Ok(self.client.bolt11_send(request).await?.payment_id)
            },
        }
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}
