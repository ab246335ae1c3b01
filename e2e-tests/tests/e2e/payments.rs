//! Payments over a channel, by the Rust client.

use anyhow::{Result, bail};
use e2e_tests::{Network, Node};
use ldk_server_client::Error;
use ldk_server_client::api::{Bolt11SendRequest, GetPaymentDetailsRequest};
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{Payment, PaymentDirection, PaymentStatus};

const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 25_000_000;

#[tokio::test]
async fn two_nodes_pay_each_other() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    both_sides_tell_of_a_payment(&alice, &bob).await?;
    both_sides_tell_of_a_payment(&bob, &alice).await?;
    money_moves_by_the_amount_and_no_more(&alice, &bob).await?;
    an_invoice_is_paid_once(&alice, &bob).await?;
    what_cannot_be_paid_fails(&alice, &bob).await?;
    an_unknown_payment_is_absent(&alice).await?;
    network.stop().await
}

async fn both_sides_tell_of_a_payment(payer: &Node, payee: &Node) -> Result<()> {
    let (mut payer_events, mut payee_events) = (payer.events().await?, payee.events().await?);
    let payment_id = payer.pays(payee, AMOUNT_MSAT).await?;

    let sent = payer_events.payment_successful(&payment_id).await?;
    assert_eq!(sent.direction(), PaymentDirection::Outbound);
    assert_eq!(sent.fee_paid_msat, Some(0), "there is no one between them to pay a fee to");
    let received = payee_events.payment_received(&payment_id).await?;
    assert_eq!(received.direction(), PaymentDirection::Inbound);

    for (node, told) in [(payer, &sent), (payee, &received)] {
        assert_eq!(told.status(), PaymentStatus::Succeeded);
        assert_eq!(told.amount_msat, Some(AMOUNT_MSAT));
        assert_eq!(&node.payment(&payment_id).await?, told);
    }
    let (hash, proof) = hash_and_preimage(&sent)?;
    assert_eq!(hash, payment_id, "the id of a BOLT 11 payment is its hash");
    assert_eq!(proof.map(|preimage| preimage.len()), Some(64), "a paid invoice has a proof");
    assert_eq!(hash_and_preimage(&received)?, hash_and_preimage(&sent)?);
    Ok(())
}

fn hash_and_preimage(payment: &Payment) -> Result<(String, Option<String>)> {
    match payment.kind.clone().and_then(|kind| kind.kind) {
        Some(Kind::Bolt11(bolt11)) => Ok((bolt11.hash, bolt11.preimage)),
        other => bail!("not a BOLT 11 payment: {other:?}"),
    }
}

async fn money_moves_by_the_amount_and_no_more(payer: &Node, payee: &Node) -> Result<()> {
    let before = Network::at_rest(payer, payee).await?;
    payer.pays(payee, AMOUNT_MSAT).await?;
    let after = Network::at_rest(payer, payee).await?;
    assert_eq!(after, [before[0] - AMOUNT_MSAT, before[1] + AMOUNT_MSAT]);
    Ok(())
}

async fn an_invoice_is_paid_once(payer: &Node, payee: &Node) -> Result<()> {
    let invoice = payee.invoice(AMOUNT_MSAT).await?;
    let payment_id = payer.send(&invoice).await?;
    payer.settled(&payment_id).await?;
    let spendable = Network::at_rest(payer, payee).await?;

    let again = Bolt11SendRequest { invoice, ..Default::default() };
    let refused = payer.client().bolt11_send(again).await;
    assert!(matches!(refused, Err(Error::Lightning(_))), "{refused:?}");
    assert_eq!(Network::at_rest(payer, payee).await?, spendable);
    assert_eq!(payer.payment(&payment_id).await?.status(), PaymentStatus::Succeeded);
    Ok(())
}

async fn what_cannot_be_paid_fails(payer: &Node, payee: &Node) -> Result<()> {
    let invoice = payee.invoice(2 * CHANNEL_SATS * 1_000).await?;
    let request = Bolt11SendRequest { invoice, ..Default::default() };
    let refused = payer.client().bolt11_send(request).await;
    assert!(matches!(refused, Err(Error::Lightning(_))), "{refused:?}");
    Ok(())
}

async fn an_unknown_payment_is_absent(node: &Node) -> Result<()> {
    let request = GetPaymentDetailsRequest { payment_id: "ab".repeat(32) };
    assert_eq!(node.client().get_payment_details(request).await?.payment, None);
    Ok(())
}
