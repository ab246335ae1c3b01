//! The node itself.

use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::routing::gossip::NodeAlias;
use ldk_node::lightning_types::features::NodeFeatures;
use ldk_node::{BalanceDetails, NodeStatus};

use crate::app::App;
use crate::error::Error;

/// The node's identity and its state.
pub struct NodeInfo {
    /// Its public key.
    pub node_id: PublicKey,
    /// Its alias, if it has one.
    pub alias: Option<NodeAlias>,
    /// Its Bitcoin network.
    pub network: Network,
    /// The features it announces.
    pub features: NodeFeatures,
    /// Where it listens for peers.
    pub listening_addresses: Vec<SocketAddress>,
    /// The addresses it announces.
    pub announcement_addresses: Vec<SocketAddress>,
    /// Its best block and the times of its last syncs.
    pub status: NodeStatus,
}

/// Returns the node's identity and its state.
pub fn info(app: &App) -> NodeInfo {
    NodeInfo {
        node_id: app.node.node_id(),
        alias: app.node.node_alias(),
        network: app.network,
        features: app.features.clone(),
        listening_addresses: app.gate.listening_addresses().to_vec(),
        announcement_addresses: app.gate.announcement_addresses().to_vec(),
        status: app.node.status(),
    }
}

/// The node's balances.
pub struct Balances {
    /// As the library reports them.
    pub details: BalanceDetails,
    /// The height of the best block, no later than that of the balances.
    pub height: u32,
}

/// Returns the node's balances.
pub fn balances(app: &App) -> Balances {
    // Read first, so that no output is taken for swept that is not in the balance of the wallet yet.
    let height = app.node.status().current_best_block.height;
    Balances { details: app.node.list_balances(), height }
}

/// Has the standby take the place of this node, and returns its name.
pub fn step_down(app: &App) -> Result<String, Error> {
    let Some(standbys) = app.store.standbys() else {
        return Err(Error::FailedPrecondition(
            "there can be no standby: the state of this node is not in PostgreSQL; set \
             [storage.postgres] in the configuration"
                .to_owned(),
        ));
    };
    let standby = standbys.waiting().map_err(|error| {
        tracing::warn!(%error, "cannot look for a standby");
        Error::Unavailable("PostgreSQL does not answer, so it is not known who waits".to_owned())
    })?;
    let Some(standby) = standby else {
        return Err(Error::FailedPrecondition(
            "no standby waits: start one with the same keys and storage.postgres.standby = true, or \
             stop this node"
                .to_owned(),
        ));
    };
    tracing::info!(standby, "the standby is to take over");
    app.stepping_down.cancel();
    Ok(standby)
}
