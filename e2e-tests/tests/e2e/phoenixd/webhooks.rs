//! Payments that are posted.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Reaction, WebhookReceiver, until};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::Pair;
use super::client::text;

const PATIENCE: Duration = Duration::from_secs(60);

/// To the URL of its invoice until that takes it, and to that of the configuration.
pub(super) async fn a_payment_is_posted(pair: &Pair, all_payments: &WebhookReceiver) -> Result<()> {
    let Pair { bob, phoenix, .. } = pair;
    let receiver = WebhookReceiver::start(Reaction::Answer(500)).await?;
    let url = receiver.url();
    let form = [("description", "x"), ("amountSat", "9"), ("webhookUrl", url.as_str())];
    let made = phoenix.post("/createinvoice", &form).await?.json()?;
    bob.settled(&bob.send(text(&made, "serialized")?).await?).await?;
    until("the first attempt", PATIENCE, async || {
        ensure!(!receiver.posted().is_empty());
        Ok(())
    })
    .await?;
    // It is tried once more.
    receiver.react(Reaction::Answer(200));
    let posted = until("the second attempt", PATIENCE, async || {
        let posted = receiver.posted();
        posted.get(1).cloned().with_context(|| format!("{posted:?}"))
    })
    .await?;
    let told = posted.body;
    assert_eq!((&told["type"], &told["amountSat"]), (&json!("payment_received"), &json!(9)));
    assert_eq!(told["paymentHash"], made["paymentHash"]);
    let also_told = until("the other webhook is told", PATIENCE, async || {
        let posted = all_payments.posted();
        let found = posted.iter().find(|posted| posted.body["paymentHash"] == told["paymentHash"]);
        found.cloned().with_context(|| format!("{posted:?}"))
    })
    .await?;
    assert_eq!(also_told.body, told);
    let mut signature = Hmac::<Sha256>::new_from_slice(phoenix.webhook_secret.as_bytes())?;
    signature.update(&also_told.bytes);
    assert_eq!(also_told.phoenix_signature, hex::encode(signature.finalize().into_bytes()));
    Ok(())
}
