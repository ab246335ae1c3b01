//! The network graph: the public channels and nodes that this node has heard of.

use ldk_node::lightning::io::ErrorKind;
use ldk_node::lightning::routing::gossip::{ChannelInfo, NodeId, NodeInfo};
use ldk_node::lightning::util::persist::{
    KVStoreSync, SCORER_PERSISTENCE_KEY, SCORER_PERSISTENCE_PRIMARY_NAMESPACE,
    SCORER_PERSISTENCE_SECONDARY_NAMESPACE,
};

use crate::app::App;
use crate::error::Error;

/// Returns the short channel ids of all public channels.
pub fn list_channels(app: &App) -> Vec<u64> {
    app.node.network_graph().list_channels()
}

/// Returns the public channel with this short channel id, if it is known.
pub fn channel(app: &App, short_channel_id: u64) -> Option<ChannelInfo> {
    app.node.network_graph().channel(short_channel_id)
}

/// Returns the ids of all public nodes.
pub fn list_nodes(app: &App) -> Vec<NodeId> {
    app.node.network_graph().list_nodes()
}

/// Returns the public node with this id, if it is known.
pub fn node(app: &App, node_id: &NodeId) -> Option<NodeInfo> {
    app.node.network_graph().node(node_id)
}

/// Returns the pathfinding scores as the library has stored them; nothing before it has stored any,
/// for which the library's own function fails.
pub fn pathfinding_scores(app: &App) -> Result<Vec<u8>, Error> {
    let stored = KVStoreSync::read(
        &*app.store,
        SCORER_PERSISTENCE_PRIMARY_NAMESPACE,
        SCORER_PERSISTENCE_SECONDARY_NAMESPACE,
        SCORER_PERSISTENCE_KEY,
    );
    match stored {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        stored => {
            stored.map_err(|error| Error::Internal(format!("cannot read the scores: {error}")))
        },
    }
}
