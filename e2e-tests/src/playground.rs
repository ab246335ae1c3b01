//! The network of `cargo regtest` and of docs/api-guide.md.

use std::sync::Arc;

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::process::Command;

use crate::command_output::run;
use crate::network::Network;
use crate::node::Node;

const CLI_PATIENCE: Duration = Duration::from_secs(30);

/// What alice and bob get on chain.
pub const FUNDS_SATS: u64 = 2_000_000;
/// The size of the channel that alice opens to bob.
pub const CHANNEL_SATS: u64 = 1_000_000;

/// Bob opens channels just in time: he takes a ten-thousandth of the payment, and makes the channel half
/// as large again.
const SERVICE: &str = "[liquidity.lsps2_service]\n\
    advertise_service = false\n\
    channel_opening_fee_ppm = 100\n\
    channel_over_provisioning_ppm = 500000\n\
    min_channel_opening_fee_msat = 1000\n\
    min_channel_lifetime = 4320\n\
    max_client_to_self_delay = 1440\n\
    min_payment_size_msat = 1000000\n\
    max_payment_size_msat = 1000000000\n\
    client_trusts_lsp = false\n";

/// Webhooks lead to programs on this machine.
const WEBHOOKS: &str = "[webhooks]\nallow_private = true\n";

/// Starts alice and bob, who have money on chain.
pub async fn alice_and_bob(network: &Network) -> Result<[Arc<Node>; 2]> {
    let (alice, bob) = tokio::try_join!(
        network.node_with("alice", WEBHOOKS),
        network.node_with("bob", format!("{SERVICE}{WEBHOOKS}")),
    )?;
    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    Ok([alice, bob])
}

/// Starts carol, who has nothing, and whose provider of channels bob is.
pub async fn carol(network: &Network, bob: &Node) -> Result<Arc<Node>> {
    let client = format!(
        "[liquidity.lsps2_client]\nnode_pubkey = \"{}\"\naddress = \"{}\"\n",
        bob.id(),
        bob.address()
    );
    network.node_with("carol", client).await
}

/// All three, with a channel from alice to bob through which she has paid him a tenth of it.
pub async fn set_up(network: &Network) -> Result<[Arc<Node>; 3]> {
    let [alice, bob] = alice_and_bob(network).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 10).await?;
    let carol = carol(network, &bob).await?;
    Ok([alice, bob, carol])
}

/// The address of a node's page, with a rune that allows everything for a day.
pub async fn page(network: &Network, alias: &str) -> Result<String> {
    let mut command = Command::new(&network.tools().ldk_server_cli);
    command.arg("--config").arg(network.dir().join(alias).join("config.toml"));
    command.args(["page", "--preset", "admin", "--expires", "1d"]);
    let printed: Value = serde_json::from_str(&run(command, CLI_PATIENCE).await?.success()?)?;
    printed["url"].as_str().map(str::to_owned).context("no url")
}
