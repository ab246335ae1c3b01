//! Webhooks: making, listing, testing, changing, resuming and deleting them.

use std::time::Duration;

use ldk_server_grpc::api::{
    CreateWebhookRequest, CreateWebhookResponse, DeleteWebhookRequest, DeleteWebhookResponse,
    ListWebhooksRequest, ListWebhooksResponse, ResumeWebhookRequest, ResumeWebhookResponse,
    TestWebhookRequest, TestWebhookResponse, UpdateWebhookRequest, UpdateWebhookResponse,
};

use super::dispatcher::Call;
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, quoted};
use crate::ops;
use crate::ops::webhooks::Changes;
use crate::store::EVENT_KINDS;
use crate::webhooks::{Attempt, NewWebhook, Secret};

const MAX_LABEL_CHARS: usize = 128;

pub(super) async fn create(
    call: Call,
    CreateWebhookRequest { url, kinds, secret, label }: CreateWebhookRequest,
) -> Result<CreateWebhookResponse, Error> {
    // It outlives whoever has made it.
    call.caller.must_be_unrestricted()?;
    let (kinds, label) = (checked_kinds(kinds)?, checked_label(label)?);
    let (secret, made) = given_or_made(&secret)?;
    let new = NewWebhook { url, kinds, label, secret };
    let app = call.app()?;
    let webhook = ops::webhooks::create(&app, new).await?;
    Ok(CreateWebhookResponse { webhook: Some(webhook), secret: made })
}

pub(super) fn list(
    app: &App,
    _: &Caller,
    ListWebhooksRequest {}: ListWebhooksRequest,
) -> Result<ListWebhooksResponse, Error> {
    Ok(ListWebhooksResponse { webhooks: ops::webhooks::list(app)? })
}

pub(super) async fn test(
    call: Call,
    TestWebhookRequest { id }: TestWebhookRequest,
) -> Result<TestWebhookResponse, Error> {
    let app = call.app()?;
    let (attempt, took) = ops::webhooks::test(&app, &id).await?;
    Ok(tested(attempt, took))
}

pub(super) async fn update(
    call: Call,
    UpdateWebhookRequest { id, url, secret, label }: UpdateWebhookRequest,
) -> Result<UpdateWebhookResponse, Error> {
    call.caller.must_be_unrestricted()?;
    if url.is_none() && secret.is_none() && label.is_none() {
        return Err(Error::invalid("url", "give url, secret or label: nothing is to be changed"));
    }
    let label = label.map(checked_label).transpose()?;
    let (secret, made) = match secret.as_deref().map(given_or_made).transpose()? {
        Some((secret, made)) => (Some(secret), made),
        None => (None, String::new()),
    };
    let changes = Changes { url, secret, label };
    let app = call.app()?;
    let webhook = ops::webhooks::update(&app, id, changes).await?;
    Ok(UpdateWebhookResponse { webhook: Some(webhook), secret: made })
}

pub(super) fn resume(
    app: &App,
    _: &Caller,
    ResumeWebhookRequest { id }: ResumeWebhookRequest,
) -> Result<ResumeWebhookResponse, Error> {
    Ok(ResumeWebhookResponse { webhook: Some(ops::webhooks::resume(app, &id)?) })
}

pub(super) fn delete(
    app: &App,
    _: &Caller,
    DeleteWebhookRequest { id }: DeleteWebhookRequest,
) -> Result<DeleteWebhookResponse, Error> {
    ops::webhooks::delete(app, &id)?;
    Ok(DeleteWebhookResponse {})
}

fn tested(attempt: Attempt, took: Duration) -> TestWebhookResponse {
    TestWebhookResponse {
        delivered: attempt.is_delivered(),
        status: attempt.status.map(u32::from),
        error: attempt.error.unwrap_or_default(),
        duration_msec: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The secret of a request, or a new one with its text. The one of a request is not told again.
fn given_or_made(text: &str) -> Result<(Secret, String), Error> {
    if text.is_empty() {
        let secret = Secret::random();
        let made = secret.reveal().to_string();
        return Ok((secret, made));
    }
    let secret =
        Secret::parse(text).map_err(|error| Error::invalid("secret", error.to_string()))?;
    Ok((secret, String::new()))
}

/// Each once, in the order of the proto file.
fn checked_kinds(kinds: Vec<String>) -> Result<Vec<String>, Error> {
    if let Some(unknown) = kinds.iter().find(|kind| !EVENT_KINDS.contains(&kind.as_str())) {
        let reason = format!("{} must be one of {}", quoted(unknown), EVENT_KINDS.join(", "));
        return Err(Error::invalid("kinds", reason));
    }
    let wanted = EVENT_KINDS.into_iter().filter(|kind| kinds.iter().any(|wanted| wanted == kind));
    Ok(wanted.map(str::to_owned).collect())
}

fn checked_label(label: String) -> Result<String, Error> {
    let chars = label.chars().count();
    if chars > MAX_LABEL_CHARS {
        let reason = format!("has {chars} characters; accepted are at most {MAX_LABEL_CHARS}");
        return Err(Error::invalid("label", reason));
    }
    Ok(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_was_given_is_not_told_again() {
        let (secret, text) = given_or_made("").unwrap();
        assert_eq!(*secret.reveal(), text);
        let (again, told) = given_or_made(&text).unwrap();
        assert_eq!((again, told.as_str()), (secret, ""));
        let refused = given_or_made("whsec_5ec2e7").unwrap_err().to_string();
        assert!(refused.starts_with("secret: must be whsec_"), "{refused}");
        assert!(!refused.contains("5ec2e7"), "{refused}");
    }

    #[test]
    fn kinds_are_those_of_the_proto_file() {
        let kinds = |texts: &[&str]| checked_kinds(texts.iter().map(|&text| text.into()).collect());
        assert_eq!(kinds(&[]).unwrap(), Vec::<String>::new());
        let given = kinds(&["payment_failed", "payment_received", "payment_failed"]).unwrap();
        assert_eq!(given, ["payment_received", "payment_failed"]);
        let refused = kinds(&["payment_received", "payments"]).unwrap_err().to_string();
        assert!(refused.starts_with("kinds: \"payments\" must be one of"), "{refused}");
    }

    #[test]
    fn labels_are_bounded() {
        assert!(checked_label("é".repeat(128)).is_ok());
        assert!(checked_label("x".repeat(129)).unwrap_err().to_string().contains("at most 128"));
    }
}
