//! `listpeers` and `disconnect`.

use ldk_server_grpc::api::{DisconnectPeerRequest, ListPeersRequest};
use ldk_server_grpc::types::Peer;
use serde::Serialize;

use super::connect::announcement;
use super::open_channels::open_channels;
use super::{Method, features};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, NodeId};
use crate::cln::error::RpcError;

/// `listpeers`: the peers that are connected, or have channels, or are reconnected to.
pub(super) struct ListPeers {
    id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Listed {
    peers: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    connected: bool,
    num_channels: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    netaddr: Option<Vec<String>>,
    /// As the peer has announced them.
    #[serde(skip_serializing_if = "Option::is_none")]
    features: Option<String>,
}

impl Method for ListPeers {
    const NAME: &'static str = "listpeers";
    const USAGE: &'static str = "[id] [level]";
    type Answer = Listed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["level"], "there is no log of each peer; read the node's log file")?;
        Ok(Self { id: args.optional::<NodeId>("id")?.map(|id| id.0) })
    }

    async fn run(self, call: Call) -> Result<Listed, RpcError> {
        let channels = open_channels(&call).await?;
        let num_channels =
            |id: &str| channels.iter().filter(|channel| channel.peer_id() == id).count();
        let mut peers = peers(&call).await?;
        peers.retain(|peer| self.id.as_ref().is_none_or(|id| *id == peer.node_id));
        let mut rows = Vec::new();
        for peer in peers {
            let announced =
                if peer.is_connected { announcement(&call, &peer.node_id).await? } else { None };
            let address = peer.connected_address.unwrap_or(peer.address);
            rows.push(Row {
                connected: peer.is_connected,
                num_channels: num_channels(&peer.node_id),
                netaddr: peer.is_connected.then(|| vec![address]),
                features: announced.map(|of| features::bits(&of.features)),
                id: peer.node_id,
            });
        }
        Ok(Listed { peers: rows })
    }
}

async fn peers(call: &Call) -> Result<Vec<Peer>, RpcError> {
    Ok(call.ask(rpc::ListPeers, ListPeersRequest {}).await?.peers)
}

/// `disconnect`: ends the connection with a peer, to which the node then does not reconnect by itself.
pub(super) struct Disconnect {
    id: String,
    force: bool,
}

#[derive(Serialize)]
pub(super) struct Disconnected {}

impl Method for Disconnect {
    const NAME: &'static str = "disconnect";
    const USAGE: &'static str = "id [force]";
    type Answer = Disconnected;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self {
            id: args.required::<NodeId>("id")?.0,
            force: args.optional("force")?.unwrap_or(false),
        })
    }

    async fn run(self, call: Call) -> Result<Disconnected, RpcError> {
        let Self { id, force } = self;
        let peer = peers(&call).await?.into_iter().find(|peer| peer.node_id == id);
        let unknown = || RpcError::params(format!("Unknown peer '{id}'"));
        let peer = peer.ok_or_else(unknown)?;
        let mut channels = open_channels(&call).await?.into_iter();
        let channel = channels.find(|channel| channel.peer_id() == id);
        if let Some(channel) = channel.filter(|_| !force) {
            let state = channel.state();
            let reason = format!("Peer has (at least one) channel in state {state}");
            return Err(RpcError::generic(reason));
        }
        if !peer.is_connected {
            return Err(RpcError::generic("Peer not connected"));
        }
        call.ask(rpc::DisconnectPeer, DisconnectPeerRequest { node_pubkey: id }).await?;
        Ok(Disconnected {})
    }
}
