//! The commands, a file for each noun. Most of them are one unary call: their arguments become the
//! request, and the response is printed. Those are listed in the file of their noun.

/// Declares the commands of a noun that are one unary call, each with the client's method for it, and the
/// field of the answer that can be shown as a QR code. Those of payments can wait for what comes of them.
macro_rules! unary_commands {
    (@call $client:ident $method:ident $command:ident) => {
        $client.$method($command.try_into()?).await?
    };
    (@call $client:ident $method:ident $command:ident waiting) => {{
        let mut command = $command;
        let progress = $crate::progress::Progress::begin(&mut command.wait);
        let mut answer = $client.$method(command.try_into()?).await?;
        progress.wait($client, &mut answer).await;
        answer
    }};
    ($commands:ident { $($command:ident => $method:ident $(shows $shown:ident)? $(as $waits:ident)?,)+ }) => {
        #[derive(Debug, clap::Subcommand)]
        #[allow(clippy::enum_variant_names, reason = "commands are named after their calls")]
        pub(crate) enum $commands {
            $($command($command),)+
        }

        impl $commands {
            pub(crate) async fn run(
                self,
                client: &ldk_server_client::Client,
                format: $crate::output::Format,
            ) -> Result<(), $crate::failure::Failure> {
                match self {
                    $(Self::$command(command) => {
                        $(
                            let _: &str = stringify!($shown);
                            let shows_qr_code = command.notes.qr;
                        )?
                        let answer = unary_commands!(@call client $method command $($waits)?);
                        $crate::output::print(&answer, format)?;
                        $(
                            if shows_qr_code {
                                $crate::qr::print_invoice(&answer.$shown)?;
                            }
                        )?
                        Ok(())
                    })+
                }
            }
        }
    };
}

mod api_keys;
mod async_receive;
mod audit;
mod backup;
mod bolt11;
mod bolt12;
mod books;
mod channel_waits;
mod channels;
mod client_certs;
mod completions;
mod consumers;
mod crypto;
mod decode;
mod events;
mod graph;
mod health;
mod hodl;
mod inbound_channels;
mod invoices;
mod jit;
mod lnurl;
mod man_pages;
mod node;
mod onchain;
mod page;
mod payments;
mod peers;
mod refunds;
mod routes;
mod rune_issuing;
mod runes;
mod spontaneous;
mod unified;
mod webhooks;

use clap::Subcommand;
use ldk_server_client::Client;

use crate::failure::Failure;
use crate::output::Format;

use audit::ListAuditEntries;
use backup::Backup;
use books::{Export, ListChannelAccounts};
use channel_waits::WaitChannel;
use completions::Completions;
use events::Events;
use health::Health;
use invoices::{ListInvoices, WaitAnyInvoice, WaitInvoice};
use man_pages::ManPages;
use page::Page;
use payments::{ListForwardedPayments, ListPayments, WaitPayment};
use runes::{DecodeRune, RestrictRune};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Unary(UnaryCommand),
    ListPayments(ListPayments),
    ListForwardedPayments(ListForwardedPayments),
    Export(Export),
    ListChannelAccounts(ListChannelAccounts),
    ListAuditEntries(ListAuditEntries),
    ListInvoices(ListInvoices),
    WaitInvoice(WaitInvoice),
    WaitPayment(WaitPayment),
    WaitAnyInvoice(WaitAnyInvoice),
    WaitChannel(WaitChannel),
    Events(Events),
    Backup(Backup),
    Page(Page),
    Health(Health),
    DecodeRune(DecodeRune),
    RestrictRune(RestrictRune),
    Completions(Completions),
    ManPages(ManPages),
}

/// Gathers the commands of each noun, in the order of the help.
macro_rules! nouns {
    ($($noun:ident($commands:ty),)+) => {
        #[derive(Debug, Subcommand)]
        pub(crate) enum UnaryCommand {
            $(#[command(flatten)] $noun($commands),)+
        }

        impl UnaryCommand {
            pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
                match self {
                    $(Self::$noun(command) => command.run(client, format).await,)+
                }
            }
        }
    };
}

nouns! {
    Node(node::Commands),
    Onchain(onchain::Commands),
    Bolt11Receive(bolt11::ReceiveCommands),
    Hodl(hodl::Commands),
    Jit(jit::Commands),
    InboundChannels(inbound_channels::Commands),
    Bolt11Send(bolt11::SendCommands),
    Bolt12(bolt12::Commands),
    AsyncReceive(async_receive::Commands),
    Refunds(refunds::Commands),
    Lnurl(lnurl::Commands),
    Spontaneous(spontaneous::Commands),
    Unified(unified::Commands),
    Routes(routes::Commands),
    Decode(decode::Commands),
    Channels(channels::Commands),
    Peers(peers::Commands),
    Crypto(crypto::Commands),
    Graph(graph::Commands),
    Payments(payments::Commands),
    Books(books::Commands),
    Invoices(invoices::Commands),
    Consumers(consumers::Commands),
    Runes(rune_issuing::Commands),
    ApiKeys(api_keys::Commands),
    ClientCerts(client_certs::Commands),
    Webhooks(webhooks::Commands),
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
            max_total_routing_fee_ppm: None,
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
