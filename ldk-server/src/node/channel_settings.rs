//! The settings of our channels, which one caller at a time reads, changes and writes.

use std::sync::{Arc, Mutex, PoisonError};

use ldk_node::{Node, NodeError};

/// Changes the settings of channels.
pub struct ChannelSettings {
    node: Arc<Node>,
    changing: Mutex<()>,
}

impl ChannelSettings {
    /// For the channels of this node.
    pub fn new(node: Arc<Node>) -> Self {
        Self { node, changing: Mutex::default() }
    }

    /// Calls `change` while no other caller changes settings.
    pub fn exclusively<T>(&self, change: impl FnOnce(&Node) -> T) -> T {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        change(&self.node)
    }

    /// Makes the library write the state of all channels, by setting the settings of one to their
    /// current values. Blocks, but not until the state is written.
    pub fn rewrite(&self) -> Result<(), NodeError> {
        self.exclusively(|node| {
            let mut outcome = Ok(());
            for channel in node.list_channels() {
                let (id, peer) = (&channel.user_channel_id, channel.counterparty_node_id);
                outcome = node.update_channel_config(id, peer, channel.config);
                if outcome.is_ok() {
                    break;
                }
            }
            outcome
        })
    }
}
