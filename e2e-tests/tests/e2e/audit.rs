//! The audit: who has called what, with which result.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Network, Node, invalid, print_uncaptured, until};
use futures_util::future::join_all;
use ldk_server_client::api::{
    Bolt11ClaimForHashRequest, Bolt11ReceiveRequest, Bolt11SendRequest, CreateBackupRequest,
    GetNodeInfoRequest, ListAuditEntriesRequest, ListAuditEntriesResponse, ListPaymentsRequest,
    OnchainReceiveRequest, SpontaneousSendRequest,
};
use ldk_server_client::types::{AuditEntry, PaymentDirection};
use ldk_server_client::{Client, Error};
use ldk_server_grpc::rune::Rune;
use rand::Rng as _;
use tokio::time::sleep;

use crate::permissions::{client_with, rune};

const PATIENCE: Duration = Duration::from_secs(60);
const SPENDERS: usize = 8;
const PREIMAGE: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";
const PASSPHRASE: &str = "correct horse battery staple";
const SIGNED: &str = "I owe the bearer 77,777 sat";
const KEEP_A_DAY: &str = "[audit]\nkeep_days = 1\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_tells_who_did_what_with_which_result_and_no_secret() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    let shop = rune(&alice, &["group=invoice|group=pay|method=GetNodeInfo"]).await?;
    let invoice = bob.invoice(7_000).await?;
    let own_invoice = as_the_shop_would(&client_with(&alice, &shop)?, &invoice).await?;
    the_entries_are_those_of(&alice).await?;
    let key = with_secrets(&alice).await?;
    alice.stop().await?;
    let table = dump(&alice)?;
    ensure!(table.contains("rune 0") && table.contains("Bolt11Send"), "{table}");
    let restored = Rune::parse(&shop)?.encode_hex();
    for secret in [&shop, &restored, &invoice, &own_invoice, &key, PREIMAGE, PASSPHRASE, SIGNED] {
        ensure!(!table.contains(secret), "{secret} is in {table}");
    }
    alice.start_again().await?;
    network.stop().await
}

/// Makes an invoice, pays one, and tries what it may not. Returns the invoice that it has made.
async fn as_the_shop_would(shop: &Client, invoice: &str) -> Result<String> {
    let request = Bolt11ReceiveRequest { amount_msat: Some(5_000), ..Default::default() };
    let made = shop.bolt11_receive(request).await?.invoice;
    shop.get_node_info(GetNodeInfoRequest {}).await?;
    let request = Bolt11SendRequest { invoice: invoice.to_owned(), ..Default::default() };
    shop.bolt11_send(request.clone()).await?;
    let refused = shop.onchain_receive(OnchainReceiveRequest {}).await;
    ensure!(matches!(refused, Err(Error::PermissionDenied(_))), "{refused:?}");
    let again = shop.bolt11_send(request).await;
    ensure!(again.is_err(), "it was paid twice");
    Ok(made)
}

