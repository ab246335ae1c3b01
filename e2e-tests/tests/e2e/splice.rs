//! SpliceIn and SpliceOut: what both nodes and the chain have of it, and what is refused.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Events, Network, Node, TcpProxy, refused, until};
use ldk_server_client::api::splice_in_request::Amount;
use ldk_server_client::api::{
    AllFunds, Bolt12ReceiveRequest, Bolt12SendRequest, CloseChannelRequest, ConnectPeerRequest,
    DisconnectPeerRequest, GraphListChannelsRequest, SpliceInRequest, SpliceInResponse,
    SpliceOutRequest, SpliceOutResponse,
};
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::events::{ChannelState, SpliceState, SpliceStateChanged};
use ldk_server_client::types::{Channel, PaymentStatus};
use ldk_server_client::{Code, Error};

const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL_SATS: u64 = 1_000_000;
const IN_SATS: u64 = 300_000;
const OUT_SATS: u64 = 200_000;
/// The chain has no fees, so every transaction pays about 1 sat/vB.
const FEE_SATS: u64 = 1_000;
const BLOCKS_TO_READY: u32 = 6;
/// Core Lightning has then forgotten the short channel id from before a splice.
const BLOCKS_TO_FORGET: u32 = 100;
/// So long it takes what the peer says to arrive; longer than a node waits for the next manager when
/// nothing tells it that there has to be one.
const FAR_AWAY: Duration = Duration::from_millis(700);
/// What the library keeps in the wallet for each channel.
const RESERVE_SATS: u64 = 25_000;
const STRANGER: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";
/// Of 32 bytes that nobody has the key of, on mainnet.
const FOREIGN_ADDRESS: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_into_and_out_of_a_channel_that_goes_on() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let mut splices =
        Splices { events: [alice.events().await?, bob.events().await?], network: &network };

    unusable_requests_are_refused(&alice, &bob).await?;
    splice_in(&mut splices, &alice, &bob).await?;
    splice_out_to_an_address(&mut splices, &alice, &bob).await?;
    splice_out_all(&mut splices, &alice, &bob).await?;
    splice_in_all(&mut splices, &alice, &bob).await?;
    nothing_is_spliced_while_the_peer_is_away(&network, &alice, &bob).await?;
    network.stop().await
}

/// A spliced channel has another short channel id, by which offers of the node are found. The peer, if
/// it is no LDK Node, forgets the one before.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_drops_the_id_that_a_public_channel_had_before_a_splice() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_announced_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    for node in [&alice, &bob] {
        graph(node, 1).await?;
    }

    let mut splices =
        Splices { events: [alice.events().await?, bob.events().await?], network: &network };
    let channel = alice.usable_channel(&bob).await?;
    add(&alice, &channel, Some(Amount::SpliceAmountSats(IN_SATS))).await?;
    let outpoint = splices.pending(&channel).await?;
    splices.confirmed(&outpoint).await?;
    network.mine(BLOCKS_TO_FORGET).await?;
    for node in [&alice, &bob] {
        // The library keeps both.
        let both = graph(node, 2).await?;
        node.stop().await?;
        node.start_again().await?;
        assert_eq!(graph(node, 1).await?, both[1..]);
    }
    network.usable(&alice, &bob).await?;
    pays_an_offer(&alice, &bob).await?;
    pays_an_offer(&bob, &alice).await?;
    network.stop().await
}

