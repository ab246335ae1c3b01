//! Channels.

use std::sync::Arc;

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::ChannelConfig;
use ldk_node::lightning::ln::channelmanager::MIN_CLTV_EXPIRY_DELTA;
use ldk_node::{ChannelDetails, NodeError, UserChannelId};

use super::budgets::{self, OnChainDraw};
use super::peers::{self, PeerAddress};
use super::send::{self, SendError};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::store::IntentOutcome;

/// The minimum size of a channel that the library opens.
pub const MIN_CHANNEL_SATS: u64 = 1000;

/// The size of a funding transaction with four inputs and change. With more inputs, some of the
/// reserve pays for them.
const FUNDING_VBYTES: u64 = 11 + 4 * 68 + 43 + 31;

/// How often the amount of all funds is computed for one channel.
const MAX_TRIES: u32 = 3;

/// A channel to open.
pub struct Open {
    /// The counterparty.
    pub peer: PeerAddress,
    /// Its size.
    pub amount: OpenAmount,
    /// How much of it goes to the counterparty, in millisatoshis.
    pub push_msat: Option<u64>,
    /// Its settings.
    pub config: ChannelConfig,
    /// Whether to announce it to the network.
    pub announce: bool,
}

/// The size of a channel.
#[derive(Clone, Copy)]
pub enum OpenAmount {
    /// An amount in satoshis.
    Sats(u64),
    /// All spendable funds of the wallet.
    AllFunds,
}

/// Refuses to push more than the channel holds.
pub fn check_push(push_msat: Option<u64>, amount_sats: u64) -> Result<(), Error> {
    match push_msat {
        Some(push_msat) if push_msat > amount_sats * 1000 => {
            let reason = format!("{push_msat} is more than the channel holds, {amount_sats} sat");
            Err(Error::invalid("push_to_counterparty_msat", reason))
        },
        _ => Ok(()),
    }
}

/// Connects to the peer and asks it to open the channel. Returns the user channel id.
pub async fn open(app: &Arc<App>, caller: Caller, open: Open) -> Result<UserChannelId, SendError> {
    check_announcement(app, &open)?;
    // Connecting first keeps a peer that does not answer from leaving it open whether a channel was
    // asked for.
    peers::connect(app, open.peer.clone()).await?;
    let working = Arc::clone(app);
    app.executor.run("open_channel", move || open_connected(&working, &caller, open)).await
}

fn check_announcement(app: &App, open: &Open) -> Result<(), Error> {
    let can_announce =
        || app.node.node_alias().is_some() && app.node.listening_addresses().is_some();
    if open.announce && !can_announce() {
        return Err(Error::FailedPrecondition(
            "announce_channel needs node.alias and node.listening_addresses to be configured"
                .to_owned(),
        ));
    }
    Ok(())
}

fn open_connected(app: &App, caller: &Caller, open: Open) -> Result<UserChannelId, SendError> {
    // Held until the library has connected, which it does at once: the peer is connected already.
    let PeerAddress { node_id, address, persist } = open.peer;
    let route = app.gate.route_to(&address)?;
    let peer = PeerAddress { node_id, address: route.address().clone(), persist };
    let open = Open { peer, ..open };
    let mut draw = OnChainDraw::new(app, caller);
    let opened = app.spending.channel(caller, || {
        draw.begin(|| cost_sats(app, &open))?;
        match open.amount {
            OpenAmount::Sats(amount_sats) => ask_to_open(app, caller, &open, amount_sats)
                .map_err(|error| open_refusal(app, &open, amount_sats, error)),
            OpenAmount::AllFunds => open_with_all_funds(app, caller, &open),
        }
    });
    let id = draw.end(opened, |_| None)?;
    peers::remember(app, node_id, &address);
    Ok(id)
}

