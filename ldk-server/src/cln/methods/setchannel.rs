//! `setchannel`.

use ldk_server_grpc::api::UpdateChannelConfigRequest;
use ldk_server_grpc::types::ChannelConfig;
use serde::Serialize;
use serde_json::Value;

use super::Method;
use super::open_channels::{ChannelName, OpenChannel, open_channels};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Msat, Param};
use crate::cln::error::RpcError;

/// `setchannel`: changes what forwarding over channels costs.
pub(super) struct SetChannel {
    channels: Named,
    base_msat: Option<u32>,
    per_million: Option<u32>,
}

/// `None` for all channels.
struct Named(Option<ChannelName>);

impl Param for Named {
    const EXPECTED: &'static str = ChannelName::EXPECTED;

    fn read(value: &Value) -> Option<Self> {
        if value == "all" { Some(Self(None)) } else { ChannelName::read(value).map(Some).map(Self) }
    }
}

#[derive(Serialize)]
pub(super) struct Changed {
    channels: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    peer_id: String,
    channel_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_channel_id: Option<String>,
    fee_base_msat: u32,
    fee_proportional_millionths: u32,
    minimum_htlc_out_msat: u64,
    maximum_htlc_out_msat: u64,
    ignore_fee_limits: bool,
}

impl Method for SetChannel {
    const NAME: &'static str = "setchannel";
    const USAGE: &'static str =
        "id [feebase] [feeppm] [htlcmin] [htlcmax] [enforcedelay] [ignorefeelimits]";
    type Answer = Changed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["htlcmin", "htlcmax"], "the node library has no such limits")?;
        args.refuse(&["enforcedelay"], "the node library takes the old fees for a few minutes")?;
        if args.optional::<bool>("ignorefeelimits")? == Some(true) {
            args.refuse(&["ignorefeelimits"], "the node library has limits for each peer")?;
        }
        let base_msat = args.optional::<Msat>("feebase")?.map(|msat| u32::try_from(msat.0));
        let too_much = |_| RpcError::params("feebase: should be at most 4294967295msat");
        Ok(Self {
            channels: args.required("id")?,
            base_msat: base_msat.transpose().map_err(too_much)?,
            per_million: args.optional("feeppm")?,
        })
    }

    async fn run(self, call: Call) -> Result<Changed, RpcError> {
        let named = async || {
            let channels = open_channels(&call).await?;
            match &self.channels.0 {
                Some(name) => name.of("id", channels),
                None => Ok(channels),
            }
        };
        let before = named().await?;
        if before.is_empty() {
            let reason = "Could not find any active channels of peer with that id";
            return Err(RpcError::generic(reason));
        }
        if self.base_msat.is_some() || self.per_million.is_some() {
            for channel in &before {
                self.change(&call, channel).await?;
            }
        }
        Ok(Changed { channels: named().await?.iter().map(Row::of).collect() })
    }
}

impl SetChannel {
    async fn change(&self, call: &Call, channel: &OpenChannel) -> Result<(), RpcError> {
        let config = ChannelConfig {
            forwarding_fee_base_msat: self.base_msat,
            forwarding_fee_proportional_millionths: self.per_million,
            ..Default::default()
        };
        let request = UpdateChannelConfigRequest {
            user_channel_id: channel.user_channel_id(),
            counterparty_node_id: channel.peer_id(),
            channel_config: Some(config),
        };
        call.ask(rpc::UpdateChannelConfig, request).await?;
        Ok(())
    }
}

impl Row {
    fn of(channel: &OpenChannel) -> Self {
        let (minimum_htlc_out_msat, maximum_htlc_out_msat) = channel.htlc_limits_msat();
        let config = &channel.details.config;
        Self {
            peer_id: channel.peer_id(),
            channel_id: channel.id(),
            short_channel_id: channel.short_channel_id(),
            fee_base_msat: config.forwarding_fee_base_msat,
            fee_proportional_millionths: config.forwarding_fee_proportional_millionths,
            minimum_htlc_out_msat,
            maximum_htlc_out_msat,
            ignore_fee_limits: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(params: Value) -> Result<SetChannel, RpcError> {
        SetChannel::read(&Args::of(SetChannel::USAGE, Some(params))?)
    }

    #[test]
    fn channels_are_named_or_all_are_meant() {
        assert!(read(json!(["all", 1, 2])).unwrap().channels.0.is_none());
        let read_ = read(json!({"id": "1x2x3", "feebase": "1sat", "feeppm": 20})).unwrap();
        assert_eq!((read_.base_msat, read_.per_million), (Some(1_000), Some(20)));
        for params in [
            json!(["zz"]),
            json!(["all", "5000000000msat"]),
            json!({"id": "all", "htlcmin": 1}),
            json!({"id": "all", "enforcedelay": 5}),
            json!({"id": "all", "ignorefeelimits": true}),
        ] {
            assert_eq!(read(params).err().unwrap().code, -32602);
        }
    }
}
