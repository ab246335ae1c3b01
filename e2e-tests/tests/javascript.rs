//! A client in JavaScript, which reads the protocol definitions as it starts.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use e2e_tests::{install_once, prints_node_and_event};
use tokio::process::Command;

const NEEDED: &str = "this test needs Node.js 18 or later with npm, and the npm registry: on Debian \
                      and Ubuntu, apt-get install nodejs npm";
/// What npm installs, and exactly which versions.
const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];

#[tokio::test]
async fn a_client_without_generated_code_calls_and_follows_events() -> Result<()> {
    let packages = packages().await.context(NEEDED)?;
    let mut client = Command::new("node");
    client.env("NODE_PATH", packages).arg(directory().join("client.js"));
    prints_node_and_event("client.js", client).await
}

/// The packages of package-lock.json: installed once, and again when that file changes.
async fn packages() -> Result<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("javascript");
    fs::create_dir_all(&environment)?;
    let manifests = MANIFESTS.map(|name| directory().join(name));
    let mut copy = Command::new("cp");
    copy.args(&manifests).arg(&environment);
    let mut install = Command::new("npm");
    install.current_dir(&environment).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    let files = [manifests[0].as_path(), manifests[1].as_path()];
    install_once(&environment, &files, vec![copy, install]).await?;
    Ok(environment.join("node_modules"))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("javascript")
}
