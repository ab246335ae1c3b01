//! A disk that takes no write for a while, for which a tracer stands in that holds up the calls.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, RawConnection, Stall, Strace, print_uncaptured, until};
use futures_util::{FutureExt as _, StreamExt as _};
use hyper::StatusCode;
use ldk_server_client::api::{
    GetPaymentDetailsRequest, OnchainSendRequest, SpontaneousSendRequest, SubscribeEventsRequest,
};
use ldk_server_client::types::PaymentStatus;
use ldk_server_client::{Error, EventStream};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 20_000_000;
const SPENT_SATS: u64 = 100_000;
/// How long the disk takes nothing.
const STALLED_SECS: u64 = 30;
/// Payments to the node that are under way when the disk stalls.
const PAYMENTS: usize = 4;
const PREIMAGE: [u8; 32] = [7; 32];
/// How soon the node has to say that it is not ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a question to it may take meanwhile.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// What the library tells in its log of messages that change a channel.
const COMMITMENTS: [&str; 3] = ["UpdateAddHTLC", "CommitmentSigned", "RevokeAndACK"];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_while_the_disk_takes_nothing() -> Result<()> {
    let strace = match Strace::get().await {
        Ok(strace) => strace,
        Err(error) => {
            print_uncaptured(&format!(
                "skipped: a disk that stalls, because there is no strace: {error:#}"
            ));
            return Ok(());
        },
    };
    let network = Network::start().await?;
    let [alice, bob] = traced_pair(&network).await?;
    alice.pays(&bob, AMOUNT_MSAT).await?;
    bob.pays(&alice, AMOUNT_MSAT).await?;
    let [alice_had, bob_had] = Network::at_rest(&alice, &bob).await?;
    let mut invoices = Vec::new();
    for _ in 0..PAYMENTS {
        invoices.push(alice.invoice(AMOUNT_MSAT).await?);
    }
    let events = alice.client().subscribe_events(SubscribeEventsRequest::default()).await?;
    let told = received(&bob);

    let stall = strace.stall_syncs(alice.pid().await?, network.dir()).await?;
    let mut stalled = Stalled::begin(&alice, &bob, invoices, events).await?;
    not_ready(&alice, &stall).await?;
    stalled.nothing_has_left(&bob).await?;
    let waiting = network.bitcoind().mempool().await?;
    ensure!(waiting.is_empty(), "alice has broadcast {waiting:?}");
    ensure!(received(&bob) == told, "alice sent something: {:?}, then {:?}", told, received(&bob));
    stall.end().await?;

    let txid = stalled.goes_on(&alice, &bob).await?;
    until("the transaction is broadcast", PATIENCE, async || {
        let waiting = network.bitcoind().mempool().await?;
        ensure!(waiting == [txid.as_str()], "{waiting:?}");
        Ok(())
    })
    .await?;
    let received_msat = PAYMENTS as u64 * AMOUNT_MSAT;
    let awaited = [alice_had + received_msat - AMOUNT_MSAT, bob_had + AMOUNT_MSAT - received_msat];
    assert_eq!(Network::at_rest(&alice, &bob).await?, awaited);
    until("alice is ready again", PATIENCE, async || {
        let answer = RawConnection::get(alice.config(), "/readyz").await?;
        ensure!(answer.status == StatusCode::OK, "{answer:?}");
        Ok(())
    })
    .await?;
    alice.pays(&bob, AMOUNT_MSAT).await?;
    bob.pays(&alice, AMOUNT_MSAT).await?;
    network.stop().await
}

/// Bob writes down every message that he gets.
async fn traced_pair(network: &Network) -> Result<[Arc<Node>; 2]> {
    let alice = network.node("alice").await?;
    let mut config = network.config("bob")?;
    config.log_level = "Trace";
    let bob = network.node_of(config).await?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    Ok([alice, bob])
}

/// How many messages of each kind bob has received.
fn received(bob: &Node) -> [usize; 3] {
    let text = bob.log().text();
    let received: Vec<_> = text.lines().filter(|line| line.contains("Received message")).collect();
    COMMITMENTS.map(|name| received.iter().filter(|line| line.contains(name)).count())
}

