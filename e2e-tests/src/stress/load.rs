//! Payments, several at a time, until they are told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use ldk_server_client::api::{
    Bolt11ReceiveRequest, Bolt11SendRequest, GetPaymentDetailsRequest, SpontaneousSendRequest,
};
use ldk_server_client::types::{PaymentStatus, RouteParametersConfig};
use ldk_server_client::{Code, Error};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::ledger::{Entry, Ledger, Sending};
use crate::node::Node;

/// In each direction, of which so many have an invoice.
const AT_ONCE: usize = 3;
const WITH_INVOICE: usize = 2;
/// Each more than all fees on chain, so that the balances tell of a payment that is lost; and so
/// little that a channel does not run dry on one side within the life of a group.
const AMOUNTS_SATS: std::ops::RangeInclusive<u64> = 60_000..=120_000;
const EXPIRY_SECS: u32 = 3_600;
/// Little more than the least that the library takes, with an invoice and without, and for each node
/// between. The more blocks an HTLC may stay, the more have to be mined after a closure.
const INVOICE_BLOCKS: u32 = 60;
const SPONTANEOUS_BLOCKS: u32 = 145;
const FORWARD_BLOCKS: u32 = 145;
/// How often the payer is asked for the outcome of a payment.
const ASK_INTERVAL: Duration = Duration::from_millis(10);
/// Payments that go on through everything pause so long between two.
const LASTING_PAUSE: Duration = Duration::from_millis(100);
/// And so long after one that could not be begun.
const FAILURE_PAUSE: Duration = Duration::from_millis(400);

/// The nodes as they are now: another daemon may have taken the place of one.
pub(super) type Current = watch::Receiver<Vec<Arc<Node>>>;

/// Payments that are being made.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    workers: JoinSet<()>,
}

impl Load {
    /// Begins to pay, in each of the directions from one node to another, until a node is down.
    pub(super) fn start(
        nodes: &[Arc<Node>],
        directions: &[[usize; 2]],
        ledger: &Arc<Ledger>,
        round: u32,
        rng: &mut StdRng,
    ) -> Self {
        Self::begin(&fixed(nodes), directions, ledger, (round, None), rng)
    }

    /// Begins to pay, in both directions between the first two nodes, and goes on when one is down.
    pub(super) fn start_lasting(
        nodes: &Current,
        ledger: &Arc<Ledger>,
        round: u32,
        rng: &mut StdRng,
    ) -> Self {
        Self::begin(nodes, &[[0, 1], [1, 0]], ledger, (round, Some(LASTING_PAUSE)), rng)
    }

    fn begin(
        nodes: &Current,
        directions: &[[usize; 2]],
        ledger: &Arc<Ledger>,
        (round, pause): (u32, Option<Duration>),
        rng: &mut StdRng,
    ) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let mut workers = JoinSet::new();
        for &[payer, payee] in directions {
            for worker in 0..AT_ONCE {
                let worker = Worker {
                    nodes: nodes.clone(),
                    payer,
                    payee,
                    has_invoices: worker < WITH_INVOICE,
                    ledger: Arc::clone(ledger),
                    round,
                    pause,
                    stop: Arc::clone(&stop),
                    rng: StdRng::seed_from_u64(rng.random()),
                };
                workers.spawn(worker.run());
            }
        }
        Self { stop, workers }
    }

    /// Pays once, whatever comes of it.
    pub(super) async fn once(
        nodes: &[Arc<Node>],
        [payer, payee]: [usize; 2],
        ledger: &Arc<Ledger>,
        rng: &mut StdRng,
    ) -> Result<()> {
        let mut worker = Worker {
            nodes: fixed(nodes),
            payer,
            payee,
            has_invoices: true,
            ledger: Arc::clone(ledger),
            round: 0,
            pause: None,
            stop: Arc::default(),
            rng: StdRng::seed_from_u64(rng.random()),
        };
        worker.pay().await
    }

    /// Begins no more payments, and waits for the answers to the calls that are under way.
    pub(super) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.workers.join_all().await;
    }
}

/// Makes one payment after the other.
struct Worker {
    nodes: Current,
    payer: usize,
    payee: usize,
    has_invoices: bool,
    ledger: Arc<Ledger>,
    round: u32,
    /// How long it pauses after each payment, if it goes on after failures.
    pause: Option<Duration>,
    stop: Arc<AtomicBool>,
    rng: StdRng,
}

