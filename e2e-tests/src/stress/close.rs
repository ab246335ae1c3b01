//! Closing channels by agreement.

use std::time::Duration;

use anyhow::{Result, ensure};
use ldk_server_client::api::CloseChannelRequest;

use super::group::Group;
use crate::node::Node;
use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(60);

/// Closes the channel between each node and the next, and waits until no node has one. Of a channel
/// that is closed already, those who do not know it yet are told, or see it on chain.
pub(super) async fn all(group: &Group) -> Result<()> {
    until("all channels are closed", PATIENCE, async || {
        group.reconnect().await?;
        for pair in group.nodes.windows(2) {
            close(&pair[0], &pair[1]).await?;
        }
        for node in &group.nodes {
            let channels = node.channels().await?;
            ensure!(channels.is_empty(), "{} has {channels:?}", node.alias());
        }
        Ok(())
    })
    .await
}

/// Asks to close what both can use.
async fn close(one: &Node, other: &Node) -> Result<()> {
    let ours = one.channels().await?;
    let theirs = other.channels().await?;
    for channel in ours.into_iter().filter(|channel| channel.is_usable) {
        if theirs.iter().any(|known| known.channel_id == channel.channel_id && known.is_usable) {
            let request = CloseChannelRequest {
                user_channel_id: channel.user_channel_id,
                counterparty_node_id: other.id().to_owned(),
            };
            one.client().close_channel(request).await?;
        }
    }
    Ok(())
}
