//! The addresses that are announced.
//!
//! An address to listen at need not be one to connect to: `0.0.0.0` is every address of this machine,
//! and no address for others. The network keeps what is announced, so such an address is left out.

use std::net::{IpAddr, Ipv6Addr};

use ldk_node::bitcoin::Network;
use ldk_node::lightning::ln::msgs::SocketAddress;

/// The addresses that are announced, and those that are not because no peer could connect to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) addresses: Vec<SocketAddress>,
    pub(super) withheld: Vec<SocketAddress>,
}

impl Announced {
    /// Without `announced`, the listening addresses are announced.
    pub(super) fn new(
        listening: &[SocketAddress],
        announced: Vec<SocketAddress>,
        network: Network,
    ) -> Self {
        let wanted = if announced.is_empty() { listening.to_vec() } else { announced };
        let is_reachable = |address: &SocketAddress| is_reachable(address, network);
        let (addresses, withheld) = wanted.into_iter().partition(is_reachable);
        Self { addresses, withheld }
    }

    /// Logs a warning for each address that is not announced.
    pub(super) fn warn(&self) {
        for address in &self.withheld {
            tracing::warn!(
                %address,
                "an address is not announced, because no other machine can connect to it; set \
                 node.announcement_addresses to the public address of this node"
            );
        }
    }
}

/// Whether another machine could connect there; on regtest, another node of this machine.
fn is_reachable(address: &SocketAddress, network: Network) -> bool {
    let reaches = |ip: IpAddr| {
        let ip = ip.to_canonical();
        !ip.is_unspecified() && (network == Network::Regtest || !ip.is_loopback())
    };
    match address {
        SocketAddress::TcpIpV4 { addr, port } => *port > 0 && reaches(IpAddr::from(*addr)),
        SocketAddress::TcpIpV6 { addr, port } => {
            *port > 0 && reaches(IpAddr::V6(Ipv6Addr::from(*addr)))
        },
        SocketAddress::Hostname { hostname, port } => {
            *port > 0 && (network == Network::Regtest || !is_localhost(hostname))
        },
        SocketAddress::OnionV3 { port, .. } => *port > 0,
        SocketAddress::OnionV2(_) => false,
    }
}

fn is_localhost(hostname: &str) -> bool {
    let hostname = hostname.trim_end_matches('.').to_ascii_lowercase();
    hostname == "localhost" || hostname.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(listening: &[&str], announced: &[&str], network: Network) -> Vec<String> {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let listening: Vec<_> = parse(listening);
        let Announced { addresses, .. } = Announced::new(&listening, parse(announced), network);
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn bound_is_not_reachable() {
        let bound = [
            "0.0.0.0:9735",
            "[::]:9735",
            "[::ffff:0.0.0.0]:9735",
            "127.0.0.1:9735",
            "127.5.0.1:9735",
            "[::1]:9735",
            "localhost:9735",
            "LOCALHOST.:9735",
            "198.51.100.7:0",
        ];
        for address in bound {
            assert!(announced(&[address], &[], Network::Bitcoin).is_empty(), "{address}");
            assert!(announced(&["1.2.3.4:9735"], &[address], Network::Signet).is_empty());
        }
        let there = ["198.51.100.7:9735", "node.example:9735", "192.168.0.7:9735"];
        for address in there {
            assert_eq!(announced(&[address], &[], Network::Bitcoin), [address]);
        }
        assert_eq!(announced(&bound, &there, Network::Bitcoin), there);
    }

    #[test]
    fn nodes_on_regtest_find_each_other_on_one_machine() {
        for address in ["127.0.0.1:9735", "localhost:9735"] {
            assert_eq!(announced(&[address], &[], Network::Regtest), [address]);
        }
        assert!(announced(&["0.0.0.0:9735", "[::]:9735"], &[], Network::Regtest).is_empty());
    }
}
