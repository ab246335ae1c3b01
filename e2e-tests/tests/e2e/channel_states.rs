//! The events of channels on both sides, with reasons and who was it, and UpdateChannelConfig.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{ConfigBuilder, Events, Network, Node, refused, until};
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::{
    CloseChannelRequest, ForceCloseChannelRequest, GetNodeInfoRequest, ListChannelsRequest,
    OpenChannelRequest, UpdateChannelConfigRequest, UpdateChannelConfigResponse,
};
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::events::{
    ChannelClosureInitiator as Initiator, ChannelState, ChannelStateChangeReasonKind as Kind,
    ChannelStateChanged,
};
use ldk_server_client::types::channel_config::MaxDustHtlcExposure;
use ldk_server_client::types::{Channel, ChannelConfig};
use ldk_server_client::{Code, Error};

const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL_SATS: u64 = 300_000;
const PUSHED_SATS: u64 = 100_000;
const FUNDS_SATS: u64 = 2_000_000;
const BLOCKS_TO_READY: u32 = 6;
const STRANGER: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_tell_what_becomes_of_a_channel() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    let mut events = [alice.events().await?, bob.events().await?];

    a_channel_that_is_refused_has_failed_to_open(&network, &mut events[0], &alice).await?;
    open(&network, &mut events, &alice, &bob).await?;
    settings_can_be_changed(&alice, &bob).await?;
    unusable_settings_are_refused(&alice, &bob).await?;
    close_by_agreement(&network, &mut events, &alice, &bob).await?;

    open(&network, &mut events, &alice, &bob).await?;
    force_close(&network, &mut events, &alice, &bob).await?;
    network.stop().await
}

/// Carol has no name, and so takes no channel that is to be announced.
async fn a_channel_that_is_refused_has_failed_to_open(
    network: &Network,
    events: &mut Events,
    alice: &Node,
) -> Result<()> {
    let mut carol = ConfigBuilder::new(network, "carol")?.unset("node.alias")?.start()?;
    let client = carol.ready().await?;
    let carol_id = client.get_node_info(GetNodeInfoRequest {}).await?.node_id;
    let request = OpenChannelRequest {
        announce_channel: true,
        ..request(&carol_id, &carol.config().lightning.address())
    };
    let user_channel_id = alice.client().open_channel(request).await?.user_channel_id;

    let change = next(events).await?;
    assert_eq!(change.user_channel_id, user_channel_id);
    assert_eq!(change.state(), ChannelState::OpenFailed, "{change:?}");
    assert_eq!(change.counterparty_node_id, Some(carol_id));
    assert_eq!(change.funding_txo, None);
    assert_eq!(change.closure_initiator(), Initiator::Remote, "{change:?}");
    let reason = change.reason.context("no reason")?;
    assert_eq!(reason.kind(), Kind::CounterpartyForceClosed);
    assert!(reason.message.contains("rejected"), "{reason:?}");

    // Carol has not taken it up, so she has nothing to tell.
    let listed = client.list_channels(ListChannelsRequest {}).await?;
    assert_eq!(listed.channels, vec![]);
    // Nothing was spent, and nothing is waited for.
    assert_eq!(alice.channels().await?, vec![]);
    let balances = alice.balances().await?;
    assert_eq!(balances.spendable_onchain_balance_sats, FUNDS_SATS);
    carol.stop().await
}

async fn open(network: &Network, events: &mut [Events; 2], alice: &Node, bob: &Node) -> Result<()> {
    let user_channel_id = ask_to_open(alice, bob).await?;
    let pending = [next(&mut events[0]).await?, next(&mut events[1]).await?];
    network.confirm_funding(alice).await?;
    network.usable(alice, bob).await?;
    let ready = [next(&mut events[0]).await?, next(&mut events[1]).await?];
    let channel = alice.usable_channel(bob).await?;
    let outpoint = channel.funding_txo.context("no funding")?;
    let outpoint = format!("{}:{}", outpoint.txid, outpoint.vout);
    for (changes, state) in [(&pending, ChannelState::Pending), (&ready, ChannelState::Ready)] {
        for (change, peer) in changes.iter().zip([bob, alice]) {
            assert_eq!(change.state(), state, "{change:?}");
            assert_eq!(change.channel_id, channel.channel_id);
            assert_eq!(change.counterparty_node_id.as_deref(), Some(peer.id()));
            assert_eq!(change.funding_txo.as_deref(), Some(outpoint.as_str()));
            assert_eq!((change.reason.as_ref(), change.closure_initiator), (None, 0));
        }
        assert_eq!(changes[0].user_channel_id, user_channel_id);
    }
    Ok(())
}