impl Worker {
    async fn run(mut self) {
        while !self.has_to_stop() {
            let paid = self.pay().await;
            match self.pause {
                Some(pause) if paid.is_ok() => sleep(pause).await,
                Some(_) => sleep(FAILURE_PAUSE).await,
                // Any failure means that a node is down, or that the payer has run out of money.
                None if paid.is_err() => return,
                None => {},
            }
        }
    }

    fn node(&self, number: usize) -> Arc<Node> {
        Arc::clone(&self.nodes.borrow()[number])
    }

    fn has_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    async fn pay(&mut self) -> Result<()> {
        let amount_msat = self.rng.random_range(AMOUNTS_SATS) * 1_000;
        let (id, sent) = if self.has_invoices {
            self.pay_invoice(amount_msat).await?
        } else {
            self.pay_spontaneously(amount_msat).await
        };
        self.ledger.change(&id, |entry| entry.sending = outcome(&sent));
        sent?;
        self.see_through(&id).await
    }

    async fn pay_invoice(&self, amount_msat: u64) -> Result<(String, Result<(), Error>)> {
        let request = Bolt11ReceiveRequest {
            amount_msat: Some(amount_msat),
            expiry_secs: EXPIRY_SECS,
            ..Default::default()
        };
        let made = self.node(self.payee).client().bolt11_receive(request).await?;
        self.ledger.add(&made.payment_hash, Entry { has_invoice: true, ..self.entry(amount_msat) });
        let request = Bolt11SendRequest {
            invoice: made.invoice,
            route_parameters: Some(self.route_parameters(INVOICE_BLOCKS)),
            ..Default::default()
        };
        let sent = self.node(self.payer).client().bolt11_send(request).await.map(drop);
        Ok((made.payment_hash, sent))
    }

    async fn pay_spontaneously(&mut self, amount_msat: u64) -> (String, Result<(), Error>) {
        let preimage: [u8; 32] = self.rng.random();
        let id = hex::encode(Sha256::digest(preimage));
        self.ledger.add(&id, self.entry(amount_msat));
        let request = SpontaneousSendRequest {
            amount_msat,
            node_id: self.node(self.payee).id().to_owned(),
            // With it the id is known even if the answer is lost.
            preimage: Some(hex::encode(preimage)),
            route_parameters: Some(self.route_parameters(SPONTANEOUS_BLOCKS)),
            ..Default::default()
        };
        let sent = self.node(self.payer).client().spontaneous_send(request).await.map(drop);
        (id, sent)
    }

    fn entry(&self, amount_msat: u64) -> Entry {
        let (payer, payee, round) = (self.payer, self.payee, self.round);
        Entry { payer, payee, amount_msat, round, ..Default::default() }
    }

    fn route_parameters(&self, last_hop_blocks: u32) -> RouteParametersConfig {
        let between = self.payer.abs_diff(self.payee).saturating_sub(1) as u32;
        let max_total_cltv_expiry_delta = last_hop_blocks + between * FORWARD_BLOCKS;
        RouteParametersConfig { max_total_cltv_expiry_delta, ..Default::default() }
    }

    /// Waits for the outcome that the payer tells.
    async fn see_through(&self, id: &str) -> Result<()> {
        while !self.has_to_stop() {
            let request = GetPaymentDetailsRequest { payment_id: id.to_owned() };
            let answer = self.node(self.payer).client().get_payment_details(request).await?;
            match answer.payment.map(|payment| payment.status()) {
                Some(PaymentStatus::Succeeded) => {
                    self.ledger.change(id, |entry| entry.payer_told_success = true);
                    break;
                },
                Some(PaymentStatus::Failed) => {
                    self.ledger.change(id, |entry| entry.payer_told_failure = true);
                    break;
                },
                _ => sleep(ASK_INTERVAL).await,
            }
        }
        Ok(())
    }
}

fn fixed(nodes: &[Arc<Node>]) -> Current {
    watch::channel(nodes.to_vec()).1
}

fn outcome(sent: &Result<(), Error>) -> Sending {
    match sent {
        Ok(()) => Sending::Accepted,
        Err(error) if error.code() == Some(Code::FailedPrecondition) => Sending::Refused,
        Err(_) => Sending::Unknown,
    }
}
