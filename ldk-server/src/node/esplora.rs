//! Questions to an Esplora server.

use std::time::Duration;

use reqwest::{Client, Error, Response};
use secrecy::{ExposeSecret as _, SecretString};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Asks for what is at this path, which begins with a slash. The error does not name the URL, which
/// may hold a password.
pub(super) async fn get(
    server_url: &str,
    headers: &[(String, SecretString)],
    path: &str,
) -> Result<Response, Error> {
    let base = server_url.trim_end_matches('/');
    let client = Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let mut request = client.get(format!("{base}{path}"));
    for (name, value) in headers {
        request = request.header(name, value.expose_secret());
    }
    let answer = request.send().await.and_then(Response::error_for_status);
    answer.map_err(Error::without_url)
}
