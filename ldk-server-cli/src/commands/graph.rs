//! The public network, as far as the node has heard of it.

use clap::Args;
use ldk_server_grpc::api::{
    ExportPathfindingScoresRequest, GraphGetChannelRequest, GraphGetNodeRequest,
    GraphListChannelsRequest, GraphListNodesRequest,
};

unary_commands!(Commands {
    ExportPathfindingScores => export_pathfinding_scores,
    GraphListChannels => graph_list_channels,
    GraphGetChannel => graph_get_channel,
    GraphListNodes => graph_list_nodes,
    GraphGetNode => graph_get_node,
});

/// List the public channels by their short channel ids
#[derive(Debug, Args)]
pub(crate) struct GraphListChannels;

impl From<GraphListChannels> for GraphListChannelsRequest {
    fn from(_: GraphListChannels) -> Self {
        Self {}
    }
}

/// Show a public channel
#[derive(Debug, Args)]
pub(crate) struct GraphGetChannel {
    /// Short channel id, as a decimal number
    short_channel_id: u64,
}

impl From<GraphGetChannel> for GraphGetChannelRequest {
    fn from(command: GraphGetChannel) -> Self {
        Self { short_channel_id: command.short_channel_id }
    }
}

/// List the public nodes by their public keys
#[derive(Debug, Args)]
pub(crate) struct GraphListNodes;

impl From<GraphListNodes> for GraphListNodesRequest {
    fn from(_: GraphListNodes) -> Self {
        Self {}
    }
}

/// Show a public node
#[derive(Debug, Args)]
pub(crate) struct GraphGetNode {
    /// Public key of the node, as hex
    node_id: String,
}

impl From<GraphGetNode> for GraphGetNodeRequest {
    fn from(command: GraphGetNode) -> Self {
        Self { node_id: command.node_id }
    }
}

/// Print the node's pathfinding scores, as hex
#[derive(Debug, Args)]
pub(crate) struct ExportPathfindingScores;

impl From<ExportPathfindingScores> for ExportPathfindingScoresRequest {
    fn from(_: ExportPathfindingScores) -> Self {
        Self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{request, usage_error};

    #[test]
    fn channels_are_named_by_number_and_nodes_by_key() {
        assert_eq!(
            request::<GraphGetChannel, _>("18446744073709551615"),
            Ok(GraphGetChannelRequest { short_channel_id: u64::MAX })
        );
        for text in ["1x2x3", "-1", "18446744073709551616"] {
            let error = usage_error::<GraphGetChannel>(text);
            assert!(error.starts_with("error: "), "{error}");
        }
        assert_eq!(
            request::<GraphGetNode, _>("02aa"),
            Ok(GraphGetNodeRequest { node_id: "02aa".to_owned() })
        );
    }
}
