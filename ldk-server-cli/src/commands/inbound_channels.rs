//! Channels that a provider is paid to open to this node.

use clap::Args;
use ldk_server_grpc::api::{GetInboundChannelOrderRequest, RequestInboundChannelRequest};

use crate::amount::Amount;
use crate::failure::Failure;

unary_commands!(Commands {
    RequestInboundChannel => request_inbound_channel,
    GetInboundChannelOrder => get_inbound_channel_order,
});

/// Order a channel to this node from the provider of channels
///
/// Nothing is paid: the answer says what it costs and where to pay. Note the order_id.
#[derive(Debug, Args)]
pub(crate) struct RequestInboundChannel {
    /// What the provider has in the channel, with its unit (sat, or msat in whole sats)
    lsp_balance: Amount,

    /// What this node has in it, with its unit (sat or msat); it is paid with the fee [default: nothing]
    #[arg(long, value_name = "AMOUNT")]
    client_balance: Option<Amount>,

    /// For how many blocks the provider promises to keep it open
    #[arg(long, value_name = "BLOCKS")]
    expiry_blocks: u32,

    /// Announce the channel, so that it can forward payments of others
    #[arg(long)]
    announce_channel: bool,
}

impl TryFrom<RequestInboundChannel> for RequestInboundChannelRequest {
    type Error = Failure;

    fn try_from(command: RequestInboundChannel) -> Result<Self, Failure> {
        let client_balance = command.client_balance.map(Amount::sat).transpose()?;
        Ok(Self {
            lsp_balance_sats: command.lsp_balance.sat()?,
            client_balance_sats: client_balance.unwrap_or_default(),
            channel_expiry_blocks: command.expiry_blocks,
            announce_channel: command.announce_channel,
        })
    }
}

/// Ask the provider what has become of an ordered channel
#[derive(Debug, Args)]
pub(crate) struct GetInboundChannelOrder {
    /// The order's id
    order_id: String,
}

impl From<GetInboundChannelOrder> for GetInboundChannelOrderRequest {
    fn from(command: GetInboundChannelOrder) -> Self {
        Self { order_id: command.order_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::request;

    #[test]
    fn a_channel_is_ordered_with_one_side_or_two() {
        let request = request::<RequestInboundChannel, RequestInboundChannelRequest>;
        let one = RequestInboundChannelRequest {
            lsp_balance_sats: 1_000_000,
            channel_expiry_blocks: 4_320,
            ..Default::default()
        };
        assert_eq!(request("1000000sat --expiry-blocks 4320"), Ok(one));
        let two =
            RequestInboundChannelRequest { client_balance_sats: 5, announce_channel: true, ..one };
        let line = "1000000sat --expiry-blocks 4320 --client-balance 5sat --announce-channel";
        assert_eq!(request(line), Ok(two));
        let fraction = request("1500msat --expiry-blocks 1").unwrap_err();
        assert!(fraction.starts_with("Error: amount 1500msats is not evenly"), "{fraction}");
    }
}
