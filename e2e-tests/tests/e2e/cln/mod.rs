//! Core Lightning's interface: its own Python client, and whatever else comes in at the socket.

mod client;
mod framing;
mod grpc;
mod payments;
mod shape;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node};
use serde_json::json;

use self::client::Pyln;

const CHANNEL_SATS: u64 = 1_000_000;
const SECTION: &str = "[cln]\nrpc_file = \"lightning-rpc\"\n";

fn socket(node: &Node) -> PathBuf {
    node.config().storage_dir.join("regtest/lightning-rpc")
}

async fn pair(network: &Network) -> Result<[Arc<Node>; 2]> {
    let (alice, bob) = tokio::try_join!(network.node_with("alice", SECTION), network.node("bob"))?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    Ok([alice, bob])
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_core_lightning_are_paid_and_pay() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = pair(&network).await?;
    let pyln = Pyln::new(socket(&alice)).await?;
    payments::the_node_is_described(&pyln, &alice, &bob).await?;
    payments::an_invoice_is_paid_and_told_of(&pyln, &bob).await?;
    payments::invoices_are_refused_in_core_lightnings_words(&pyln).await?;
    payments::invoices_are_deleted(&pyln).await?;
    payments::an_invoice_of_another_is_paid(&pyln, &bob).await?;
    payments::payments_fail_with_their_numbers(&pyln, &alice).await?;
    payments::messages_are_signed_and_checked(&pyln, &alice, &bob).await?;
    payments::peers_are_connected(&pyln, &bob).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_takes_whatever_comes() -> Result<()> {
    let network = Network::start_alone().await?;
    let alice = network.node_with("alice", SECTION).await?;
    framing::requests_end_where_their_json_ends(&socket(&alice)).await?;
    framing::garbage_ends_a_connection(&socket(&alice)).await?;
    framing::what_waits_holds_up_nobody(&socket(&alice)).await?;
    framing::connections_are_bounded(&socket(&alice)).await?;
    framing::a_stop_is_told(&alice, &socket(&alice)).await?;
    ensure!(!socket(&alice).exists(), "the socket is still there");
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_off_unless_it_is_configured() -> Result<()> {
    let network = Network::start_alone().await?;
    let alice = network.node("alice").await?;
    ensure!(!socket(&alice).exists());
    ensure!(Pyln::new(socket(&alice)).await?.call("getinfo", json!({})).await.is_err());
    network.stop().await
}
