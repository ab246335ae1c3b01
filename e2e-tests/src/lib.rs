//! What the end-to-end tests are written with: a regtest chain and ldk-server nodes on it, all real
//! processes.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use e2e_tests::Network;
//!
//! let network = Network::start().await?;
//! let [alice, bob] = network.funded_pair(1_000_000).await?;
//! alice.pays(&bob, 50_000).await?;
//! network.stop().await
//! # }
//! ```
//!
//! Nothing here waits for a fixed time: [`until`] asks again until a condition holds, and says what
//! it last saw when it does not hold in time. A network that is dropped without having been stopped
//! belongs to a failed test and prints the tails of all its logs.

mod attack;
mod authority;
mod bitcoind;
mod browser;
mod channels;
mod command_output;
mod config_builder;
mod daemon;
mod dns;
mod electrum;
mod electrum_index;
mod esplora;
mod events;
mod lnurl_service;
mod mirror;
mod network;
mod nginx;
mod node;
mod node_config;
pub mod other_languages;
pub mod playground;
mod ports;
mod postgres;
mod print_uncaptured;
mod process;
mod raw;
mod refusal;
mod reservation;
mod socks;
mod spend;
mod strace;
pub mod stress;
mod tcp_proxy;
mod tls;
mod tools;
mod usage;
mod wait;
mod webhook_receiver;

pub use attack::{Attack, Held, resident_bytes};
pub use authority::Authority;
pub use bitcoind::{Bitcoind, RPC_PASSWORD};
pub use browser::Browser;
pub use command_output::{CommandOutput, run};
pub use config_builder::ConfigBuilder;
pub use daemon::Daemon;
pub use dns::{DnsAnswer, DnsServer};
pub use electrum::Electrum;
pub use electrum_index::ElectrumIndex;
pub use esplora::Esplora;
pub use events::Events;
pub use lnurl_service::{LNURL_COMMENT_CHARS, LNURL_MSAT, LnurlReaction, LnurlService};
pub use mirror::Mirror;
pub use network::Network;
pub use nginx::Nginx;
pub use node::{Node, refusal};
pub use node_config::NodeConfig;
pub use ports::Port;
pub use postgres::Postgres;
pub use print_uncaptured::print_uncaptured;
pub use process::{Group, Log, Process};
pub use raw::{
    RawAnswer, RawConnection, grpc_frame, grpc_request, grpc_request_to, now_secs, signed_request,
    x_auth, x_auth_of_request,
};
pub use refusal::{invalid, refused};
pub use reservation::{NODES_AT_ONCE, Reservation};
pub use socks::{Exit, HOST_UNREACHABLE, SocksProxy, SocksRequest};
pub use spend::{Spend, Spent};
pub use strace::{Stall, Strace};
pub use tcp_proxy::TcpProxy;
pub use tls::{
    tls_as_client, tls_connect, tls_connect_at, tls_connect_by, tls_connect_trusting, tls_over,
};
pub use tools::{Tools, example};
pub use usage::Usage;
pub use wait::until;
pub use webhook_receiver::{Posted, Reaction, WebhookReceiver};