/// What a budget counts for a channel: what is given to the other side, and unless the configuration says
/// otherwise all that the channel holds, with the fee of the transaction.
fn cost_sats(app: &App, open: &Open) -> u64 {
    if !app.budgets_count_funding {
        return open.push_msat.unwrap_or_default().div_ceil(1_000);
    }
    match open.amount {
        OpenAmount::AllFunds => budgets::transaction_cost_sats(app, None, None),
        OpenAmount::Sats(amount_sats) => {
            budgets::transaction_cost_sats(app, Some(amount_sats), None)
        },
    }
}

fn ask_to_open(
    app: &App,
    caller: &Caller,
    open: &Open,
    amount_sats: u64,
) -> Result<UserChannelId, NodeError> {
    let Open { peer, push_msat, config, announce, amount: _ } = open;
    let PeerAddress { node_id, address, persist: _ } = peer.clone();
    let config = Some(*config);
    let ask = || {
        if *announce {
            app.node.open_announced_channel(node_id, address, amount_sats, *push_msat, config)
        } else {
            app.node.open_channel(node_id, address, amount_sats, *push_msat, config)
        }
    };
    send::ask_peer(app, caller, node_id, ask, |channel| IntentOutcome::Channel(*channel))
}

/// Opens a channel with all spendable funds of the wallet. If they change before the library reads
/// them, the amount is computed again.
fn open_with_all_funds(app: &App, caller: &Caller, open: &Open) -> Result<UserChannelId, Error> {
    let fee_sats = app.spending.fee_allowance_sats(FUNDING_VBYTES);
    let mut tries = 0;
    loop {
        tries += 1;
        let kept_sats = reserve_sats(app, &open.peer.node_id).saturating_add(fee_sats);
        let spendable_sats = app.node.list_balances().spendable_onchain_balance_sats;
        let amount_sats = spendable_sats.saturating_sub(kept_sats);
        if amount_sats < MIN_CHANNEL_SATS {
            return Err(Error::FailedPrecondition(format!(
                "all_funds: of {spendable_sats} sat that can be spent, {kept_sats} are kept for fees \
                 and as the reserve of the channel, which leaves less than a channel needs, \
                 {MIN_CHANNEL_SATS}"
            )));
        }
        check_push(open.push_msat, amount_sats)?;
        match ask_to_open(app, caller, open, amount_sats) {
            Err(NodeError::InsufficientFunds) if tries < MAX_TRIES => {},
            opened => {
                return opened.map_err(|error| open_refusal(app, open, amount_sats, error));
            },
        }
    }
}

/// Explains why the library did not open a channel, with the amounts.
fn open_refusal(app: &App, open: &Open, amount_sats: u64, error: NodeError) -> Error {
    let peer = &open.peer.node_id;
    Error::FailedPrecondition(match error {
        NodeError::InsufficientFunds => {
            let spendable_sats = app.node.list_balances().spendable_onchain_balance_sats;
            let reserve_sats = reserve_sats(app, peer);
            format!(
                "the wallet can spend {spendable_sats} sat, which does not cover the {amount_sats} \
                 sat of the channel and the {reserve_sats} sat that are kept to close it; the fee of \
                 the transaction comes on top"
            )
        },
        NodeError::ConnectionFailed => {
            format!("the peer {peer} is not connected any more; connect to it and open again")
        },
        NodeError::ChannelCreationFailed => match open.push_msat {
            Some(push_msat) => format!(
                "a channel of {amount_sats} sat cannot begin with {push_msat} msat on the other side: \
                 what stays must cover the fee of the commitment transaction; push less"
            ),
            None if !peers::is_connected(app, *peer) => {
                format!("the peer {peer} is not connected any more; connect to it and open again")
            },
            None => format!(
                "a channel of {amount_sats} sat cannot be opened: it must cover its reserve and the \
                 fee of the commitment transaction, and the peer may not take channels so large"
            ),
        },
        other => return other.into(),
    })
}

