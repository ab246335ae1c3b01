//! Channels.

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::ChannelConfig;
use ldk_node::{ChannelDetails, NodeError, UserChannelId};
use ldk_server_grpc::api::open_channel_request::Amount;
use ldk_server_grpc::api::{
    AllFunds, CloseChannelRequest, CloseChannelResponse, ForceCloseChannelRequest,
    ForceCloseChannelResponse, ListChannelsRequest, ListChannelsResponse, OpenChannelRequest,
    OpenChannelResponse,
};

use super::{App, channel_config, fields, peers};
use crate::caller::Caller;
use crate::error::Error;
use crate::wire;

/// A message to the peer has to hold it, with room to spare.
const MAX_FORCE_CLOSE_REASON_BYTES: usize = 1024;

/// The library opens no smaller channel.
const MIN_CHANNEL_SATS: u64 = 1000;

/// The size of a funding transaction with four inputs and change. With more inputs, some of the
/// reserve pays for them.
const FUNDING_VBYTES: u64 = 11 + 4 * 68 + 43 + 31;

/// How often all funds are counted for one channel.
const MAX_TRIES: u32 = 3;

/// A channel to open, with every field checked.
pub(super) struct Open {
    pub(super) peer: peers::Target,
    amount: OpenAmount,
    push_msat: Option<u64>,
    config: ChannelConfig,
    announce: bool,
}

#[derive(Clone, Copy)]
enum OpenAmount {
    Sats(u64),
    AllFunds,
}

pub(super) fn parse_open(app: &App, request: OpenChannelRequest) -> Result<Open, Error> {
    let OpenChannelRequest {
        node_pubkey,
        address,
        amount,
        push_to_counterparty_msat,
        channel_config,
        announce_channel,
        disable_counterparty_reserve,
    } = request;
    let peer = peers::target(app, &node_pubkey, &address, false)?;
    let amount = match amount {
        Some(Amount::ChannelAmountSats(amount)) => {
            let amount_sats = parse_amount(amount)?;
            check_push(push_to_counterparty_msat, amount_sats)?;
            OpenAmount::Sats(amount_sats)
        },
        Some(Amount::AllFunds(AllFunds {})) => OpenAmount::AllFunds,
        None => {
            return Err(Error::invalid("channel_amount_sats", "must be set, or else all_funds"));
        },
    };
    if disable_counterparty_reserve {
        return Err(if announce_channel {
            Error::invalid("disable_counterparty_reserve", "cannot be set on an announced channel")
        } else {
            Error::Unimplemented(
                "disable_counterparty_reserve: LDK Node 0.7.1 cannot open a channel without reserve",
            )
        });
    }
    if announce_channel && !can_announce(app) {
        return Err(Error::FailedPrecondition(
            "announce_channel needs node.alias and node.listening_addresses to be configured"
                .to_owned(),
        ));
    }
    Ok(Open {
        peer,
        amount,
        push_msat: push_to_counterparty_msat,
        config: channel_config::merged(app.channel_defaults, channel_config.unwrap_or_default())?,
        announce: announce_channel,
    })
}

fn parse_amount(amount_sats: u64) -> Result<u64, Error> {
    const FIELD: &str = "channel_amount_sats";
    if fields::amount_sat(FIELD, amount_sats)? < MIN_CHANNEL_SATS {
        let reason = format!("{amount_sats} is too small; at least {MIN_CHANNEL_SATS}");
        return Err(Error::invalid(FIELD, reason));
    }
    Ok(amount_sats)
}

fn check_push(push_msat: Option<u64>, amount_sats: u64) -> Result<(), Error> {
    match push_msat {
        Some(push_msat) if push_msat > amount_sats * 1000 => {
            let reason = format!("{push_msat} is more than the channel holds, {amount_sats} sat");
            Err(Error::invalid("push_to_counterparty_msat", reason))
        },
        _ => Ok(()),
    }
}

fn can_announce(app: &App) -> bool {
    app.node.node_alias().is_some() && app.node.listening_addresses().is_some()
}

