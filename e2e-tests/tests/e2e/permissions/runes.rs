//! Runes, as an operator makes and revokes them, and as their holders use and restrict them.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node};
use futures_util::StreamExt as _;
use ldk_server_client::Error;
use ldk_server_client::api::{GetBalancesRequest, GetNodeInfoRequest, SubscribeEventsRequest};
use ldk_server_grpc::rune::Rune;
use tokio::time::timeout;

use super::{client_with, rune};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_rune_allows_what_it_says_until_it_is_revoked() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let shop = rune(&alice, &["--preset", "invoice", "--label", "shop"]).await?;
    makes_invoices_and_nothing_else(&alice, &shop).await?;
    its_holder_restricts_it_further(&alice, &shop).await?;
    it_is_checked_and_listed(&alice, &shop).await?;
    alice.stop().await?;
    alice.start_again().await?;
    makes_invoices_and_nothing_else(&alice, &shop).await?;
    it_is_revoked_with_all_that_were_made_of_it(&alice, &shop).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_to_an_id_is_to_the_label() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    for (label, allowed) in
        [(&["--label", "till"][..], true), (&["--label", "tills"], false), (&[], false)]
    {
        let rune = rune(&alice, &[label, &["id=till"]].concat()).await?;
        let called = client_with(&alice, &rune)?.get_node_info(GetNodeInfoRequest {}).await;
        match called {
            Ok(_) => ensure!(allowed, "{label:?}"),
            Err(Error::PermissionDenied(reason)) => {
                ensure!(!allowed && reason.contains("id"), "{label:?}: {reason}");
            },
            Err(error) => return Err(error.into()),
        }
    }
    network.stop().await
}

async fn makes_invoices_and_nothing_else(alice: &Node, shop: &str) -> Result<()> {
    let invoice = alice.cli(&["--rune", shop, "bolt11-receive", "5sat", "-d", "tea"]).await?;
    ensure!(
        invoice["invoice"].as_str().is_some_and(|text| text.starts_with("lnbcrt")),
        "{invoice}"
    );
    let refused = alice.cli_output(&["--rune", shop, "onchain-receive"]).await?;
    ensure!(refused.code == Some(1), "{refused:?}");
    for word in ["rune 0", "group is not equal to invoice"] {
        ensure!(refused.stderr.contains(word), "{word}: {refused:?}");
    }
    Ok(())
}

async fn its_holder_restricts_it_further(alice: &Node, shop: &str) -> Result<()> {
    let narrower = Rune::parse(shop)?.restrict("method=GetNodeInfo".parse()?)?.encode();
    let client = client_with(alice, &narrower)?;
    client.get_node_info(GetNodeInfoRequest {}).await?;
    let refused = client.get_balances(GetBalancesRequest {}).await;
    ensure!(matches!(refused, Err(Error::PermissionDenied(_))), "{refused:?}");
    // Nobody widens it: the code is that of all its restrictions.
    let wider = Rune::parse(&narrower)?.encode_hex().replace("&method=GetNodeInfo", "");
    let refused = client_with(alice, &wider)?.get_node_info(GetNodeInfoRequest {}).await;
    ensure!(matches!(refused, Err(Error::Auth(_))), "{refused:?}");
    Ok(())
}

async fn it_is_checked_and_listed(alice: &Node, shop: &str) -> Result<()> {
    let checked = alice.cli(&["check-rune", shop, "Bolt11Receive"]).await?;
    ensure!(checked["allowed"] == true, "{checked}");
    let checked = alice.cli(&["check-rune", shop, "Bolt11Send"]).await?;
    ensure!(checked["allowed"] == false, "{checked}");
    ensure!(checked["reason"].to_string().contains("group is not equal to"), "{checked}");
    let unknown = alice.cli_output(&["check-rune", shop, "Bolt11Sent"]).await?;
    ensure!(unknown.code == Some(1) && unknown.stderr.contains("is no call"), "{unknown:?}");
    let listed = alice.cli(&["list-runes"]).await?;
    ensure!(listed["runes"][0]["label"] == "shop", "{listed}");
    ensure!(!listed.to_string().contains(shop), "the list shows the rune itself");
    Ok(())
}

async fn it_is_revoked_with_all_that_were_made_of_it(alice: &Node, shop: &str) -> Result<()> {
    let client = client_with(alice, shop)?;
    let mut events = client.subscribe_events(SubscribeEventsRequest::default()).await?;
    let narrower = Rune::parse(shop)?.restrict("group=info".parse()?)?.encode();
    let revoked = alice.cli(&["revoke-rune", "0"]).await?;
    ensure!(revoked["revoked"].to_string().contains('1'), "{revoked}");
    let end = timeout(PATIENCE, events.next()).await?;
    ensure!(matches!(end, Some(Err(Error::PermissionDenied(_)))), "{end:?}");
    for _ in 0..2 {
        for rune in [shop, &narrower] {
            let refused = client_with(alice, rune)?.get_node_info(GetNodeInfoRequest {}).await;
            ensure!(matches!(refused, Err(Error::Auth(_))), "{refused:?}");
        }
        alice.kill().await?;
        alice.start_again().await?;
    }
    let again = alice.cli_output(&["revoke-rune", "7"]).await?;
    ensure!(again.code == Some(1) && again.stderr.contains("no rune from 7 to 7"), "{again:?}");
    Ok(())
}
