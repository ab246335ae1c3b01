//! Channels that a provider (LSP) is paid to open to this node (LSPS1).

use ldk_server_grpc::api::{
    GetInboundChannelOrderRequest, GetInboundChannelOrderResponse, RequestInboundChannelRequest,
    RequestInboundChannelResponse,
};

use super::dispatcher::Call;
use super::fields;
use crate::error::Error;
use crate::ops;
use crate::ops::inbound_channels::InboundChannel;
use crate::wire;

/// No provider needs a longer one.
const MAX_ORDER_ID_BYTES: usize = 256;

pub(super) async fn request(
    call: Call,
    request: RequestInboundChannelRequest,
) -> Result<RequestInboundChannelResponse, Error> {
    let channel = parse(request)?;
    let order = ops::inbound_channels::request(&call.app()?, channel).await?;
    Ok(RequestInboundChannelResponse { order: Some(wire::inbound_channel::order(order)) })
}

fn parse(request: RequestInboundChannelRequest) -> Result<InboundChannel, Error> {
    let RequestInboundChannelRequest {
        lsp_balance_sats,
        client_balance_sats,
        channel_expiry_blocks,
        announce_channel,
    } = request;
    if channel_expiry_blocks == 0 {
        return Err(Error::invalid("channel_expiry_blocks", "must be set"));
    }
    Ok(InboundChannel {
        lsp_balance_sats: fields::amount_sat("lsp_balance_sats", lsp_balance_sats)?,
        client_balance_sats: match client_balance_sats {
            0 => 0,
            sats => fields::amount_sat("client_balance_sats", sats)?,
        },
        expiry_blocks: channel_expiry_blocks,
        announce: announce_channel,
    })
}

pub(super) async fn get_order(
    call: Call,
    GetInboundChannelOrderRequest { order_id }: GetInboundChannelOrderRequest,
) -> Result<GetInboundChannelOrderResponse, Error> {
    if order_id.is_empty() {
        return Err(Error::invalid("order_id", "must be set"));
    }
    if order_id.len() > MAX_ORDER_ID_BYTES {
        let reason = format!("has {} bytes; at most {MAX_ORDER_ID_BYTES}", order_id.len());
        return Err(Error::invalid("order_id", reason));
    }
    let order = ops::inbound_channels::order(&call.app()?, order_id).await?;
    Ok(GetInboundChannelOrderResponse { order: Some(wire::inbound_channel::order(order)) })
}
