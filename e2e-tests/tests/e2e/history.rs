//! The history of payments, page by page.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Network, Node, invalid, until};
use ldk_server_client::Code;
use ldk_server_client::api::{
    Bolt11ClaimForHashRequest, Bolt11FailForHashRequest, Bolt11ReceiveForHashRequest,
    Bolt11ReceiveRequest, GetPaymentDetailsRequest, ListPaymentsRequest, ListPaymentsResponse,
};
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{
    PageToken, Payment, PaymentDirection, PaymentMethod, PaymentStatus,
};
use sha2::{Digest as _, Sha256};

/// Rows on a page, unless another number is asked for.
const PAGE: usize = 100;
const MAX_PAGE: u32 = 1_000;
const PATIENCE: Duration = Duration::from_secs(30);
const PUT_AWAY_AT_ONCE: &str = "[history]\nkeep_expired_invoices_secs = 0\n";
const FUNDS_SATS: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_listed_to_the_last_in_their_order() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    assert_eq!(all(&alice).await?, [], "it has no payments yet");
    full_pages_are_not_followed_by_an_empty_one(&alice).await?;
    another_second(&alice).await?;
    invoices(&alice, 50).await?;
    the_order_is_that_of_creation(&alice).await?;
    new_payments_do_not_disturb_the_reader(&alice).await?;
    the_order_survives_a_restart(&alice).await?;
    unusable_tokens_are_refused(&alice).await?;
    transactions_are_listed(&network, &alice).await?;
    pages_are_as_large_as_asked_for(&alice).await?;
    lists_are_filtered(&alice).await?;
    unusable_filters_are_refused(&alice).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn invoices_that_expired_are_put_away_and_stay_in_the_history() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", PUT_AWAY_AT_ONCE).await?;
    let hash = "5e".repeat(32);
    let (short, of_hash, long) = (
        expiring(&alice, 1).await?,
        held_for(&alice, &hash).await?,
        expiring(&alice, 3_600).await?,
    );
    let [short, of_hash] = [put_away(&alice, &short).await?, put_away(&alice, &of_hash).await?];
    let long = alice.payment(&long).await?;
    assert_eq!((long.status(), long.expired), (PaymentStatus::Pending, false));

    let failed = filtered(&alice, |request| request.set_status(PaymentStatus::Failed)).await?;
    let mut expected = vec![short, of_hash];
    expected.sort_by_key(|payment| (Reverse(payment.created_at), payment.id.clone()));
    assert_eq!(failed, expected);
    let pending = filtered(&alice, |request| request.set_status(PaymentStatus::Pending)).await?;
    assert_eq!(pending, [long]);
    a_hash_is_not_used_again(&alice, &hash).await?;

    let before = all(&alice).await?;
    alice.stop().await?;
    alice.start_again().await?;
    assert_eq!(all(&alice).await?, before);
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_held_is_not_put_away() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) =
        tokio::try_join!(network.node("alice"), network.node_with("bob", PUT_AWAY_AT_ONCE))?;
    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    network.open_channel(&alice, &bob, FUNDS_SATS / 2, 0).await?;
    let preimage = [0x5e; 32];
    let request = Bolt11ReceiveForHashRequest {
        amount_msat: Some(1_000_000),
        // Long enough to be paid in.
        expiry_secs: 5,
        payment_hash: hex::encode(Sha256::digest(preimage)),
        ..Default::default()
    };
    let mut events = bob.events().await?;
    let invoice = bob.client().bolt11_receive_for_hash(request).await?.invoice;
    let payment_id = alice.send(&invoice).await?;
    events.payment_claimable(&payment_id).await?;
    // It expires together with the last of these at the latest.
    for _ in 0..2 {
        put_away(&bob, &expiring(&bob, 5).await?).await?;
    }
    let held = bob.payment(&payment_id).await?;
    assert_eq!((held.status(), held.expired), (PaymentStatus::Pending, false));
    let request =
        Bolt11ClaimForHashRequest { preimage: hex::encode(preimage), ..Default::default() };
    bob.client().bolt11_claim_for_hash(request).await?;
    assert_eq!(bob.settled(&payment_id).await?.status(), PaymentStatus::Succeeded);
    it_is_told_at_once_that_an_invoice_has_expired(&alice).await?;
    network.stop().await
}

