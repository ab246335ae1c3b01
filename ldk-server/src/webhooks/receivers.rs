//! The HTTP clients that post to receivers.

use std::error::Error as _;
use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::delivery::{Attempt, retry_after};
use super::message::Message;
use super::resolver::Resolver;
use super::secret::Secret;
use super::target::{Reach, Target};
use crate::clock::unix_secs;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// What is read of an answer, so that its connection can be used again; its content does not matter.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How much of the reason of a failure is kept.
const MAX_REASON_CHARS: usize = 240;

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
    encrypted: Client,
    /// To private addresses, if they are allowed.
    unencrypted: Client,
    pub(super) allow_private: bool,
}

impl Receivers {
    /// Clients that wait so long for an answer.
    pub(super) fn new(
        tls: ClientConfig,
        answer_timeout: Duration,
        allow_private: bool,
    ) -> reqwest::Result<Self> {
        let reach = if allow_private { Reach::Anywhere } else { Reach::Public };
        let encrypted = builder(reach, answer_timeout).use_preconfigured_tls(tls.clone());
        let unencrypted = builder(Reach::Private, answer_timeout).use_preconfigured_tls(tls);
        Ok(Self {
            encrypted: encrypted.https_only(true).build()?,
            unencrypted: unencrypted.build()?,
            allow_private,
        })
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
        let client = if target.is_encrypted() { &self.encrypted } else { &self.unencrypted };
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

fn builder(reach: Reach, answer_timeout: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("ldk-server/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT.min(answer_timeout))
        .timeout(answer_timeout)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .dns_resolver(std::sync::Arc::new(Resolver(reach)))
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

/// Why there was no answer, without the URL.
fn reason(error: reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "no answer"
    };
    let error = error.without_url();
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    let text = match cause {
        Some(cause) if !error.is_timeout() => format!("{what}: {cause}"),
        _ => what.to_owned(),
    };
    text.chars().filter(|letter| !letter.is_control()).take(MAX_REASON_CHARS).collect()
}
