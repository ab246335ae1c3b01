//! Webhooks.

use std::sync::Arc;
use std::time::Duration;

use ldk_server_grpc::types::Webhook;

use crate::app::App;
use crate::error::{Error, quoted};
use crate::webhooks::{Attempt, NewWebhook, Secret};

/// What is to be changed of a webhook.
pub struct Changes {
    /// Where it leads.
    pub url: Option<String>,
    /// What its deliveries are signed with.
    pub secret: Option<Secret>,
    /// What it is for.
    pub label: Option<String>,
}

/// Makes a webhook.
pub async fn create(app: &App, new: NewWebhook) -> Result<Webhook, Error> {
    check(app, &new.url).await?;
    let webhooks = Arc::clone(&app.webhooks);
    app.executor.run("create_webhook", move || webhooks.create(new)).await
}

/// Returns the webhooks.
pub fn list(app: &App) -> Result<Vec<Webhook>, Error> {
    app.webhooks.list()
}

/// Sends a message to a webhook.
pub async fn test(app: &App, id: &str) -> Result<(Attempt, Duration), Error> {
    app.webhooks.test(id).await
}

/// Changes a webhook.
pub async fn update(app: &App, id: String, changes: Changes) -> Result<Webhook, Error> {
    let Changes { url, secret, label } = changes;
    if let Some(url) = &url {
        check(app, url).await?;
    }
    let webhooks = Arc::clone(&app.webhooks);
    let update = move || webhooks.update(&id, url, secret, label);
    app.executor.run("update_webhook", update).await
}

/// Lets a webhook go on.
pub fn resume(app: &App, id: &str) -> Result<Webhook, Error> {
    app.webhooks.resume(id)
}

/// Removes a webhook.
pub fn delete(app: &App, id: &str) -> Result<(), Error> {
    app.webhooks.delete(id)
}

async fn check(app: &App, url: &str) -> Result<(), Error> {
    let shown = || quoted(&crate::urls::masked(url));
    let checked = app.webhooks.check(url).await;
    checked.map_err(|refused| Error::invalid("url", format!("{} {refused}", shown())))
}
