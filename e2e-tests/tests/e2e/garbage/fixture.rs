//! What the requests are made of, and what must be as it was when all of them were answered.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, Port, until};
use ldk_server_client::api;
use ldk_server_client::api::{
    Bolt12ReceiveRequest, CreateRefundRequest, ListPeersRequest, OnchainSendRequest,
    UpdateChannelConfigRequest,
};
use ldk_server_client::types::{Channel, ChannelConfig, Peer};

use crate::garbage::bases::FORTUNE_MSAT;

const PATIENCE: Duration = Duration::from_secs(60);
const SPARE_SATS: u64 = 1_000_000;

/// Alice, who gets the requests, and Bob, with whom she has a channel.
pub(crate) struct Fixture {
    pub(crate) alice: Arc<Node>,
    pub(crate) bob: Arc<Node>,
    pub(crate) bob_address: String,
    pub(crate) unpayable_invoice: String,
    pub(crate) unpayable_offer: String,
    pub(crate) unpayable_refund: String,
    /// Of Alice's channel with Bob.
    pub(crate) user_channel_id: String,
    /// Where nobody listens.
    pub(crate) closed_address: String,
    channel_config: ChannelConfig,
    state: [State; 2],
    _closed: Port,
}

/// What a node owns.
#[derive(Clone, Debug, PartialEq)]
struct State {
    balances: api::GetBalancesResponse,
    channels: Vec<Channel>,
    peers: Vec<Peer>,
}

impl Fixture {
    pub(crate) async fn new(network: &Network) -> Result<Self> {
        let [alice, bob] = network.funded_pair(1_000_000).await?;
        Network::at_rest(&alice, &bob).await?;
        // What is left would not pay for a transaction at the highest fee rate there is.
        let request = OnchainSendRequest {
            address: bob.new_address().await?,
            amount_sats: Some(SPARE_SATS),
            ..Default::default()
        };
        let txid = alice.client().onchain_send(request).await?.txid;
        until("alice's money is on its way", PATIENCE, async || {
            let mempool = network.bitcoind().mempool().await?;
            ensure!(mempool.contains(&txid), "{mempool:?}");
            Ok(())
        })
        .await?;
        network.mine(1).await?;
        let channel = alice.usable_channel(&bob).await?;
        let closed = Port::claim()?;
        Ok(Self {
            bob_address: bob.new_address().await?,
            unpayable_invoice: bob.invoice(FORTUNE_MSAT).await?,
            unpayable_offer: offer(&bob).await?,
            unpayable_refund: refund(&bob).await?,
            user_channel_id: channel.user_channel_id,
            closed_address: closed.address(),
            channel_config: channel.channel_config.context("no channel_config")?,
            state: [State::of(&alice).await?, State::of(&bob).await?],
            alice,
            bob,
            _closed: closed,
        })
    }

    /// Checks that nobody lost anything, and that the channel works.
    pub(crate) async fn ensure_unchanged(&self) -> Result<()> {
        self.put_channel_config_back().await?;
        for (node, before) in [&self.alice, &self.bob].into_iter().zip(&self.state) {
            let what = format!("{} has what it had", node.alias());
            until(&what, PATIENCE, async || {
                let now = State::of(node).await?;
                ensure!(now == *before, "before: {before:#?}\nnow: {now:#?}");
                Ok(())
            })
            .await?;
        }
        self.alice.pays(&self.bob, 10_000).await?;
        self.bob.pays(&self.alice, 10_000).await.map(drop)
    }

    async fn put_channel_config_back(&self) -> Result<()> {
        let request = UpdateChannelConfigRequest {
            user_channel_id: self.user_channel_id.clone(),
            counterparty_node_id: self.bob.id().to_owned(),
            channel_config: Some(self.channel_config),
        };
        Ok(self.alice.client().update_channel_config(request).await.map(drop)?)
    }
}

impl State {
    async fn of(node: &Node) -> Result<Self> {
        let peers = node.client().list_peers(ListPeersRequest {}).await?.peers;
        Ok(Self { balances: node.balances().await?, channels: node.channels().await?, peers })
    }
}

async fn refund(node: &Node) -> Result<String> {
    let request = CreateRefundRequest { amount_msat: FORTUNE_MSAT, ..Default::default() };
    Ok(node.client().create_refund(request).await?.refund)
}

async fn offer(node: &Node) -> Result<String> {
    let request = Bolt12ReceiveRequest {
        description: "a palace".to_owned(),
        amount_msat: Some(FORTUNE_MSAT),
        ..Default::default()
    };
    Ok(node.client().bolt12_receive(request).await?.offer)
}