/// A signature of the transaction that spends a splice has left the node that began it, and its peer is
/// bound by that; the node hears nothing more before it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_killed_after_it_has_signed_a_splice_goes_on_with_it() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let proxy = TcpProxy::closed()?;
    proxy.open_slowly(bob.address(), FAR_AWAY).await?;
    let request = DisconnectPeerRequest { node_pubkey: bob.id().to_owned() };
    alice.client().disconnect_peer(request).await?;
    let channel = until("the peer is connected from afar", PATIENCE, async || {
        connect_through(&proxy, &alice, &bob).await?;
        alice.usable_channel(&bob).await
    })
    .await?;
    let mut bobs = bob.events().await?;

    take(&alice, &channel, None, OUT_SATS).await?;
    bob.log().says("Received splice initial commitment_signed").await?;
    alice.kill().await?;
    alice.start_again().await?;
    connect_through(&proxy, &alice, &bob).await?;

    let change = bobs.wait_for("a splice", splice_state).await?;
    assert_eq!(change.state(), SpliceState::Pending, "{change:?}");
    let outpoint = change.funding_txo.context("no funding output")?;
    in_mempool(&network, &outpoint.split(':').next().unwrap_or_default().to_owned()).await?;
    network.mine(BLOCKS_TO_READY).await?;
    let spliced = has_value(&alice, &bob, |sats| sats + OUT_SATS <= CHANNEL_SATS).await?;
    assert_eq!((spliced.channel_id.as_str(), shown(&spliced)), (&*channel.channel_id, outpoint));
    both_can_pay(&alice, &bob).await?;
    network.stop().await
}

async fn connect_through(proxy: &TcpProxy, from: &Node, to: &Node) -> Result<()> {
    let request = ConnectPeerRequest {
        node_pubkey: to.id().to_owned(),
        address: proxy.address(),
        persist: false,
    };
    from.client().connect_peer(request).await.context("cannot connect")?;
    Ok(())
}

/// Waits until the network graph of the node has so many channels, and returns their ids in the order
/// of their heights.
async fn graph(node: &Node, channels: usize) -> Result<Vec<u64>> {
    until(&format!("the graph of {} has {channels} channels", node.alias()), PATIENCE, async || {
        let request = GraphListChannelsRequest {};
        let mut scids = node.client().graph_list_channels(request).await?.short_channel_ids;
        scids.sort_unstable();
        ensure!(scids.len() == channels, "{scids:?}");
        Ok(scids)
    })
    .await
}

async fn pays_an_offer(payer: &Node, payee: &Node) -> Result<()> {
    let request = Bolt12ReceiveRequest { amount_msat: Some(1_000_000), ..Default::default() };
    let offer = payee.client().bolt12_receive(request).await?.offer;
    let request = Bolt12SendRequest { offer, ..Default::default() };
    let payment_id = payer.client().bolt12_send(request).await?.payment_id;
    let payment = payer.settled(&payment_id).await?;
    ensure!(payment.status() == PaymentStatus::Succeeded, "{payment:?}");
    Ok(())
}

/// The events of both nodes, by which a splice is followed.
struct Splices<'a> {
    network: &'a Network,
    events: [Events; 2],
}

impl Splices<'_> {
    /// Waits until both sides have agreed; returns the new funding output.
    async fn pending(&mut self, channel: &Channel) -> Result<String> {
        let mut outpoints = Vec::new();
        for events in &mut self.events {
            let change = events.wait_for("a splice", splice_state).await?;
            assert_eq!(change.state(), SpliceState::Pending, "{change:?}");
            assert_eq!(change.channel_id, channel.channel_id);
            outpoints.push(change.funding_txo.context("no funding output")?);
        }
        assert_eq!(outpoints[0], outpoints[1]);
        Ok(outpoints.remove(0))
    }

    /// Mines what makes it ready, and waits until both sides say so.
    async fn confirmed(&mut self, outpoint: &str) -> Result<()> {
        let txid = outpoint.split(':').next().unwrap_or_default().to_owned();
        in_mempool(self.network, &txid).await?;
        self.network.mine(BLOCKS_TO_READY).await?;
        for events in &mut self.events {
            let ready = events
                .wait_for("the channel is ready again", |event| match event {
                    Event::ChannelStateChanged(change) => Some(change),
                    _ => None,
                })
                .await?;
            assert_eq!(ready.state(), ChannelState::Ready);
            assert_eq!(ready.funding_txo.as_deref(), Some(outpoint));
        }
        Ok(())
    }
}

