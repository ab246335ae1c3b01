//! The public network, and what the node has learned about it.

use ldk_node::lightning::io::ErrorKind;
use ldk_node::lightning::routing::gossip::NodeId;
use ldk_node::lightning::util::persist::{
    KVStoreSync, SCORER_PERSISTENCE_KEY, SCORER_PERSISTENCE_PRIMARY_NAMESPACE,
    SCORER_PERSISTENCE_SECONDARY_NAMESPACE,
};
use ldk_server_grpc::api::{
    ExportPathfindingScoresRequest, ExportPathfindingScoresResponse, GraphGetChannelRequest,
    GraphGetChannelResponse, GraphGetNodeRequest, GraphGetNodeResponse, GraphListChannelsRequest,
    GraphListChannelsResponse, GraphListNodesRequest, GraphListNodesResponse,
};

use super::fields;
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::wire;

pub(super) fn list_channels(
    app: &App,
    _: &Caller,
    GraphListChannelsRequest {}: GraphListChannelsRequest,
) -> Result<GraphListChannelsResponse, Error> {
    Ok(GraphListChannelsResponse { short_channel_ids: app.node.network_graph().list_channels() })
}

pub(super) fn get_channel(
    app: &App,
    _: &Caller,
    request: GraphGetChannelRequest,
) -> Result<GraphGetChannelResponse, Error> {
    let GraphGetChannelRequest { short_channel_id } = request;
    let channel = app.node.network_graph().channel(short_channel_id).ok_or_else(|| {
        let reason = format!("there is no public channel {short_channel_id} that this node knows");
        Error::invalid("short_channel_id", reason)
    })?;
    Ok(GraphGetChannelResponse { channel: Some(wire::graph::channel(channel)) })
}

pub(super) fn list_nodes(
    app: &App,
    _: &Caller,
    GraphListNodesRequest {}: GraphListNodesRequest,
) -> Result<GraphListNodesResponse, Error> {
    let nodes = app.node.network_graph().list_nodes();
    Ok(GraphListNodesResponse { node_ids: nodes.iter().map(ToString::to_string).collect() })
}

pub(super) fn get_node(
    app: &App,
    _: &Caller,
    request: GraphGetNodeRequest,
) -> Result<GraphGetNodeResponse, Error> {
    let GraphGetNodeRequest { node_id } = request;
    let node_id = NodeId::from_pubkey(&fields::public_key("node_id", &node_id)?);
    let node = app.node.network_graph().node(&node_id).ok_or_else(|| {
        Error::invalid("node_id", format!("there is no public node {node_id} that this node knows"))
    })?;
    Ok(GraphGetNodeResponse { node: Some(wire::graph::node(node)) })
}

/// Reads what the library has stored, as its own function does; but that one takes the time before
/// anything is stored for a failure.
pub(super) fn export_pathfinding_scores(
    app: &App,
    _: &Caller,
    ExportPathfindingScoresRequest {}: ExportPathfindingScoresRequest,
) -> Result<ExportPathfindingScoresResponse, Error> {
    let stored = KVStoreSync::read(
        &*app.store,
        SCORER_PERSISTENCE_PRIMARY_NAMESPACE,
        SCORER_PERSISTENCE_SECONDARY_NAMESPACE,
        SCORER_PERSISTENCE_KEY,
    );
    match stored {
        Ok(scores) => Ok(ExportPathfindingScoresResponse { scores }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(ExportPathfindingScoresResponse { scores: Vec::new() })
        },
        Err(error) => Err(Error::Internal(format!("cannot read the scores: {error}"))),
    }
}
