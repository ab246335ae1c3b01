//! Requests to an Esplora server.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret as _;
use tokio::task::spawn_blocking;

use super::error::RequestError;
use crate::chain::tls;
use crate::config::{ChainSource, EsploraConfig};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns the text at this path, which begins with a slash.
pub(super) async fn get(config: &EsploraConfig, path: &str) -> Result<String, RequestError> {
    let request = request(config, Method::GET, path).await?;
    let answer = request.send().await.and_then(Response::error_for_status)?;
    Ok(answer.text().await?)
}

/// Broadcasts a transaction and returns the answer.
pub(super) async fn send(
    config: &EsploraConfig,
    digits: String,
) -> Result<(StatusCode, Vec<u8>), RequestError> {
    let request = request(config, Method::POST, "/tx").await?;
    let answer = request.body(digits).send().await?;
    let status = answer.status();
    Ok((status, answer.bytes().await?.to_vec()))
}

async fn request(
    config: &EsploraConfig,
    method: Method,
    path: &str,
) -> Result<RequestBuilder, RequestError> {
    let base = config.server_url.trim_end_matches('/');
    let mut request = client(config).await?.request(method, format!("{base}{path}"));
    for (name, value) in &config.headers {
        request = request.header(name, value.expose_secret());
    }
    Ok(request)
}

async fn client(config: &EsploraConfig) -> Result<Client, RequestError> {
    let source = ChainSource::Esplora(config.clone());
    let tls = spawn_blocking(move || tls::client_config(&source)).await??;
    let builder = Client::builder().no_proxy().timeout(TIMEOUT);
    let builder = match tls {
        Some(tls) => builder.use_preconfigured_tls(tls),
        None => builder,
    };
    Ok(builder.build()?)
}
