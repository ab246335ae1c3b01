//! Channels.

use clap::Args;
use ldk_server_grpc::api::open_channel_request::Amount as ChannelAmount;
use ldk_server_grpc::api::splice_in_request::Amount as SpliceInAmount;
use ldk_server_grpc::api::{
    AllFunds, CloseChannelRequest, ForceCloseChannelRequest, ListChannelsRequest,
    OpenChannelRequest, SpliceInRequest, SpliceOutRequest, UpdateChannelConfigRequest,
};
use ldk_server_grpc::types::ChannelConfig;

use crate::amount::{Amount, AmountOrAll};
use crate::args::{ChannelConfigArgs, OnceArgs};
use crate::commands::peers::key_and_address;
use crate::failure::Failure;

unary_commands!(Commands {
    OpenChannel => open_channel,
    SpliceIn => splice_in,
    SpliceOut => splice_out,
    UpdateChannelConfig => update_channel_config,
    CloseChannel => close_channel,
    ForceCloseChannel => force_close_channel,
    ListChannels => list_channels,
});

/// Open a channel to a node, funded by the on-chain wallet
#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct OpenChannel {
    /// Public key of the node as hex, alone or as pubkey@host:port
    #[arg(value_name = "NODE_PUBKEY[@ADDRESS]")]
    node_pubkey: String,

    /// Address of the node, host:port, unless it is given with the public key
    address: Option<String>,

    /// Size of the channel with its unit (sat, or msat in whole sats), or all for everything that
    /// is spendable
    channel_amount: AmountOrAll,

    /// Amount to give to the counterparty, with its unit (sat or msat)
    #[arg(long, value_name = "AMOUNT")]
    push_to_counterparty: Option<Amount>,

    /// Announce the channel, so that it can forward payments of others
    #[arg(long)]
    announce_channel: bool,

    /// Require no reserve of the counterparty, which then has nothing to lose if it cheats
    #[arg(long)]
    disable_counterparty_reserve: bool,

    #[command(flatten)]
    config: ChannelConfigArgs,

    #[command(flatten)]
    once: OnceArgs,
}

impl TryFrom<OpenChannel> for OpenChannelRequest {
    type Error = Failure;

    fn try_from(command: OpenChannel) -> Result<Self, Failure> {
        if command.announce_channel && command.disable_counterparty_reserve {
            return Err(Failure::InvalidRequest(
                "--announce-channel and --disable-counterparty-reserve exclude each other"
                    .to_owned(),
            ));
        }
        let amount = match command.channel_amount {
            AmountOrAll::Amount(amount) => ChannelAmount::ChannelAmountSats(amount.sat()?),
            AmountOrAll::All => ChannelAmount::AllFunds(AllFunds {}),
        };
        let config = ChannelConfig::from(command.config);
        let (node_pubkey, address) = key_and_address(command.node_pubkey, command.address)?;
        Ok(Self {
            node_pubkey,
            address,
            amount: Some(amount),
            push_to_counterparty_msat: command.push_to_counterparty.map(Amount::msat),
            channel_config: (config != ChannelConfig::default()).then_some(config),
            announce_channel: command.announce_channel,
            disable_counterparty_reserve: command.disable_counterparty_reserve,
            idempotency_key: command.once.key(),
        })
    }
}

/// Move funds from the on-chain wallet into a channel
///
/// Returns as soon as the counterparty is asked. The channel stays usable, and has the funds when the
/// transaction is confirmed.
#[derive(Debug, Args)]
pub(crate) struct SpliceIn {
    /// The channel's user_channel_id
    user_channel_id: String,

    /// Public key of the counterparty, as hex
    counterparty_node_id: String,

    /// Amount with its unit (sat, or msat in whole sats), or all for everything that is spendable
    splice_amount: AmountOrAll,

    #[command(flatten)]
    once: OnceArgs,
}

impl TryFrom<SpliceIn> for SpliceInRequest {
    type Error = Failure;

    fn try_from(command: SpliceIn) -> Result<Self, Failure> {
        let amount = match command.splice_amount {
            AmountOrAll::Amount(amount) => SpliceInAmount::SpliceAmountSats(amount.sat()?),
            AmountOrAll::All => SpliceInAmount::AllFunds(AllFunds {}),
        };
        Ok(Self {
            user_channel_id: command.user_channel_id,
            counterparty_node_id: command.counterparty_node_id,
            amount: Some(amount),
            idempotency_key: command.once.key(),
        })
    }
}

