//! What nodes have heard of the channels of others.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ldk_server_client::api::{GraphGetChannelRequest, GraphListChannelsRequest};

use super::group::Group;
use crate::node::Node;
use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(60);
/// News comes at once or, when one of the nodes was not ready for it, much later.
const NEWS_PATIENCE: Duration = Duration::from_secs(3);

/// Waits until the two ends of the row know every channel, with the terms of both directions. What
/// they have missed they get when they connect anew.
pub(super) async fn until_known(group: &Group) -> Result<()> {
    let channels = group.nodes.len() - 1;
    until("the ends have heard of all channels", PATIENCE, async || {
        let heard = until("news", NEWS_PATIENCE, async || {
            for node in [&group.nodes[0], &group.nodes[channels]] {
                knows(node, channels).await.with_context(|| node.alias().to_owned())?;
            }
            Ok(())
        });
        let heard = heard.await;
        if heard.is_err() {
            group.connect_anew().await?;
        }
        heard
    })
    .await
}

async fn knows(node: &Node, channels: usize) -> Result<()> {
    let request = GraphListChannelsRequest {};
    let ids = node.client().graph_list_channels(request).await?.short_channel_ids;
    ensure!(ids.len() == channels, "it knows {ids:?}");
    for short_channel_id in ids {
        let request = GraphGetChannelRequest { short_channel_id };
        let channel = node.client().graph_get_channel(request).await?.channel.context("none")?;
        let has_terms = channel.one_to_two.is_some() && channel.two_to_one.is_some();
        ensure!(has_terms, "it knows {channel:?}");
    }
    Ok(())
}
