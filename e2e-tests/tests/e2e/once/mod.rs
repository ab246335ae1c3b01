//! Idempotency keys: what is asked for under one key is done once, whoever asks again, at the same time
//! or after a crash.

mod crash;
mod kills;
mod paying;
mod progress;
mod spends;
mod waiting;

use anyhow::{Context as _, Result, bail};
use e2e_tests::{Network, Node, Spend, Spent, refused};
use futures_util::future::join_all;
use ldk_server_client::Code;
use ldk_server_client::api::{Bolt11SendRequest, ListAuditEntriesRequest};
use spends::Spends;

const CHANNEL_SATS: u64 = 2_000_000;
const AT_ONCE: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_done_once_for_a_key_and_told_again_after_a_restart() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let spends = Spends { network: &network, alice: &alice, bob: &bob };
    let mut done: Vec<(String, Spend, String)> = Vec::new();
    for name in Spends::NAMES {
        let before = spends.seen(name).await?;
        let (key, spend) = (format!("key-of-{name}"), spends.make(name).await?);
        let outcome = all_are_told_the_same(&alice, &spend, &key).await.context(name)?;
        another_request_is_refused(&alice, &spend, &key, done.last()).await;
        spends.once_since(name, before).await.context(name)?;
        done.push((key, spend, outcome));
    }
    alice.stop().await?;
    alice.start_again().await?;
    for (key, spend, outcome) in &done {
        let told = spend.make(alice.client(), key).await?;
        assert_eq!(told, Spent { outcome: outcome.clone(), repeated: true }, "{key}");
    }
    every_call_is_in_the_audit(&alice, done.len() * (AT_ONCE + 2)).await?;
    network.stop().await
}

/// Calls made at once and another after them: one has done it, and all are told the same.
async fn all_are_told_the_same(node: &Node, spend: &Spend, key: &str) -> Result<String> {
    let calls = (0..AT_ONCE).map(|_| spend.make(node.client(), key));
    let answers = join_all(calls).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let firsts: Vec<_> = answers.iter().filter(|answer| !answer.repeated).collect();
    let [Spent { outcome, .. }] = &firsts[..] else { bail!("not done once: {answers:?}") };
    assert!(answers.iter().all(|answer| answer.outcome == *outcome), "{answers:?}");
    let again = spend.make(node.client(), key).await?;
    assert_eq!(again, Spent { outcome: outcome.clone(), repeated: true });
    Ok(outcome.clone())
}

/// The key is named, whether it is another request of this call or another call.
async fn another_request_is_refused(
    node: &Node,
    spend: &Spend,
    key: &str,
    earlier: Option<&(String, Spend, String)>,
) {
    let changed = spend.changed().make(node.client(), key).await;
    refused(changed, Code::AlreadyExists, &["idempotency_key", key]);
    if let Some((earlier, ..)) = earlier {
        refused(spend.make(node.client(), earlier).await, Code::AlreadyExists, &[earlier]);
    }
}

async fn every_call_is_in_the_audit(node: &Node, at_least: usize) -> Result<()> {
    let request = ListAuditEntriesRequest { page_size: Some(500), ..Default::default() };
    let entries = node.client().list_audit_entries(request).await?.entries;
    let spends = entries.iter().filter(|entry| {
        entry.method.contains("Send")
            || entry.method.starts_with("Splice")
            || entry.method == "OpenChannel"
    });
    let found = spends.count();
    assert!(found >= at_least, "{found} of {at_least}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_sent_nothing_leaves_its_key_free() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let pay = |invoice: String| Spend::Bolt11(Bolt11SendRequest { invoice, ..Default::default() });
    let too_much = pay(bob.invoice(CHANNEL_SATS * 1_000).await?);
    for _ in 0..2 {
        let answer = too_much.make(alice.client(), "k").await;
        refused(answer, Code::FailedPrecondition, &[]);
    }
    let garbage = pay("lnbcrt1".to_owned()).make(alice.client(), "k").await;
    refused(garbage, Code::InvalidArgument, &["invoice"]);
    let sound = pay(bob.invoice(5_000_000).await?);
    let paid = sound.make(alice.client(), "k").await?;
    assert!(!paid.repeated);
    alice.settled(&paid.outcome).await?;
    // The invoice is paid, and the call is not refused for that.
    assert!(sound.make(alice.client(), "k").await?.repeated);
    let key = "k".repeat(65);
    refused(sound.make(alice.client(), &key).await, Code::InvalidArgument, &["idempotency_key"]);
    network.stop().await
}