/// Move funds from a channel to an on-chain address
///
/// Returns as soon as the counterparty is asked. The channel stays usable, without the funds.
#[derive(Debug, Args)]
pub(crate) struct SpliceOut {
    /// The channel's user_channel_id
    user_channel_id: String,

    /// Public key of the counterparty, as hex
    counterparty_node_id: String,

    /// Amount with its unit (sat, or msat in whole sats), or all for everything that can be taken
    /// out
    splice_amount: AmountOrAll,

    /// Address to send to [default: a new one of the node's on-chain wallet]
    #[arg(short, long)]
    address: Option<String>,

    #[command(flatten)]
    once: OnceArgs,
}

impl TryFrom<SpliceOut> for SpliceOutRequest {
    type Error = Failure;

    fn try_from(command: SpliceOut) -> Result<Self, Failure> {
        let (splice_amount_sats, all_funds) = match command.splice_amount {
            AmountOrAll::Amount(amount) => (amount.sat()?, None),
            AmountOrAll::All => (0, Some(AllFunds {})),
        };
        Ok(Self {
            user_channel_id: command.user_channel_id,
            counterparty_node_id: command.counterparty_node_id,
            address: command.address,
            splice_amount_sats,
            all_funds,
            idempotency_key: command.once.key(),
        })
    }
}

/// Change the node's settings of a channel; settings not given stay as they are
#[derive(Debug, Args)]
pub(crate) struct UpdateChannelConfig {
    /// The channel's user_channel_id
    user_channel_id: String,

    /// Public key of the counterparty, as hex
    counterparty_node_id: String,

    #[command(flatten)]
    config: ChannelConfigArgs,
}

impl From<UpdateChannelConfig> for UpdateChannelConfigRequest {
    fn from(command: UpdateChannelConfig) -> Self {
        Self {
            user_channel_id: command.user_channel_id,
            counterparty_node_id: command.counterparty_node_id,
            channel_config: Some(command.config.into()),
        }
    }
}

/// Close a channel cooperatively
#[derive(Debug, Args)]
pub(crate) struct CloseChannel {
    /// The channel's user_channel_id
    user_channel_id: String,

    /// Public key of the counterparty, as hex
    counterparty_node_id: String,
}

impl From<CloseChannel> for CloseChannelRequest {
    fn from(command: CloseChannel) -> Self {
        Self {
            user_channel_id: command.user_channel_id,
            counterparty_node_id: command.counterparty_node_id,
        }
    }
}

/// Force-close a channel, without the counterparty; the node's funds return after a delay
#[derive(Debug, Args)]
pub(crate) struct ForceCloseChannel {
    /// The channel's user_channel_id
    user_channel_id: String,

    /// Public key of the counterparty, as hex
    counterparty_node_id: String,

    /// Reason to send to the counterparty
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    force_close_reason: Option<String>,
}

impl From<ForceCloseChannel> for ForceCloseChannelRequest {
    fn from(command: ForceCloseChannel) -> Self {
        Self {
            user_channel_id: command.user_channel_id,
            counterparty_node_id: command.counterparty_node_id,
            force_close_reason: command.force_close_reason,
        }
    }
}

/// List the channels, including those being opened
#[derive(Debug, Args)]
pub(crate) struct ListChannels;

