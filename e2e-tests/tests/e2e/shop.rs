//! A shop that remembers the number of its next order and nothing else, and a customer who remembers what he
//! is paying. Their nodes are killed while they trade; in the end the books are right to the satoshi.
//!
//! `SHOP_ORDERS` and `SHOP_KILLS`, for each of the two nodes, make more of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, print_uncaptured, until};
use futures_util::future::try_join_all;
use ldk_server_client::api::{
    Bolt11ReceiveRequest, Bolt11SendRequest, ListInvoicesRequest, ListPaymentsRequest,
    WaitAnyInvoiceRequest, WaitInvoiceRequest,
};
use ldk_server_client::types::{
    Invoice, InvoiceState, Payment, PaymentDirection, PaymentOutcomeStatus, PaymentStatus,
};

const CHANNEL_SATS: u64 = 10_000_000;
/// So many customers are served at once.
const TILLS: usize = 4;
/// An order that was not paid by then has been lost.
const PATIENCE: Duration = Duration::from_secs(240);
const MAX_ATTEMPTS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_keeps_order_numbers_has_right_books() -> Result<()> {
    let (orders, kills) = (number("SHOP_ORDERS", 100), number("SHOP_KILLS", 3));
    let network = Network::start().await?;
    let [customer, shop] = network.funded_pair(CHANNEL_SATS).await?;
    let before = [lightning_sats(&customer).await?, lightning_sats(&shop).await?];
    let trade = Trade { customer, shop, orders, next: AtomicU64::new(1), sold: AtomicU64::new(0) };
    let tills = try_join_all((0..TILLS).map(|_| trade.sell_all()));
    tokio::try_join!(tills, trade.kill_both(kills))?;
    trade.is_in_the_books(before).await?;
    print_uncaptured(&format!("{orders} orders were sold over {kills} kills of each node"));
    drop(trade);
    network.stop().await
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

async fn lightning_sats(node: &Node) -> Result<u64> {
    Ok(node.balances().await?.total_lightning_balance_sats)
}

struct Trade {
    customer: Arc<Node>,
    shop: Arc<Node>,
    orders: u64,
    /// The next order.
    next: AtomicU64,
    /// How many the shop has been paid for.
    sold: AtomicU64,
}

impl Trade {
    async fn sell_all(&self) -> Result<()> {
        loop {
            let order = self.next.fetch_add(1, Ordering::SeqCst);
            if order > self.orders {
                return Ok(());
            }
            self.sell(order).await.with_context(|| label(order))?;
            self.sold.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn sell(&self, order: u64) -> Result<()> {
        // Whoever asks again is given the same invoice.
        let request = Bolt11ReceiveRequest {
            amount_msat: Some(price_sats(order) * 1_000),
            expiry_secs: 86_400,
            label: label(order),
            ..Default::default()
        };
        let invoice = until("there is an invoice", PATIENCE, async || {
            Ok(self.shop.client().bolt11_receive(request.clone()).await?.invoice)
        });
        self.pay(order, &invoice.await?).await?;
        let request = WaitInvoiceRequest {
            label: label(order),
            timeout_secs: Some(30),
            ..Default::default()
        };
        until("the shop knows that it is paid", PATIENCE, async || {
            let invoice = self.shop.client().wait_invoice(request.clone()).await?.invoice;
            let state = invoice.context("no invoice")?.state();
            ensure!(state == InvoiceState::Paid, "{state:?}");
            Ok(())
        })
        .await
    }

    /// Pays an invoice once. Each attempt has a key of its own, and is made only after the one before it is
    /// known to have failed.
    async fn pay(&self, order: u64, invoice: &str) -> Result<()> {
        for attempt in 0..MAX_ATTEMPTS {
            let request = Bolt11SendRequest {
                invoice: invoice.to_owned(),
                idempotency_key: format!("{}.{attempt}", label(order)),
                wait_timeout_secs: Some(30),
                ..Default::default()
            };
            let outcome = until("the outcome of a payment", PATIENCE, async || {
                let answer = self.customer.client().bolt11_send(request.clone()).await?;
                let status = answer.outcome.context("it is not told")?.status();
                let is_over = [PaymentOutcomeStatus::Succeeded, PaymentOutcomeStatus::Failed];
                ensure!(is_over.contains(&status), "{status:?}");
                Ok(status)
            });
            if outcome.await? == PaymentOutcomeStatus::Succeeded {
                return Ok(());
            }
        }
        anyhow::bail!("{MAX_ATTEMPTS} attempts to pay have failed")
    }

    /// Kills the nodes in turn, so that all of it is spread over the orders.
    async fn kill_both(&self, kills: u64) -> Result<()> {
        for kill in 0..2 * kills {
            let sold = self.orders * (kill + 1) / (2 * kills + 1);
            until("enough is sold", PATIENCE * 2, async || {
                ensure!(self.sold.load(Ordering::SeqCst) >= sold, "not yet");
                Ok(())
            })
            .await?;
            let node = if kill % 2 == 0 { &self.shop } else { &self.customer };
            node.kill().await?;
            node.start_again().await?;
            let connected = async || self.customer.connect_to(&self.shop).await;
            until("they are connected again", PATIENCE, connected).await?;
        }
        Ok(())
    }

    async fn is_in_the_books(&self, before: [u64; 2]) -> Result<()> {
        let (customer, shop) = (&self.customer, &self.shop);
        let prices_sats: u64 = (1..=self.orders).map(price_sats).sum();
        until("nothing is under way", PATIENCE, async || {
            Network::spendable_at_rest(customer, shop).await?;
            let now = [lightning_sats(customer).await?, lightning_sats(shop).await?];
            ensure!(
                now == [before[0] - prices_sats, before[1] + prices_sats],
                "{before:?} {now:?}"
            );
            Ok(())
        })
        .await?;

        let paid = paid_invoices(shop).await?;
        let labels: BTreeSet<_> = paid.iter().filter_map(|row| row.label.clone()).collect();
        assert_eq!(labels, (1..=self.orders).map(label).collect(), "each order is sold");
        let mut indices: Vec<_> = paid.iter().filter_map(|row| row.pay_index).collect();
        indices.sort_unstable();
        assert_eq!(indices, (1..=self.orders).collect::<Vec<_>>(), "once");
        let received_msat: u64 = paid.iter().filter_map(|row| row.amount_received_msat).sum();
        assert_eq!(received_msat, prices_sats * 1_000);
        assert_eq!(self.in_order_of_payment().await?, labels);

        for (node, direction) in
            [(customer, PaymentDirection::Outbound), (shop, PaymentDirection::Inbound)]
        {
            let payments = succeeded(node, direction).await?;
            assert_eq!(payments.len() as u64, self.orders, "{direction:?}");
            let msat: u64 = payments.iter().filter_map(|payment| payment.amount_msat).sum();
            assert_eq!(msat, prices_sats * 1_000, "{direction:?}");
        }
        Ok(())
    }

    /// The orders, as one learns of them who asks for one payment after the other.
    async fn in_order_of_payment(&self) -> Result<BTreeSet<String>> {
        let mut labels = BTreeSet::new();
        for last_pay_index in 0..self.orders {
            let request = WaitAnyInvoiceRequest { last_pay_index, timeout_secs: Some(0) };
            let next = self.shop.client().wait_any_invoice(request).await?.invoice;
            let next = next.with_context(|| format!("nothing comes after {last_pay_index}"))?;
            ensure!(next.pay_index == Some(last_pay_index + 1), "{next:?}");
            labels.extend(next.label);
        }
        Ok(labels)
    }
}

fn label(order: u64) -> String {
    format!("order-{order}")
}

/// No two sums of orders are easily the same.
fn price_sats(order: u64) -> u64 {
    1_000 + order
}

async fn paid_invoices(node: &Node) -> Result<Vec<Invoice>> {
    let mut request = ListInvoicesRequest {
        states: vec![InvoiceState::Paid.into()],
        page_size: Some(64),
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let page = node.client().list_invoices(request.clone()).await?;
        all.extend(page.invoices);
        match page.next_page_token {
            Some(token) => request.page_token = Some(token),
            None => return Ok(all),
        }
    }
}

async fn succeeded(node: &Node, direction: PaymentDirection) -> Result<Vec<Payment>> {
    let mut request = ListPaymentsRequest {
        status: Some(PaymentStatus::Succeeded.into()),
        direction: Some(direction.into()),
        method: ldk_server_client::types::PaymentMethod::Bolt11.into(),
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let page = node.client().list_payments(request.clone()).await?;
        all.extend(page.payments);
        match page.next_page_token {
            Some(token) => request.page_token = Some(token),
            None => return Ok(all),
        }
    }
}
