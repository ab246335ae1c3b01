//! Budgets, with many who spend at once and a server that is killed amid it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, print_uncaptured, until};
use futures_util::future::join_all;
use ldk_server::api::{Impact, specs};
use ldk_server_client::api::{ListPaymentsRequest, SpontaneousSendRequest};
use ldk_server_client::types::{Payment, PaymentDirection, PaymentStatus};
use ldk_server_client::{Client, Error};
use rand::Rng as _;
use tokio::time::sleep;

use super::{client_with, rune};

const SPENDERS: usize = 8;
const BUDGET_MSAT: u64 = 40_000_000;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn no_budget_is_overspent_or_leaks_however_often_the_server_is_killed() -> Result<()> {
    // So often in each run of the tests, and more often by hand.
    let rounds = match std::env::var("LDK_SERVER_BUDGET_ROUNDS") {
        Ok(rounds) => rounds.parse()?,
        Err(_) => 4,
    };
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(10_000_000).await?;
    let mut spent = Spent::default();
    for round in 0..rounds {
        let one = one_round(&alice, &bob).await.with_context(|| format!("round {round}"))?;
        spent.payments += one.payments;
        spent.refused += one.refused;
        bring_back(&alice, &bob).await?;
    }
    print_uncaptured(&format!(
        "{rounds} rounds of {SPENDERS} spenders, a kill in each: {} payments, {} refused; 0 overspent, 0 \
         leaked",
        spent.payments, spent.refused
    ));
    assert!(spent.payments > 0);
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_that_spends_goes_over_the_budget() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    // The opening of the channel is one.
    let before = outbound(&alice).await?.len();
    let rune = rune(&alice, &["budget=1sat/day"]).await?;
    let invoice = bob.invoice(7_000).await?;
    let offer = bob.cli(&["bolt12-receive", "tea", "7sat"]).await?;
    let offer = offer["offer"].as_str().context("no offer")?;
    let uri = format!("bitcoin:?lightning={invoice}");
    let (address, peer) = (bob.new_address().await?, bob.config().lightning.address());
    let channel = alice.usable_channel(&bob).await?.user_channel_id;
    let calls: &[(&str, &[&str])] = &[
        ("Bolt11Send", &["bolt11-send", &invoice]),
        ("Bolt11SendUnderpaying", &["bolt11-send-underpaying", &invoice, "6sat"]),
        ("Bolt12Send", &["bolt12-send", offer]),
        ("CreateRefund", &["create-refund", "7sat"]),
        ("LnurlPay", &["lnurl-pay", "shop@example.org", "7sat"]),
        ("SpontaneousSend", &["spontaneous-send", bob.id(), "7sat"]),
        ("UnifiedSend", &["pay", &uri]),
        ("OnchainSend", &["onchain-send", &address, "5000sat"]),
        ("OpenChannel", &["open-channel", bob.id(), &peer, "100000sat"]),
        ("SpliceIn", &["splice-in", &channel, bob.id(), "50000sat"]),
        ("SpliceOut", &["splice-out", &channel, bob.id(), "50000sat"]),
    ];
    let spends = specs().iter().filter(|spec| spec.impact == Impact::Spends);
    assert!(spends.map(|spec| spec.name).eq(calls.iter().map(|(name, _)| *name)));
    for (name, call) in calls {
        let refused = alice.cli_output(&[&["--rune", &rune], *call].concat()).await?;
        let reason = match *name {
            // The library cannot.
            "Bolt11SendUnderpaying" => "refuses to pay less",
            // On regtest no service is asked; with one, the budgets are tested in `lnurl`.
            "LnurlPay" => "lnurl.enabled",
            _ => "budget=1sat/day: 1000 msat are left",
        };
        ensure!(refused.code == Some(1) && refused.stderr.contains(reason), "{name}: {refused:?}");
    }
    ensure!(outbound(&alice).await?.len() == before, "something was sent");
    network.stop().await
}

#[derive(Default)]
struct Spent {
    payments: usize,
    refused: usize,
}

