//! Questions to an Esplora server.

use std::time::Duration;

use reqwest::{Client, Error, Method, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret as _;
use tokio::task::spawn_blocking;

use super::bitcoind::innermost;
use crate::chain::tls;
use crate::config::{ChainSource, EsploraConfig};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Asks for what is at this path, which begins with a slash, and gives its text.
pub(super) async fn get(config: &EsploraConfig, path: &str) -> Result<String, String> {
    let request = request(config, Method::GET, path).await?;
    let answer = request.send().await.and_then(Response::error_for_status).map_err(shown)?;
    answer.text().await.map_err(shown)
}

/// Hands over a transaction; gives what is answered.
pub(super) async fn send(
    config: &EsploraConfig,
    digits: String,
) -> Result<(StatusCode, Vec<u8>), String> {
    let request = request(config, Method::POST, "/tx").await?;
    let answer = request.body(digits).send().await.map_err(shown)?;
    let status = answer.status();
    Ok((status, answer.bytes().await.map_err(shown)?.to_vec()))
}

async fn request(
    config: &EsploraConfig,
    method: Method,
    path: &str,
) -> Result<RequestBuilder, String> {
    let base = config.server_url.trim_end_matches('/');
    let mut request = client(config).await?.request(method, format!("{base}{path}"));
    for (name, value) in &config.headers {
        request = request.header(name, value.expose_secret());
    }
    Ok(request)
}

async fn client(config: &EsploraConfig) -> Result<Client, String> {
    let source = ChainSource::Esplora(config.clone());
    let tls = spawn_blocking(move || tls::client_config(&source)).await;
    let tls = tls.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let builder = Client::builder().no_proxy().timeout(TIMEOUT);
    let builder = match tls {
        Some(tls) => builder.use_preconfigured_tls(tls),
        None => builder,
    };
    builder.build().map_err(shown)
}

/// Without the URL, which may hold a password.
fn shown(error: Error) -> String {
    innermost(&error.without_url())
}