/// Makes an invoice that expires after so many seconds, and returns the id of its payment.
async fn expiring(node: &Node, expiry_secs: u32) -> Result<String> {
    let request =
        Bolt11ReceiveRequest { amount_msat: Some(1_000), expiry_secs, ..Default::default() };
    Ok(node.client().bolt11_receive(request).await?.payment_hash)
}

/// Makes an invoice for this hash that expires after a second.
async fn held_for(node: &Node, payment_hash: &str) -> Result<String> {
    let request = Bolt11ReceiveForHashRequest {
        expiry_secs: 1,
        payment_hash: payment_hash.to_owned(),
        ..Default::default()
    };
    node.client().bolt11_receive_for_hash(request).await?;
    Ok(payment_hash.to_owned())
}

/// The node keeps it for long, as is the default.
async fn it_is_told_at_once_that_an_invoice_has_expired(node: &Node) -> Result<()> {
    let payment_id = expiring(node, 1).await?;
    until("the invoice has expired", PATIENCE, async || {
        let payment = node.payment(&payment_id).await?;
        ensure!(payment.expired, "{payment:?}");
        assert_eq!(payment.status(), PaymentStatus::Pending);
        Ok(())
    })
    .await?;
    let pending = filtered(node, |request| request.set_status(PaymentStatus::Pending)).await?;
    ensure!(pending.iter().any(|payment| payment.id == payment_id && payment.expired));
    Ok(())
}

async fn put_away(node: &Node, payment_id: &str) -> Result<Payment> {
    until("the invoice is put away", PATIENCE, async || {
        let payment = node.payment(payment_id).await?;
        ensure!(payment.status() == PaymentStatus::Failed, "{payment:?}");
        assert!(payment.expired, "{payment:?}");
        assert_eq!(payment.direction(), PaymentDirection::Inbound);
        Ok(payment)
    })
    .await
}

async fn a_hash_is_not_used_again(node: &Node, payment_hash: &str) -> Result<()> {
    let error = held_for(node, payment_hash).await.err().context("the hash was accepted")?;
    assert!(error.to_string().contains("use each hash once"), "{error}");
    let request = Bolt11FailForHashRequest { payment_hash: payment_hash.to_owned() };
    let error = node.client().bolt11_fail_for_hash(request).await.err().context("it was failed")?;
    assert_eq!(error.code(), Some(Code::FailedPrecondition), "{error}");
    assert!(error.to_string().contains("has expired"), "{error}");
    Ok(())
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

/// Waits until what is made next differs in its time from all payments there are.
async fn another_second(node: &Node) -> Result<()> {
    let newest = all(node).await?.first().context("there are no payments")?.created_at;
    until("the next second has begun", PATIENCE, async || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        ensure!(now > newest, "it is still the second {newest}");
        Ok(())
    })
    .await
}

async fn the_order_is_that_of_creation(node: &Node) -> Result<()> {
    let pages = pages(node, None).await?;
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [PAGE, PAGE, 50]);
    let all = pages.concat();
    let distinct: HashSet<&str> = ids(&all).into_iter().collect();
    assert_eq!(distinct.len(), 250);
    let place = |payment: &Payment| (Reverse(payment.created_at), payment.id.clone());
    // None of them was changed after its creation.
    let is_new = |payment: &Payment| payment.created_at == payment.latest_update_timestamp;
    assert!(all.iter().all(is_new), "{all:?}");
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

