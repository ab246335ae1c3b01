//! Invoices as objects: labels, states, the numbers of what was paid, waiting, and preimages that the
//! caller has chosen.

mod kills;
mod objects;
mod preimages;
mod receipts;
mod waiting;

use anyhow::{Context as _, Result};
use e2e_tests::{Network, Node};
use ldk_server_client::api::{
    Bolt11ReceiveRequest, Bolt11ReceiveResponse, GetInvoiceRequest, WaitInvoiceRequest,
    WaitInvoiceResponse,
};
use ldk_server_client::types::Invoice;

const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 2_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn invoices_are_objects() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    objects::a_label_is_for_one_request(&bob).await?;
    objects::an_invoice_is_found_by_each_of_its_names(&alice, &bob).await?;
    objects::lists_are_filtered_and_come_in_pages(&bob).await?;
    objects::only_some_can_be_cancelled(&alice, &bob).await?;
    objects::what_is_over_can_be_deleted(&bob).await?;
    objects::unusable_requests_are_refused(&bob).await?;
    receipts::every_payment_has_a_row(&alice, &bob).await?;
    objects::the_command_line_does_the_same(&alice, &bob).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told() -> Result<()> {
    let network = Network::start().await?;
    let limits = format!("[limits]\nmax_waiting_calls = {}\n", waiting::WAITERS);
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node_with("bob", limits))?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    waiting::a_time_that_is_over_is_no_failure(&bob).await?;
    waiting::for_one_or_for_any(&alice, &bob).await?;
    waiting::an_invoice_that_expires_ends_the_wait(&bob).await?;
    waiting::a_thousand_are_told_of_one_payment(&alice, &bob).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preimage_of_the_caller_is_used_whatever_happens() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    preimages::the_server_claims_by_itself(&alice, &bob).await?;
    preimages::also_after_a_restart(&alice, &bob).await?;
    for number in 0..3 {
        preimages::also_if_it_is_killed_as_the_payment_arrives(&alice, &bob, number).await?;
    }
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_payments_have_no_gap_over_kills() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    kills::indices_have_no_gap(&alice, &bob).await?;
    network.stop().await
}

/// A request for an invoice with a label.
fn labelled(label: &str) -> Bolt11ReceiveRequest {
    Bolt11ReceiveRequest {
        amount_msat: Some(AMOUNT_MSAT),
        expiry_secs: 3_600,
        label: label.to_owned(),
        ..Default::default()
    }
}

async fn make(payee: &Node, request: &Bolt11ReceiveRequest) -> Result<Bolt11ReceiveResponse> {
    Ok(payee.client().bolt11_receive(request.clone()).await?)
}

async fn get(node: &Node, label: &str) -> Result<Invoice> {
    let request = GetInvoiceRequest { label: label.to_owned(), ..Default::default() };
    node.client().get_invoice(request).await?.invoice.context("no invoice")
}

/// Waits half a minute at most.
async fn wait(node: &Node, label: &str) -> Result<WaitInvoiceResponse> {
    let request = WaitInvoiceRequest {
        label: label.to_owned(),
        timeout_secs: Some(30),
        ..Default::default()
    };
    Ok(node.client().wait_invoice(request).await?)
}
