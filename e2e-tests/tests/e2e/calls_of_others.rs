//! Pages of other origins, in a real browser: those that are configured call in gRPC-Web and in JSON, and
//! the others do not.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Browser, Network, Port, other_languages, run};
use serde_json::json;
use tokio::process::Command;

use crate::permissions::rune;

const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_configured_origins_call_from_a_browser() -> Result<()> {
    let packages = other_languages::node_packages(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
    let chromium = Browser::chromium().await?;
    let network = Network::start().await?;
    let [shop, other] = [Port::claim()?, Port::claim()?];
    let [shop, other] = [shop.number(), other.number()];
    let listed = format!("http://127.0.0.1:{shop}");
    let sections =
        format!("[http]\ncors_origins = [\"{listed}\", \"http://localhos[a-z]:{shop}\"]\n");
    let alice = network.node_with("alice", sections).await?;
    let task = json!({
        "url": format!("https://{}", alice.config().grpc.address()),
        "chromium": chromium,
        "rune": rune(&alice, &["--preset", "invoice"]).await?,
        "wrong": "bm9uc2Vuc2U=",
        "nodeId": alice.id(),
        "ports": [shop, other],
        "origins": [
            [listed, true],
            [format!("http://localhost:{shop}"), true],
            [format!("http://127.0.0.1:{other}"), false],
            [format!("http://localhost:{other}"), false],
        ],
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("javascript/page/calls_of_others.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(task.to_string()).env("NODE_PACKAGES", &packages);
    let printed = run(node, PATIENCE).await?.success()?;
    ensure!(printed.lines().count() == 4, "{printed}");
    network.stop().await
}
