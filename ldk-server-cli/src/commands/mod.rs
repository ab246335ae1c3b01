//! The commands, a file for each noun. Most of them are one unary call: their arguments become the
//! request, and the response is printed.

mod backup;
mod bolt11;
mod bolt12;
mod channels;
mod completions;
mod consumers;
mod crypto;
mod decode;
mod events;
mod graph;
mod health;
mod hodl;
mod jit;
mod man_pages;
mod node;
mod onchain;
mod payments;
mod peers;
mod runes;
mod spontaneous;
mod unified;

use clap::Subcommand;
use ldk_server_client::Client;

use crate::failure::Failure;
use crate::output::{self, Format};

use backup::Backup;
use bolt11::{Bolt11Receive, Bolt11Send, Bolt11SendUnderpaying};
use bolt12::{Bolt12Receive, Bolt12Send};
use channels::{
    CloseChannel, ForceCloseChannel, ListChannels, OpenChannel, SpliceIn, SpliceOut,
    UpdateChannelConfig,
};
use completions::Completions;
use consumers::{AckEvents, DeleteEventConsumer, ListEventConsumers};
use crypto::{SignMessage, VerifySignature};
use decode::{DecodeInvoice, DecodeOffer};
use events::Events;
use graph::{
    ExportPathfindingScores, GraphGetChannel, GraphGetNode, GraphListChannels, GraphListNodes,
};
use health::Health;
use hodl::{Bolt11ClaimForHash, Bolt11FailForHash, Bolt11ReceiveForHash};
use jit::{Bolt11ReceiveVariableAmountViaJitChannel, Bolt11ReceiveViaJitChannel};
use man_pages::ManPages;
use node::{GetBalances, GetNodeInfo};
use onchain::{OnchainReceive, OnchainSend};
use payments::{GetPaymentDetails, ListForwardedPayments, ListPayments};
use peers::{ConnectPeer, DisconnectPeer, ListPeers};
use runes::{DecodeRune, RestrictRune};
use spontaneous::SpontaneousSend;
use unified::Pay;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Unary(UnaryCommand),
    ListPayments(ListPayments),
    ListForwardedPayments(ListForwardedPayments),
    Events(Events),
    Backup(Backup),
    Health(Health),
    DecodeRune(DecodeRune),
    RestrictRune(RestrictRune),
    Completions(Completions),
    ManPages(ManPages),
}

/// Declares the commands that are one unary call, each with the client's method for it.
macro_rules! unary_commands {
    ($($command:ident => $method:ident,)+) => {
        #[derive(Debug, Subcommand)]
        pub(crate) enum UnaryCommand {
            $($command($command),)+
        }

        impl UnaryCommand {
            pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
                match self {
                    $(Self::$command(command) => {
                        output::print(&client.$method(command.try_into()?).await?, format)
                    })+
                }
            }
        }
    };
}

unary_commands! {
    GetNodeInfo => get_node_info,
    GetBalances => get_balances,
    OnchainReceive => onchain_receive,
    OnchainSend => onchain_send,
    Bolt11Receive => bolt11_receive,
    Bolt11ReceiveForHash => bolt11_receive_for_hash,
    Bolt11ClaimForHash => bolt11_claim_for_hash,
    Bolt11FailForHash => bolt11_fail_for_hash,
    Bolt11ReceiveViaJitChannel => bolt11_receive_via_jit_channel,
    Bolt11ReceiveVariableAmountViaJitChannel => bolt11_receive_variable_amount_via_jit_channel,
    Bolt11Send => bolt11_send,
    Bolt11SendUnderpaying => bolt11_send_underpaying,
    Bolt12Receive => bolt12_receive,
    Bolt12Send => bolt12_send,
    SpontaneousSend => spontaneous_send,
    Pay => unified_send,
    DecodeInvoice => decode_invoice,
    DecodeOffer => decode_offer,
    OpenChannel => open_channel,
    SpliceIn => splice_in,
    SpliceOut => splice_out,
    UpdateChannelConfig => update_channel_config,
    CloseChannel => close_channel,
    ForceCloseChannel => force_close_channel,
    ListChannels => list_channels,
    ConnectPeer => connect_peer,
    DisconnectPeer => disconnect_peer,
    ListPeers => list_peers,
    SignMessage => sign_message,
    VerifySignature => verify_signature,
    ExportPathfindingScores => export_pathfinding_scores,
    GraphListChannels => graph_list_channels,
    GraphGetChannel => graph_get_channel,
    GraphListNodes => graph_list_nodes,
    GraphGetNode => graph_get_node,
    GetPaymentDetails => get_payment_details,
    AckEvents => ack_events,
    ListEventConsumers => list_event_consumers,
    DeleteEventConsumer => delete_event_consumer,
}

#[cfg(test)]
pub(crate) mod testing {
    use std::fmt::Display;

    use clap::{Args, Parser};
    use ldk_server_grpc::types::RouteParametersConfig;

    #[derive(Debug, Parser)]
    struct Only<C: Args> {
        #[command(flatten)]
        command: C,
    }

    /// The limits for routes where none are given.
    pub(crate) fn default_route() -> RouteParametersConfig {
        RouteParametersConfig {
            max_total_routing_fee_msat: None,
            max_total_cltv_expiry_delta: 1_008,
            max_path_count: 10,
            max_channel_saturation_power_of_half: 2,
        }
    }

    /// What is said of arguments that are not well formed.
    pub(crate) fn usage_error<C: Args + std::fmt::Debug>(arguments: &str) -> String {
        let line = std::iter::once("command").chain(arguments.split_whitespace());
        Only::<C>::try_parse_from(line).expect_err("the arguments are not well formed").to_string()
    }

    /// The request that one command makes of its arguments, or the text it refuses them with.
    pub(crate) fn request<C, R>(arguments: &str) -> Result<R, String>
    where
        C: Args,
        R: TryFrom<C, Error: Display>,
    {
        let line = std::iter::once("command").chain(arguments.split_whitespace());
        let parsed = Only::<C>::try_parse_from(line).expect("the arguments are well formed");
        R::try_from(parsed.command).map_err(|error| error.to_string())
    }
}
