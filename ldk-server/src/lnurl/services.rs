//! Asks services over HTTP.

use std::time::Duration;

use http::header::{ACCEPT, LOCATION};
use reqwest::Response;
use tokio::time::timeout;

use super::answer::{Answer, Failed};
use super::link::{ALLOW_PRIVATE, Link, LinkRefused};
use super::pay::{Asked, PayTerms};
use super::withdraw::WithdrawTerms;
use crate::bulkhead::{Bulkhead, Place};
use crate::chain::tls;
use crate::config::{ConfigError, LnurlConfig};
use crate::error::Error;
use crate::outbound::{self, Clients};

/// Maximum number of concurrent requests.
const MAX_ASKING: usize = 32;
/// An offer with a picture has that many bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const MAX_REDIRECTS: usize = 3;

/// Asks services. Clones share their connections.
#[derive(Clone)]
pub struct Services {
    is_enabled: bool,
    allow_private: bool,
    timeout: Duration,
    clients: Clients,
    asking: Bulkhead,
}

/// Why no services can be asked.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The HTTP client cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// What an LNURL is for.
#[derive(Clone, Debug)]
pub enum Offered {
    /// To pay.
    Pay(PayTerms),
    /// To be paid.
    Withdraw(WithdrawTerms),
}

impl Services {
    /// As it is configured. Reads files.
    pub fn new(config: &LnurlConfig) -> Result<Self, ServicesError> {
        let LnurlConfig { is_enabled, timeout, allow_private, ref ca_cert_path } = *config;
        let tls = tls::trusting_also("lnurl.ca_cert_path", ca_cert_path.as_deref())?;
        let full = format!("{MAX_ASKING} LNURL services are being asked");
        Ok(Self {
            is_enabled,
            allow_private,
            timeout,
            clients: Clients::new(tls, timeout, allow_private, ALLOW_PRIVATE)?,
            asking: Bulkhead::new(MAX_ASKING, &full),
        })
    }

    /// Reads an LNURL, without asking anybody.
    pub fn link(&self, text: &str) -> Result<Link, LinkRefused> {
        Link::parse(text, self.allow_private)
    }

    /// A place among those who ask, unless the configuration has switched that off.
    pub fn enter(&self) -> Result<Place, Error> {
        if !self.is_enabled {
            let reason =
                "LNURL is off: lnurl.enabled is false, as it is on regtest unless it is set";
            return Err(Error::FailedPrecondition(reason.to_owned()));
        }
        self.asking.try_enter()
    }

    /// Asks what an LNURL is for.
    pub async fn resolve(&self, link: &Link) -> Result<Offered, Failed> {
        let answer = self.get(link).await?;
        match answer.text("tag") {
            Some("payRequest") => PayTerms::read(answer, link).map(Offered::Pay),
            Some("withdrawRequest") => WithdrawTerms::read(answer, link).map(Offered::Withdraw),
            Some(other) => Err(Failed::unusable(format!(
                "it is for {other:?}; this node takes payRequest and withdrawRequest"
            ))),
            None => Err(Failed::unusable("no tag")),
        }
    }

    /// Asks for an invoice.
    pub async fn invoice(
        &self,
        terms: &PayTerms,
        amount_msat: u64,
        comment: Option<&str>,
    ) -> Result<Asked, Failed> {
        terms.asked(self.get(&terms.request(amount_msat, comment)).await?)
    }

    /// Asks to pay an invoice of ours.
    pub async fn withdraw(&self, terms: &WithdrawTerms, invoice: &str) -> Result<(), Failed> {
        WithdrawTerms::accepted(&self.get(&terms.request(invoice)).await?)
    }

    async fn get(&self, link: &Link) -> Result<Answer, Failed> {
        let late = |_| Err(Failed::unusable(format!("no answer within {:?}", self.timeout)));
        timeout(self.timeout, self.follow(link)).await.unwrap_or_else(late)
    }

    /// Redirects are followed by hand, so that each is checked as the first URL is.
    async fn follow(&self, link: &Link) -> Result<Answer, Failed> {
        let mut link = link.clone();
        for hop in 0..=MAX_REDIRECTS {
            let request = self.clients.of(link.url()).get(link.url().clone());
            let sent = request.header(ACCEPT, "application/json").send().await;
            let response = sent.map_err(|error| failed(error, hop))?;
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            match location.filter(|_| response.status().is_redirection()) {
                Some(to) => link = link.next(to).map_err(Failed::unusable)?,
                None => return read(response).await,
            }
        }
        Err(Failed::unusable("it redirects again and again"))
    }
}

/// Who could not be connected to has not been asked; who redirects has.
fn failed(error: reqwest::Error, hop: usize) -> Failed {
    let is_unasked = error.is_connect() && hop == 0;
    let reason = outbound::reason(error);
    if is_unasked { Failed::NotAsked(reason) } else { Failed::Unknown(reason) }
}

async fn read(mut response: Response) -> Result<Answer, Failed> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let Some(chunk) = chunk.map_err(|error| Failed::Unknown(outbound::reason(error)))? else {
            return Answer::read(status, &body);
        };
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Failed::unusable(format!("more than {MAX_ANSWER_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
}
