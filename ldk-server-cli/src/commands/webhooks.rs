//! Webhooks: URLs that events are posted to.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use ldk_server_grpc::api::{
    CreateWebhookRequest, DeleteWebhookRequest, ListWebhooksRequest, ResumeWebhookRequest,
    TestWebhookRequest, UpdateWebhookRequest,
};

use crate::failure::Failure;

unary_commands!(Commands {
    CreateWebhook => create_webhook,
    ListWebhooks => list_webhooks,
    TestWebhook => test_webhook,
    UpdateWebhook => update_webhook,
    ResumeWebhook => resume_webhook,
    DeleteWebhook => delete_webhook,
});

/// Have the server post events to a URL, signed as Standard Webhooks define
#[derive(Debug, Args)]
pub(crate) struct CreateWebhook {
    /// URL, https://...
    url: String,
    /// Kind of events, such as payment_received; may be repeated [default: all]
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// File with the secret for signatures, whsec_... [default: the server makes one and tells it]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// What it is for
    #[arg(long, default_value_t)]
    label: String,
}

impl TryFrom<CreateWebhook> for CreateWebhookRequest {
    type Error = Failure;

    fn try_from(command: CreateWebhook) -> Result<Self, Failure> {
        let CreateWebhook { url, kinds, secret_file, label } = command;
        let secret = secret_file.map(read).transpose()?.unwrap_or_default();
        Ok(Self { url, kinds, secret, label })
    }
}

/// List the webhooks, how far each is, and what became of its last delivery
#[derive(Debug, Args)]
pub(crate) struct ListWebhooks;

impl From<ListWebhooks> for ListWebhooksRequest {
    fn from(_: ListWebhooks) -> Self {
        Self {}
    }
}

/// Send a message to a webhook now, and print what it answers
#[derive(Debug, Args)]
pub(crate) struct TestWebhook {
    /// Id, wh_...
    id: String,
}

impl From<TestWebhook> for TestWebhookRequest {
    fn from(TestWebhook { id }: TestWebhook) -> Self {
        Self { id }
    }
}

/// Change the URL, the secret or the label of a webhook; its place among the events stays
#[derive(Debug, Args)]
pub(crate) struct UpdateWebhook {
    /// Id, wh_...
    id: String,
    /// Another URL
    #[arg(long)]
    url: Option<String>,
    /// File with another secret
    #[arg(long, value_name = "FILE", conflicts_with = "new_secret")]
    secret_file: Option<PathBuf>,
    /// Let the server make another secret and tell it
    #[arg(long)]
    new_secret: bool,
    /// Another label
    #[arg(long)]
    label: Option<String>,
}

impl TryFrom<UpdateWebhook> for UpdateWebhookRequest {
    type Error = Failure;

    fn try_from(command: UpdateWebhook) -> Result<Self, Failure> {
        let UpdateWebhook { id, url, secret_file, new_secret, label } = command;
        let secret = secret_file.map(read).transpose()?.or(new_secret.then(String::new));
        Ok(Self { id, url, secret, label })
    }
}

/// Let a webhook that has paused go on
#[derive(Debug, Args)]
pub(crate) struct ResumeWebhook {
    /// Id, wh_...
    id: String,
}

impl From<ResumeWebhook> for ResumeWebhookRequest {
    fn from(ResumeWebhook { id }: ResumeWebhook) -> Self {
        Self { id }
    }
}

/// Delete a webhook and its secret
#[derive(Debug, Args)]
pub(crate) struct DeleteWebhook {
    /// Id, wh_...
    id: String,
}

impl From<DeleteWebhook> for DeleteWebhookRequest {
    fn from(DeleteWebhook { id }: DeleteWebhook) -> Self {
        Self { id }
    }
}

fn read(file: PathBuf) -> Result<String, Failure> {
    let text = fs::read_to_string(&file)
        .map_err(|error| Failure::Local(format!("{}: {error}", file.display())))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{request, usage_error};

    #[test]
    fn a_webhook_has_a_url_and_its_secret_comes_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "whsec_1\n").unwrap();
        let secret_file = format!("--secret-file {}", file.path().display());
        let arguments = format!(
            "https://shop.example.org/ --kind payment_received --kind payment_failed {secret_file}"
        );
        assert_eq!(
            request::<CreateWebhook, CreateWebhookRequest>(&arguments),
            Ok(CreateWebhookRequest {
                url: "https://shop.example.org/".to_owned(),
                kinds: vec!["payment_received".to_owned(), "payment_failed".to_owned()],
                secret: "whsec_1".to_owned(),
                label: String::new(),
            })
        );
        let update = |arguments: &str| request::<UpdateWebhook, UpdateWebhookRequest>(arguments);
        assert_eq!(update("wh_1 --new-secret").unwrap().secret.as_deref(), Some(""));
        assert_eq!(update(&format!("wh_1 {secret_file}")).unwrap().secret.unwrap(), "whsec_1");
        assert_eq!(update("wh_1 --label till").unwrap().secret, None);
        assert!(update("wh_1 --secret-file /nowhere/at/all").unwrap_err().contains("/nowhere"));
        let both = format!("wh_1 --new-secret {secret_file}");
        assert!(usage_error::<UpdateWebhook>(&both).contains("cannot be used with"));
    }
}
