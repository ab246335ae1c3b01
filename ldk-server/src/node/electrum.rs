//! Questions to an Electrum server.

use electrum_client::{Client, ConfigBuilder, Error};
use tokio::task::spawn_blocking;

const TIMEOUT_SECS: u8 = 10;

/// Connects and asks this.
pub(super) async fn ask<T: Send + 'static>(
    server_url: String,
    question: impl FnOnce(&Client) -> Result<T, Error> + Send + 'static,
) -> Result<T, String> {
    let asking = spawn_blocking(move || {
        let config = ConfigBuilder::new().timeout(Some(TIMEOUT_SECS)).retry(0).build();
        question(&Client::from_config(&server_url, config)?)
    });
    let answer = asking.await.map_err(|error| error.to_string())?;
    answer.map_err(|error| error.to_string())
}
