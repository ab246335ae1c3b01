//! ConnectPeer and DisconnectPeer.

use anyhow::Result;
use e2e_tests::{Node, Port, invalid, refused};
use ldk_server_client::Code;
use ldk_server_client::api::{ConnectPeerRequest, DisconnectPeerRequest};

use crate::requests::{BAD_KEYS, BAD_PEER_ADDRESSES, STRANGER};

pub(super) async fn unusable_fields(node: &Node) -> Result<()> {
    let client = node.client();
    let connect = |node_pubkey: &str, address: &str| {
        client.connect_peer(ConnectPeerRequest {
            node_pubkey: node_pubkey.to_owned(),
            address: address.to_owned(),
            persist: false,
        })
    };
    for key in BAD_KEYS {
        invalid(connect(key, "127.0.0.1:9735").await, "node_pubkey");
        let request = DisconnectPeerRequest { node_pubkey: key.to_owned() };
        invalid(client.disconnect_peer(request).await, "node_pubkey");
    }
    refused(
        connect(node.id(), "127.0.0.1:9735").await,
        Code::InvalidArgument,
        &["node_pubkey", "own"],
    );
    for address in BAD_PEER_ADDRESSES {
        invalid(connect(STRANGER, address).await, "address");
    }
    let closed = Port::claim()?;
    let named = [STRANGER, &closed.address()];
    refused(connect(STRANGER, named[1]).await, Code::FailedPrecondition, &named);
    Ok(())
}