/// Asks the peer, which must be connected, to open the channel.
pub(super) fn open(app: &App, caller: &Caller, open: Open) -> Result<OpenChannelResponse, Error> {
    // Held until the library has connected, which it does at once: the peer is connected already.
    let peers::Target { node_id, address, persist } = open.peer;
    let way = app.gate.way_to(&address)?;
    let peer = peers::Target { node_id, address: way.address().clone(), persist };
    let open = Open { peer, ..open };
    let id = app.spending.channel(caller, || match open.amount {
        OpenAmount::Sats(amount_sats) => ask_to_open(app, &open, amount_sats)
            .map_err(|error| open_refusal(app, &open, amount_sats, error)),
        OpenAmount::AllFunds => open_with_all_funds(app, &open),
    })?;
    peers::remember(app, node_id, &address);
    Ok(OpenChannelResponse { user_channel_id: id.0.to_string() })
}

fn ask_to_open(app: &App, open: &Open, amount_sats: u64) -> Result<UserChannelId, NodeError> {
    let Open { peer, push_msat, config, announce, amount: _ } = open;
    let peers::Target { node_id, address, persist: _ } = peer.clone();
    let config = Some(*config);
    if *announce {
        app.node.open_announced_channel(node_id, address, amount_sats, *push_msat, config)
    } else {
        app.node.open_channel(node_id, address, amount_sats, *push_msat, config)
    }
}

/// Opens a channel with what the wallet can spend when it is asked for. What arrives or is reserved
/// for another channel between our look and the library's, makes it look again.
fn open_with_all_funds(app: &App, open: &Open) -> Result<UserChannelId, Error> {
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
        match ask_to_open(app, open, amount_sats) {
            Err(NodeError::InsufficientFunds) if tries < MAX_TRIES => {},
            opened => {
                return opened.map_err(|error| open_refusal(app, open, amount_sats, error));
            },
        }
    }
}

/// Why the library opens no channel, with the figures.
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

/// What has to stay in the wallet for another channel with this peer.
fn reserve_sats(app: &App, peer: &PublicKey) -> u64 {
    let anchors = app.node.config().anchor_channels_config;
    anchors
        .filter(|anchors| !anchors.trusted_peers_no_reserve.contains(peer))
        .map_or(0, |anchors| anchors.per_channel_reserve_sats)
}

pub(super) fn close(
    app: &App,
    request: CloseChannelRequest,
) -> Result<CloseChannelResponse, Error> {
    let CloseChannelRequest { user_channel_id, counterparty_node_id } = request;
    let channel = known(app, &user_channel_id, &counterparty_node_id)?;
    app.node
        .close_channel(&channel.user_channel_id, channel.counterparty_node_id)
        .map_err(|error| close_refusal(app, &channel, error))?;
    Ok(CloseChannelResponse {})
}

pub(super) fn force_close(
    app: &App,
    request: ForceCloseChannelRequest,
) -> Result<ForceCloseChannelResponse, Error> {
    let ForceCloseChannelRequest { user_channel_id, counterparty_node_id, force_close_reason } =
        request;
    let reason_bytes = force_close_reason.as_ref().map_or(0, String::len);
    if reason_bytes > MAX_FORCE_CLOSE_REASON_BYTES {
        let limit = MAX_FORCE_CLOSE_REASON_BYTES;
        let reason = format!("has {reason_bytes} bytes; at most {limit}");
        return Err(Error::invalid("force_close_reason", reason));
    }
    let channel = known(app, &user_channel_id, &counterparty_node_id)?;
    let (id, peer) = (channel.user_channel_id, channel.counterparty_node_id);
    app.node.force_close_channel(&id, peer, force_close_reason).map_err(|error| match error {
        NodeError::ChannelClosingFailed => {
            let reason = format!("channel {} is closed already, or was never funded", id.0);
            Error::FailedPrecondition(reason)
        },
        other => other.into(),
    })?;
    Ok(ForceCloseChannelResponse {})
}

/// Why the library does not close a channel.
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

/// The channel that `user_channel_id` and `counterparty_node_id`, the fields of a request, name. The
/// library takes an unknown one for closed, and says that all is well.
pub(super) fn known(
    app: &App,
    user_channel_id: &str,
    counterparty_node_id: &str,
) -> Result<ChannelDetails, Error> {
    let id = fields::user_channel_id("user_channel_id", user_channel_id)?;
    let counterparty = fields::public_key("counterparty_node_id", counterparty_node_id)?;
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

pub(super) fn list(
    app: &App,
    ListChannelsRequest {}: ListChannelsRequest,
) -> Result<ListChannelsResponse, Error> {
    let channels = app.node.list_channels().into_iter().map(wire::channel::channel).collect();
    Ok(ListChannelsResponse { channels })
}
