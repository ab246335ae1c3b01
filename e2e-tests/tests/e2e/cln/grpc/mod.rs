//! The gRPC service `cln.Node`: Core Lightning's Python package, document 002's program, and whoever else
//! comes in at its port.

mod calls;
mod client;
mod door;
mod streams;

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node, Port};
use ldk_server_grpc::{AuthorityFiles, places};

use self::client::Grpc;

const CHANNEL_SATS: u64 = 1_000_000;

fn section(port: &Port) -> String {
    format!("[cln]\ngrpc_address = \"{}\"\n", port.address())
}

fn files(node: &Node) -> AuthorityFiles {
    places::authority_files(&node.config().storage_dir, "regtest")
}

/// Two nodes with a channel; clients of Core Lightning reach the first by this port.
async fn pair(network: &Network, port: &Port) -> Result<[Arc<Node>; 2]> {
    let (alice, bob) =
        tokio::try_join!(network.node_with("alice", section(port)), network.node("bob"))?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    Ok([alice, bob])
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_core_lightnings_grpc_are_paid_and_pay() -> Result<()> {
    let network = Network::start().await?;
    let port = Port::claim()?;
    let [alice, bob] = pair(&network, &port).await?;
    let grpc = Grpc::new(&alice, &port).await?;
    calls::the_tutorial_runs_as_written(&grpc, &alice).await?;
    calls::the_node_is_described(&grpc, &alice, &bob).await?;
    calls::an_invoice_is_paid_and_told_of(&grpc, &bob).await?;
    calls::an_invoice_of_another_is_paid(&grpc, &bob).await?;
    calls::failures_have_core_lightnings_words(&grpc).await?;
    calls::messages_are_signed_and_checked(&grpc, &bob).await?;
    calls::the_audit_names_the_certificate(&alice).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_what_happens() -> Result<()> {
    let network = Network::start().await?;
    let port = Port::claim()?;
    let [alice, bob] = pair(&network, &port).await?;
    let grpc = Grpc::new(&alice, &port).await?;
    streams::payments_are_told(&grpc, &alice, &bob).await?;
    streams::blocks_and_peers_are_told(&network, &grpc, &alice, &bob).await?;
    streams::channels_are_told(&network, &grpc, &alice, &bob).await?;
    streams::a_stop_ends_them(&grpc, &alice).await?;
    alice.start_again().await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_certificates_of_the_own_authority_open_the_door() -> Result<()> {
    let network = Network::start_for(1).await?;
    let port = Port::claim()?;
    let alice = network.node_with("alice", section(&port)).await?;
    door::the_files_are_there_and_private(&alice)?;
    door::strangers_are_turned_away(&alice, &port).await?;
    door::a_certificate_may_do_no_more_than_it_says(&alice, &port).await?;
    door::garbage_is_refused(&alice, &port).await?;
    door::connections_are_bounded(&alice, &port).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_is_closed_unless_it_is_configured() -> Result<()> {
    let network = Network::start_for(1).await?;
    let alice = network.node("alice").await?;
    ensure!(!files(&alice).ca_cert.exists());
    network.stop().await
}