fn splice_state(event: Event) -> Option<SpliceStateChanged> {
    match event {
        Event::SpliceStateChanged(change) => Some(change),
        _ => None,
    }
}

async fn splice_in(splices: &mut Splices<'_>, alice: &Node, bob: &Node) -> Result<()> {
    let channel = alice.usable_channel(bob).await?;
    let onchain_sats = alice.balances().await?.total_onchain_balance_sats;
    let [ours_msat, theirs_msat] = Network::at_rest(alice, bob).await?;
    add(alice, &channel, Some(Amount::SpliceAmountSats(IN_SATS))).await?;
    // Of a second one while it is pending, nothing happens.
    let again = add(alice, &channel, Some(Amount::SpliceAmountSats(IN_SATS))).await;
    refused(again, Code::FailedPrecondition, &[channel.user_channel_id.as_str()]);
    let again = take(alice, &channel, None, OUT_SATS).await;
    refused(again, Code::FailedPrecondition, &["pending"]);
    let outpoint = splices.pending(&channel).await?;
    let theirs = bob.usable_channel(alice).await?;
    let again = take(bob, &theirs, None, OUT_SATS).await;
    refused(again, Code::FailedPrecondition, &["pending"]);
    // The channel can be used meanwhile.
    alice.pays(bob, 1_000_000).await?;
    bob.pays(alice, 1_000_000).await?;
    splices.confirmed(&outpoint).await?;

    let value_sats = channel.channel_value_sats + IN_SATS;
    let spliced = has_value(alice, bob, |sats| sats == value_sats).await?;
    assert_eq!(shown(&spliced), outpoint);
    // The reserve that each side keeps grows with the channel.
    let [ours_now_msat, theirs_now_msat] = Network::at_rest(alice, bob).await?;
    assert!(ours_now_msat.abs_diff(ours_msat + IN_SATS * 1_000) <= IN_SATS * 20, "{ours_now_msat}");
    assert!(theirs_now_msat.abs_diff(theirs_msat) <= IN_SATS * 20, "{theirs_now_msat}");
    holds(alice, |sats| {
        sats + IN_SATS <= onchain_sats && sats + IN_SATS + FEE_SATS >= onchain_sats
    })
    .await?;
    both_can_pay(alice, bob).await
}

async fn splice_out_to_an_address(
    splices: &mut Splices<'_>,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let channel = alice.usable_channel(bob).await?;
    let had_sats = bob.balances().await?.total_onchain_balance_sats;
    let address = bob.new_address().await?;
    let answer = take(alice, &channel, Some(&address), OUT_SATS).await?;
    assert_eq!(answer.address, address);
    let outpoint = splices.pending(&channel).await?;
    splices.confirmed(&outpoint).await?;

    let value_sats = channel.channel_value_sats;
    let spliced = has_value(alice, bob, |sats| {
        sats + OUT_SATS < value_sats && sats + OUT_SATS + FEE_SATS >= value_sats
    })
    .await?;
    assert_eq!(shown(&spliced), outpoint);
    holds(bob, |sats| sats == had_sats + OUT_SATS).await?;
    both_can_pay(alice, bob).await
}

async fn splice_out_all(splices: &mut Splices<'_>, alice: &Node, bob: &Node) -> Result<()> {
    let channel = alice.usable_channel(bob).await?;
    let had_sats = alice.balances().await?.total_onchain_balance_sats;
    let [ours_msat, _] = Network::at_rest(alice, bob).await?;
    let request = SpliceOutRequest { all_funds: Some(AllFunds {}), ..take_request(&channel) };
    let own = alice.client().splice_out(request).await?.address;
    let outpoint = splices.pending(&channel).await?;
    splices.confirmed(&outpoint).await?;

    holds(alice, |sats| sats > had_sats).await?;
    let got_sats = alice.balances().await?.total_onchain_balance_sats - had_sats;
    // It is paid to the address that the answer names.
    let txid = outpoint.split(':').next().unwrap_or_default();
    let transaction = splices.network.bitcoind().transaction(txid).await?;
    assert!(transaction["vout"].to_string().contains(&own), "{own}: {transaction}");
    // Nearly all went: what is left is the fees and the reserve, a hundredth of the other's part.
    let left_sats = (ours_msat / 1_000).saturating_sub(got_sats);
    assert!(left_sats < CHANNEL_SATS / 50 + 2 * FEE_SATS, "{left_sats} of {ours_msat} msat");
    has_value(alice, bob, |sats| sats < channel.channel_value_sats - got_sats).await?;
    bob.pays(alice, 50_000_000).await?;
    Network::at_rest(alice, bob).await?;
    Ok(())
}

