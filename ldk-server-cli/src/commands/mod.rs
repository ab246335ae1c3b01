//! The commands, a file for each noun. Most of them are one unary call: their arguments become the
//! request, and the response is printed.

mod bolt11;
mod channels;
mod completions;
mod events;
mod node;
mod onchain;
mod payments;
mod peers;

use clap::Subcommand;
use ldk_server_client::Client;

use crate::failure::Failure;
use crate::output::{self, Format};

use bolt11::{Bolt11Receive, Bolt11Send};
use channels::{CloseChannel, ForceCloseChannel, ListChannels, OpenChannel};
use completions::Completions;
use events::Events;
use node::{GetBalances, GetNodeInfo};
use onchain::{OnchainReceive, OnchainSend};
use payments::GetPaymentDetails;
use peers::{ConnectPeer, DisconnectPeer, ListPeers};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Unary(UnaryCommand),
    Events(Events),
    Completions(Completions),
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
    Bolt11Send => bolt11_send,
    OpenChannel => open_channel,
    CloseChannel => close_channel,
    ForceCloseChannel => force_close_channel,
    ListChannels => list_channels,
    GetPaymentDetails => get_payment_details,
    ConnectPeer => connect_peer,
    DisconnectPeer => disconnect_peer,
    ListPeers => list_peers,
}

#[cfg(test)]
pub(crate) mod testing {
    use std::fmt::Display;

    use clap::{Args, Parser};

    #[derive(Debug, Parser)]
    struct Only<C: Args> {
        #[command(flatten)]
        command: C,
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
