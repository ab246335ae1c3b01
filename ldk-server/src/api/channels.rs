//! Channels.

use ldk_server_grpc::api::open_channel_request::Amount;
use ldk_server_grpc::api::{
    AllFunds, CloseChannelRequest, CloseChannelResponse, ForceCloseChannelRequest,
    ForceCloseChannelResponse, ListChannelsRequest, ListChannelsResponse, OpenChannelRequest,
    OpenChannelResponse,
};

use super::dispatcher::Call;
use super::{channel_config, fields, peers};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::ops::channels::{MIN_CHANNEL_SATS, Open, OpenAmount, check_push};
use crate::wire;

/// It must fit into a message to the peer, with room to spare.
const MAX_FORCE_CLOSE_REASON_BYTES: usize = 1024;

pub(super) async fn open(
    call: Call,
    request: OpenChannelRequest,
) -> Result<OpenChannelResponse, Error> {
    let app = call.app()?;
    let open = parse_open(&app, request)?;
    let id = ops::channels::open(&app, call.caller, open).await?;
    Ok(OpenChannelResponse { user_channel_id: id.0.to_string(), repeated: false })
}

fn parse_open(app: &App, request: OpenChannelRequest) -> Result<Open, Error> {
    let OpenChannelRequest {
        node_pubkey,
        address,
        amount,
        push_to_counterparty_msat,
        channel_config,
        announce_channel,
        disable_counterparty_reserve,
        idempotency_key: _,
    } = request;
    let peer = peers::route(app, &node_pubkey, &address, false)?;
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

pub(super) fn close(
    app: &App,
    _: &Caller,
    request: CloseChannelRequest,
) -> Result<CloseChannelResponse, Error> {
    let CloseChannelRequest { user_channel_id, counterparty_node_id } = request;
    let (id, counterparty) = fields::channel(&user_channel_id, &counterparty_node_id)?;
    ops::channels::close(app, &ops::channels::find(app, id, counterparty)?)?;
    Ok(CloseChannelResponse {})
}

pub(super) fn force_close(
    app: &App,
    _: &Caller,
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
    let (id, counterparty) = fields::channel(&user_channel_id, &counterparty_node_id)?;
    let channel = ops::channels::find(app, id, counterparty)?;
    ops::channels::force_close(app, &channel, force_close_reason)?;
    Ok(ForceCloseChannelResponse {})
}

pub(super) fn list(
    app: &App,
    _: &Caller,
    ListChannelsRequest {}: ListChannelsRequest,
) -> Result<ListChannelsResponse, Error> {
    let channels = ops::channels::list(app).into_iter().map(wire::channel::channel).collect();
    Ok(ListChannelsResponse { channels })
}
