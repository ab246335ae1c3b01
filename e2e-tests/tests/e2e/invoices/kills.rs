//! The numbers of payments over kills.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, until};
use ldk_server_client::api::{GetPaymentDetailsRequest, WaitAnyInvoiceRequest};
use ldk_server_client::types::PaymentStatus;

use crate::invoices::{labelled, make};

const KILLS: usize = 3;
const PAYMENTS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(120);

/// The payee is killed amid payments, again and again. Then every payment that has arrived has one
/// number, and they are all from 1 to the last.
pub(super) async fn indices_have_no_gap(payer: &Node, payee: &Node) -> Result<()> {
    let mut hashes = Vec::new();
    for round in 0..KILLS {
        hashes.extend(pay_and_kill(payer, payee, round).await?);
    }
    let arrived = until("every payment is over", PATIENCE, async || {
        payer.connect_to(payee).await?;
        Network::spendable_at_rest(payer, payee).await?;
        arrived(payer, payee, &hashes).await
    })
    .await?;
    let mut numbered = BTreeSet::new();
    for expected in 1..=arrived.len() as u64 {
        let next = after(payee, expected - 1).await?.context("there are fewer")?;
        assert_eq!(next.0, expected);
        ensure!(numbered.insert(next.1), "a payment has two numbers");
    }
    assert_eq!(numbered, arrived);
    assert_eq!(after(payee, arrived.len() as u64).await?, None);
    Ok(())
}

async fn pay_and_kill(payer: &Node, payee: &Node, round: usize) -> Result<Vec<String>> {
    payer.connect_to(payee).await?;
    let (mut hashes, mut invoices) = (Vec::new(), Vec::new());
    for number in 0..PAYMENTS {
        let made = make(payee, &labelled(&format!("{round}.{number}"))).await?;
        hashes.push(made.payment_hash);
        invoices.push(made.invoice);
    }
    let mut events = payee.events().await?;
    let sending = async {
        for invoice in &invoices {
            // Whoever is not reached is not paid.
            let _ = payer.send(invoice).await;
        }
    };
    let killing = async {
        for _ in 0..=round {
            events.next().await?;
        }
        payee.kill().await
    };
    let ((), killed) = tokio::join!(sending, killing);
    killed?;
    payee.start_again().await?;
    Ok(hashes)
}

/// The payments that have arrived; fails while one is pending.
async fn arrived(payer: &Node, payee: &Node, hashes: &[String]) -> Result<BTreeSet<String>> {
    let mut arrived = BTreeSet::new();
    for hash in hashes {
        let status = async |node: &Node| -> Result<Option<PaymentStatus>> {
            let request = GetPaymentDetailsRequest { payment_id: hash.clone() };
            let payment = node.client().get_payment_details(request).await?.payment;
            Ok(payment.map(|payment| payment.status()))
        };
        let (sent, received) = (status(payer).await?, status(payee).await?);
        ensure!(sent != Some(PaymentStatus::Pending), "{hash} is pending");
        let is_paid = received == Some(PaymentStatus::Succeeded);
        ensure!(is_paid == (sent == Some(PaymentStatus::Succeeded)), "{hash}: {sent:?}");
        if is_paid {
            arrived.insert(hash.clone());
        }
    }
    Ok(arrived)
}

/// The number of the next payment, and its id.
async fn after(payee: &Node, last_pay_index: u64) -> Result<Option<(u64, String)>> {
    let request = WaitAnyInvoiceRequest { last_pay_index, timeout_secs: Some(0) };
    let invoice = payee.client().wait_any_invoice(request).await?.invoice;
    Ok(invoice.and_then(|invoice| invoice.pay_index.zip(invoice.payment_id)))
}