async fn splice_in_all(splices: &mut Splices<'_>, alice: &Node, bob: &Node) -> Result<()> {
    let channel = alice.usable_channel(bob).await?;
    let spendable_sats = alice.balances().await?.spendable_onchain_balance_sats;
    add(alice, &channel, Some(Amount::AllFunds(AllFunds {}))).await?;
    let outpoint = splices.pending(&channel).await?;
    splices.confirmed(&outpoint).await?;
    let value_sats = channel.channel_value_sats + spendable_sats;
    has_value(alice, bob, |sats| sats <= value_sats && sats + FEE_SATS >= value_sats).await?;
    let balances = alice.balances().await?;
    assert!(balances.spendable_onchain_balance_sats < FEE_SATS, "{balances:?}");
    assert!(balances.total_onchain_balance_sats >= RESERVE_SATS, "{balances:?}");
    both_can_pay(alice, bob).await
}

async fn unusable_requests_are_refused(alice: &Node, bob: &Node) -> Result<()> {
    let channel = alice.usable_channel(bob).await?;
    let amount = |sats| Some(Amount::SpliceAmountSats(sats));
    refused(add(alice, &channel, None).await, Code::InvalidArgument, &["splice_amount_sats"]);
    for sats in [0, u64::MAX] {
        refused(
            add(alice, &channel, amount(sats)).await,
            Code::InvalidArgument,
            &["splice_amount"],
        );
        refused(take(alice, &channel, None, sats).await, Code::InvalidArgument, &["splice_amount"]);
    }
    let spendable_sats = alice.balances().await?.spendable_onchain_balance_sats;
    for sats in [spendable_sats + 1, spendable_sats + RESERVE_SATS] {
        refused(add(alice, &channel, amount(sats)).await, Code::FailedPrecondition, &["spend"]);
    }

    let legacy = ["mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc"];
    for address in legacy.into_iter().chain([FOREIGN_ADDRESS, "coffee", ""]) {
        let answer = take(alice, &channel, Some(address), OUT_SATS).await;
        refused(answer, Code::InvalidArgument, &["address: "]);
    }
    let address = bob.new_address().await?;
    for address in [None, Some(address.as_str())] {
        let answer = take(alice, &channel, address, 293).await;
        refused(answer, Code::InvalidArgument, &["dust"]);
    }
    let limit_sats = channel.outbound_capacity_msat / 1_000;
    let too_much = take(alice, &channel, None, limit_sats + 1).await;
    refused(too_much, Code::FailedPrecondition, &["can send"]);
    let both = SpliceOutRequest {
        splice_amount_sats: OUT_SATS,
        all_funds: Some(AllFunds {}),
        ..take_request(&channel)
    };
    refused(alice.client().splice_out(both).await, Code::InvalidArgument, &["all_funds: "]);

    let unknown = Channel { user_channel_id: "42".to_owned(), ..channel.clone() };
    let strange = Channel { counterparty_node_id: STRANGER.to_owned(), ..channel.clone() };
    for (channel, field) in [(unknown, "user_channel_id: "), (strange, "counterparty_node_id: ")] {
        refused(add(alice, &channel, amount(IN_SATS)).await, Code::InvalidArgument, &[field]);
        refused(take(alice, &channel, None, OUT_SATS).await, Code::InvalidArgument, &[field]);
    }
    // Nothing of it happened.
    let now = alice.usable_channel(bob).await?;
    assert_eq!((now.funding_txo, now.channel_value_sats), (channel.funding_txo, CHANNEL_SATS));
    Ok(())
}

