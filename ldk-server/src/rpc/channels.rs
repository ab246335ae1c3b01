//! Channels.

use ldk_node::UserChannelId;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::{ChannelConfig, MaxDustHTLCExposure};
use ldk_server_grpc::api::open_channel_request::Amount;
use ldk_server_grpc::api::{
    CloseChannelRequest, CloseChannelResponse, ForceCloseChannelRequest, ForceCloseChannelResponse,
    ListChannelsRequest, ListChannelsResponse, OpenChannelRequest, OpenChannelResponse,
};
use ldk_server_grpc::types;
use ldk_server_grpc::types::channel_config::MaxDustHtlcExposure;

use super::{App, fields, peers};
use crate::error::Error;
use crate::wire;

/// A message to the peer has to hold it, with room to spare.
const MAX_FORCE_CLOSE_REASON_BYTES: usize = 1024;

/// The library opens no smaller channel.
const MIN_CHANNEL_SATS: u64 = 1000;

/// A channel to open, with every field checked.
pub(super) struct Open {
    pub(super) peer: peers::Target,
    amount_sats: u64,
    push_msat: Option<u64>,
    config: ChannelConfig,
    announce: bool,
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
    let amount_sats = match amount {
        Some(Amount::ChannelAmountSats(amount)) => parse_amount(amount)?,
        Some(Amount::AllFunds(_)) => {
            return Err(Error::Unimplemented("all_funds: not yet; set channel_amount_sats"));
        },
        None => return Err(Error::invalid("channel_amount_sats", "must be set")),
    };
    if push_to_counterparty_msat.is_some_and(|push_msat| push_msat > amount_sats * 1000) {
        return Err(Error::invalid("push_to_counterparty_msat", "is more than the channel holds"));
    }
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
        amount_sats,
        push_msat: push_to_counterparty_msat,
        config: merged(ChannelConfig::default(), channel_config.unwrap_or_default())?,
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

fn can_announce(app: &App) -> bool {
    app.node.node_alias().is_some() && app.node.listening_addresses().is_some()
}

/// `base` with the fields that `changes` sets.
fn merged(base: ChannelConfig, changes: types::ChannelConfig) -> Result<ChannelConfig, Error> {
    const FEE_FIELD: &str = "channel_config.force_close_avoidance_max_fee_satoshis";
    const DUST_FIELD: &str = "channel_config.fixed_limit_msat";
    let types::ChannelConfig {
        forwarding_fee_proportional_millionths,
        forwarding_fee_base_msat,
        cltv_expiry_delta,
        force_close_avoidance_max_fee_satoshis,
        accept_underpaying_htlcs,
        max_dust_htlc_exposure,
    } = changes;
    let cltv_expiry_delta = cltv_expiry_delta.map(|blocks| {
        u16::try_from(blocks).map_err(|_| {
            let reason = format!("{blocks} is too large; at most {}", u16::MAX);
            Error::invalid("channel_config.cltv_expiry_delta", reason)
        })
    });
    Ok(ChannelConfig {
        forwarding_fee_proportional_millionths: forwarding_fee_proportional_millionths
            .unwrap_or(base.forwarding_fee_proportional_millionths),
        forwarding_fee_base_msat: forwarding_fee_base_msat.unwrap_or(base.forwarding_fee_base_msat),
        cltv_expiry_delta: cltv_expiry_delta.transpose()?.unwrap_or(base.cltv_expiry_delta),
        max_dust_htlc_exposure: match max_dust_htlc_exposure {
            Some(MaxDustHtlcExposure::FixedLimitMsat(limit_msat)) => {
                let limit = fields::MAX_MONEY_SAT * 1000;
                let limit_msat = fields::at_most(DUST_FIELD, limit_msat, limit)?;
                MaxDustHTLCExposure::FixedLimit { limit_msat }
            },
            Some(MaxDustHtlcExposure::FeeRateMultiplier(multiplier)) => {
                MaxDustHTLCExposure::FeeRateMultiplier { multiplier }
            },
            None => base.max_dust_htlc_exposure,
        },
        force_close_avoidance_max_fee_satoshis: force_close_avoidance_max_fee_satoshis
            .map(|amount| fields::at_most(FEE_FIELD, amount, fields::MAX_MONEY_SAT))
            .transpose()?
            .unwrap_or(base.force_close_avoidance_max_fee_satoshis),
        accept_underpaying_htlcs: accept_underpaying_htlcs.unwrap_or(base.accept_underpaying_htlcs),
    })
}

/// Asks the peer, which must be connected, to open the channel.
pub(super) fn open(app: &App, open: Open) -> Result<OpenChannelResponse, Error> {
    let Open { peer, amount_sats, push_msat, config, announce } = open;
    let peers::Target { node_id, address, persist: _ } = peer;
    let way = app.onions.way_to(&address)?;
    let address = way.address().clone();
    let config = Some(config);
    let id = if announce {
        app.node.open_announced_channel(node_id, address, amount_sats, push_msat, config)?
    } else {
        app.node.open_channel(node_id, address, amount_sats, push_msat, config)?
    };
    Ok(OpenChannelResponse { user_channel_id: id.0.to_string() })
}

pub(super) fn close(
    app: &App,
    request: CloseChannelRequest,
) -> Result<CloseChannelResponse, Error> {
    let CloseChannelRequest { user_channel_id, counterparty_node_id } = request;
    let (id, counterparty) = known(app, &user_channel_id, &counterparty_node_id)?;
    app.node.close_channel(&id, counterparty)?;
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
    let (id, counterparty) = known(app, &user_channel_id, &counterparty_node_id)?;
    app.node.force_close_channel(&id, counterparty, force_close_reason)?;
    Ok(ForceCloseChannelResponse {})
}

/// The channel that `user_channel_id` and `counterparty_node_id`, the fields of a request, name. The
/// library takes an unknown one for closed, and says that all is well.
fn known(
    app: &App,
    user_channel_id: &str,
    counterparty_node_id: &str,
) -> Result<(UserChannelId, PublicKey), Error> {
    let id = fields::user_channel_id("user_channel_id", user_channel_id)?;
    let counterparty = fields::public_key("counterparty_node_id", counterparty_node_id)?;
    let channels = app.node.list_channels();
    let channel =
        channels.iter().find(|channel| channel.user_channel_id == id).ok_or_else(|| {
            Error::invalid("user_channel_id", format!("there is no channel {}", id.0))
        })?;
    if channel.counterparty_node_id == counterparty {
        Ok((id, counterparty))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fields_that_are_set_change() {
        let changes =
            types::ChannelConfig { forwarding_fee_base_msat: Some(7), ..Default::default() };
        let config = merged(ChannelConfig::default(), changes).unwrap();
        assert_eq!(config, ChannelConfig { forwarding_fee_base_msat: 7, ..Default::default() });
    }

    #[test]
    fn a_cltv_delta_must_fit() {
        let changes =
            types::ChannelConfig { cltv_expiry_delta: Some(65_536), ..Default::default() };
        let error = merged(ChannelConfig::default(), changes).unwrap_err().to_string();
        assert!(error.contains("channel_config.cltv_expiry_delta: 65536"), "{error}");
    }
}
