//! The content security policy: that of the configuration on every answer, and those of the pages beside it.

use anyhow::{Result, ensure};
use e2e_tests::{Network, RawConnection};

use super::{post_json, send};
use crate::permissions::rune;

const POLICY: &str = "default-src 'self'; frame-ancestors https://desk.example";

#[tokio::test(flavor = "multi_thread")]
async fn the_configured_policy_is_on_every_answer() -> Result<()> {
    let network = Network::start().await?;
    let sections = format!("[http]\ncsp = \"{POLICY}\"\n");
    let alice = network.node_with("alice", sections).await?;
    for (path, has_own) in [
        ("/", true),
        ("/page/app.js", true),
        ("/docs", true),
        ("/openapi.json", true),
        ("/livez", false),
        ("/v1/events", false),
        ("/v1/nowhere", false),
    ] {
        let answer = RawConnection::get(alice.config(), path).await?;
        let policies: Vec<_> = answer.headers.get_all("content-security-policy").iter().collect();
        ensure!(policies.last().is_some_and(|last| *last == POLICY), "{path}: {answer:?}");
        ensure!(policies.len() == if has_own { 2 } else { 1 }, "{path}: {answer:?}");
        // The key makes no page less strict: what may frame it, for one.
        let own = policies[0].to_str()?;
        ensure!(!has_own || own.contains("frame-ancestors 'none'"), "{path}: {own}");
    }
    let rune = rune(&alice, &["--preset", "read"]).await?;
    let answer = send(&alice, post_json(alice.config(), "/v1/get-node-info", &rune), "{}").await?;
    ensure!(answer.headers["content-security-policy"] == POLICY, "{answer:?}");
    network.stop().await
}