/// Waits until alice says that she is not ready because the disk has stalled for so long.
async fn not_ready(alice: &Node, stall: &Stall) -> Result<()> {
    until("alice says that she is not ready", PATIENCE, async || {
        stall.ensure_felt()?;
        let answer = timeout(ANSWER_PATIENCE, RawConnection::get(alice.config(), "/readyz")).await;
        let answer = answer.context("she does not answer")??;
        ensure!(answer.status == StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        let secs = said.split_once("what is to be written for ").map(|(_, rest)| rest);
        let secs = secs.and_then(|rest| rest.split_once(" s")?.0.parse::<u64>().ok());
        ensure!(secs.is_some_and(|secs| secs >= STALLED_SECS), "{said}");
        Ok(())
    })
    .await
}

/// What alice was asked for, and has not done yet.
struct Stalled {
    events: EventStream,
    paying: JoinHandle<Result<String, Error>>,
    inviting: JoinHandle<Result<String>>,
    spending: JoinHandle<Result<String, Error>>,
    incoming: Vec<String>,
}

impl Stalled {
    async fn begin(
        alice: &Arc<Node>,
        bob: &Node,
        invoices: Vec<String>,
        events: EventStream,
    ) -> Result<Self> {
        let (payer, payee) = (Arc::clone(alice), Arc::clone(alice));
        let request = SpontaneousSendRequest {
            amount_msat: AMOUNT_MSAT,
            node_id: bob.id().to_owned(),
            preimage: Some(hex::encode(PREIMAGE)),
            ..Default::default()
        };
        let paying =
            tokio::spawn(
                async move { Ok(payer.client().spontaneous_send(request).await?.payment_id) },
            );
        let inviting = tokio::spawn(async move { payee.invoice(AMOUNT_MSAT).await });
        let spender = Arc::clone(alice);
        let address = bob.new_address().await?;
        let spending = tokio::spawn(async move {
            let request =
                OnchainSendRequest { address, amount_sats: Some(SPENT_SATS), ..Default::default() };
            Ok(spender.client().onchain_send(request).await?.txid)
        });
        let mut incoming = Vec::new();
        for invoice in invoices {
            incoming.push(bob.send(&invoice).await?);
        }
        Ok(Self { events, paying, inviting, spending, incoming })
    }

    async fn nothing_has_left(&mut self, bob: &Node) -> Result<()> {
        ensure!(!self.paying.is_finished(), "the sending was answered");
        ensure!(!self.inviting.is_finished(), "the invoice was given out");
        ensure!(!self.spending.is_finished(), "the transaction was told of");
        let event = self.events.next().now_or_never();
        ensure!(event.is_none(), "there was an event: {event:?}");
        let id = hex::encode(Sha256::digest(PREIMAGE));
        let request = GetPaymentDetailsRequest { payment_id: id };
        let arrived = bob.client().get_payment_details(request).await?.payment;
        ensure!(arrived.is_none(), "the payment has arrived: {arrived:?}");
        for id in &self.incoming {
            let payment = bob.payment(id).await?;
            ensure!(payment.status() == PaymentStatus::Pending, "{payment:?}");
        }
        Ok(())
    }

    /// All that was asked for is done, although the peer may have lost patience. The transaction has
    /// this id.
    async fn goes_on(self, alice: &Node, bob: &Node) -> Result<String> {
        let paid = self.paying.await?.context("the sending failed")?;
        self.inviting.await?.context("there is no invoice")?;
        until("the two are connected", PATIENCE, async || reconnect(alice, bob).await).await?;
        for id in self.incoming.iter().chain([&paid]) {
            for node in [alice, bob] {
                let payment = node.settled(id).await?;
                ensure!(payment.status() == PaymentStatus::Succeeded, "{payment:?}");
            }
        }
        self.spending.await?.context("nothing was sent on chain")
    }
}

async fn reconnect(one: &Node, other: &Node) -> Result<()> {
    one.connect_to(other).await?;
    one.usable_channel(other).await.map(drop)
}
