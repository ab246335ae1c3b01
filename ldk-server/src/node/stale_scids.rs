//! Removes outdated short channel ids of our channels from the network graph.
//!
//! A spliced channel gets another short channel id, and a closed one has none. The library keeps
//! the old id in its graph for weeks, and uses the oldest one in compact blinded paths. The peer
//! has forgotten it, so no offer of this node can be paid any more. The library allows no removal
//! from its graph while it runs; so the id is removed from the stored graph before the node uses
//! it.

use std::collections::BTreeSet;

use ldk_node::lightning::io;
use ldk_node::lightning::routing::gossip::{NetworkGraph, NodeId};
use ldk_node::lightning::util::logger::{Logger, Record};
use ldk_node::lightning::util::persist::{
    KVStoreSync, NETWORK_GRAPH_PERSISTENCE_KEY as KEY,
    NETWORK_GRAPH_PERSISTENCE_PRIMARY_NAMESPACE as PRIMARY,
    NETWORK_GRAPH_PERSISTENCE_SECONDARY_NAMESPACE as SECONDARY,
};
use ldk_node::lightning::util::ser::{ReadableArgs as _, Writeable as _};
use ldk_node::{ChannelDetails, Node};

use crate::store::Store;

/// Removes them from the stored graph. Returns whether there were any: the node must then be built
/// again, because it has read the graph and would write it back.
pub(super) fn drop_from_graph(node: &Node, store: &Store) -> io::Result<bool> {
    let own = node.network_graph().node(&NodeId::from_pubkey(&node.node_id()));
    let in_graph = own.map(|own| own.channels).unwrap_or_default();
    let stale = stale(&in_graph, &node.list_channels());
    if stale.is_empty() {
        return Ok(false);
    }
    tracing::info!(
        scids = ?stale,
        "removing short channel ids of closed or spliced channels from the network graph"
    );
    let graph = KVStoreSync::read(store, PRIMARY, SECONDARY, KEY)?;
    KVStoreSync::write(store, PRIMARY, SECONDARY, KEY, without(&graph, &stale)?)?;
    Ok(true)
}

/// The ids in the graph that no channel has any more.
fn stale(in_graph: &[u64], channels: &[ChannelDetails]) -> Vec<u64> {
    let current: BTreeSet<u64> =
        channels.iter().filter_map(|channel| channel.short_channel_id).collect();
    in_graph.iter().copied().filter(|scid| !current.contains(scid)).collect()
}

/// The serialized graph without these channels.
fn without(graph: &[u8], scids: &[u64]) -> io::Result<Vec<u8>> {
    let unreadable = |error| {
        let text = format!("the stored network graph cannot be read: {error:?}");
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    let graph = NetworkGraph::read(&mut &*graph, &Silence).map_err(unreadable)?;
    for scid in scids {
        graph.channel_failed_permanent(*scid);
    }
    Ok(graph.encode())
}

/// A logger that discards what the library logs while it reads the graph.
struct Silence;

impl Logger for Silence {
    fn log(&self, _: Record) {}
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::Network;
    use ldk_node::bitcoin::constants::ChainHash;
    use ldk_node::lightning::ln::msgs::UnsignedChannelAnnouncement;
    use ldk_node::lightning::routing::utxo::UtxoLookup;
    use ldk_node::lightning::types::features::ChannelFeatures;

    use super::*;

    const KEYS: [&str; 2] = [
        "0276607124ebe6a6c9338517b6f485825b27c2dcc0b9fc2aa6a4c0df91194e5993",
        "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619",
    ];

    fn graph_with(scids: &[u64]) -> Vec<u8> {
        let graph = NetworkGraph::new(Network::Regtest, &Silence);
        let [one, other] = KEYS.map(|key| NodeId::from_pubkey(&key.parse().unwrap()));
        for scid in scids {
            let announcement = UnsignedChannelAnnouncement {
                features: ChannelFeatures::empty(),
                chain_hash: ChainHash::using_genesis_block(Network::Regtest),
                short_channel_id: *scid,
                node_id_1: one,
                node_id_2: other,
                bitcoin_key_1: one,
                bitcoin_key_2: other,
                excess_data: Vec::new(),
            };
            let lookup: Option<&dyn UtxoLookup> = None;
            graph.update_channel_from_unsigned_announcement(&announcement, &lookup).unwrap();
        }
        graph.encode()
    }

    fn scids(graph: &[u8]) -> Vec<u64> {
        let graph = NetworkGraph::read(&mut &*graph, &Silence).unwrap();
        graph.read_only().channels().unordered_keys().copied().collect()
    }

    #[test]
    fn what_is_removed_does_not_come_back_when_the_graph_is_read() {
        let graph = graph_with(&[1 << 40, 2 << 40]);
        assert_eq!(scids(&graph).len(), 2);
        let left = without(&graph, &[1 << 40, 3 << 40]).unwrap();
        assert_eq!(scids(&left), [2 << 40]);
        assert!(without(b"no graph", &[1]).is_err());
    }
}
