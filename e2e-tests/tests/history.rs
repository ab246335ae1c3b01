//! The history of payments, page by page.

use std::cmp::Reverse;
use std::collections::HashSet;

use anyhow::{Context as _, Result, bail};
use e2e_tests::{Network, Node};
use ldk_server_client::Code;
use ldk_server_client::api::{GetPaymentDetailsRequest, ListPaymentsRequest, ListPaymentsResponse};
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{PageToken, Payment, PaymentDirection, PaymentStatus};

/// Rows on a page.
const PAGE: usize = 100;
const FUNDS_SATS: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_listed_to_the_last_in_their_order() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    assert_eq!(all(&alice).await?, [], "it has no payments yet");
    full_pages_are_not_followed_by_an_empty_one(&alice).await?;
    invoices(&alice, 50).await?;
    the_order_is_that_of_creation(&alice).await?;
    new_payments_do_not_disturb_the_reader(&alice).await?;
    the_order_survives_a_restart(&alice).await?;
    a_token_is_a_place_in_time(&alice).await?;
    unusable_tokens_are_refused(&alice).await?;
    transactions_are_listed(&network, &alice).await?;
    network.stop().await
}

/// Makes so many invoices, each of which is a payment that is pending.
async fn invoices(node: &Node, number: usize) -> Result<()> {
    for _ in 0..number {
        node.invoice(1_000).await?;
    }
    Ok(())
}

async fn page(node: &Node, page_token: Option<PageToken>) -> Result<ListPaymentsResponse> {
    Ok(node
        .client()
        .list_payments(ListPaymentsRequest { page_token, ..Default::default() })
        .await?)
}

/// The pages from this place on.
async fn pages(node: &Node, mut from: Option<PageToken>) -> Result<Vec<Vec<Payment>>> {
    let mut pages = Vec::new();
    loop {
        let page = page(node, from).await?;
        pages.push(page.payments);
        from = page.next_page_token;
        if from.is_none() {
            return Ok(pages);
        }
    }
}

async fn all(node: &Node) -> Result<Vec<Payment>> {
    Ok(pages(node, None).await?.concat())
}

fn ids(payments: &[Payment]) -> Vec<&str> {
    payments.iter().map(|payment| payment.id.as_str()).collect()
}

async fn full_pages_are_not_followed_by_an_empty_one(node: &Node) -> Result<()> {
    for full_pages in 1..=2 {
        invoices(node, PAGE).await?;
        let sizes: Vec<usize> = pages(node, None).await?.iter().map(Vec::len).collect();
        assert_eq!(sizes, vec![PAGE; full_pages]);
    }
    Ok(())
}

async fn the_order_is_that_of_creation(node: &Node) -> Result<()> {
    let pages = pages(node, None).await?;
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [PAGE, PAGE, 50]);
    let all = pages.concat();
    let distinct: HashSet<&str> = ids(&all).into_iter().collect();
    assert_eq!(distinct.len(), 250);
    // None of them was changed after its creation, so that this is its time.
    let place = |payment: &Payment| (Reverse(payment.latest_update_timestamp), payment.id.clone());
    assert!(all.is_sorted_by_key(place), "{all:?}");
    assert!(place(&all[0]).0 < place(&all[249]).0, "they are all of one second");
    assert!(all.iter().all(|payment| payment.status() == PaymentStatus::Pending), "{all:?}");
    Ok(())
}

async fn new_payments_do_not_disturb_the_reader(node: &Node) -> Result<()> {
    let before = all(node).await?;
    let first = page(node, None).await?;
    invoices(node, 3).await?;
    let rest = pages(node, first.next_page_token).await?.concat();
    let old: HashSet<&str> = ids(&before).into_iter().collect();
    let mut read = ids(&first.payments);
    // New ones of the second at which the first page ended may be among them.
    read.extend(ids(&rest).into_iter().filter(|id| old.contains(id)));
    assert_eq!(read, ids(&before));

    let after = all(node).await?;
    assert_eq!(after.len(), before.len() + 3);
    let still: Vec<&str> = ids(&after).into_iter().filter(|id| old.contains(id)).collect();
    assert_eq!(still, ids(&before));
    Ok(())
}

async fn the_order_survives_a_restart(node: &Node) -> Result<()> {
    let before = all(node).await?;
    let token = page(node, None).await?.next_page_token;
    node.stop().await?;
    node.start_again().await?;
    assert_eq!(all(node).await?, before);
    assert_eq!(pages(node, token).await?.concat(), before[PAGE..]);
    Ok(())
}

/// Whatever became of the payment it was made for.
async fn a_token_is_a_place_in_time(node: &Node) -> Result<()> {
    let all = all(node).await?;
    let newest = all.first().context("no payments")?.latest_update_timestamp;
    let token = PageToken { token: "ff".repeat(32), index: i64::try_from(newest)? };
    let older: Vec<&str> = ids(&all)
        .into_iter()
        .zip(&all)
        .filter(|(_, row)| row.latest_update_timestamp < newest)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(ids(&pages(node, Some(token)).await?.concat()), older);
    let oldest = PageToken { token: "ff".repeat(32), index: 0 };
    assert_eq!(page(node, Some(oldest)).await?, ListPaymentsResponse::default());
    Ok(())
}

async fn unusable_tokens_are_refused(node: &Node) -> Result<()> {
    let good = page(node, None).await?.next_page_token.context("there is one page only")?;
    for (token, index) in [
        (String::new(), good.index),
        (good.token[1..].to_owned(), good.index),
        (good.token[2..].to_owned(), good.index),
        (format!("{}00", good.token), good.index),
        ("zz".repeat(32), good.index),
        ("00".repeat(500_000), good.index),
        (good.token.clone(), -1),
        (good.token.clone(), i64::MIN),
    ] {
        let page_token = Some(PageToken { token, index });
        let refused = node
            .client()
            .list_payments(ListPaymentsRequest { page_token, ..Default::default() })
            .await;
        let error = refused.err().context("the token was accepted")?;
        assert_eq!(error.code(), Some(Code::InvalidArgument), "{error}");
        assert!(error.to_string().starts_with("page_token: "), "{error}");
        assert!(error.to_string().len() < 300, "{error}");
    }
    Ok(())
}

async fn transactions_are_listed(network: &Network, node: &Node) -> Result<()> {
    network.fund(&[node], FUNDS_SATS).await?;
    let newest = all(node).await?.remove(0);
    assert_eq!(newest.direction(), PaymentDirection::Inbound);
    assert_eq!(newest.amount_msat, Some(FUNDS_SATS * 1_000));
    let kind = newest.kind.clone().and_then(|kind| kind.kind);
    let Some(Kind::Onchain(onchain)) = kind else { bail!("not on chain: {newest:?}") };
    network.bitcoind().transaction(&onchain.txid).await?;

    let request = GetPaymentDetailsRequest { payment_id: newest.id.clone() };
    let details = node.client().get_payment_details(request).await?;
    assert_eq!(details.payment, Some(newest));
    Ok(())
}
