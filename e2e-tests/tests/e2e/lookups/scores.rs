//! What a node has learned about channels.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Node, until};
use ldk_server_client::api::ExportPathfindingScoresRequest;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn are_empty_at_first(node: &Node) -> Result<()> {
    assert!(scores(node).await?.is_empty());
    let printed = node.cli(&["export-pathfinding-scores"]).await?;
    assert_eq!(printed, json!({"pathfinding_scores": ""}));
    Ok(())
}

/// For a node that has made a payment. Its scores survive it.
pub(super) async fn come_with_experience(node: &Node) -> Result<()> {
    until("the scores are stored", PATIENCE, async || {
        ensure!(!scores(node).await?.is_empty(), "there are none");
        Ok(())
    })
    .await?;
    node.stop().await?;
    node.start_again().await?;
    let printed = node.cli(&["export-pathfinding-scores"]).await?;
    let hex = printed["pathfinding_scores"].as_str().unwrap_or_default().to_owned();
    ensure!(hex.len() > 2 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{printed}");
    Ok(())
}

async fn scores(node: &Node) -> Result<Vec<u8>> {
    let request = ExportPathfindingScoresRequest {};
    Ok(node.client().export_pathfinding_scores(request).await?.scores)
}
