//! Channels that a provider is paid to open (LSPS1).

mod provider;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, invalid, refused, until};
use ldk_server_client::api::{GetInboundChannelOrderRequest, RequestInboundChannelRequest};
use ldk_server_client::types::{
    InboundChannelOrder, InboundChannelOrderState as State, InboundChannelPaymentState,
};
use ldk_server_client::{Code, Error};
use serde_json::json;

use provider::{EXPIRES_AT, EXPIRES_AT_SECS, FEE_SATS, MAX_LSP_SATS, MIN_LSP_SATS, Mood, Provider};

const TOKEN: &str = "open-sesame";
const CHANNEL_SATS: u64 = 1_000_000;
const FUNDING: &str = "4d57d0e6de9c25a519f3190794eaeb68b16c334a738de700c3a67176e5295fb1:0";
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_ordered_and_its_order_looked_up() -> Result<()> {
    let network = Network::start().await?;
    let bob = network.node("bob").await?;
    who_has_no_provider_is_told(&bob).await;
    let invoice = bob.invoice(FEE_SATS * 1_000).await?;
    let provider = Provider::start(invoice.clone(), bob.new_address().await?).await?;
    let alice = network.node_with("alice", provider.section(TOKEN)).await?;

    let order = request(&alice, order()).await?;
    says_what_was_ordered(&provider, &order, &invoice)?;
    ensure!(look_up(&alice, &order.order_id).await? == order);
    what_becomes_of_it_is_told(&provider, &alice, &order).await?;
    with_two_sides(&alice).await?;
    unusable_orders_name_the_field(&alice).await;
    by_the_command_line(&alice, &order).await?;
    the_providers_errors_are_told(&provider, &alice).await?;
    who_does_not_answer_is_unavailable(provider, &alice).await?;
    ensure!(!alice.log().text().contains(TOKEN), "the token is in the log");
    network.stop().await
}

fn order() -> RequestInboundChannelRequest {
    RequestInboundChannelRequest {
        lsp_balance_sats: CHANNEL_SATS,
        client_balance_sats: 0,
        channel_expiry_blocks: 4_320,
        announce_channel: false,
    }
}

async fn request(
    node: &Node,
    request: RequestInboundChannelRequest,
) -> Result<InboundChannelOrder, Error> {
    let answer = node.client().request_inbound_channel(request).await?;
    Ok(answer.order.unwrap_or_default())
}

async fn look_up(node: &Node, order_id: &str) -> Result<InboundChannelOrder, Error> {
    let request = GetInboundChannelOrderRequest { order_id: order_id.to_owned() };
    let answer = node.client().get_inbound_channel_order(request).await?;
    Ok(answer.order.unwrap_or_default())
}

async fn who_has_no_provider_is_told(node: &Node) {
    let words = ["liquidity.lsps1_client.node_pubkey"];
    refused(request(node, order()).await, Code::FailedPrecondition, &words);
    refused(look_up(node, "order-1").await, Code::FailedPrecondition, &words);
}

fn says_what_was_ordered(
    provider: &Provider,
    order: &InboundChannelOrder,
    invoice: &str,
) -> Result<()> {
    let sent = provider.order(&order.order_id)?;
    ensure!(sent["token"] == TOKEN && sent["channel_expiry_blocks"] == 4_320, "{sent}");
    ensure!(order.state() == State::AwaitingPayment && order.channel.is_none(), "{order:?}");
    ensure!(order.lsp_balance_sats == CHANNEL_SATS && order.client_balance_sats == 0, "{order:?}");
    ensure!(order.channel_expiry_blocks == 4_320 && !order.announce_channel, "{order:?}");
    let terms = (order.required_channel_confirmations, order.funding_confirms_within_blocks);
    ensure!(terms == (2, 6), "{order:?}");
    let bolt11 = order.bolt11.as_ref().context("no invoice")?;
    ensure!(bolt11.destination == invoice && bolt11.min_confirmations.is_none(), "{bolt11:?}");
    let onchain = order.onchain.as_ref().context("no address")?;
    ensure!(onchain.min_confirmations == Some(3), "{onchain:?}");
    ensure!(onchain.min_fee_for_0conf_sat_per_kwu == Some(253), "{onchain:?}");
    ensure!(onchain.refund_address.is_some(), "{onchain:?}");
    for payment in [bolt11, onchain] {
        ensure!(payment.state() == InboundChannelPaymentState::Expected, "{payment:?}");
        ensure!(payment.fee_total_sats == FEE_SATS, "{payment:?}");
        ensure!(payment.order_total_sats == FEE_SATS, "{payment:?}");
        ensure!(payment.expires_at == EXPIRES_AT_SECS, "{payment:?}");
    }
    ensure!(order.bolt12.is_none());
    Ok(())
}