/// The reserve that must stay in the wallet for another channel with this peer.
fn reserve_sats(app: &App, peer: &PublicKey) -> u64 {
    let anchors = app.node.config().anchor_channels_config;
    anchors
        .filter(|anchors| !anchors.trusted_peers_no_reserve.contains(peer))
        .map_or(0, |anchors| anchors.per_channel_reserve_sats)
}

/// Explains why the library did not close a channel.
fn close_refusal(app: &App, channel: &ChannelDetails, error: NodeError) -> Error {
    let NodeError::ChannelClosingFailed = error else { return error.into() };
    let (id, peer) = (channel.user_channel_id.0, channel.counterparty_node_id);
    Error::FailedPrecondition(if peers::is_connected(app, peer) {
        format!(
            "channel {id} cannot be closed together with its peer now: it is being closed already, \
             or its state is being written; look at it with ListChannels, and try again"
        )
    } else {
        format!(
            "channel {id} cannot be closed together with its peer {peer}, which is not connected; \
             wait for it, or use ForceCloseChannel (force-close-channel)"
        )
    })
}

/// Closes a channel cooperatively.
pub fn close(app: &App, channel: &ChannelDetails) -> Result<(), Error> {
    app.node
        .close_channel(&channel.user_channel_id, channel.counterparty_node_id)
        .map_err(|error| close_refusal(app, channel, error))
}

/// Force-closes a channel. The reason is sent to the peer, if it is connected.
pub fn force_close(
    app: &App,
    channel: &ChannelDetails,
    reason: Option<String>,
) -> Result<(), Error> {
    let (id, peer) = (channel.user_channel_id, channel.counterparty_node_id);
    app.node.force_close_channel(&id, peer, reason).map_err(|error| match error {
        NodeError::ChannelClosingFailed => {
            let reason = format!("channel {} is closed already, or was never funded", id.0);
            Error::FailedPrecondition(reason)
        },
        other => other.into(),
    })
}

/// Finds the channel with this user channel id and this counterparty. The library reports success for
/// a channel that it does not know.
pub fn find(
    app: &App,
    id: UserChannelId,
    counterparty: PublicKey,
) -> Result<ChannelDetails, Error> {
    let mut channels = app.node.list_channels().into_iter();
    let channel = channels.find(|channel| channel.user_channel_id == id).ok_or_else(|| {
        Error::invalid("user_channel_id", format!("there is no channel {}", id.0))
    })?;
    if channel.counterparty_node_id == counterparty {
        Ok(channel)
    } else {
        let reason = format!("channel {} is not with {counterparty}", id.0);
        Err(Error::invalid("counterparty_node_id", reason))
    }
}

/// Returns all channels.
pub fn list(app: &App) -> Vec<ChannelDetails> {
    app.node.list_channels()
}

/// Changes our settings of a channel. Concurrent changes wait for each other.
pub fn configure(
    app: &App,
    (id, counterparty): (UserChannelId, PublicKey),
    change: impl FnOnce(ChannelConfig) -> Result<ChannelConfig, Error>,
) -> Result<(), Error> {
    app.channel_settings.exclusively(|node| {
        let channel = find(app, id, counterparty)?;
        let config = change(channel.config)?;
        node.update_channel_config(&channel.user_channel_id, channel.counterparty_node_id, config)
            .map_err(|error| match error {
                NodeError::ChannelConfigUpdateFailed => config_refusal(&config),
                other => other.into(),
            })
    })
}

/// The library refuses a delta that leaves too little time to claim what was forwarded; otherwise the
/// channel must have been closed a moment ago.
fn config_refusal(config: &ChannelConfig) -> Error {
    let delta = config.cltv_expiry_delta;
    Error::FailedPrecondition(if delta < MIN_CLTV_EXPIRY_DELTA {
        format!(
            "channel_config.cltv_expiry_delta: {delta} is not safe; at least {MIN_CLTV_EXPIRY_DELTA}"
        )
    } else {
        "the channel does not take new settings; it is being closed".to_owned()
    })
}