async fn the_entries_are_those_of(alice: &Node) -> Result<()> {
    let listed = alice.cli(&["list-audit-entries", "--caller", "rune 0"]).await?;
    let told: Vec<_> = listed["list"]
        .as_array()
        .context("no list")?
        .iter()
        .map(|entry| {
            (text(&entry["method"]), text(&entry["result"]), entry["amount_msat"].as_u64())
        })
        .collect();
    let [again, told @ ..] = &told[..] else { bail!("none is listed") };
    ensure!(again.0 == "Bolt11Send" && again.1 != "OK", "{listed}");
    let expected = [
        ("OnchainReceive", "PERMISSION_DENIED", None),
        ("Bolt11Send", "OK", Some(7_000)),
        ("Bolt11Receive", "OK", Some(5_000)),
    ];
    let expected =
        expected.map(|(method, result, amount)| (method.to_owned(), result.to_owned(), amount));
    ensure!(told == expected, "{listed}");
    for entry in listed["list"].as_array().context("no list")? {
        ensure!(!text(&entry["request_id"]).is_empty(), "{entry}");
    }
    let made = entries(alice, |request| request.method = "CreateRune".to_owned()).await?;
    ensure!(made.len() == 1 && made[0].caller == "API key api_key", "{made:?}");
    Ok(())
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Makes calls with secrets in them, and returns a key that was told in an answer.
async fn with_secrets(alice: &Node) -> Result<String> {
    let preimage = PREIMAGE.to_owned();
    let request = Bolt11ClaimForHashRequest { preimage, ..Default::default() };
    let claimed = alice.client().bolt11_claim_for_hash(request).await;
    ensure!(claimed.is_err(), "nothing is held");
    let request = CreateBackupRequest { passphrase: PASSPHRASE.to_owned(), ..Default::default() };
    alice.client().create_backup(request).await?;
    let created = alice.cli(&["create-api-key", "shop"]).await?;
    let key = created["api_key"].as_str().context("no key")?.to_owned();
    alice.cli(&["sign-message", SIGNED]).await?;
    let found = entries(alice, |request| request.result = "OK".to_owned()).await?;
    for method in ["CreateBackup", "CreateApiKey", "SignMessage"] {
        ensure!(found.iter().any(|entry| entry.method == method), "{method}: {found:?}");
    }
    Ok(key)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_payment_is_without_an_entry_however_often_the_server_is_killed() -> Result<()> {
    let rounds = 5;
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(10_000_000).await?;
    let next_msat = AtomicU64::new(500_000);
    for _ in 0..rounds {
        let spending = join_all(
            (0..SPENDERS).map(|_| spend_until_killed(alice.client(), bob.id(), &next_msat)),
        );
        let killing = async {
            sleep(Duration::from_millis(rand::rng().random_range(50..800))).await;
            alice.kill().await
        };
        let (_, killed) = tokio::join!(spending, killing);
        killed?;
        alice.start_again().await?;
        alice.connect_to(&bob).await?;
    }
    let paid = paid_msat(&alice).await?;
    let recorded = entries(&alice, |request| request.method = "SpontaneousSend".to_owned()).await?;
    let recorded_msat: BTreeSet<_> =
        recorded.iter().filter_map(|entry| entry.amount_msat).collect();
    let missing: Vec<_> = paid.difference(&recorded_msat).collect();
    ensure!(missing.is_empty(), "no entry for payments of {missing:?} msat");
    let under_way = recorded.iter().filter(|entry| entry.result == "IN_PROGRESS").count();
    ensure!(under_way == 0, "{under_way} calls of a server that was killed are under way");
    let unknown = recorded.iter().filter(|entry| entry.result == "UNKNOWN").count();
    print_uncaptured(&format!(
        "{rounds} kills amid {SPENDERS} spenders: {} payments, {} entries, {unknown} of them without a \
         result; 0 payments without an entry",
        paid.len(),
        recorded.len(),
    ));
    ensure!(!paid.is_empty(), "nothing was paid");
    network.stop().await
}

/// Pays amounts that nobody else pays, until the server is gone.
async fn spend_until_killed(client: &Client, payee: &str, next_msat: &AtomicU64) {
    loop {
        let request = SpontaneousSendRequest {
            amount_msat: next_msat.fetch_add(1, Ordering::Relaxed),
            node_id: payee.to_owned(),
            ..Default::default()
        };
        match client.spontaneous_send(request).await {
            Ok(_) | Err(Error::Lightning(_)) => {},
            Err(_) => return,
        }
    }
}

async fn paid_msat(node: &Node) -> Result<BTreeSet<u64>> {
    let mut amounts = BTreeSet::new();
    let mut request = ListPaymentsRequest { page_size: Some(1_000), ..Default::default() };
    loop {
        let page = node.client().list_payments(request.clone()).await?;
        let outbound = page
            .payments
            .iter()
            .filter(|payment| payment.direction() == PaymentDirection::Outbound);
        // The channel was opened by a transaction.
        let of_spenders = outbound.filter_map(|payment| payment.amount_msat);
        amounts.extend(of_spenders.filter(|amount| (500_000..1_000_000).contains(amount)));
        request.page_token = page.next_page_token;
        if request.page_token.is_none() {
            return Ok(amounts);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_come_in_pages_with_filters_and_go_when_they_are_old() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", KEEP_A_DAY).await?;
    let reader = client_with(&alice, &rune(&alice, &["--preset", "read"]).await?)?;
    for _ in 0..5 {
        alice.invoice(1_000).await?;
    }
    for _ in 0..2 {
        let refused = reader.onchain_receive(OnchainReceiveRequest {}).await;
        ensure!(matches!(refused, Err(Error::PermissionDenied(_))), "{refused:?}");
    }
    let refused = reader.list_audit_entries(ListAuditEntriesRequest::default()).await;
    ensure!(matches!(refused, Err(Error::PermissionDenied(_))), "{refused:?}");
    pages_follow_one_another(&alice).await?;
    filters_leave_what_passes(&alice).await?;
    what_cannot_be_listed_is_refused(&alice).await?;
    refusals_do_not_fill_the_disk(&alice, &reader).await?;
    old_ones_go(&alice).await?;
    network.stop().await
}

async fn pages_follow_one_another(alice: &Arc<Node>) -> Result<()> {
    let all = entries(alice, |_| ()).await?;
    ensure!(all.len() == 9, "{all:?}");
    ensure!(all.is_sorted_by(|one, next| one.number > next.number), "{all:?}");
    for size in [1, 2, 4, 9] {
        let paged = entries(alice, |request| request.page_size = Some(size)).await?;
        ensure!(paged == all, "by {size}: {paged:?}");
    }
    Ok(())
}

async fn filters_leave_what_passes(alice: &Arc<Node>) -> Result<()> {
    let all = entries(alice, |_| ()).await?;
    let denied = entries(alice, |request| request.result = "PERMISSION_DENIED".to_owned()).await?;
    let callers: BTreeSet<_> = denied.iter().map(|entry| entry.caller.as_str()).collect();
    ensure!(denied.len() == 3 && callers == ["rune 0"].into(), "{denied:?}");
    let of_rune = entries(alice, |request| request.caller = "rune 0".to_owned()).await?;
    ensure!(of_rune == denied, "{of_rune:?}");
    let (oldest, newest) = (all.last().context("none")?, all.first().context("none")?);
    let from = entries(alice, |request| request.created_from = Some(oldest.created_at)).await?;
    ensure!(from == all, "{from:?}");
    let before = entries(alice, |request| request.created_before = Some(oldest.created_at)).await?;
    ensure!(before.is_empty(), "{before:?}");
    let after = newest.created_at + 1;
    ensure!(entries(alice, |request| request.created_from = Some(after)).await?.is_empty());
    Ok(())
}

async fn what_cannot_be_listed_is_refused(alice: &Arc<Node>) -> Result<()> {
    let request = ListAuditEntriesRequest::default;
    let (method, result) = ("Bolt11Sent".to_owned(), "ok".to_owned());
    let client = alice.client();
    let answer = client.list_audit_entries(ListAuditEntriesRequest { method, ..request() });
    invalid(answer.await, "method");
    let answer = client.list_audit_entries(ListAuditEntriesRequest { result, ..request() });
    invalid(answer.await, "result");
    let page_size = Some(1_001);
    let answer = client.list_audit_entries(ListAuditEntriesRequest { page_size, ..request() });
    invalid(answer.await, "page_size");
    Ok(())
}

async fn refusals_do_not_fill_the_disk(alice: &Arc<Node>, reader: &Client) -> Result<()> {
    for _ in 0..60 {
        let refused = reader.onchain_receive(OnchainReceiveRequest {}).await;
        ensure!(refused.is_err(), "it is allowed");
    }
    let denied = entries(alice, |request| request.caller = "rune 0".to_owned()).await?;
    // The minute may be over once meanwhile.
    ensure!(denied.len() <= 60, "{} of 63 are recorded", denied.len());
    Ok(())
}

async fn old_ones_go(alice: &Arc<Node>) -> Result<()> {
    alice.stop().await?;
    let database = rusqlite::Connection::open(database_of(alice))?;
    let sql = "UPDATE ldk_server_audit SET created_at = created_at - 100000 WHERE number <= 4";
    ensure!(database.execute(sql, [])? == 4);
    drop(database);
    alice.start_again().await?;
    until("old entries are gone", PATIENCE, async || {
        let all = entries(alice, |_| ()).await?;
        ensure!(all.iter().all(|entry| entry.number > 4), "{all:?}");
        ensure!(all.iter().any(|entry| entry.number == 5), "young ones are gone");
        Ok(())
    })
    .await
}

/// All entries that pass, by pages.
async fn entries(
    node: &Node,
    filter: impl FnOnce(&mut ListAuditEntriesRequest),
) -> Result<Vec<AuditEntry>> {
    let mut request = ListAuditEntriesRequest::default();
    filter(&mut request);
    let mut all = Vec::new();
    for _ in 0..10_000 {
        let page = node.client().list_audit_entries(request.clone()).await?;
        let ListAuditEntriesResponse { entries, next_page_token } = page;
        all.extend(entries);
        if next_page_token.is_none() {
            return Ok(all);
        }
        request.page_token = next_page_token;
    }
    bail!("the pages have no end");
}

fn database_of(node: &Node) -> PathBuf {
    node.config().storage_dir.join("regtest").join("ldk_node_data.sqlite")
}

/// The table of a node that is down, as text.
fn dump(node: &Node) -> Result<String> {
    let database = rusqlite::Connection::open(database_of(node))?;
    let mut statement = database.prepare("SELECT * FROM ldk_server_audit")?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let values: rusqlite::Result<Vec<_>> =
            (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at)).collect();
        Ok(format!("{:?}\n", values?))
    })?;
    Ok(rows.collect::<rusqlite::Result<String>>()?)
}