async fn close_by_agreement(
    network: &Network,
    events: &mut [Events; 2],
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let channel = alice.usable_channel(bob).await?;
    let request = CloseChannelRequest {
        user_channel_id: channel.user_channel_id.clone(),
        counterparty_node_id: channel.counterparty_node_id.clone(),
    };
    alice.client().close_channel(request).await?;
    let expected = [
        (Kind::LocallyInitiatedCooperativeClosure, Initiator::Local),
        (Kind::CounterpartyInitiatedCooperativeClosure, Initiator::Remote),
    ];
    for (events, (kind, initiator)) in events.iter_mut().zip(expected) {
        let change = closed(events, &channel).await?;
        let reason = change.reason.context("no reason")?;
        assert_eq!(reason.kind(), kind, "{reason:?}");
        assert_eq!(Initiator::try_from(change.closure_initiator)?, initiator);
    }
    until("the closing transaction is broadcast", PATIENCE, async || {
        ensure!(!network.bitcoind().mempool().await?.is_empty(), "the mempool is empty");
        Ok(())
    })
    .await?;
    network.mine(BLOCKS_TO_READY).await
}

async fn force_close(
    network: &Network,
    events: &mut [Events; 2],
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let channel = bob.usable_channel(alice).await?;
    let request = ForceCloseChannelRequest {
        user_channel_id: channel.user_channel_id.clone(),
        counterparty_node_id: channel.counterparty_node_id.clone(),
        force_close_reason: Some("moving house".to_owned()),
    };
    bob.client().force_close_channel(request).await?;

    let change = closed(&mut events[1], &channel).await?;
    assert_eq!(change.closure_initiator(), Initiator::Local);
    let reason = change.reason.context("no reason")?;
    assert_eq!(reason.kind(), Kind::HolderForceClosed);
    assert!(reason.message.contains("moving house"), "{reason:?}");

    let change = closed(&mut events[0], &channel).await?;
    assert_eq!(change.closure_initiator(), Initiator::Remote);
    let reason = change.reason.context("no reason")?;
    assert_eq!(reason.kind(), Kind::CounterpartyForceClosed);
    assert!(reason.message.contains("moving house"), "{reason:?}");
    network.mine(1).await
}

async fn settings_can_be_changed(alice: &Node, bob: &Node) -> Result<()> {
    let channel = alice.usable_channel(bob).await?;
    let before = channel.channel_config.context("no settings")?;
    let changes = ChannelConfig {
        forwarding_fee_base_msat: Some(4_321),
        forwarding_fee_proportional_millionths: Some(765),
        cltv_expiry_delta: Some(99),
        ..Default::default()
    };
    update(alice, &channel, Some(changes)).await?;
    let expected = ChannelConfig {
        forwarding_fee_base_msat: Some(4_321),
        forwarding_fee_proportional_millionths: Some(765),
        cltv_expiry_delta: Some(99),
        ..before
    };
    assert_eq!(settings(alice, bob).await?, expected, "and nothing else is changed");
    until("the peer knows the new fees", PATIENCE, async || {
        let seen = bob.usable_channel(alice).await?;
        let fees = (
            seen.counterparty_forwarding_info_fee_base_msat,
            seen.counterparty_forwarding_info_fee_proportional_millionths,
            seen.counterparty_forwarding_info_cltv_expiry_delta,
        );
        ensure!(fees == (Some(4_321), Some(765), Some(99)), "{fees:?}");
        Ok(())
    })
    .await?;

    let others = ChannelConfig {
        force_close_avoidance_max_fee_satoshis: Some(1_234),
        accept_underpaying_htlcs: Some(true),
        max_dust_htlc_exposure: Some(MaxDustHtlcExposure::FixedLimitMsat(7_000_000)),
        ..Default::default()
    };
    update(alice, &channel, Some(others)).await?;
    let expected = ChannelConfig {
        force_close_avoidance_max_fee_satoshis: Some(1_234),
        accept_underpaying_htlcs: Some(true),
        max_dust_htlc_exposure: Some(MaxDustHtlcExposure::FixedLimitMsat(7_000_000)),
        ..expected
    };
    assert_eq!(settings(alice, bob).await?, expected);
    update(alice, &channel, Some(ChannelConfig::default())).await?;
    assert_eq!(settings(alice, bob).await?, expected, "nothing is asked for");
    Ok(())
}

