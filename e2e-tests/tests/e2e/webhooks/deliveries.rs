//! What is delivered, when, and how often.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, Reaction, WebhookReceiver, until};
use ldk_server_client::api::ListAuditEntriesRequest;

use super::{PATIENCE, SECRET, create, indices, listed, posted, until_listed};

const CHANNEL_SATS: u64 = 1_000_000;
const FUNDS_SATS: u64 = 2_000_000;
const AMOUNT_MSAT: u64 = 1_000_000;
const PAUSED: &str = "webhooks{state=\"paused\"}";
const DELIVERED: &str = "webhook_attempts_total{result=\"delivered\"}";
const SETTINGS: &str = "[webhooks]\nallow_private = true\npause_after_secs = 3\n\
                        [metrics]\nenabled = true\npoll_metrics_interval = 1\n";

#[tokio::test(flavor = "multi_thread")]
async fn events_are_delivered_in_order_over_kills_and_pauses() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node_with("bob", SETTINGS))?;
    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;

    a_slow_receiver_delays_no_other(&alice, &bob).await?;
    a_delivery_that_was_not_acknowledged_is_repeated(&alice, &bob).await?;
    after_a_stop_nothing_is_repeated(&alice, &bob).await?;
    a_webhook_pauses_and_is_resumed(&alice, &bob).await?;
    what_is_deleted_is_not_sent_to(&alice, &bob).await?;
    redirects_are_not_followed(&bob).await?;
    secrets_are_nowhere(&bob).await?;
    network.stop().await
}

async fn secret_file() -> Result<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), SECRET)?;
    Ok(file)
}

/// One does not answer at all, the answer of another never ends.
async fn a_slow_receiver_delays_no_other(alice: &Node, bob: &Node) -> Result<()> {
    let silent = WebhookReceiver::start(Reaction::Silent).await?;
    let endless = WebhookReceiver::start(Reaction::Endless).await?;
    let quick = WebhookReceiver::start(Reaction::Answer(204)).await?;
    let secret = secret_file().await?;
    let secret_file = secret.path().to_str().context("no path")?;
    let slow_id = create(bob, &[&silent.url(), "--secret-file", secret_file]).await?;
    let endless_id = create(bob, &[&endless.url()]).await?;
    let quick_id = create(bob, &[&quick.url(), "--kind", "payment_received"]).await?;
    for _ in 0..3 {
        alice.pays(bob, AMOUNT_MSAT).await?;
    }
    let came = posted(&quick, 3).await?;
    ensure!(came.iter().all(|one| one.body["payment_received"].is_object()), "{came:?}");
    let amount = &came[0].body["payment_received"]["payment"]["amount_msat"];
    ensure!(amount == AMOUNT_MSAT, "{amount}");
    ensure!(indices(&came).is_sorted(), "{came:?}");
    let drained = |webhook: &serde_json::Value| webhook["undelivered_events"] == 0;
    for id in [&endless_id, &quick_id] {
        let webhook = until_listed(bob, id, "all is delivered", drained).await?;
        ensure!(webhook["last_error"] == "" && webhook["failing_since"].is_null(), "{webhook}");
    }
    ensure!(silent.posted().len() == 1, "{:?}", silent.posted());
    // It is tried whether or not anything else is under way.
    quick.react(Reaction::Answer(418));
    let tested = bob.cli(&["test-webhook", &quick_id]).await?;
    ensure!(tested["delivered"] == false && tested["status"] == 418, "{tested}");
    for id in [&slow_id, &endless_id, &quick_id] {
        bob.cli(&["delete-webhook", id]).await?;
    }
    Ok(())
}

async fn a_delivery_that_was_not_acknowledged_is_repeated(alice: &Node, bob: &Node) -> Result<()> {
    let receiver = WebhookReceiver::start(Reaction::Silent).await?;
    let id = create(bob, &[&receiver.url(), "--kind", "payment_received"]).await?;
    for _ in 0..3 {
        alice.pays(bob, AMOUNT_MSAT).await?;
    }
    let before = posted(&receiver, 1).await?;
    bob.kill().await?;
    receiver.react(Reaction::Answer(200));
    start_again(alice, bob).await?;
    let came = posted(&receiver, before.len() + 3).await?;
    let again = &came[before.len()..];
    ensure!(again[0].id == before[0].id && again[0].body == before[0].body, "{came:?}");
    ensure!(indices(again).is_sorted_by(|one, next| one < next), "{came:?}");
    ensure!(again.len() == 3, "{came:?}");
    bob.cli(&["delete-webhook", &id]).await?;
    Ok(())
}

/// Alice can pay him again afterwards.
async fn start_again(alice: &Node, bob: &Node) -> Result<()> {
    bob.start_again().await?;
    alice.connect_to(bob).await?;
    until("alice can pay again", PATIENCE, async || alice.usable_channel(bob).await.map(drop)).await
}

async fn after_a_stop_nothing_is_repeated(alice: &Node, bob: &Node) -> Result<()> {
    let receiver = WebhookReceiver::start(Reaction::Answer(200)).await?;
    let id = create(bob, &[&receiver.url(), "--kind", "payment_received"]).await?;
    alice.pays(bob, AMOUNT_MSAT).await?;
    posted(&receiver, 1).await?;
    bob.stop().await?;
    start_again(alice, bob).await?;
    alice.connect_to(bob).await?;
    alice.pays(bob, AMOUNT_MSAT).await?;
    let came = posted(&receiver, 2).await?;
    ensure!(came[0].id != came[1].id && came.len() == 2, "{came:?}");
    bob.cli(&["delete-webhook", &id]).await?;
    Ok(())
}

