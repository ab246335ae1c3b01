//! Peers.

use clap::Args;
use ldk_server_grpc::api::{ConnectPeerRequest, DisconnectPeerRequest, ListPeersRequest};

use crate::failure::Failure;

unary_commands!(Commands {
    ConnectPeer => connect_peer,
    DisconnectPeer => disconnect_peer,
    ListPeers => list_peers,
});

/// Connect to a node
#[derive(Debug, Args)]
pub(crate) struct ConnectPeer {
    /// Public key of the node as hex, alone or as pubkey@host:port
    #[arg(value_name = "NODE_PUBKEY[@ADDRESS]")]
    node_pubkey: String,

    /// Address of the node, host:port, unless it is given with the public key
    address: Option<String>,

    /// Reconnect to the node whenever the connection is lost
    #[arg(long)]
    persist: bool,
}

impl TryFrom<ConnectPeer> for ConnectPeerRequest {
    type Error = Failure;

    fn try_from(command: ConnectPeer) -> Result<Self, Failure> {
        let (node_pubkey, address) = key_and_address(command.node_pubkey, command.address)?;
        Ok(Self { node_pubkey, address, persist: command.persist })
    }
}

/// Key and address of a node, from one argument or two.
pub(super) fn key_and_address(
    node_pubkey: String,
    address: Option<String>,
) -> Result<(String, String), Failure> {
    if let Some(address) = address {
        return Ok((node_pubkey, address));
    }
    let uri = node_pubkey.split_once('@');
    uri.map(|(key, address)| (key.to_owned(), address.to_owned())).ok_or_else(|| {
        let accepted = "address is required: give it second, or first as pubkey@host:port";
        Failure::Local(accepted.to_owned())
    })
}

/// Disconnect from a node, and do not reconnect to it
#[derive(Debug, Args)]
pub(crate) struct DisconnectPeer {
    /// Public key of the node, as hex
    node_pubkey: String,
}

impl From<DisconnectPeer> for DisconnectPeerRequest {
    fn from(command: DisconnectPeer) -> Self {
        Self { node_pubkey: command.node_pubkey }
    }
}

/// List the peers: nodes that are connected, or that the node reconnects to
#[derive(Debug, Args)]
pub(crate) struct ListPeers;

impl From<ListPeers> for ListPeersRequest {
    fn from(_: ListPeers) -> Self {
        Self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::request;

    #[test]
    fn a_peer_is_named_in_one_argument_or_two() {
        let request = request::<ConnectPeer, ConnectPeerRequest>;
        let peer = |node_pubkey: &str, address: &str, persist| {
            Ok(ConnectPeerRequest {
                node_pubkey: node_pubkey.to_owned(),
                address: address.to_owned(),
                persist,
            })
        };
        assert_eq!(request("02aa@h:1"), peer("02aa", "h:1", false));
        assert_eq!(request("02aa h:2 --persist"), peer("02aa", "h:2", true));
        // The second argument wins, and the first is passed on as it is.
        assert_eq!(request("02aa@h:1 h:2"), peer("02aa@h:1", "h:2", false));
        let missing = request("02aa").unwrap_err();
        assert!(missing.starts_with("Error: address is required"), "{missing}");
    }
}
