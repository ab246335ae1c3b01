//! What nodes have heard of the channels of others.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::group::Group;
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
                node.knows_channels(channels).await.with_context(|| node.alias().to_owned())?;
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