async fn one_round(alice: &Arc<Node>, bob: &Node) -> Result<Spent> {
    let before = succeeded(alice).await?;
    let rune = rune(alice, &["--preset", "pay", "--budget", "40000sat/day"]).await?;
    let client = client_with(alice, &rune)?;
    let spending = join_all((0..SPENDERS).map(|_| spend_until_killed(&client, bob.id())));
    let killing = async {
        sleep(Duration::from_millis(rand::rng().random_range(50..1_500))).await;
        alice.kill().await
    };
    let (refused, killed) = tokio::join!(spending, killing);
    killed?;
    alice.start_again().await?;
    alice.connect_to(bob).await?;
    let after = all_settled(alice).await?;
    let cost_msat: u64 =
        after.iter().map(cost_msat).sum::<u64>() - before.iter().map(cost_msat).sum::<u64>();
    ensure!(cost_msat <= BUDGET_MSAT, "overspent: {cost_msat} msat");
    let left_msat = left_msat(&client_with(alice, &rune)?, bob.id()).await?;
    ensure!(left_msat == BUDGET_MSAT - cost_msat, "spent {cost_msat}, left {left_msat} msat");
    Ok(Spent { payments: after.len() - before.len(), refused: refused.into_iter().sum() })
}

/// Pays until the server is gone; tells how often the budget was too small.
async fn spend_until_killed(client: &Client, payee: &str) -> usize {
    let mut refused = 0;
    loop {
        let amount_msat = rand::rng().random_range(500_000..5_000_000);
        match client.spontaneous_send(keysend(payee, amount_msat)).await {
            Err(Error::PermissionDenied(_)) => refused += 1,
            Ok(_) | Err(Error::Lightning(_)) => {},
            Err(_) => return refused,
        }
    }
}

fn keysend(payee: &str, amount_msat: u64) -> SpontaneousSendRequest {
    SpontaneousSendRequest {
        amount_msat,
        node_id: payee.to_owned(),
        ..SpontaneousSendRequest::default()
    }
}

async fn outbound(node: &Node) -> Result<Vec<Payment>> {
    let mut payments = Vec::new();
    let mut request = ListPaymentsRequest::default();
    loop {
        let page = node.client().list_payments(request.clone()).await?;
        payments.extend(page.payments);
        request.page_token = page.next_page_token;
        if request.page_token.is_none() {
            payments.retain(|payment| payment.direction() == PaymentDirection::Outbound);
            return Ok(payments);
        }
    }
}

async fn succeeded(node: &Node) -> Result<Vec<Payment>> {
    let mut payments = outbound(node).await?;
    payments.retain(|payment| payment.status() == PaymentStatus::Succeeded);
    Ok(payments)
}

/// Those that have succeeded, once none is pending.
async fn all_settled(node: &Node) -> Result<Vec<Payment>> {
    until("no payment is pending", PATIENCE, async || {
        let pending = outbound(node).await?;
        let pending = pending.iter().filter(|one| one.status() == PaymentStatus::Pending).count();
        ensure!(pending == 0, "{pending} are pending");
        Ok(())
    })
    .await?;
    succeeded(node).await
}

fn cost_msat(payment: &Payment) -> u64 {
    payment.amount_msat.unwrap_or_default() + payment.fee_paid_msat.unwrap_or_default()
}

/// What is left of the budget, as the refusal of a payment that is larger tells.
async fn left_msat(client: &Client, payee: &str) -> Result<u64> {
    let refused = client.spontaneous_send(keysend(payee, 2 * BUDGET_MSAT)).await;
    let Err(Error::PermissionDenied(reason)) = refused else {
        anyhow::bail!("{refused:?}");
    };
    let (before, _) = reason.split_once(" msat are left").context("no amount is told")?;
    let amount = before.rsplit(' ').next().context("no amount is told")?;
    Ok(amount.parse()?)
}

/// Gives back what was paid, so that there is something to pay in the next round.
async fn bring_back(alice: &Node, bob: &Node) -> Result<()> {
    let [_, bobs_msat] = Network::at_rest(alice, bob).await?;
    if bobs_msat > 6_000_000_000 {
        bob.pays(alice, bobs_msat - 5_000_000_000).await?;
    }
    Ok(())
}