async fn a_webhook_pauses_and_is_resumed(alice: &Node, bob: &Node) -> Result<()> {
    let receiver = WebhookReceiver::start(Reaction::Answer(500)).await?;
    let id = create(bob, &[&receiver.url(), "--kind", "payment_received"]).await?;
    alice.pays(bob, AMOUNT_MSAT).await?;
    let paused = |webhook: &serde_json::Value| webhook["paused_at"].is_u64();
    let webhook = until_listed(bob, &id, "the webhook has paused", paused).await?;
    ensure!(webhook["last_status"] == 500 && webhook["failing_since"].is_u64(), "{webhook}");
    let reason = webhook["pause_reason"].as_str().unwrap_or_default();
    ensure!(reason.contains("500 Internal Server Error"), "{webhook}");
    ensure!(webhook["undelivered_events"].as_u64() >= Some(1), "{webhook}");
    metric(bob, PAUSED, 1).await?;
    let attempts = receiver.posted();
    ensure!(attempts.len() >= 2, "{attempts:?}");
    ensure!(attempts.iter().all(|attempt| attempt.id == attempts[0].id), "{attempts:?}");

    // It is so over a restart, too.
    bob.stop().await?;
    start_again(alice, bob).await?;
    ensure!(paused(&listed(bob, &id).await?), "it goes on by itself");
    receiver.react(Reaction::Answer(200));
    bob.cli(&["resume-webhook", &id]).await?;
    let came = posted(&receiver, attempts.len() + 1).await?;
    ensure!(came.last().map(|last| &last.id) == Some(&attempts[0].id), "{came:?}");
    metric(bob, PAUSED, 0).await?;
    metric(bob, DELIVERED, 1).await?;

    receiver.react(Reaction::Answer(410));
    alice.pays(bob, AMOUNT_MSAT).await?;
    let webhook = until_listed(bob, &id, "the webhook has paused", paused).await?;
    ensure!(
        webhook["pause_reason"].as_str().is_some_and(|reason| reason.contains("410")),
        "{webhook}"
    );
    bob.cli(&["delete-webhook", &id]).await?;
    Ok(())
}

async fn what_is_deleted_is_not_sent_to(alice: &Node, bob: &Node) -> Result<()> {
    let receiver = WebhookReceiver::start(Reaction::Silent).await?;
    let other = WebhookReceiver::start(Reaction::Answer(200)).await?;
    let id = create(bob, &[&receiver.url(), "--kind", "payment_received"]).await?;
    create(bob, &[&other.url(), "--kind", "payment_received"]).await?;
    alice.pays(bob, AMOUNT_MSAT).await?;
    posted(&receiver, 1).await?;
    bob.cli(&["delete-webhook", &id]).await?;
    alice.pays(bob, AMOUNT_MSAT).await?;
    posted(&other, 2).await?;
    ensure!(receiver.posted().len() == 1, "{:?}", receiver.posted());
    let consumers = bob.cli(&["list-event-consumers"]).await?;
    ensure!(!consumers.to_string().contains(&id), "{consumers}");
    let unknown = bob.cli_output(&["test-webhook", &id]).await?;
    ensure!(unknown.stderr.contains("there is no webhook"), "{unknown:?}");
    Ok(())
}

async fn redirects_are_not_followed(bob: &Node) -> Result<()> {
    let target = WebhookReceiver::start(Reaction::Answer(200)).await?;
    let receiver = WebhookReceiver::start(Reaction::Redirect(target.url())).await?;
    let id = create(bob, &[&receiver.url()]).await?;
    let tested = bob.cli(&["test-webhook", &id]).await?;
    ensure!(tested["delivered"] == false && tested["status"] == 307, "{tested}");
    ensure!(tested["error"].as_str().is_some_and(|why| why.contains("redirects")), "{tested}");
    ensure!(target.posted().is_empty(), "{:?}", target.posted());
    Ok(())
}

async fn metric(node: &Node, name: &str, value: u64) -> Result<()> {
    until("the metric", PATIENCE, async || {
        let values = crate::metrics::values(node).await?;
        ensure!(values.get(name) == Some(&value), "{values:?}");
        Ok(())
    })
    .await
}

/// Neither the one that was given, nor the one that the server has made.
async fn secrets_are_nowhere(bob: &Node) -> Result<()> {
    let receiver = WebhookReceiver::start(Reaction::Answer(200)).await?;
    let made = bob.cli(&["create-webhook", &receiver.url()]).await?;
    let id = made["webhook"]["id"].as_str().context("no id")?.to_owned();
    let made = made["secret"].as_str().context("no secret")?.trim_start_matches("whsec_");
    ensure!(made.len() == 44, "{made}");
    bob.cli(&["test-webhook", &id]).await?;
    let audit = bob.client().list_audit_entries(ListAuditEntriesRequest::default()).await?;
    let list = bob.cli(&["list-webhooks"]).await?;
    let log_file = bob.config().storage_dir.join("regtest/ldk-server.log");
    let file = fs::read_to_string(&log_file).with_context(|| log_file.display().to_string())?;
    let texts = [format!("{audit:?}"), list.to_string(), bob.log().text(), file];
    ensure!(texts[0].contains("CreateWebhook"), "the audit has no webhook");
    for text in texts {
        for secret in [SECRET.trim_start_matches("whsec_"), made] {
            ensure!(!text.contains(secret), "a secret is in {text}");
        }
    }
    Ok(())
}