async fn what_becomes_of_it_is_told(
    provider: &Provider,
    alice: &Node,
    order: &InboundChannelOrder,
) -> Result<()> {
    let id = &order.order_id;
    for (state, expected) in [("PAID", State::Paid), ("REFUNDED", State::Refunded)] {
        provider.change(id, |order| order["payment"]["bolt11"]["state"] = state.into())?;
        let found = look_up(alice, id).await?;
        ensure!(found.state() == expected, "{found:?}");
    }
    provider.change(id, |order| {
        order["channel"] = json!({
            "funded_at": EXPIRES_AT, "funding_outpoint": FUNDING, "expires_at": EXPIRES_AT,
        });
    })?;
    let found = look_up(alice, id).await?;
    ensure!(found.state() == State::ChannelOpened, "{found:?}");
    let channel = found.channel.context("no channel")?;
    ensure!(channel.funding_txo == FUNDING && channel.funded_at == EXPIRES_AT_SECS, "{channel:?}");
    Ok(())
}

async fn with_two_sides(alice: &Node) -> Result<()> {
    let both = RequestInboundChannelRequest {
        client_balance_sats: 20_000,
        announce_channel: true,
        ..order()
    };
    let order = request(alice, both).await?;
    ensure!(order.client_balance_sats == 20_000 && order.announce_channel, "{order:?}");
    let total = order.bolt11.map(|payment| payment.order_total_sats);
    ensure!(total == Some(FEE_SATS + 20_000), "{total:?}");
    Ok(())
}

async fn unusable_orders_name_the_field(alice: &Node) {
    for (lsp_balance_sats, client_balance_sats, field) in [
        (0, 0, "lsp_balance_sats"),
        (MIN_LSP_SATS - 1, 1, "lsp_balance_sats"),
        (MAX_LSP_SATS, 10_001, "lsp_balance_sats"),
        (u64::MAX, u64::MAX, "lsp_balance_sats"),
        (CHANNEL_SATS, 50_001, "client_balance_sats"),
        (CHANNEL_SATS, u64::MAX, "client_balance_sats"),
    ] {
        let unusable =
            RequestInboundChannelRequest { lsp_balance_sats, client_balance_sats, ..order() };
        invalid(request(alice, unusable).await, field);
    }
    let endless = RequestInboundChannelRequest { channel_expiry_blocks: 0, ..order() };
    invalid(request(alice, endless).await, "channel_expiry_blocks");
    invalid(look_up(alice, "").await, "order_id");
    invalid(look_up(alice, &"o".repeat(257)).await, "order_id");
}

async fn by_the_command_line(alice: &Node, order: &InboundChannelOrder) -> Result<()> {
    let ordered =
        alice.cli(&["request-inbound-channel", "200000sat", "--expiry-blocks", "144"]).await?;
    ensure!(ordered["order"]["lsp_balance_sats"] == 200_000, "{ordered}");
    let found = alice.cli(&["get-inbound-channel-order", &order.order_id]).await?;
    ensure!(found["order"]["channel"]["funding_txo"] == FUNDING, "{found}");
    Ok(())
}

async fn the_providers_errors_are_told(provider: &Provider, alice: &Node) -> Result<()> {
    refused(look_up(alice, "order-999").await, Code::NotFound, &["order_id", "not found", "101"]);
    provider.behaves(Mood::Unwilling);
    let answer = request(alice, order()).await;
    refused(answer, Code::FailedPrecondition, &["channels\\\" today", "code 100"]);
    provider.behaves(Mood::Cheating);
    refused(request(alice, order()).await, Code::FailedPrecondition, &["another order"]);
    provider.behaves(Mood::Willing);
    request(alice, order()).await?;
    Ok(())
}

async fn who_does_not_answer_is_unavailable(provider: Provider, alice: &Node) -> Result<()> {
    provider.behaves(Mood::Silent);
    let words = ["did not answer within 5 s"];
    refused(request(alice, order()).await, Code::Unavailable, &words);
    refused(look_up(alice, "order-1").await, Code::Unavailable, &words);
    drop(provider);
    alice.stop().await?;
    alice.start_again().await?;
    until("the provider cannot be reached", PATIENCE, async || {
        let answer = look_up(alice, "order-1").await;
        let code = answer.as_ref().err().and_then(Error::code);
        ensure!(code == Some(Code::Unavailable), "{answer:?}");
        Ok(())
    })
    .await
}
