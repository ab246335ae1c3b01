//! The network graph.

use ldk_node::lightning::routing::gossip::NodeId;
use ldk_server_grpc::api::{
    ExportPathfindingScoresRequest, ExportPathfindingScoresResponse, GraphGetChannelRequest,
    GraphGetChannelResponse, GraphGetNodeRequest, GraphGetNodeResponse, GraphListChannelsRequest,
    GraphListChannelsResponse, GraphListNodesRequest, GraphListNodesResponse,
};

use super::fields;
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::wire;

pub(super) fn list_channels(
    app: &App,
    _: &Caller,
    GraphListChannelsRequest {}: GraphListChannelsRequest,
) -> Result<GraphListChannelsResponse, Error> {
    Ok(GraphListChannelsResponse { short_channel_ids: ops::graph::list_channels(app) })
}

pub(super) fn get_channel(
    app: &App,
    _: &Caller,
    request: GraphGetChannelRequest,
) -> Result<GraphGetChannelResponse, Error> {
    let GraphGetChannelRequest { short_channel_id } = request;
    let channel = ops::graph::channel(app, short_channel_id).ok_or_else(|| {
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
    let nodes = ops::graph::list_nodes(app);
    Ok(GraphListNodesResponse { node_ids: nodes.iter().map(ToString::to_string).collect() })
}

pub(super) fn get_node(
    app: &App,
    _: &Caller,
    request: GraphGetNodeRequest,
) -> Result<GraphGetNodeResponse, Error> {
    let GraphGetNodeRequest { node_id } = request;
    let node_id = NodeId::from_pubkey(&fields::public_key("node_id", &node_id)?);
    let node = ops::graph::node(app, &node_id).ok_or_else(|| {
        Error::invalid("node_id", format!("there is no public node {node_id} that this node knows"))
    })?;
    Ok(GraphGetNodeResponse { node: Some(wire::graph::node(node)) })
}

pub(super) fn export_pathfinding_scores(
    app: &App,
    _: &Caller,
    ExportPathfindingScoresRequest {}: ExportPathfindingScoresRequest,
) -> Result<ExportPathfindingScoresResponse, Error> {
    Ok(ExportPathfindingScoresResponse { scores: ops::graph::pathfinding_scores(app)? })
}
