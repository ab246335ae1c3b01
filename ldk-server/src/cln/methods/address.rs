//! Network addresses as Core Lightning shows them.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

/// A network address.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Address {
    #[serde(rename = "type")]
    kind: &'static str,
    address: String,
    port: u16,
}

impl Address {
    /// The address in a text such as `127.0.0.1:9735`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let kind = match host.parse() {
            Ok(IpAddr::V4(_)) => "ipv4",
            Ok(IpAddr::V6(_)) => "ipv6",
            Err(_) if host.ends_with(".onion") => "torv3",
            Err(_) => "dns",
        };
        Some(Self { kind, address: host.to_owned(), port: port.parse().ok()? })
    }
}

/// The address in such a text, as JSON; nothing if there is none.
pub(in crate::cln) fn json(text: &str) -> Value {
    Address::parse(text).and_then(|address| serde_json::to_value(address).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_kind() {
        for (text, kind, address) in [
            ("127.0.0.1:1", "ipv4", "127.0.0.1"),
            ("[::1]:2", "ipv6", "::1"),
            ("node.example:3", "dns", "node.example"),
            ("abc.onion:4", "torv3", "abc.onion"),
        ] {
            let parsed = Address::parse(text).unwrap();
            assert_eq!((parsed.kind, &*parsed.address), (kind, address));
        }
        assert_eq!(Address::parse("nothing"), None);
    }
}
