//! Webhooks: events that the daemon posts to programs of others.

mod deliveries;
mod programs;
mod refusals;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Node, Posted, WebhookReceiver, until};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
/// A secret of the form that Standard Webhooks define.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PRIVATE: &str = "[webhooks]\nallow_private = true\n";

/// Makes a webhook, and returns its id.
async fn create(node: &Node, arguments: &[&str]) -> Result<String> {
    let made = node.cli(&[&["create-webhook"], arguments].concat()).await?;
    Ok(made["webhook"]["id"].as_str().context("no id")?.to_owned())
}

/// The webhook with this id, as it is listed.
async fn listed(node: &Node, id: &str) -> Result<Value> {
    let list = node.cli(&["list-webhooks"]).await?;
    let webhooks = list["webhooks"].as_array().context("no webhooks")?;
    let found = webhooks.iter().find(|webhook| webhook["id"] == id);
    found.cloned().with_context(|| format!("there is no {id}"))
}

async fn until_listed(
    node: &Node,
    id: &str,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> Result<Value> {
    until(what, PATIENCE, async || {
        let webhook = listed(node, id).await?;
        ensure!(holds(&webhook), "{webhook}");
        Ok(webhook)
    })
    .await
}

/// Waits until so many messages were posted.
async fn posted(receiver: &WebhookReceiver, number: usize) -> Result<Vec<Posted>> {
    until("messages are posted", PATIENCE, async || {
        let posted = receiver.posted();
        ensure!(posted.len() >= number, "{posted:?}");
        Ok(posted)
    })
    .await
}

fn indices(posted: &[Posted]) -> Vec<u64> {
    posted.iter().filter_map(|posted| posted.body["event_index"].as_u64()).collect()
}