async fn nothing_is_spliced_while_the_peer_is_away(
    network: &Network,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let channel = bob.usable_channel(alice).await?;
    let request = DisconnectPeerRequest { node_pubkey: alice.id().to_owned() };
    alice.stop().await?;
    bob.client().disconnect_peer(request).await?;
    let amount = Some(Amount::SpliceAmountSats(IN_SATS));
    refused(add(bob, &channel, amount).await, Code::FailedPrecondition, &["not connected"]);
    let answer = take(bob, &channel, None, OUT_SATS).await;
    refused(answer, Code::FailedPrecondition, &["not connected"]);
    let request = CloseChannelRequest {
        user_channel_id: channel.user_channel_id.clone(),
        counterparty_node_id: channel.counterparty_node_id.clone(),
    };
    let answer = bob.client().close_channel(request).await;
    refused(answer, Code::FailedPrecondition, &["not connected", "ForceCloseChannel"]);
    ensure!(network.bitcoind().mempool().await?.is_empty(), "a transaction was made");
    Ok(())
}

/// Waits until both sides show the channel with a capacity that will do.
async fn has_value(one: &Node, other: &Node, will_do: impl Fn(u64) -> bool) -> Result<Channel> {
    for (node, peer) in [(other, one), (one, other)] {
        let what = format!("{} shows the spliced channel", node.alias());
        let channel = until(&what, PATIENCE, async || {
            let channel = node.usable_channel(peer).await?;
            ensure!(will_do(channel.channel_value_sats), "{channel:?}");
            Ok(channel)
        })
        .await?;
        if node.id() == one.id() {
            return Ok(channel);
        }
    }
    unreachable!()
}

/// Waits until the wallet of the node has what will do.
async fn holds(node: &Node, will_do: impl Fn(u64) -> bool) -> Result<()> {
    until(&format!("the wallet of {} is right", node.alias()), PATIENCE, async || {
        let balances = node.balances().await?;
        ensure!(will_do(balances.total_onchain_balance_sats), "{balances:?}");
        Ok(())
    })
    .await
}

async fn both_can_pay(one: &Node, other: &Node) -> Result<()> {
    one.pays(other, 20_000_000).await?;
    other.pays(one, 10_000_000).await?;
    Network::at_rest(one, other).await?;
    Ok(())
}

async fn in_mempool(network: &Network, txid: &String) -> Result<()> {
    until(&format!("{txid} is broadcast"), PATIENCE, async || {
        let mempool = network.bitcoind().mempool().await?;
        ensure!(mempool.contains(txid), "{mempool:?}");
        Ok(())
    })
    .await
}

fn shown(channel: &Channel) -> String {
    let outpoint = channel.funding_txo.clone().unwrap_or_default();
    format!("{}:{}", outpoint.txid, outpoint.vout)
}

async fn add(
    node: &Node,
    channel: &Channel,
    amount: Option<Amount>,
) -> Result<SpliceInResponse, Error> {
    let request = SpliceInRequest {
        user_channel_id: channel.user_channel_id.clone(),
        counterparty_node_id: channel.counterparty_node_id.clone(),
        amount,
        ..Default::default()
    };
    node.client().splice_in(request).await
}

async fn take(
    node: &Node,
    channel: &Channel,
    address: Option<&str>,
    splice_amount_sats: u64,
) -> Result<SpliceOutResponse, Error> {
    let address = address.map(str::to_owned);
    let request = SpliceOutRequest { address, splice_amount_sats, ..take_request(channel) };
    node.client().splice_out(request).await
}

fn take_request(channel: &Channel) -> SpliceOutRequest {
    SpliceOutRequest {
        user_channel_id: channel.user_channel_id.clone(),
        counterparty_node_id: channel.counterparty_node_id.clone(),
        ..Default::default()
    }
}
