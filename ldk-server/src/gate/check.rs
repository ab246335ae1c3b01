//! Checks the onion addresses of the configuration.

use ldk_node::lightning::ln::msgs::SocketAddress;

use super::is_onion;
use crate::config::{Config, ConfigError};

/// The only version that the Tor network has today.
const VERSION: u8 = 3;

/// Refuses onion addresses that could not work, before the start does anything.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    const LISTENING: &str = "node.listening_addresses";
    const LSPS: [&str; 2] = ["liquidity.lsps1_client.address", "liquidity.lsps2_client.address"];
    let lsps = LSPS.into_iter().zip([&config.lsps1_client, &config.lsps2_client]);
    let lsps = lsps.filter_map(|(key, lsp)| Some((key, &lsp.as_ref()?.address)));
    let listening = config.listening_addresses.iter().map(|address| (LISTENING, address));
    let announced = config.announcement_addresses.iter();
    let announced = announced.map(|address| ("node.announcement_addresses", address));
    for (key, address) in listening.chain(announced).chain(lsps) {
        if is_misspelt(address) {
            let accepted =
                "an onion address is 56 characters of version 3 and .onion, in lower case";
            return Err(ConfigError::new(key, format!("{address} is not valid; {accepted}")));
        }
        if key == LISTENING && is_onion(address) {
            let reason = format!(
                "{address} is an onion address; listen at an address of this machine, let Tor's \
                 hidden service lead there, and set node.announcement_addresses to the onion address"
            );
            return Err(ConfigError::new(key, reason));
        }
        if LSPS.contains(&key) && is_onion(address) && config.tor_proxy.is_none() {
            let reason = format!("{address} is an onion address, which needs tor.proxy_address");
            return Err(ConfigError::new(key, reason));
        }
    }
    Ok(())
}

/// Whether this looks like an onion address but is none, so that a DNS server would be asked for it.
fn is_misspelt(address: &SocketAddress) -> bool {
    match address {
        SocketAddress::Hostname { hostname, .. } => {
            hostname.to_ascii_lowercase().trim_end_matches('.').ends_with(".onion")
        },
        SocketAddress::OnionV3 { version, .. } => *version != VERSION,
        SocketAddress::TcpIpV4 { .. }
        | SocketAddress::TcpIpV6 { .. }
        | SocketAddress::OnionV2(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_like_an_onion_address_is_told_from_one() {
        let onion = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion:9735";
        for text in [onion, "example.com:9735", "onion.example.com:1", "127.0.0.1:9735"] {
            assert!(!is_misspelt(&text.parse().unwrap()), "{text}");
        }
        for text in [
            &onion.to_uppercase(),
            &onion.replace(".onion:", ".onion.:"),
            &onion.replace("wid.onion", "wia.onion"),
        ] {
            assert!(is_misspelt(&text.parse().unwrap()), "{text}");
        }
    }
}
