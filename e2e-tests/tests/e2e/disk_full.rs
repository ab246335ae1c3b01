//! A full disk, for which a limit on the size of files stands in.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use e2e_tests::{Network, Node};
use futures_util::StreamExt as _;
use ldk_server_client::api::{Bolt11ReceiveRequest, SubscribeEventsRequest};
use ldk_server_client::events::PaymentSuccessful;
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::types::PaymentStatus;
use ldk_server_client::{Error, EventStream};
use ldk_server_grpc::places;
use tokio::time::timeout;

const CHANNEL_SATS: u64 = 1_000_000;
/// Too little for the log of the database, which is moved into the database when it has 4 MB.
const ROOM_BYTES: u64 = 2 << 20;
/// How long the room may last.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the database never needs here.
const PLENTY_BYTES: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_written_ends_the_daemon_and_loses_nothing() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    // With this the log of the database begins anew.
    alice.stop().await?;
    alice.start_again().await?;
    Network::at_rest(&alice, &bob).await?;
    let events = alice.client().subscribe_events(SubscribeEventsRequest::default()).await?;
    // The room may be used up by invoices before another payment has arrived.
    alice.pays(&bob, 1_000).await?;
    let mut largest = 0;
    for file in [file(&alice, "ldk_node_data.sqlite-wal"), file(&alice, "ldk-server.log")] {
        largest = largest.max(fs::metadata(file)?.len());
    }
    alice.limit_file_size(largest.max(alice.log().text().len() as u64) + ROOM_BYTES).await?;

    let fill = async { tokio::join!(invoices(&alice), pay(&alice, &bob), paid(events)) };
    let (invoices, (), paid) = timeout(PATIENCE, fill).await.context("it still writes")?;
    let paid = paid?;
    assert_eq!(alice.ended().await?.code(), Some(74));
    let reason = "the database cannot be written: ";
    assert!(alice.log().text().contains(reason), "{}", alice.log().tail());
    assert!(fs::read_to_string(file(&alice, "ldk-server.log"))?.contains(reason));

    alice.start_again().await?;
    assert!(!invoices.is_empty() && !paid.is_empty(), "{invoices:?}, {paid:?}");
    for payment_hash in &invoices {
        assert_eq!(alice.payment(payment_hash).await?.status(), PaymentStatus::Pending);
    }
    for payment_id in &paid {
        assert_eq!(alice.payment(payment_id).await?.status(), PaymentStatus::Succeeded);
    }
    alice.invoice(1_000).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_stops_nothing() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let logs = [file(&alice, "ldk-server.log"), alice.config().storage_dir.join("output.log")];
    for log in &logs {
        File::options().append(true).open(log)?.set_len(PLENTY_BYTES)?;
    }
    alice.limit_file_size(PLENTY_BYTES).await?;
    let payment_hash = invoice(&alice).await?;
    alice.stop().await?;
    for log in &logs {
        assert_eq!(fs::metadata(log)?.len(), PLENTY_BYTES, "{}", log.display());
    }
    alice.start_again().await?;
    alice.payment(&payment_hash).await?;
    network.stop().await
}

fn file(node: &Node, name: &str) -> PathBuf {
    places::network_dir(&node.config().storage_dir, "regtest").join(name)
}

/// Makes an invoice, and returns the id of its payment.
async fn invoice(node: &Node) -> Result<String, Error> {
    let request = Bolt11ReceiveRequest { expiry_secs: 3_600, ..Default::default() };
    Ok(node.client().bolt11_receive(request).await?.payment_hash)
}

/// Makes invoices as long as there is an answer.
async fn invoices(node: &Node) -> Vec<String> {
    let mut made = Vec::new();
    while let Ok(payment_hash) = invoice(node).await {
        made.push(payment_hash);
    }
    made
}

/// Pays as long as there is an answer.
async fn pay(payer: &Node, payee: &Node) {
    while let Ok(invoice) = payee.invoice(1_000).await {
        if payer.send(&invoice).await.is_err() {
            return;
        }
    }
}

/// Which payments were said to have succeeded, until the stream was ended in good order.
async fn paid(mut events: EventStream) -> Result<Vec<String>> {
    let mut paid = Vec::new();
    loop {
        match events.next().await.context("the stream ended without a reason")? {
            Ok(envelope) => {
                if let Some(Event::PaymentSuccessful(PaymentSuccessful { payment })) =
                    envelope.event
                {
                    paid.push(payment.context("no payment")?.id);
                }
            },
            Err(Error::Unavailable(_)) => return Ok(paid),
            Err(error) => bail!("the stream ended with {error}"),
        }
    }
}
