//! URLs that events are posted to.

use anyhow::{Result, ensure};
use e2e_tests::{Reaction, WebhookReceiver};
use serde_json::json;

use super::faces::{Faces, Volatile, text_of};

const NEW: [Volatile; 2] =
    [("id", "is that of a new webhook"), ("created_at", "is the second it was made in")];

pub(super) async fn compare(faces: &mut Faces<'_>) -> Result<()> {
    let receiver = WebhookReceiver::start(Reaction::Answer(204)).await?;
    let url = receiver.url();
    let request = |_| json!({ "url": url, "kinds": ["payment_received"], "label": "shop" });
    let volatile = [NEW[0], NEW[1], ("secret", "is a new secret")];
    let made = faces.each("CreateWebhook", request, &volatile).await?;
    let ids = made.iter().map(|answer| text_of(&answer["webhook"], "id"));
    let ids = ids.collect::<Result<Vec<_>>>()?;
    let named = |face: usize| json!({ "id": ids[face] });
    let volatile = [("duration_msec", "is how long it took")];
    let [tested, ..] = faces.each("TestWebhook", named, &volatile).await?;
    ensure!(tested["delivered"] == true && tested["status"] == 204, "{tested}");
    let request = |face| {
        let mut request = named(face);
        request["label"] = "till".into();
        request
    };
    faces.each("UpdateWebhook", request, &NEW).await?;
    let listed = faces.read("ListWebhooks", json!({}), &[]).await?;
    ensure!(listed["webhooks"][2]["label"] == "till", "{listed}");
    faces.each("ResumeWebhook", named, &NEW).await?;
    faces.each("DeleteWebhook", named, &[]).await?;
    Ok(())
}
