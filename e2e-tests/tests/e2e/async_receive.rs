//! Being paid while offline: a payer, a node that keeps static invoices, and a recipient that is away when
//! the payment begins.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, invalid, refused, until};
use ldk_server_client::Code;
use ldk_server_client::api::{
    Bolt12ReceiveAsyncRequest, Bolt12ReceiveAsyncResponse, Bolt12SendRequest,
    CreateAsyncRecipientPathsRequest, ListPaymentsRequest, SetStaticInvoiceServerRequest,
};
use ldk_server_client::types::{Payment, PaymentDirection, PaymentStatus};

const FUNDS_SATS: u64 = 3_000_000;
const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 5_000_000;
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_waits_for_a_recipient_who_is_offline() -> Result<()> {
    let network = Network::start_for(4).await?;
    let (public, payer, server, recipient) = tokio::try_join!(
        network.node("public"),
        network.node("payer"),
        with_role(&network, "server", "server"),
        network.node("recipient"),
    )?;
    what_is_missing_is_told(&server, &recipient).await;
    network.fund(&[&payer, &server, &recipient], FUNDS_SATS).await?;
    // A server has to be of the public network.
    network.open_announced_channel(&server, &public, CHANNEL_SATS, 0).await?;
    network.open_channel(&payer, &server, CHANNEL_SATS, 0).await?;
    network.open_channel(&server, &recipient, CHANNEL_SATS, CHANNEL_SATS / 10).await?;

    let offer = agree(&server, &recipient).await?.offer;
    recipient.stop().await?;
    let payment_id = begin(&payer, &offer).await?;
    let waiting = payer.payment(&payment_id).await?;
    ensure!(waiting.status() == PaymentStatus::Pending, "{waiting:?}");
    recipient.start_again().await?;
    // The channel is the server's, which would come back to it in a minute.
    recipient.connect_to(&server).await?;
    let paid = payer.settled(&payment_id).await?;
    ensure!(paid.status() == PaymentStatus::Succeeded, "{paid:?}");
    arrived(&recipient).await?;
    // What was agreed on is known after the restart.
    recipient.client().bolt12_receive_async(Bolt12ReceiveAsyncRequest {}).await?;
    network.stop().await
}

async fn with_role(network: &Network, alias: &str, role: &str) -> Result<std::sync::Arc<Node>> {
    let mut config = network.config(alias)?;
    config.args = vec![format!("--node-async-payments-role={role}")];
    network.node_of(config).await
}

async fn what_is_missing_is_told(server: &Node, recipient: &Node) {
    let paths = |recipient_id: &str| CreateAsyncRecipientPathsRequest {
        recipient_id: recipient_id.to_owned(),
    };
    let answer = recipient.client().create_async_recipient_paths(paths("carol")).await;
    refused(answer, Code::FailedPrecondition, &["node.async_payments_role is not server"]);
    let answer = server.client().create_async_recipient_paths(paths("carol")).await;
    refused(answer, Code::FailedPrecondition, &["needs a public channel"]);
    for id in [String::new(), "c".repeat(65)] {
        let answer = server.client().create_async_recipient_paths(paths(&id)).await;
        invalid(answer, "recipient_id");
    }
    let answer = recipient.client().bolt12_receive_async(Bolt12ReceiveAsyncRequest {}).await;
    refused(answer, Code::FailedPrecondition, &["SetStaticInvoiceServer"]);
    for paths in ["", "zz", "0000", "0001ff"] {
        let request = SetStaticInvoiceServerRequest { paths: paths.to_owned() };
        invalid(recipient.client().set_static_invoice_server(request).await, "paths");
    }
}

/// Has the recipient find its server, and waits until they have agreed on an offer.
async fn agree(server: &Node, recipient: &Node) -> Result<Bolt12ReceiveAsyncResponse> {
    let made = server.cli(&["create-async-recipient-paths", "carol"]).await?;
    let paths = made["paths"].as_str().context("no paths")?.to_owned();
    let request = SetStaticInvoiceServerRequest { paths };
    recipient.client().set_static_invoice_server(request).await?;
    until("there is an offer", PATIENCE, async || {
        Ok(recipient.client().bolt12_receive_async(Bolt12ReceiveAsyncRequest {}).await?)
    })
    .await
}

async fn begin(payer: &Node, offer: &str) -> Result<String> {
    let request = Bolt12SendRequest {
        offer: offer.to_owned(),
        amount_msat: Some(AMOUNT_MSAT),
        ..Default::default()
    };
    Ok(payer.client().bolt12_send(request).await?.payment_id)
}

async fn arrived(recipient: &Node) -> Result<Payment> {
    until("the payment has arrived", PATIENCE, async || {
        let listed = recipient.client().list_payments(ListPaymentsRequest::default()).await?;
        let mut payments = listed.payments.into_iter();
        let inbound = payments.find(|payment| {
            payment.direction() == PaymentDirection::Inbound
                && payment.amount_msat == Some(AMOUNT_MSAT)
        });
        let payment = inbound.context("no payment")?;
        ensure!(payment.status() == PaymentStatus::Succeeded, "{payment:?}");
        Ok(payment)
    })
    .await
}
