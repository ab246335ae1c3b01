//! Where webhooks must not lead, and who must not make them.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node};
use tokio::net::TcpListener;

use super::{PRIVATE, create};

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_lead_to_public_addresses_unless_configured() -> Result<()> {
    let network = Network::start_for(1).await?;
    let alice = network.node("alice").await?;
    private_addresses_are_refused(&alice).await?;
    what_else_is_wrong_is_refused(&alice).await?;
    restricted_callers_make_none(&network, &alice).await?;
    a_name_is_looked_up_at_each_connection(&alice).await?;
    network.stop().await
}

async fn refused(alice: &Node, arguments: &[&str], reason: &str) -> Result<()> {
    let output = alice.cli_output(&[&["create-webhook"], arguments].concat()).await?;
    ensure!(output.code != Some(0), "{arguments:?} is taken");
    ensure!(output.stderr.contains(reason), "{arguments:?}: {}", output.stderr);
    Ok(())
}

async fn private_addresses_are_refused(alice: &Node) -> Result<()> {
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "10.1.2.3",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "192.0.2.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:8.8.8.8]",
        "[fd00::1]",
        "[fe80::1]",
        "[2001:db8::1]",
        "localhost",
    ] {
        let url = format!("https://{host}:8443/");
        refused(alice, &[&url], "not a public address").await?;
    }
    refused(alice, &["http://8.8.8.8/"], "must begin with https://").await
}

async fn what_else_is_wrong_is_refused(alice: &Node) -> Result<()> {
    refused(alice, &["shop"], "url: ").await?;
    refused(alice, &["https://me:5ec2e7@8.8.8.8/"], "no user and password").await?;
    refused(alice, &["https://abc.onion/"], "onion").await?;
    refused(alice, &["https://8.8.8.8/", "--kind", "payments"], "payment_received").await?;
    let long = "x".repeat(129);
    refused(alice, &["https://8.8.8.8/", "--label", &long], "label: ").await?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), "whsec_5ec2e7")?;
    let secret_file = file.path().to_str().context("no path")?;
    let arguments = ["create-webhook", "https://8.8.8.8/", "--secret-file", secret_file];
    let output = alice.cli_output(&arguments).await?;
    ensure!(output.stderr.contains("secret: must be whsec_"), "{output:?}");
    ensure!(!format!("{output:?}{}", alice.log().text()).contains("5ec2e7"), "{output:?}");
    let list = alice.cli(&["list-webhooks"]).await?;
    ensure!(list["webhooks"].as_array().is_some_and(Vec::is_empty), "{list}");
    Ok(())
}

async fn restricted_callers_make_none(network: &Network, alice: &Node) -> Result<()> {
    for (restriction, command, reason) in [
        ("group=admin", "create-webhook https://8.8.8.8/", "whoever is restricted"),
        ("group=pay", "create-webhook https://8.8.8.8/", "group"),
        ("group=read", "list-webhooks", "group"),
        ("group=pay", "delete-webhook wh_0000000000000000", "group"),
    ] {
        let rune = alice.cli(&["create-rune", restriction]).await?;
        let file = network.dir().join("rune");
        fs::write(&file, rune["rune"].as_str().context("no rune")?)?;
        let mut arguments = vec!["--rune-file", file.to_str().context("no path")?];
        arguments.extend(command.split(' '));
        let output = alice.cli_output(&arguments).await?;
        ensure!(
            output.code != Some(0) && output.stderr.contains(reason),
            "{restriction}: {output:?}"
        );
    }
    Ok(())
}

/// As it is if the name has got another address since the webhook was made.
async fn a_name_is_looked_up_at_each_connection(alice: &Node) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let config = fs::read_to_string(alice.config_file())?;
    alice.stop().await?;
    fs::write(alice.config_file(), format!("{config}\n{PRIVATE}"))?;
    alice.start_again().await?;
    let by_name = create(alice, &[&format!("https://localhost:{port}/")]).await?;
    let by_address = create(alice, &[&format!("https://127.0.0.1:{port}/")]).await?;
    let without_tls = create(alice, &[&format!("http://localhost:{port}/")]).await?;
    refused(alice, &["http://8.8.8.8/"], "use https://").await?;
    alice.stop().await?;
    fs::write(alice.config_file(), &config)?;
    alice.start_again().await?;
    for (id, reason) in [
        (by_name, "not a public address"),
        (by_address, "not a public address"),
        (without_tls, "must begin with https://"),
    ] {
        let tested = alice.cli(&["test-webhook", &id]).await?;
        ensure!(tested["delivered"] == false && tested["status"].is_null(), "{tested}");
        ensure!(tested["error"].as_str().is_some_and(|why| why.contains(reason)), "{tested}");
    }
    let connected = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await;
    ensure!(connected.is_err(), "the daemon has connected");
    Ok(())
}
