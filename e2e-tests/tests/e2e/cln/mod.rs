//! Core Lightning's interface: its own Python client, and whatever else comes in at the socket.

mod channels;
mod client;
mod floods;
mod framing;
mod grpc;
mod hooks;
mod own_data;
mod payments;
mod plugins;
mod routing;
mod runes;
mod sending;
mod shape;
mod sql;
pub(crate) mod strict;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node, Port};
use serde_json::json;

use self::client::Pyln;
use self::hooks::Deciding;
use crate::cln_rest::{Program, Rest};
use crate::jit;

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
    runes::runes_are_made_shown_and_revoked(&pyln).await?;
    sql::tables_have_what_the_lists_tell(&pyln).await?;
    sql::every_table_can_be_read(&pyln).await?;
    sql::nothing_is_written(&pyln).await?;
    sql::endless_queries_hold_up_nobody(&pyln).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_core_lightning_pay_nodes_and_offers() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = pair(&network).await?;
    let pyln = Pyln::new(socket(&alice)).await?;
    sending::a_node_is_paid_without_an_invoice(&pyln, &bob).await?;
    sending::a_node_that_cannot_be_paid_is_told(&pyln, &alice).await?;
    sending::what_was_said_of_a_payment_is_told_again(&pyln, &bob).await?;
    sending::an_offer_of_another_is_paid(&pyln, &bob).await?;
    sending::an_offer_is_made_and_paid(&pyln, &bob).await?;
    sending::refunds_go_both_ways(&pyln, &bob).await?;
    own_data::who_waits_for_a_number_is_told(&pyln, &bob).await?;
    own_data::old_invoices_are_cleaned(&pyln).await?;
    own_data::values_are_kept_as_core_lightning_keeps_them(&pyln).await?;
    own_data::they_are_there_after_a_restart(&pyln, &alice).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_core_lightning_have_a_wallet_and_channels() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node_with("alice", SECTION), network.node("bob"))?;
    network.fund(&[&alice], 2 * CHANNEL_SATS).await?;
    let pyln = Pyln::new(socket(&alice)).await?;
    channels::fees_are_estimated(&pyln).await?;
    channels::coins_are_paid_out(&pyln, &network, &bob).await?;
    channels::a_channel_is_opened(&pyln, &network, &alice, &bob).await?;
    channels::a_channel_has_another_price(&pyln, &bob).await?;
    channels::peers_are_listed_and_kept(&pyln, &bob).await?;
    channels::a_channel_is_spliced(&pyln, &network, &alice, &bob).await?;
    channels::a_channel_is_closed(&pyln, &network, &alice).await?;
    channels::the_books_agree(&pyln).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_core_lightning_close_without_the_peer() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = pair(&network).await?;
    let pyln = Pyln::new(socket(&alice)).await?;
    channels::a_channel_is_closed_by_force(&pyln, &network, &bob).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_core_lightning_see_the_network() -> Result<()> {
    let (network, port) = (Network::start_for(3).await?, Port::claim()?);
    let rest = format!("rest_address = \"{}\"\nrest_tls = false\n", port.address());
    let (alice, bob, carol) = tokio::try_join!(
        network.node("alice"),
        network.node_with("bob", format!("{SECTION}{rest}")),
        network.node("carol")
    )?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_announced_channel(&alice, &bob, CHANNEL_SATS, 0).await?;
    network.open_announced_channel(&bob, &carol, CHANNEL_SATS, 0).await?;
    bob.hears_of_channels(2, &carol).await?;
    alice.hears_of_channels(2, &bob).await?;
    let pyln = Pyln::new(socket(&bob)).await?;
    routing::the_graph_is_listed(&pyln, &alice, &bob).await?;
    let rest = Rest::new(&bob, format!("http://localhost:{}", port.number())).await?;
    let mut told = Program::of_admin(&rest, &network).await?;
    routing::a_forward_is_listed_and_told(&pyln, &mut told, &alice, &carol).await?;
    routing::blocks_are_waited_for(&pyln, &network).await?;
    routing::settings_are_listed(&pyln).await?;
    routing::the_daemon_is_stopped(&pyln, &bob).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_the_plugin_protocol_run_beside_the_node() -> Result<()> {
    let (network, port) = (Network::start().await?, Port::claim()?);
    let dir = tempfile::tempdir()?;
    let lines = plugins::lines(&plugins::write(dir.path()).await?);
    let rest = format!("rest_address = \"{}\"\nrest_tls = false\n", port.address());
    let (alice, bob) = tokio::try_join!(
        network.node_with("alice", format!("{SECTION}{rest}{lines}")),
        network.node("bob")
    )?;
    network.fund(&[&bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&bob, &alice, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    let pyln = Pyln::new(socket(&alice)).await?;
    let rest = Rest::new(&alice, format!("http://localhost:{}", port.number())).await?;
    plugins::methods_are_called_on_every_door(&pyln, &rest, &alice).await?;
    plugins::who_has_to_be_asked_is_not_started(&alice).await?;
    plugins::they_are_told_what_happens(&pyln, &alice, &bob).await?;
    plugins::one_that_hangs_holds_up_nobody(&pyln).await?;
    plugins::one_that_ends_is_started_again(&pyln).await?;
    plugins::they_end_with_the_node(&pyln, &alice).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_decide_on_payments() -> Result<()> {
    let network = Network::start().await?;
    let dir = tempfile::tempdir()?;
    let write = |name| Deciding::write(dir.path(), name, "accept");
    let plugins = [write("first").await?, write("second").await?];
    let section = format!("{SECTION}{}", hooks::lines(&plugins));
    let (alice, bob) = tokio::try_join!(network.node_with("alice", section), network.node("bob"))?;
    network.fund(&[&bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&bob, &alice, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    let pyln = Pyln::new(socket(&alice)).await?;
    hooks::an_accepted_payment_is_claimed(&pyln, [&alice, &bob], &plugins).await?;
    hooks::a_rejected_payment_is_sent_back(&pyln, &bob, &plugins).await?;
    hooks::a_payment_waits_for_a_plugin_that_says_nothing(&pyln, &bob, &plugins).await?;
    hooks::nothing_is_claimed_unasked_after_a_restart(&pyln, [&alice, &bob], &plugins).await?;
    hooks::a_payment_goes_back_before_its_deadline(&pyln, &network, &bob, &plugins).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_decide_on_payments_through_new_channels() -> Result<()> {
    let network = Network::start_for(3).await?;
    let (payer, lsp) =
        tokio::try_join!(network.node("payer"), network.node_with("lsp", jit::service(100)))?;
    network.fund(&[&payer, &lsp], 20 * CHANNEL_SATS).await?;
    network.open_channel(&payer, &lsp, 5 * CHANNEL_SATS, 0).await?;
    let dir = tempfile::tempdir()?;
    let plugins = [Deciding::write(dir.path(), "only", "accept").await?];
    let sections = format!("{}{SECTION}{}", jit::client_of(&lsp), hooks::lines(&plugins));
    let client = network.node_with("client", sections).await?;
    hooks::payments_through_new_channels_are_decided_on(&payer, &client, &plugins[0]).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_decide_on_calls() -> Result<()> {
    let (network, port) = (Network::start_for(1).await?, Port::claim()?);
    let dir = tempfile::tempdir()?;
    let write = |name, mode| Deciding::write(dir.path(), name, mode);
    let plugins = [write("first", "decide").await?, write("second", "pass").await?];
    let rest = format!("rest_address = \"{}\"\nrest_tls = false\n", port.address());
    let section = format!("{SECTION}{rest}{}", hooks::lines(&plugins));
    let alice = network.node_with("alice", section).await?;
    let pyln = Pyln::new(socket(&alice)).await?;
    let rest = Rest::new(&alice, format!("http://localhost:{}", port.number())).await?;
    hooks::options_that_no_plugin_has_are_named(&alice).await?;
    hooks::a_call_is_made_or_replaced_or_answered(&pyln, &plugins).await?;
    hooks::a_call_in_the_place_of_another_must_be_allowed(&pyln, &rest).await?;
    hooks::plugins_do_not_wait_for_themselves(&pyln).await?;
    hooks::without_an_answer_a_call_is_not_made(&pyln).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_takes_whatever_comes() -> Result<()> {
    let network = Network::start_for(1).await?;
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
async fn floods_of_the_socket_hold_up_nobody() -> Result<()> {
    let network = Network::start_for(1).await?;
    let alice = network.node_with("alice", SECTION).await?;
    let socket = socket(&alice);
    floods::pipelined_requests_are_answered(&socket).await?;
    let mut bystander = floods::Bystander::new(&alice, &socket).await?;
    floods::truncated_requests(&mut bystander, &socket).await?;
    floods::endless_requests(&mut bystander, &socket).await?;
    floods::unread_answers(&mut bystander, &socket).await?;
    floods::many_connections(&mut bystander, &socket).await?;
    floods::silent_connections_make_room(&socket).await?;
    floods::a_stop_waits_for_no_slow_reader(&alice, &socket).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_off_unless_it_is_configured() -> Result<()> {
    let network = Network::start_for(1).await?;
    let alice = network.node("alice").await?;
    ensure!(!socket(&alice).exists());
    ensure!(Pyln::new(socket(&alice)).await?.call("getinfo", json!({})).await.is_err());
    network.stop().await
}
