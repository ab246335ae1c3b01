//! Just-in-time channels: a payer, a liquidity provider (LSP), and a client that begins with nothing.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use e2e_tests::{Events, Network, Node, invalid, refused, until};
use ldk_server_client::Code;
use ldk_server_client::api::{
    Bolt11ReceiveVariableAmountViaJitChannelRequest, Bolt11ReceiveViaJitChannelRequest,
    Bolt11SendRequest, ListPaymentsRequest,
};
use ldk_server_client::events::ChannelState;
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{Bolt11Jit, ForwardedPayment, LspFeeLimits, PaymentStatus};

const CHANNEL_SATS: u64 = 5_000_000;
const LSP_SATS: u64 = 20_000_000;
const AMOUNT_MSAT: u64 = 50_000_000;
const MIN_PAYMENT_MSAT: u64 = 10_000_000;
/// A ten-thousandth. Ten times as much is more than the library can bear for an invoice without an
/// amount.
const FEE_PPM: u64 = 100;
const FEE_MSAT: u64 = AMOUNT_MSAT / 1_000_000 * FEE_PPM;
const PATIENCE: Duration = Duration::from_secs(30);
/// What a provider asks of its customers.
const TOKEN: &str = "sesame";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_nothing_is_paid() -> Result<()> {
    let network = Network::start_for(3).await?;
    let (payer, lsp) =
        tokio::try_join!(network.node("payer"), network.node_with("lsp", service(FEE_PPM)))?;
    network.fund(&[&payer, &lsp], LSP_SATS).await?;
    network.open_channel(&payer, &lsp, CHANNEL_SATS, 0).await?;
    let sections = format!("{}[history]\nkeep_expired_invoices_secs = 0\n", client_of(&lsp));
    let client = network.node_with("client", sections).await?;

    who_has_no_provider_is_told(&payer).await;
    unusable_fields_are_named(&client).await;
    fees_above_the_limit_are_refused(&client).await;
    amounts_the_provider_does_not_serve_are_refused(&client).await;
    an_invoice_expires_like_any_other(&client).await?;

    let fixed = fixed(AMOUNT_MSAT, Some(FEE_MSAT));
    let invoice = client.client().bolt11_receive_via_jit_channel(fixed).await?.invoice;
    let limits = LspFeeLimits {
        max_total_opening_fee_msat: Some(FEE_MSAT),
        max_proportional_opening_fee_ppm_msat: None,
    };
    is_paid_through_a_new_channel(&payer, &lsp, &client, &invoice, None, limits).await?;

    let variable = variable(Some(FEE_PPM));
    let answer = client.client().bolt11_receive_variable_amount_via_jit_channel(variable).await?;
    let limits = LspFeeLimits {
        max_total_opening_fee_msat: None,
        max_proportional_opening_fee_ppm_msat: Some(FEE_PPM),
    };
    let amount = Some(AMOUNT_MSAT);
    is_paid_through_a_new_channel(&payer, &lsp, &client, &answer.invoice, amount, limits).await?;

    assert_eq!(client.channels().await?.len(), 2);
    more_than_the_library_bears_fails(&payer, &client).await?;
    assert_eq!(client.balances().await?.total_onchain_balance_sats, 0);
    the_new_channels_carry_payments(&network, &payer, &lsp, &client).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_help_is_named() -> Result<()> {
    let network = Network::start_for(5).await?;
    let (dear, deaf) = tokio::try_join!(
        network.node_with("dear", service(10 * FEE_PPM + 1)),
        network.node("deaf")
    )?;
    let (client, hopeful, stranger) = tokio::try_join!(
        network.node_with("client", client_of(&dear)),
        network.node_with("hopeful", client_of(&deaf)),
        network.node_with("stranger", client_of(&dear).replace(TOKEN, "rye")),
    )?;
    let answer = stranger.client().bolt11_receive_via_jit_channel(fixed(AMOUNT_MSAT, None)).await;
    refused(answer, Code::Unavailable, &["not serve this node"]);
    a_share_the_library_cannot_bear_is_refused(&client).await?;
    // It is there, but it is no provider.
    let answer = hopeful.client().bolt11_receive_via_jit_channel(fixed(AMOUNT_MSAT, None)).await;
    refused(answer, Code::Unavailable, &["did not answer within 5 s"]);

    dear.stop().await?;
    for answer in [
        client.client().bolt11_receive_via_jit_channel(fixed(AMOUNT_MSAT, None)).await.map(drop),
        client
            .client()
            .bolt11_receive_variable_amount_via_jit_channel(variable(None))
            .await
            .map(drop),
    ] {
        refused(answer, Code::Unavailable, &["liquidity provider", dear.id()]);
    }
    network.stop().await
}

/// The configuration of a provider that takes this share of what is paid.
pub(crate) fn service(fee_ppm: u64) -> String {
    format!(
        "[liquidity.lsps2_service]\n\
         advertise_service = false\n\
         channel_opening_fee_ppm = {fee_ppm}\n\
         channel_over_provisioning_ppm = 1000000\n\
         min_channel_opening_fee_msat = 0\n\
         min_channel_lifetime = 100\n\
         max_client_to_self_delay = 1024\n\
         min_payment_size_msat = {MIN_PAYMENT_MSAT}\n\
         max_payment_size_msat = 1000000000\n\
         client_trusts_lsp = false\n\
         require_token = \"{TOKEN}\"\n"
    )
}

pub(crate) fn client_of(lsp: &Node) -> String {
    format!(
        "[liquidity.lsps2_client]\n\
         node_pubkey = \"{}\"\n\
         address = \"{}\"\n\
         token = \"{TOKEN}\"\n",
        lsp.id(),
        lsp.address()
    )
}

fn fixed(amount_msat: u64, limit_msat: Option<u64>) -> Bolt11ReceiveViaJitChannelRequest {
    Bolt11ReceiveViaJitChannelRequest {
        amount_msat,
        expiry_secs: 3_600,
        max_total_lsp_fee_limit_msat: limit_msat,
        ..Default::default()
    }
}

fn variable(limit_ppm: Option<u64>) -> Bolt11ReceiveVariableAmountViaJitChannelRequest {
    Bolt11ReceiveVariableAmountViaJitChannelRequest {
        expiry_secs: 3_600,
        max_proportional_lsp_fee_limit_ppm_msat: limit_ppm,
        ..Default::default()
    }
}

async fn an_invoice_expires_like_any_other(client: &Node) -> Result<()> {
    let request = Bolt11ReceiveViaJitChannelRequest { expiry_secs: 1, ..fixed(AMOUNT_MSAT, None) };
    client.client().bolt11_receive_via_jit_channel(request).await?;
    until("the invoice is put away", PATIENCE, async || {
        let list = client.client().list_payments(ListPaymentsRequest::default()).await?;
        let [invoice] = &list.payments[..] else { bail!("{list:?}") };
        ensure!(invoice.expired, "{invoice:?}");
        Ok(())
    })
    .await
}

async fn who_has_no_provider_is_told(node: &Node) {
    let named = ["liquidity.lsps2_client"];
    let answer = node.client().bolt11_receive_via_jit_channel(fixed(AMOUNT_MSAT, None)).await;
    refused(answer, Code::FailedPrecondition, &named);
    let answer = node.client().bolt11_receive_variable_amount_via_jit_channel(variable(None)).await;
    refused(answer, Code::FailedPrecondition, &named);
}

async fn unusable_fields_are_named(node: &Node) {
    let client = node.client();
    for amount_msat in [0, u64::MAX] {
        let answer = client.bolt11_receive_via_jit_channel(fixed(amount_msat, None)).await;
        invalid(answer, "amount_msat");
    }
}

async fn fees_above_the_limit_are_refused(node: &Node) {
    let client = node.client();
    for limit_msat in [0, FEE_MSAT - 1] {
        let answer =
            client.bolt11_receive_via_jit_channel(fixed(AMOUNT_MSAT, Some(limit_msat))).await;
        let named = format!("max_total_lsp_fee_limit_msat, {limit_msat}");
        refused(answer, Code::FailedPrecondition, &[&named]);
    }
    for limit_ppm in [0, FEE_PPM - 1] {
        let request = variable(Some(limit_ppm));
        let answer = client.bolt11_receive_variable_amount_via_jit_channel(request).await;
        let named = format!("max_proportional_lsp_fee_limit_ppm_msat, {limit_ppm}");
        refused(answer, Code::FailedPrecondition, &[&named]);
    }
}

async fn amounts_the_provider_does_not_serve_are_refused(node: &Node) {
    let answer =
        node.client().bolt11_receive_via_jit_channel(fixed(MIN_PAYMENT_MSAT - 1, None)).await;
    refused(answer, Code::FailedPrecondition, &["9999999 msat"]);
}

async fn a_share_the_library_cannot_bear_is_refused(node: &Node) -> Result<()> {
    let answer = node.client().bolt11_receive_variable_amount_via_jit_channel(variable(None)).await;
    refused(answer, Code::FailedPrecondition, &["1001 ppm", "Bolt11ReceiveViaJitChannel"]);
    let list = node.client().list_payments(ListPaymentsRequest::default()).await?;
    ensure!(list.payments.is_empty(), "what was refused is in the history: {list:?}");
    // With an amount there is no such limit.
    node.client().bolt11_receive_via_jit_channel(fixed(AMOUNT_MSAT, None)).await?;
    Ok(())
}

async fn is_paid_through_a_new_channel(
    payer: &Node,
    lsp: &Node,
    client: &Node,
    invoice: &str,
    amount_msat: Option<u64>,
    limits: LspFeeLimits,
) -> Result<()> {
    let channels = client.channels().await?.len();
    let (mut client_events, mut lsp_events) = (client.events().await?, lsp.events().await?);
    let invoice = invoice.to_owned();
    let request = Bolt11SendRequest { invoice, amount_msat, ..Default::default() };
    let payment_id = payer.client().bolt11_send(request).await?.payment_id;

    for (events, peer) in [(&mut client_events, lsp), (&mut lsp_events, client)] {
        for state in [ChannelState::Pending, ChannelState::Ready] {
            channel_is(events, peer, state).await?;
        }
    }
    let received = client_events.payment_received(&payment_id).await?;
    assert_eq!(received.status(), PaymentStatus::Succeeded);
    assert_eq!(received.amount_msat, Some(AMOUNT_MSAT - FEE_MSAT));
    let Some(Kind::Bolt11Jit(jit)) = received.kind.clone().and_then(|kind| kind.kind) else {
        bail!("not a just-in-time payment: {received:?}")
    };
    let Bolt11Jit { lsp_fee_limits, counterparty_skimmed_fee_msat, preimage, .. } = jit;
    assert_eq!(lsp_fee_limits, Some(limits));
    assert_eq!(counterparty_skimmed_fee_msat, Some(FEE_MSAT));
    let sent = payer.settled(&payment_id).await?;
    assert_eq!((sent.status(), sent.amount_msat), (PaymentStatus::Succeeded, Some(AMOUNT_MSAT)));
    ensure!(preimage.is_some_and(|preimage| preimage.len() == 64), "no preimage");

    let forwarded = forwarded(&mut lsp_events).await?;
    assert_eq!(forwarded.skimmed_fee_msat, Some(FEE_MSAT));
    assert_eq!(forwarded.outbound_amount_forwarded_msat, Some(AMOUNT_MSAT - FEE_MSAT));
    assert_eq!(forwarded.prev_node_id, payer.id());
    assert_eq!(forwarded.next_node_id, client.id());
    let now = client.channels().await?;
    ensure!(now.len() == channels + 1, "{now:?}");
    // The payment is done a moment before it is out of the channel's books.
    until("the client can spend what it got", PATIENCE, async || {
        let now = client.channels().await?;
        ensure!(now.iter().any(|channel| channel.outbound_capacity_msat > 0), "{now:?}");
        Ok(())
    })
    .await
}

/// The limit that the API's comment tells of: here it is 100,000 sat.
async fn more_than_the_library_bears_fails(payer: &Node, client: &Node) -> Result<()> {
    let request = variable(None);
    let answer = client.client().bolt11_receive_variable_amount_via_jit_channel(request).await?;
    let amount_msat = Some(1_000_000_000_000 / FEE_PPM / FEE_PPM);
    let request = Bolt11SendRequest { invoice: answer.invoice, amount_msat, ..Default::default() };
    let payment_id = payer.client().bolt11_send(request).await?.payment_id;
    for node in [payer, client] {
        let payment = node.settled(&payment_id).await?;
        assert_eq!(payment.status(), PaymentStatus::Failed, "{} has it", node.alias());
    }
    Ok(())
}

async fn channel_is(events: &mut Events, peer: &Node, state: ChannelState) -> Result<()> {
    let told = events.wait_for("ChannelStateChanged", |event| match event {
        Event::ChannelStateChanged(change) => Some(change),
        _ => None,
    });
    let change = told.await?;
    assert_eq!(change.state(), state);
    assert_eq!(change.counterparty_node_id.as_deref(), Some(peer.id()));
    Ok(())
}

async fn forwarded(events: &mut Events) -> Result<ForwardedPayment> {
    let told = events.wait_for("PaymentForwarded", |event| match event {
        Event::PaymentForwarded(event) => event.forwarded_payment,
        _ => None,
    });
    told.await
}

/// After the funding transactions are confirmed, and the client was restarted.
async fn the_new_channels_carry_payments(
    network: &Network,
    payer: &Node,
    lsp: &Node,
    client: &Node,
) -> Result<()> {
    network.mine(6).await?;
    client.stop().await?;
    client.start_again().await?;
    until("the client's channels can be used", PATIENCE, async || {
        let channels = client.channels().await?;
        ensure!(channels.iter().all(|channel| channel.is_usable), "{channels:?}");
        lsp.usable_channel(client).await
    })
    .await?;
    payer.pays(client, 1_000_000).await?;
    client.pays(lsp, 1_000_000).await?;
    Ok(())
}
