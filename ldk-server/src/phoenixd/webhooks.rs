//! phoenixd's webhooks: payments that have arrived are posted to the URLs of the configuration, and to that
//! of their invoice. Each is posted until it is taken, a few times; what happens while the server is not
//! running is not posted. The webhooks of the node's own API make up for both.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::CONTENT_TYPE;
use ldk_server_grpc::api::SubscribeEventsRequest;
use reqwest::Url;
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::Phoenixd;
use super::answer::Refusal;
use super::event::{Told, everyone, told};
use crate::api::rpc;
use crate::chain::tls;
use crate::config::{ConfigError, WebhooksConfig, keys};
use crate::error::Error;
use crate::outbound::{Clients, reason};
use crate::webhooks::{ALLOW_PRIVATE, Target, WebhooksError};

/// What invoices have noted with them.
pub(super) const URL_KEY: &str = "phoenixd.webhookUrl";
/// The largest value of what is noted with an invoice.
const MAX_URL_BYTES: usize = 512;
/// The header with the signature: HMAC-SHA256 of the body, as hex.
const SIGNATURE: &str = "X-Phoenix-Signature";
/// Deliveries at once. Further events wait on the disk.
const MAX_DELIVERING: usize = 32;
/// The pauses before further attempts.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];
/// The pause after an error of the server's own.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// Checks a URL as far as it can be without the configuration.
pub(super) fn check_url(url: &str) -> Result<(), Refusal> {
    const NAME: &str = "webhookUrl";
    let parsed = Url::parse(url).map_err(|_| Refusal::invalid(NAME, "url"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(Refusal::invalid(NAME, "url"));
    }
    if url.len() > MAX_URL_BYTES {
        let reason = format!("{NAME}: has {} bytes; at most {MAX_URL_BYTES}", url.len());
        return Err(Refusal::BadRequest(reason));
    }
    Ok(())
}

/// Posts payments.
#[derive(Clone)]
pub(crate) struct Webhooks(Arc<Shared>);

struct Shared {
    urls: Vec<String>,
    secret: Zeroizing<String>,
    clients: Clients,
    allow_private: bool,
    delivering: Arc<Semaphore>,
}

impl Webhooks {
    /// Those with these URLs. `config` says where webhooks may lead.
    pub(crate) fn new(
        urls: Vec<String>,
        secret: Zeroizing<String>,
        config: &WebhooksConfig,
    ) -> Result<Self, WebhooksError> {
        let allow_private = config.allow_private;
        for url in &urls {
            Target::parse(url, allow_private).map_err(|refused| {
                ConfigError::new(keys::PHOENIXD_WEBHOOKS, format!("{url} {refused}"))
            })?;
        }
        let tls = tls::trusting_also("webhooks.ca_cert_path", config.ca_cert_path.as_deref())?;
        let clients = Clients::new(tls, config.timeout, allow_private, ALLOW_PRIVATE)?;
        let delivering = Arc::new(Semaphore::new(MAX_DELIVERING));
        Ok(Self(Arc::new(Shared { urls, secret, clients, allow_private, delivering })))
    }

    /// Posts what happens until the server stops. What is under way then is not waited for.
    pub(crate) async fn run(self, phoenixd: Phoenixd, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut last = None;
        let working = async {
            loop {
                if let Err(error) = self.follow(&phoenixd, &mut tasks, &mut last).await {
                    tracing::debug!(%error, "no events for phoenixd's webhooks; asking again");
                }
                sleep(ERROR_PAUSE).await;
            }
        };
        stop.run_until_cancelled(working).await;
    }

    /// Posts the events after the last one.
    async fn follow(
        &self,
        phoenixd: &Phoenixd,
        tasks: &mut JoinSet<()>,
        last: &mut Option<u64>,
    ) -> Result<(), Error> {
        let request = SubscribeEventsRequest { resume_after_index: *last, ..Default::default() };
        let begun = everyone(phoenixd).ask(rpc::SubscribeEvents, request).await;
        if matches!(begun, Err(Error::OutOfRange(_))) {
            // They are not kept any more.
            *last = None;
        }
        let mut events = begun?.messages;
        while let Some(event) = events.next().await {
            let event = event?;
            if let Some(told) = told(phoenixd, &event).await? {
                self.post(told, tasks).await?;
            }
            *last = Some(event.event_index);
        }
        Ok(())
    }

    /// Begins to post a message to all who are told of it.
    async fn post(&self, told: Told, tasks: &mut JoinSet<()>) -> Result<(), Error> {
        let Told { message, invoice } = told;
        let of_invoice = invoice.and_then(|mut invoice| invoice.metadata.remove(URL_KEY));
        while tasks.try_join_next().is_some() {}
        let urls: BTreeSet<_> = self.0.urls.iter().cloned().chain(of_invoice).collect();
        let body = Bytes::from(message.to_string());
        for url in urls {
            let place = Arc::clone(&self.0.delivering).acquire_owned().await;
            let place = place.map_err(Error::internal)?;
            let (webhooks, body) = (self.clone(), body.clone());
            tasks.spawn(async move {
                webhooks.deliver(&url, body).await;
                drop(place);
            });
        }
        Ok(())
    }

    async fn deliver(&self, url: &str, body: Bytes) {
        let mut pauses = PAUSES.into_iter();
        while let Err(reason) = self.attempt(url, body.clone()).await {
            // The URL may be a secret.
            tracing::warn!(reason, "a payment is not told to a webhook of phoenixd's interface");
            match pauses.next() {
                Some(pause) => sleep(pause).await,
                None => return,
            }
        }
    }

    async fn attempt(&self, url: &str, body: Bytes) -> Result<(), String> {
        let Shared { secret, clients, allow_private, .. } = &*self.0;
        let target = Target::parse(url, *allow_private);
        let target = target.map_err(|refused| format!("the URL {refused}"))?;
        let signature = sign(secret.as_bytes(), &body).ok_or("it cannot be signed")?;
        let request = clients
            .of(target.url())
            .post(target.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header(SIGNATURE, signature)
            .body(body);
        let status = request.send().await.map_err(reason)?.status();
        if status.is_success() { Ok(()) } else { Err(format!("answered with status {status}")) }
    }
}

fn sign(secret: &[u8], body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(body);
    Some(hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 2 of RFC 4231.
    #[test]
    fn a_body_is_signed_with_hmac_sha256() {
        let signature = sign(b"Jefe", b"what do ya want for nothing?").unwrap();
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature, expected);
    }

    #[test]
    fn a_url_is_of_http() {
        assert!(check_url("https://shop.example/paid?a=b").is_ok());
        assert!(check_url("http://127.0.0.1:3000/").is_ok());
        for wrong in ["", "shop.example", "ftp://a.example/", "javascript:alert(1)"] {
            assert!(check_url(wrong).is_err(), "{wrong}");
        }
    }
}
