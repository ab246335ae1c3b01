//! Waiting for invoices.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Node, until};
use ldk_server_client::api::{
    Bolt11ReceiveRequest, WaitAnyInvoiceRequest, WaitAnyInvoiceResponse, WaitInvoiceRequest,
};
use ldk_server_client::types::InvoiceState;
use ldk_server_client::{Client, Code, Error};
use tokio::task::JoinSet;

use crate::invoices::{get, labelled, make, wait};

/// A connection has 256 streams.
const ON_A_CONNECTION: usize = 200;
const CONNECTIONS: usize = WAITERS / ON_A_CONNECTION;
pub(super) const WAITERS: usize = 1_000;
/// They share two cores with everything else, in a debug build.
const SOON: Duration = Duration::from_secs(20);

async fn wait_any(
    client: &Client,
    last_pay_index: u64,
    timeout_secs: u32,
) -> Result<WaitAnyInvoiceResponse> {
    let request = WaitAnyInvoiceRequest { last_pay_index, timeout_secs: Some(timeout_secs) };
    Ok(client.wait_any_invoice(request).await?)
}

pub(super) async fn a_time_that_is_over_is_no_failure(payee: &Node) -> Result<()> {
    make(payee, &labelled("unpaid")).await?;
    for timeout_secs in [0, 1] {
        let request = WaitInvoiceRequest {
            label: "unpaid".to_owned(),
            timeout_secs: Some(timeout_secs),
            ..Default::default()
        };
        let waited = payee.client().wait_invoice(request).await?;
        assert!(waited.timed_out);
        assert_eq!(waited.invoice.context("no invoice")?.state(), InvoiceState::Open);
        let any = wait_any(payee.client(), 0, timeout_secs).await?;
        assert_eq!((any.invoice, any.timed_out, any.last_pay_index), (None, true, 0));
    }
    Ok(())
}

pub(super) async fn for_one_or_for_any(payer: &Node, payee: &Node) -> Result<()> {
    let first = make(payee, &labelled("first")).await?;
    let second = make(payee, &labelled("second")).await?;
    let paying = async {
        payer.send(&second.invoice).await?;
        payer.send(&first.invoice).await
    };
    let (one, any, beyond, paid) = tokio::join!(
        wait(payee, "first"),
        wait_any(payee.client(), 0, 30),
        wait_any(payee.client(), 1_000_000, 30),
        paying
    );
    paid?;
    let (one, any, beyond) = (one?, any?, beyond?);
    assert!(!one.timed_out && !any.timed_out && !beyond.timed_out);
    assert_eq!(one.invoice, Some(get(payee, "first").await?));
    let any = any.invoice.context("no payment")?;
    assert_eq!(any.pay_index, Some(1));
    // One beyond the last has waited for the next.
    assert_eq!(beyond.invoice, Some(any));
    let next = wait_any(payee.client(), 1, 30).await?;
    assert_eq!(next.invoice.context("no payment")?.pay_index, Some(2));
    assert_eq!(next.last_pay_index, 2);
    // What was paid before is told at once.
    let again = wait(payee, "second").await?;
    assert_eq!(again.invoice, Some(get(payee, "second").await?));
    Ok(())
}

pub(super) async fn an_invoice_that_expires_ends_the_wait(payee: &Node) -> Result<()> {
    let request = Bolt11ReceiveRequest { expiry_secs: 2, ..labelled("expires") };
    make(payee, &request).await?;
    let begun = Instant::now();
    let waited = wait(payee, "expires").await?;
    assert_eq!(waited.invoice.context("no invoice")?.state(), InvoiceState::Expired);
    assert!(!waited.timed_out && begun.elapsed() < Duration::from_secs(20));
    Ok(())
}

/// Half of them wait for the invoice, half for any, over several connections.
pub(super) async fn a_thousand_are_told_of_one_payment(payer: &Node, payee: &Node) -> Result<()> {
    let made = make(payee, &labelled("popular")).await?;
    let last = wait_any(payee.client(), u64::MAX, 0).await?.last_pay_index;
    let mut waiting = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = Client::from_config_file(payee.config_file())?;
        for number in 0..ON_A_CONNECTION {
            waiting.spawn(waiter(client.clone(), number % 2 == 0, last));
        }
    }
    // One more is refused.
    until("all wait", Duration::from_secs(60), async || {
        let request = WaitAnyInvoiceRequest { last_pay_index: 0, timeout_secs: Some(0) };
        let refused = payee.client().wait_any_invoice(request).await.err();
        let code = refused.as_ref().and_then(Error::code);
        ensure!(code == Some(Code::ResourceExhausted), "{refused:?}");
        Ok(())
    })
    .await?;
    let payment_id = payer.send(&made.invoice).await?;
    payer.settled(&payment_id).await?;
    let paid = Instant::now();
    while let Some(told) = waiting.join_next().await {
        assert_eq!(told??, Some(last + 1));
    }
    let took = paid.elapsed();
    ensure!(took < SOON, "the last was told after {took:?}");
    Ok(())
}

async fn waiter(client: Client, one: bool, last_pay_index: u64) -> Result<Option<u64>> {
    let timeout_secs = Some(110);
    let invoice = if one {
        let label = "popular".to_owned();
        let request = WaitInvoiceRequest { label, timeout_secs, ..Default::default() };
        client.wait_invoice(request).await?.invoice
    } else {
        let request = WaitAnyInvoiceRequest { last_pay_index, timeout_secs };
        client.wait_any_invoice(request).await?.invoice
    };
    Ok(invoice.and_then(|invoice| invoice.pay_index))
}
