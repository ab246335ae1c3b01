//! Every call by gRPC, by its short path and in the form of Connect: the answers are the same, field by
//! field. What reads is asked on each way; what changes something is done once on each way, with equal
//! effect.

mod certificates;
mod channels;
mod faces;
mod invoices;
mod keys;
mod payments;
mod streams;
mod webhooks;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node, print_uncaptured};
use ldk_server_grpc::RPC_NAMES;

use self::faces::Faces;
use crate::jit;
use crate::permissions::rune;

const CHANNEL_SATS: u64 = 2_000_000;
const FUNDS_SATS: u64 = 8_000_000;
const SECTIONS: &str = "[tls]\nclient_auth = \"optional\"\n[webhooks]\nallow_private = true\n";

/// Alice, who is asked; bob, with whom she has a private channel and who opens channels to be paid through;
/// and carol, with whom she has a public one: to others a node does not forward.
struct Nodes {
    network: Network,
    alice: Arc<Node>,
    bob: Arc<Node>,
    carol: Arc<Node>,
}

impl Nodes {
    async fn start() -> Result<Self> {
        let network = Network::start_for(3).await?;
        let bob = network.node_with("bob", jit::service(100)).await?;
        let sections = format!("{SECTIONS}{}", jit::client_of(&bob));
        let (alice, carol) =
            tokio::try_join!(network.node_with("alice", sections), network.node("carol"))?;
        network.fund(&[&alice, &bob, &carol], FUNDS_SATS).await?;
        network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
        network.open_announced_channel(&alice, &carol, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
        Ok(Self { network, alice, bob, carol })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_the_same_on_every_way() -> Result<()> {
    let nodes = Nodes::start().await?;
    let rune = rune(&nodes.alice, &["--preset", "admin"]).await?;
    let mut faces = Faces::new(&nodes.alice, rune);
    payments::compare(&mut faces, &nodes).await?;
    invoices::compare(&mut faces).await?;
    keys::compare(&mut faces).await?;
    certificates::compare(&mut faces).await?;
    webhooks::compare(&mut faces).await?;
    streams::compare(&mut faces).await?;
    channels::compare(&mut faces, &nodes).await?;
    let compared = faces.compared();
    let missing: BTreeSet<_> = RPC_NAMES.iter().filter(|name| !compared.contains(*name)).collect();
    ensure!(missing.is_empty(), "these calls are compared nowhere: {missing:?}");
    print_uncaptured(&format!("{} calls were answered the same on 3 ways", compared.len()));
    nodes.network.stop().await
}
