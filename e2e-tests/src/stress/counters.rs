//! What the daemons count of themselves and is worth reporting.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::node::Node;

/// Metrics with one of these in their name are reported, where there are any.
const WORDS: [&str; 3] = ["inversion", "fallback", "stranger"];

/// What it has counted since it started.
pub(super) async fn read(node: &Node) -> Result<BTreeMap<String, u64>> {
    let text = node.metrics().await?;
    Ok(text.lines().filter_map(counter).collect())
}

/// The name and the value of a line that is reported.
fn counter(line: &str) -> Option<(String, u64)> {
    let (name, value) = line.split_once(' ')?;
    let is_reported = !name.starts_with('#') && WORDS.iter().any(|word| name.contains(word));
    is_reported.then_some((name.to_owned(), value.parse().ok()?))
}
