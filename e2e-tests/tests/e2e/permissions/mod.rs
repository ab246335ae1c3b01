//! Who may do what: runes, API keys with names, and budgets.

mod api_keys;
mod budgets;
mod runes;
mod table;

use anyhow::{Context as _, Result};
use e2e_tests::Node;
use ldk_server_client::Client;
use ldk_server_grpc::places::Places;

/// A new rune with these options of the command.
pub(crate) async fn rune(node: &Node, options: &[&str]) -> Result<String> {
    let created = node.cli(&[&["create-rune"], options].concat()).await?;
    Ok(created["rune"].as_str().context("no rune")?.to_owned())
}

/// A client that calls with this rune.
pub(crate) fn client_with(node: &Node, rune: &str) -> Result<Client> {
    let places = Places::of_config_file(node.config_file())?;
    let builder = Client::builder_without_key(&places.address, places.read_tls_cert()?);
    Ok(builder.rune(rune).build()?)
}
