//! Our settings of the channels, which are read, changed and written by one caller at a time.

use std::sync::{Arc, Mutex, PoisonError};

use ldk_node::{Node, NodeError};

/// Changes settings.
pub struct ChannelSettings {
    node: Arc<Node>,
    changing: Mutex<()>,
}

impl ChannelSettings {
    /// Those of this node's channels.
    pub fn new(node: Arc<Node>) -> Self {
        Self { node, changing: Mutex::default() }
    }

    /// Does this while nobody else changes settings.
    pub fn exclusively<T>(&self, change: impl FnOnce(&Node) -> T) -> T {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        change(&self.node)
    }

    /// Has the library write the state of all channels: it does when the settings of one are set, though
    /// to what they are. Blocks, but not until that is written.
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
