//! Paying: by offers, without an invoice, and whatever it is that a payer was given.

mod bolt12;
mod bolt12_refused;
mod names;
mod refunds;
mod refunds_refused;
mod spontaneous;
mod two_hops;
mod unified;
mod unified_refused;

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e_tests::{DnsAnswer, DnsServer, Events, Network, Port};
use ldk_server_client::api::GetNodeInfoRequest;
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{CustomTlvRecord, Payment, PaymentStatus, RouteParametersConfig};

/// The key of nobody who is there.
const STRANGER: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";
const TOO_MANY_MSATS: u64 = 21_000_000 * 100_000_000 * 1_000 + 1;

const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 5_000_000;
/// The same, as it is written in a URI.
const AMOUNT_BTC: &str = "0.00005";
const HRN_TIMEOUT_SECS: u64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_paid_over_one_channel_and_on_chain() -> Result<()> {
    let network = Network::start_for(3).await?;
    let dns_port = Arc::new(Port::claim()?);
    let dns = DnsServer::start(Arc::clone(&dns_port), DnsAnswer::Silence).await?;
    let hrn = format!(
        "[hrn]\ndns_server_address = \"{}\"\ntimeout_secs = {HRN_TIMEOUT_SECS}\n",
        dns.address()
    );
    let (alice, bob, carol) = tokio::try_join!(
        network.node_with("alice", &hrn),
        network.node("bob"),
        network.node("carol")
    )?;
    network.fund(&[&alice, &bob], 3 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;

    bolt12::both_sides_tell_of_it(&alice, &bob).await?;
    bolt12::the_payer_chooses_within_the_offer(&alice, &bob).await?;
    bolt12_refused::unusable_to_make(&bob, &carol).await?;
    bolt12_refused::unusable_to_pay(&alice, &bob, &carol).await?;

    refunds::both_sides_tell_of_it(&alice, &bob).await?;
    refunds::one_claim_is_paid(&alice, &bob).await?;
    refunds::a_crash_does_not_take_it_back(&alice, &bob).await?;
    refunds::a_key_makes_one_refund(&alice, &bob).await?;
    let unclaimed = refunds::unclaimed(&alice).await?;
    refunds_refused::unusable_to_make(&alice, &carol).await?;
    refunds_refused::unusable_to_claim(&alice, &bob, &carol).await?;

    spontaneous::both_sides_tell_of_it(&alice, &bob).await?;
    spontaneous::as_many_records_as_fit(&alice, &bob).await?;
    spontaneous::an_even_type_fails(&alice, &bob).await?;
    spontaneous::unusable(&alice, &bob).await?;

    unified::lightning(&alice, &bob).await?;
    unified::on_chain(&network, &alice, &bob).await?;
    unified::the_best_way_is_taken(&network, &alice, &bob, &carol).await?;
    unified_refused::never_twice(&network, &alice, &bob).await?;
    unified_refused::once_of_many_calls(&alice, &bob).await?;
    unified::what_cannot_be_used_is_left_out(&network, &alice, &bob).await?;
    unified_refused::no_way_works(&carol, &bob).await?;
    unified_refused::amounts(&alice, &bob).await?;
    unified_refused::unreadable(&alice, &bob).await?;
    names::need_a_proof(&alice, dns, &dns_port).await?;
    refunds::what_nobody_claims_fails(&alice, &unclaimed).await?;

    // Nothing of all this has hurt the node.
    alice.client().get_node_info(GetNodeInfoRequest {}).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_go_over_two_hops() -> Result<()> {
    let network = Network::start_for(3).await?;
    let path = two_hops::Path::open(&network).await?;
    path.an_offer_is_paid().await?;
    path.a_node_is_paid().await?;
    path.the_configured_fee_is_the_limit_of_requests_without_one().await?;
    path.the_fee_can_be_limited_by_the_amount().await?;
    path.no_fee_means_no_fee().await?;
    network.stop().await
}

/// A limit for the fee, and none else.
fn fee_limit(max_msat: u64) -> Option<RouteParametersConfig> {
    let max_total_routing_fee_msat = Some(max_msat);
    Some(RouteParametersConfig { max_total_routing_fee_msat, ..Default::default() })
}

/// A limit for the fee in millionths of the amount, and none else.
fn fee_limit_ppm(ppm: u64) -> Result<Option<RouteParametersConfig>> {
    let max_total_routing_fee_ppm = Some(ppm.try_into()?);
    Ok(Some(RouteParametersConfig { max_total_routing_fee_ppm, ..Default::default() }))
}

/// The next payment that arrives, and what came with it.
async fn next_received(events: &mut Events) -> Result<(Payment, Vec<CustomTlvRecord>)> {
    let received = events.wait_for("PaymentReceived", |event| match event {
        Event::PaymentReceived(received) => Some((received.payment?, received.custom_records)),
        _ => None,
    });
    received.await
}

/// Waits for the event that this payment failed.
async fn failed(events: &mut Events, payment_id: &str) -> Result<Payment> {
    let failed = events.wait_for("PaymentFailed", |event| match event {
        Event::PaymentFailed(failed) => failed.payment.filter(|payment| payment.id == payment_id),
        _ => None,
    });
    let payment = failed.await?;
    ensure!(payment.status() == PaymentStatus::Failed, "{payment:?}");
    Ok(payment)
}

/// What kind of payment it is.
fn kind(payment: &Payment) -> Option<Kind> {
    payment.kind.clone().and_then(|kind| kind.kind)
}
