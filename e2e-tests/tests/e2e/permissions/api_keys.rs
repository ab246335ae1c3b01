//! API keys with names.

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node};
use ldk_server_client::api::{GetBalancesRequest, OnchainReceiveRequest};
use ldk_server_client::{Client, Error};
use ldk_server_grpc::places::Places;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_rotated_and_revoked_while_the_server_runs() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let first = Places::of_config_file(alice.config_file())?.read_api_key()?;
    let made = alice.cli(&["create-api-key", "books", "--preset", "read"]).await?;
    let books = key_of(&made)?;
    for _ in 0..2 {
        reads_and_nothing_else(&alice, &books).await?;
        alice.stop().await?;
        alice.start_again().await?;
    }
    let rotated = key_of(&alice.cli(&["rotate-api-key", "books"]).await?)?;
    ensure!(is_refused(&alice, &books).await?, "the key before it is still good");
    reads_and_nothing_else(&alice, &rotated).await?;
    alice.cli(&["revoke-api-key", "books"]).await?;
    ensure!(is_refused(&alice, &rotated).await?, "the key is still good");
    the_first_key_is_rotated(&alice, &first).await?;
    network.stop().await
}

fn key_of(answer: &Value) -> Result<String> {
    Ok(answer["api_key"].as_str().context("no key")?.to_owned())
}

fn client(alice: &Node, api_key: &str) -> Result<Client> {
    let places = Places::of_config_file(alice.config_file())?;
    Ok(Client::builder(&places.address, api_key, places.read_tls_cert()?).build()?)
}

async fn reads_and_nothing_else(alice: &Node, key: &str) -> Result<()> {
    let client = client(alice, key)?;
    client.get_balances(GetBalancesRequest {}).await?;
    let refused = client.onchain_receive(OnchainReceiveRequest {}).await;
    let Err(Error::PermissionDenied(reason)) = refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(reason.contains("API key books"), "{reason}");
    Ok(())
}

async fn is_refused(alice: &Node, key: &str) -> Result<bool> {
    let answer = client(alice, key)?.get_balances(GetBalancesRequest {}).await;
    Ok(matches!(answer, Err(Error::Auth(_))))
}

async fn the_first_key_is_rotated(alice: &Node, before: &str) -> Result<()> {
    let refused = alice.cli_output(&["revoke-api-key", "api_key"]).await?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("rotate it"), "{refused:?}");
    let after = key_of(&alice.cli(&["rotate-api-key", "api_key"]).await?)?;
    ensure!(is_refused(alice, before).await?, "the key before it is still good");
    ensure!(
        Places::of_config_file(alice.config_file())?.read_api_key()? == after,
        "not in its file"
    );
    // The CLI reads the file.
    alice.cli(&["get-node-info"]).await?;
    Ok(())
}
