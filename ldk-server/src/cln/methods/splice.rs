//! `splicein` and `spliceout`.

use ldk_server_grpc::api::{
    AllFunds, SpliceInRequest, SpliceOutRequest, splice_in_request::Amount,
};
use serde::Serialize;

use super::Method;
use super::open_channels::{ChannelName, open_channels};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::cln::onchain_args::SatOrAll;

/// `splicein`: moves funds of the wallet into a channel.
pub(super) struct SpliceIn {
    channel: ChannelName,
    sats: Option<u64>,
}

/// The two sides make the transaction after the answer, so that it has none of its fields.
#[derive(Serialize)]
pub(super) struct Begun {}

impl Method for SpliceIn {
    const NAME: &'static str = "splicein";
    const USAGE: &'static str = "channel amount";
    type Answer = Begun;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let sats = args.required::<SatOrAll>("amount")?.0;
        Ok(Self { channel: args.required("channel")?, sats })
    }

    async fn run(self, call: Call) -> Result<Begun, RpcError> {
        let channel = self.channel.only("channel", open_channels(&call).await?)?;
        let request = SpliceInRequest {
            user_channel_id: channel.user_channel_id(),
            counterparty_node_id: channel.peer_id(),
            amount: Some(match self.sats {
                Some(sats) => Amount::SpliceAmountSats(sats),
                None => Amount::AllFunds(AllFunds::default()),
            }),
            ..Default::default()
        };
        call.ask(rpc::SpliceIn, request).await?;
        Ok(Begun {})
    }
}

/// `spliceout`: pays from a channel to an address, or to the wallet.
pub(super) struct SpliceOut {
    channel: ChannelName,
    sats: Option<u64>,
    destination: Option<String>,
}

impl Method for SpliceOut {
    const NAME: &'static str = "spliceout";
    const USAGE: &'static str = "channel amount [destination] [force_feerate]";
    type Answer = Begun;

    fn read(args: &Args) -> Result<Self, RpcError> {
        if args.optional::<bool>("force_feerate")? == Some(true) {
            args.refuse(&["force_feerate"], "the node library takes its own estimate")?;
        }
        Ok(Self {
            sats: args.required::<SatOrAll>("amount")?.0,
            channel: args.required("channel")?,
            destination: args.optional("destination")?,
        })
    }

    async fn run(self, call: Call) -> Result<Begun, RpcError> {
        let channel = self.channel.only("channel", open_channels(&call).await?)?;
        let request = SpliceOutRequest {
            user_channel_id: channel.user_channel_id(),
            counterparty_node_id: channel.peer_id(),
            address: self.destination,
            splice_amount_sats: self.sats.unwrap_or_default(),
            all_funds: self.sats.is_none().then(AllFunds::default),
            ..Default::default()
        };
        call.ask(rpc::SpliceOut, request).await?;
        Ok(Begun {})
    }
}