impl From<ListChannels> for ListChannelsRequest {
    fn from(_: ListChannels) -> Self {
        Self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::request;

    #[test]
    fn a_channel_is_opened_with_an_amount_or_all() {
        let request = request::<OpenChannel, OpenChannelRequest>;
        let plain = OpenChannelRequest {
            node_pubkey: "02aa".to_owned(),
            address: "host:9735".to_owned(),
            amount: Some(ChannelAmount::ChannelAmountSats(100_000)),
            ..Default::default()
        };
        assert_eq!(request("02aa host:9735 100000sat"), Ok(plain.clone()));
        assert_eq!(request("02aa@host:9735 100000sat"), Ok(plain.clone()));
        let missing = request("02aa 100000sat").unwrap_err();
        assert!(missing.starts_with("Error: address is required"), "{missing}");
        assert_eq!(
            request("02aa host:9735 all --announce-channel --push-to-counterparty 1sat"),
            Ok(OpenChannelRequest {
                amount: Some(ChannelAmount::AllFunds(AllFunds {})),
                announce_channel: true,
                push_to_counterparty_msat: Some(1_000),
                ..plain.clone()
            })
        );
        assert_eq!(
            request("02aa host:9735 100000sat --cltv-expiry-delta 0"),
            Ok(OpenChannelRequest {
                channel_config: Some(ChannelConfig {
                    cltv_expiry_delta: Some(0),
                    ..Default::default()
                }),
                ..plain
            })
        );
        let line = "02aa host:9735 1sat --announce-channel --disable-counterparty-reserve";
        let both = request(line).unwrap_err();
        assert!(both.starts_with("Error (Invalid Request): "), "{both}");
    }

    #[test]
    fn money_is_spliced_in_by_amount_or_all() {
        let request = request::<SpliceIn, SpliceInRequest>;
        let splice = |amount| {
            Ok(SpliceInRequest {
                user_channel_id: "7".to_owned(),
                counterparty_node_id: "02aa".to_owned(),
                amount: Some(amount),
                ..Default::default()
            })
        };
        assert_eq!(request("7 02aa 5000sat"), splice(SpliceInAmount::SpliceAmountSats(5_000)));
        assert_eq!(request("7 02aa all"), splice(SpliceInAmount::AllFunds(AllFunds {})));
        let fraction = request("7 02aa 1500msat").unwrap_err();
        assert!(fraction.starts_with("Error: amount 1500msats is not evenly"), "{fraction}");
    }

    #[test]
    fn money_is_spliced_out_to_an_address_or_home() {
        let request = request::<SpliceOut, SpliceOutRequest>;
        let home = SpliceOutRequest {
            user_channel_id: "7".to_owned(),
            counterparty_node_id: "02aa".to_owned(),
            address: None,
            splice_amount_sats: 5_000,
            all_funds: None,
            ..Default::default()
        };
        assert_eq!(request("7 02aa 5000sat"), Ok(home.clone()));
        let away = SpliceOutRequest { address: Some("bcrt1q".to_owned()), ..home.clone() };
        assert_eq!(request("7 02aa 5000sat -a bcrt1q"), Ok(away.clone()));
        assert_eq!(request("7 02aa 5000sat --address bcrt1q"), Ok(away));
        let all = SpliceOutRequest { splice_amount_sats: 0, all_funds: Some(AllFunds {}), ..home };
        assert_eq!(request("7 02aa all"), Ok(all));
        let fraction = request("7 02aa 1msat").unwrap_err();
        assert!(fraction.starts_with("Error: amount 1msats is not evenly"), "{fraction}");
    }

    #[test]
    fn settings_not_given_are_not_sent() {
        let request = request::<UpdateChannelConfig, UpdateChannelConfigRequest>;
        let update = |channel_config| {
            Ok(UpdateChannelConfigRequest {
                user_channel_id: "7".to_owned(),
                counterparty_node_id: "02aa".to_owned(),
                channel_config: Some(channel_config),
            })
        };
        assert_eq!(request("7 02aa"), update(ChannelConfig::default()));
        assert_eq!(
            request(
                "7 02aa --forwarding-fee-proportional-millionths 1 --forwarding-fee-base-msat 2 \
                 --cltv-expiry-delta 3"
            ),
            update(ChannelConfig {
                forwarding_fee_proportional_millionths: Some(1),
                forwarding_fee_base_msat: Some(2),
                cltv_expiry_delta: Some(3),
                ..Default::default()
            })
        );
    }

    #[test]
    fn a_channel_is_closed_by_its_ids() {
        let (user_channel_id, counterparty_node_id) = ("7".to_owned(), "02aa".to_owned());
        assert_eq!(
            request::<ForceCloseChannel, _>("7 02aa --force-close-reason gone"),
            Ok(ForceCloseChannelRequest {
                user_channel_id: user_channel_id.clone(),
                counterparty_node_id: counterparty_node_id.clone(),
                force_close_reason: Some("gone".to_owned()),
            })
        );
        let dashed = request::<ForceCloseChannel, ForceCloseChannelRequest>;
        let dashed = dashed("7 02aa --force-close-reason --gone--").unwrap();
        assert_eq!(dashed.force_close_reason.as_deref(), Some("--gone--"));
        assert_eq!(
            request::<CloseChannel, _>("7 02aa"),
            Ok(CloseChannelRequest { user_channel_id, counterparty_node_id })
        );
    }
}
