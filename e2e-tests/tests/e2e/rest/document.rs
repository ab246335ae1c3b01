//! The commands of docs/rest.md, executed as they are written, and a payment by curl alone.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, print_uncaptured, run};
use ldk_server_grpc::places;
use serde_json::Value;
use tokio::process::Command;

use crate::permissions::rune;

const PATIENCE: Duration = Duration::from_secs(60);

/// The commands in the blocks for a shell of this document.
fn commands(name: &str) -> Result<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let text = std::fs::read_to_string(path)?;
    let blocks = text.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    Ok(blocks.filter(|block| block.contains("curl")).map(str::to_owned).collect())
}

/// Runs commands in a shell that knows what the documents call the node, its certificate and a rune.
async fn shell(network: &Network, nodes: &[(&str, &Node)], text: &str) -> Result<String> {
    let mut bash = Command::new("bash");
    bash.current_dir(network.dir()).args(["-euo", "pipefail", "-c", text]);
    for (prefix, node) in nodes {
        let config = node.config();
        bash.env(format!("{prefix}NODE"), format!("localhost:{}", config.grpc.number()));
        bash.env(format!("{prefix}CERT"), places::tls_cert_file(&config.storage_dir));
        bash.env(format!("{prefix}RUNE"), rune(node, &["--preset", "admin"]).await?);
    }
    run(bash, PATIENCE).await?.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_document_works() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let commands = commands("docs/rest.md")?;
    ensure!(commands.len() > 5, "{commands:?}");
    for command in &commands {
        let printed = shell(&network, &[("", &alice)], command).await?;
        if command.contains("--output events") {
            let events = std::fs::read(network.dir().join("events"))?;
            // Nothing has happened, and the deadline has passed.
            let end = events.get(5..).context("no envelope")?;
            let end: Value = serde_json::from_slice(end)?;
            ensure!(events[0] == 2 && end["error"]["code"] == "deadline_exceeded", "{end}");
            continue;
        }
        let answer: Value = serde_json::from_str(&printed).with_context(|| printed.clone())?;
        ensure!(answer.is_object() && answer.get("code").is_none(), "{command}: {printed}");
    }
    print_uncaptured(&format!("{} commands of docs/rest.md were executed", commands.len()));
    network.stop().await
}

/// From nothing to a paid invoice and its event, with curl alone.
const STORY: &str = r#"
call() { curl -sS --fail-with-body --cacert "$CERT" "https://$NODE/v1/$1" -H "rune: $RUNE" --json "$2"; }
shop() { NODE=$SHOP_NODE CERT=$SHOP_CERT RUNE=$SHOP_RUNE call "$@"; }
text() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
invoice=$(shop bolt11-receive '{"amount_msat": 50000, "expiry_secs": 3600}' | text invoice)
call decode-invoice "{\"invoice\": \"$invoice\"}" > /dev/null
payment=$(call bolt11-send "{\"invoice\": \"$invoice\"}" | text payment_id)
for attempt in $(seq 100); do
    found=$(call get-payment-details "{\"payment_id\": \"$payment\"}")
    if [[ $found == *'"status":"SUCCEEDED"'* ]]; then break; fi
    sleep 0.2
done
echo "$found"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_paid_with_curl_alone() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    let printed = shell(&network, &[("", &alice), ("SHOP_", &bob)], STORY).await?;
    let payment: Value = serde_json::from_str(&printed).with_context(|| printed.clone())?;
    ensure!(payment["payment"]["status"] == "SUCCEEDED", "{payment}");
    ensure!(payment["payment"]["amount_msat"] == 50_000, "{payment}");
    network.stop().await
}
