//! The HTTP clients that post to receivers.

use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::Response;
use rustls::ClientConfig;
use tokio::time::timeout;

use super::delivery::{Attempt, retry_after};
use super::message::Message;
use super::secret::Secret;
use super::target::{ALLOW_PRIVATE, Target};
use crate::clock::unix_secs;
use crate::outbound::{Clients, reason};

/// What is read of an answer, so that its connection can be used again; its content does not matter.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Posts messages to URLs.
pub(super) trait Post: Clone + Send + Sync + 'static {
    /// Posts a message once.
    fn post(
        &self,
        url: &str,
        secret: &Secret,
        message: &Message,
    ) -> impl Future<Output = Attempt> + Send;
}

/// Posts to receivers. Clones share their connections.
#[derive(Clone)]
pub(super) struct Receivers {
    clients: Clients,
    pub(super) allow_private: bool,
}

impl Receivers {
    /// Clients that wait so long for an answer.
    pub(super) fn new(
        tls: ClientConfig,
        answer_timeout: Duration,
        allow_private: bool,
    ) -> reqwest::Result<Self> {
        let clients = Clients::new(tls, answer_timeout, allow_private, ALLOW_PRIVATE)?;
        Ok(Self { clients, allow_private })
    }
}

impl Post for Receivers {
    async fn post(&self, url: &str, secret: &Secret, message: &Message) -> Attempt {
        let target = match Target::parse(url, self.allow_private) {
            Ok(target) => target,
            Err(refused) => return Attempt::failed(format!("the URL {refused}")),
        };
        let (Message { id, body }, now) = (message, unix_secs());
        let Some(signature) = secret.sign(id, now, body) else {
            return Attempt::failed("it cannot be signed".to_owned());
        };
        let client = self.clients.of(target.url());
        let request = client
            .post(target.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature)
            .body(body.clone());
        match request.send().await {
            Ok(answer) => answered(answer).await,
            Err(error) => Attempt::failed(reason(error)),
        }
    }
}

/// The status decides. An answer that does not end is cut off with its connection.
async fn answered(mut answer: Response) -> Attempt {
    let status = answer.status();
    let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let attempt = Attempt::answered(status, after.and_then(retry_after));
    let reading = async {
        let mut read = 0;
        while let Ok(Some(chunk)) = answer.chunk().await {
            read += chunk.len();
            if read > MAX_ANSWER_BYTES {
                break;
            }
        }
    };
    // Whatever is missing then is not wanted.
    let _ = timeout(ANSWER_TIMEOUT, reading).await;
    attempt
}
