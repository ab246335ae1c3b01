//! HTTP clients that connect only where they may.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};
use rustls::ClientConfig;

use super::reach::Reach;
use super::resolver::Resolver;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of the reason of a failure is kept.
const MAX_REASON_CHARS: usize = 240;

/// A client for `https://`, and one for `http://`, which leads to private addresses only. Redirects are
/// not followed. The address in a URL that has one in place of a name is not checked here. Clones share
/// their connections.
#[derive(Clone)]
pub(crate) struct Clients {
    encrypted: Client,
    unencrypted: Client,
}

impl Clients {
    /// Clients that wait so long for a complete answer. `key` names what allows private addresses.
    pub(crate) fn new(
        tls: ClientConfig,
        answer_timeout: Duration,
        allow_private: bool,
        key: &'static str,
    ) -> reqwest::Result<Self> {
        let builder = |is_encrypted| {
            let reach = Reach::new(is_encrypted, allow_private, key);
            builder(reach, answer_timeout).use_preconfigured_tls(tls.clone())
        };
        Ok(Self {
            encrypted: builder(true).https_only(true).build()?,
            unencrypted: builder(false).build()?,
        })
    }

    /// The client for a URL.
    pub(crate) fn of(&self, url: &Url) -> &Client {
        if url.scheme() == "https" { &self.encrypted } else { &self.unencrypted }
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
        .dns_resolver(Arc::new(Resolver(reach)))
}

/// Why there was no answer, without the URL.
pub(crate) fn reason(error: reqwest::Error) -> String {
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