async fn unusable_tokens_are_refused(node: &Node) -> Result<()> {
    let good = page(node, None).await?.next_page_token.context("there is one page only")?;
    for (token, index) in [
        (String::new(), good.index),
        (good.token[1..].to_owned(), good.index),
        (good.token[2..].to_owned(), good.index),
        (format!("{}00", good.token), good.index),
        ("zz".repeat(32), good.index),
        // Those of no payment, in the one part or in the other.
        ("ff".repeat(32), good.index),
        (good.token.clone(), good.index + 1),
        (good.token.clone(), 0),
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

async fn pages_are_as_large_as_asked_for(node: &Node) -> Result<()> {
    let all = all(node).await?;
    for size in [1, 7, u32::try_from(all.len())?, MAX_PAGE] {
        let request = ListPaymentsRequest { page_size: Some(size), ..Default::default() };
        let page = node.client().list_payments(request).await?;
        let rows = all.len().min(usize::try_from(size)?);
        assert_eq!(page.payments, all[..rows]);
        assert_eq!(page.next_page_token.is_some(), rows < all.len());
        // The next one may be of another size.
        let Some(token) = page.next_page_token else { continue };
        assert_eq!(pages(node, Some(token)).await?.concat(), all[rows..]);
    }
    Ok(())
}

/// Those that pass, by small pages.
async fn filtered(node: &Node, set: impl Fn(&mut ListPaymentsRequest)) -> Result<Vec<Payment>> {
    let mut request = ListPaymentsRequest { page_size: Some(40), ..Default::default() };
    set(&mut request);
    let mut payments = Vec::new();
    loop {
        let page = node.client().list_payments(request.clone()).await?;
        payments.extend(page.payments);
        if page.next_page_token.is_none() {
            return Ok(payments);
        }
        request.page_token = page.next_page_token;
    }
}

async fn lists_are_filtered(node: &Node) -> Result<()> {
    let all = all(node).await?;
    let (transaction, invoices) = (&all[..1], &all[1..]);
    let middle = invoices[invoices.len() / 2].created_at;
    let of = |is_listed: &dyn Fn(&Payment) -> bool| -> Vec<Payment> {
        all.iter().filter(|payment| is_listed(payment)).cloned().collect()
    };
    type Set = Box<dyn Fn(&mut ListPaymentsRequest)>;
    let hash = invoices[7].id.clone();
    let cases: [(&str, Set, Vec<Payment>); 9] = [
        ("status", Box::new(|request| request.set_status(PaymentStatus::Pending)), all.clone()),
        ("other status", Box::new(|request| request.set_status(PaymentStatus::Failed)), vec![]),
        (
            "to us",
            Box::new(|request| request.set_direction(PaymentDirection::Inbound)),
            all.clone(),
        ),
        ("from us", Box::new(|request| request.set_direction(PaymentDirection::Outbound)), vec![]),
        (
            "on chain",
            Box::new(|request| request.set_method(PaymentMethod::Onchain)),
            transaction.to_vec(),
        ),
        (
            "BOLT 11",
            Box::new(|request| request.set_method(PaymentMethod::Bolt11)),
            invoices.to_vec(),
        ),
        (
            "from a time on",
            Box::new(move |request| request.created_from = Some(middle)),
            of(&|payment| payment.created_at >= middle),
        ),
        (
            "invoices before a time",
            Box::new(move |request| {
                request.created_before = Some(middle);
                request.set_method(PaymentMethod::Bolt11);
            }),
            of(&|payment| payment.created_at < middle),
        ),
        (
            "by hash",
            Box::new(move |request| request.payment_hash = hash.clone()),
            invoices[7..8].to_vec(),
        ),
    ];
    for (name, set, expected) in cases {
        assert_eq!(filtered(node, set).await?, expected, "{name}");
    }
    Ok(())
}

async fn unusable_filters_are_refused(node: &Node) -> Result<()> {
    let all = ListPaymentsRequest::default();
    for (field, request) in [
        ("page_size", ListPaymentsRequest { page_size: Some(0), ..all.clone() }),
        ("page_size", ListPaymentsRequest { page_size: Some(MAX_PAGE + 1), ..all.clone() }),
        ("status", ListPaymentsRequest { status: Some(3), ..all.clone() }),
        ("direction", ListPaymentsRequest { direction: Some(-1), ..all.clone() }),
        ("method", ListPaymentsRequest { method: 7, ..all.clone() }),
        ("payment_hash", ListPaymentsRequest { payment_hash: "ab".to_owned(), ..all.clone() }),
        (
            "created_before",
            ListPaymentsRequest { created_from: Some(5), created_before: Some(5), ..all.clone() },
        ),
    ] {
        invalid(node.client().list_payments(request).await, field);
    }
    Ok(())
}
