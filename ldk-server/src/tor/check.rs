//! Onion addresses in the configuration that could not work.

use super::is_onion;
use crate::config::{Config, ConfigError};

/// Refuses them before anything is begun.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    if let Some(address) = config.listening_addresses.iter().find(|address| is_onion(address)) {
        let reason = format!(
            "{address} is an onion address; listen at an address of this machine, let Tor's hidden \
             service lead there, and set node.announcement_addresses to the onion address"
        );
        return Err(ConfigError::new("node.listening_addresses", reason));
    }
    let lsp = config.lsps2_client.as_ref().map(|lsp| &lsp.address);
    if let Some(address) = lsp.filter(|address| is_onion(address) && config.tor_proxy.is_none()) {
        let reason = format!("{address} is an onion address, which needs tor.proxy_address");
        return Err(ConfigError::new("liquidity.lsps2_client.address", reason));
    }
    Ok(())
}