async fn unusable_settings_are_refused(alice: &Node, bob: &Node) -> Result<()> {
    let channel = alice.usable_channel(bob).await?;
    let before = settings(alice, bob).await?;
    refused(update(alice, &channel, None).await, Code::InvalidArgument, &["channel_config: "]);
    let delta = |blocks| ChannelConfig { cltv_expiry_delta: Some(blocks), ..Default::default() };
    let field = "channel_config.cltv_expiry_delta: ";
    for (blocks, code) in [
        (65_536, Code::InvalidArgument),
        (u32::MAX, Code::InvalidArgument),
        (0, Code::FailedPrecondition),
        (47, Code::FailedPrecondition),
    ] {
        refused(update(alice, &channel, Some(delta(blocks))).await, code, &[field]);
    }
    let unknown = Channel { user_channel_id: "42".to_owned(), ..channel.clone() };
    let strange = Channel { counterparty_node_id: STRANGER.to_owned(), ..channel.clone() };
    for (channel, field) in [(unknown, "user_channel_id: "), (strange, "counterparty_node_id: ")] {
        let answer = update(alice, &channel, Some(ChannelConfig::default())).await;
        refused(answer, Code::InvalidArgument, &[field]);
    }
    assert_eq!(settings(alice, bob).await?, before);
    Ok(())
}

async fn settings(node: &Node, peer: &Node) -> Result<ChannelConfig> {
    node.usable_channel(peer).await?.channel_config.context("no settings")
}

async fn update(
    node: &Node,
    channel: &Channel,
    channel_config: Option<ChannelConfig>,
) -> Result<UpdateChannelConfigResponse, Error> {
    let request = UpdateChannelConfigRequest {
        user_channel_id: channel.user_channel_id.clone(),
        counterparty_node_id: channel.counterparty_node_id.clone(),
        channel_config,
    };
    node.client().update_channel_config(request).await
}

async fn ask_to_open(alice: &Node, bob: &Node) -> Result<String> {
    let request = request(bob.id(), &bob.address());
    Ok(alice.client().open_channel(request).await?.user_channel_id)
}

fn request(node_pubkey: &str, address: &str) -> OpenChannelRequest {
    OpenChannelRequest {
        node_pubkey: node_pubkey.to_owned(),
        address: address.to_owned(),
        amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
        push_to_counterparty_msat: Some(PUSHED_SATS * 1_000),
        ..Default::default()
    }
}

/// The next event of a channel.
async fn next(events: &mut Events) -> Result<ChannelStateChanged> {
    events
        .wait_for("a channel", |event| match event {
            Event::ChannelStateChanged(change) => Some(change),
            _ => None,
        })
        .await
}

/// The event that this channel was closed, which must be the next one.
async fn closed(events: &mut Events, channel: &Channel) -> Result<ChannelStateChanged> {
    let change = next(events).await?;
    assert_eq!(change.state(), ChannelState::Closed, "{change:?}");
    assert_eq!(change.channel_id, channel.channel_id);
    Ok(change)
}
