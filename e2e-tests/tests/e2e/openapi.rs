//! The OpenAPI document: a validator reads it, a client is generated from it, and requests are made up
//! from it that the server must answer as it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, RawConnection, other_languages, run};
use ldk_server_grpc::RPC_NAMES;
use ldk_server_grpc::places;
use serde_json::Value;
use tokio::process::Command;

use crate::permissions::rune;

const PATIENCE: Duration = Duration::from_secs(300);

/// A node, its document in a file, and a Python that reads such documents.
struct Story {
    network: Network,
    node: Arc<Node>,
    document: PathBuf,
    python: PathBuf,
}

impl Story {
    async fn begin() -> Result<Self> {
        let python = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let python = other_languages::python_for_openapi(python).await?;
        let network = Network::start_for(1).await?;
        let node = network.node("alice").await?;
        let answer = RawConnection::get(node.config(), "/openapi.json").await?;
        ensure!(answer.status == 200, "{answer:?}");
        let document = network.dir().join("openapi.json");
        fs::write(&document, &answer.body)?;
        Ok(Self { network, node, document, python })
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(scripts().join(name)).arg(&self.document);
        command
    }

    fn url(&self) -> String {
        format!("https://{}", self.node.config().grpc.address())
    }

    fn certificate(&self) -> PathBuf {
        places::tls_cert_file(&self.node.config().storage_dir)
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python/openapi")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_finds_no_fault() -> Result<()> {
    let story = Story::begin().await?;
    let printed = run(story.script("validate.py"), PATIENCE).await?.success()?;
    let found: Value = serde_json::from_str(&printed)?;
    let operations = found["operations"].as_u64().context("no count")?;
    ensure!(operations >= RPC_NAMES.len() as u64, "{found}");
    e2e_tests::print_uncaptured(&format!("the OpenAPI document: {found}"));
    story.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_client_calls_the_node() -> Result<()> {
    let story = Story::begin().await?;
    let rune = rune(&story.node, &["--preset", "invoice"]).await?;
    let mut client = story.script("generated_client.py");
    client.arg(story.network.dir()).arg(story.url()).arg(story.certificate()).env("RUNE", rune);
    let printed = run(client, PATIENCE).await?.success()?;
    let found: Value = serde_json::from_str(&printed)?;
    ensure!(found["node_id"] == story.node.id(), "{found}");
    ensure!(found["height"] == story.node.height().await?, "{found}");
    ensure!(found["invoice"].as_str().is_some_and(|text| text.starts_with("lnbcrt50n")), "{found}");
    ensure!(found["refused"][0] == "invalid_argument", "{found}");
    story.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_as_the_document_says() -> Result<()> {
    let story = Story::begin().await?;
    let rune = rune(&story.node, &["--preset", "admin"]).await?;
    let key = story.node.cli(&["create-api-key", "schemathesis"]).await?;
    let key = key["api_key"].as_str().context("no key")?;
    // It writes down what it has found, beside its configuration.
    let dir = story.network.dir();
    for file in ["schemathesis.toml", "hooks.py"] {
        fs::copy(scripts().join(file), dir.join(file))?;
    }
    let report = dir.join("schemathesis.json");
    let mut schemathesis = Command::new(&story.python);
    schemathesis
        .current_dir(dir)
        .args(["-m", "schemathesis.cli", "--no-color", "--config-file", "schemathesis.toml", "run"])
        .arg(&story.document)
        // More examples find nothing else, and wrong credentials are answered late by then.
        .args(["--phases=examples,fuzzing", "--workers=8", "--max-examples=1", "--seed=1"])
        .arg(format!("--url={}", story.url()))
        .arg(format!("--tls-verify={}", story.certificate().display()))
        .arg(format!("--report-json-path={}", report.display()))
        .envs([("RUNE", &*rune), ("API_KEY", key), ("PYTHONPATH", ".")]);
    let printed = run(schemathesis, PATIENCE).await?.success()?;
    let last = printed.lines().rev().take(12).collect::<Vec<_>>();
    e2e_tests::print_uncaptured(&last.into_iter().rev().collect::<Vec<_>>().join("\n"));
    story.network.stop().await
}
