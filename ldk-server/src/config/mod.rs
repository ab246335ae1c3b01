//! The configuration: flags over environment over file over defaults. A [`Config`] that exists is
//! valid.
//!
//! The table in [`keys`] has every key. [`Values`] gathers what is set, of whatever kind, and `parse`
//! makes of it what the daemon works with.

mod args;
mod chain_source;
mod file;
pub mod keys;
mod parse;
mod values;

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

pub use args::{Args, Only, Rescue, RestoreArgs};
pub use chain_source::{
    BitcoindAuth, BitcoindConfig, ChainSource, ElectrumConfig, EsploraConfig, HostPort,
};
use file::File;
use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::{AsyncPaymentsRole, BackgroundSyncConfig, ChannelConfig};
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_node::liquidity::LSPS2ServiceConfig;
use ldk_server_grpc::places;
use secrecy::SecretString;
use values::Values;

/// Everything the daemon needs to know before it starts.
pub struct Config {
    /// The Bitcoin network.
    pub network: Network,
    /// Where keys are kept, and one directory of state for each network.
    pub storage_dir: PathBuf,
    /// Whether the state of the channels is written at consistent cuts, and nothing leaves before.
    pub consistent_cuts: bool,
    /// Where the mirror of the database is kept, in a directory for each network.
    pub backup_directory: Option<PathBuf>,
    /// Where the gRPC service listens.
    pub grpc_address: SocketAddr,
    /// Where Lightning peers are accepted.
    pub listening_addresses: Vec<SocketAddress>,
    /// What is announced to the network; empty means the listening addresses.
    pub announcement_addresses: Vec<SocketAddress>,
    /// The name announced to the network.
    pub alias: Option<String>,
    /// Where blocks and fee rates come from.
    pub chain_source: ChainSource,
    /// How often the chain source is asked, unless it is Bitcoin Core.
    pub sync: BackgroundSyncConfig,
    /// Whom to trust with channels, and what to keep for them.
    pub channels: ChannelsConfig,
    /// The limits of payments whose requests leave them out.
    pub routing: RouteParametersConfig,
    /// The Rapid Gossip Sync server; without one, gossip comes from peers.
    pub rgs_server_url: Option<String>,
    /// Where external pathfinding scores come from.
    pub pathfinding_scores_url: Option<String>,
    /// The part taken in asynchronous payments.
    pub async_payments_role: Option<AsyncPaymentsRole>,
    /// Logging.
    pub log: LogConfig,
    /// The certificate of the gRPC service.
    pub tls: TlsConfig,
    /// What callers may ask of the service.
    pub limits: LimitsConfig,
    /// What connections to and from peers may take.
    pub peer_limits: PeerLimitsConfig,
    /// Whether an `x-auth` header that does not cover the request body is accepted.
    pub accept_timestamp_only_auth: bool,
    /// Whether an `x-auth` header that covers the body and not the path is accepted.
    pub accept_body_bound_auth: bool,
    /// Whether what a caller puts into channels draws on its budgets.
    pub budgets_count_funding: bool,
    /// The LSP that opens just-in-time channels to us.
    pub lsps2_client: Option<Lsps2ClientConfig>,
    /// Just-in-time channels that we open to others.
    pub lsps2_service: Option<LSPS2ServiceConfig>,
    /// How many blocks before its deadline a held payment is failed back; 0 means that it is held
    /// to the end.
    pub hodl_fail_before_deadline_blocks: u32,
    /// How long an invoice that expired unpaid stays in the library, which keeps all it has in memory.
    pub keep_expired_invoices: Duration,
    /// Which events are kept.
    pub events: EventsConfig,
    /// For how many days entries of the audit are kept; for ever if it is 0.
    pub audit_keep_days: u64,
    /// Whether a caller may have the node's keys put into a backup.
    pub allow_keys_in_backups: bool,
    /// How names like `₿user@domain` are resolved.
    pub hrn: HrnConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
    /// The SOCKS5 proxy to onion peers.
    pub tor_proxy: Option<HostPort>,
    /// Whether the wallet looks through all of the chain again. Not with Bitcoin Core.
    pub force_wallet_full_scan: bool,
    /// Whether the library's own store is used, for benchmarks.
    pub library_store: bool,
    /// Whether the library listens and connects to peers itself, for benchmarks.
    pub without_peer_gate: bool,
}

impl Config {
    /// The directory of this network's state.
    pub fn network_dir(&self) -> PathBuf {
        places::network_dir(&self.storage_dir, &self.network.to_string())
    }

    /// The directory of the mirror of this network's state.
    pub fn mirror_dir(&self) -> Option<PathBuf> {
        let directory = self.backup_directory.as_ref()?;
        Some(places::network_dir(directory, &self.network.to_string()))
    }
}

/// Whom to trust with channels, and what to keep for them.
#[derive(Debug, PartialEq, Eq)]
pub struct ChannelsConfig {
    /// Peers whose channels are used before their funding transaction is confirmed.
    pub trusted_peers_0conf: Vec<PublicKey>,
    /// What stays on chain for each anchor channel, in satoshis, to pay for closing it.
    pub anchor_reserve_sats: u64,
    /// Peers for whose channels nothing stays on chain.
    pub anchor_trusted_peers: Vec<PublicKey>,
    /// The settings of channels that this node opens, where the request leaves them out.
    pub opened: ChannelConfig,
}

/// Logging.
pub struct LogConfig {
    /// The least severe level that is written.
    pub level: log::LevelFilter,
    /// The least severe level of those that the file gets.
    pub file_level: log::LevelFilter,
    /// Other levels for the targets that begin with these.
    pub targets: Vec<(String, log::LevelFilter)>,
    /// What a line looks like.
    pub format: LogFormat,
    /// The log file, beside the console.
    pub file: Option<PathBuf>,
    /// When another file is begun.
    pub rotation: LogRotation,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object each.
    Json,
}

/// When another log file is begun, and how many of the older ones are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRotation {
    /// How large a file becomes, unless a single line is larger; `None`: of any size.
    pub max_bytes: Option<u64>,
    /// How old a file becomes; `None`: of any age.
    pub max_age: Option<Duration>,
    /// How many older files are kept.
    pub max_files: usize,
}

/// The certificate of the gRPC service.
#[derive(Clone)]
pub struct TlsConfig {
    /// The PEM certificate, with those of its issuers after it.
    pub cert_path: PathBuf,
    /// Its PEM key: PKCS#8, SEC 1 or PKCS#1.
    pub key_path: PathBuf,
    /// Names and addresses a generated certificate is valid for, besides localhost, 127.0.0.1 and
    /// the address below.
    pub hosts: Vec<String>,
    /// Where the service listens, if it is one address.
    pub listening: Option<IpAddr>,
}

/// What callers may ask of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Connections at once; further ones are closed.
    pub max_connections: usize,
    /// Requests at once on one connection; the caller holds back further ones.
    pub max_streams_per_connection: u32,
    /// Calls that run or wait at once, over all connections; further ones are refused.
    pub max_calls_in_flight: usize,
    /// Calls that one connection may make in a second; `None`: any number.
    pub max_calls_per_second_per_connection: Option<NonZeroU32>,
    /// How long a new connection may take for its TLS handshake.
    pub handshake_timeout: Duration,
    /// How long it may then take to begin with HTTP, and in HTTP/1 for the head of each request.
    pub header_timeout: Duration,
    /// How long a caller may take to send the body of a call.
    pub request_timeout: Duration,
    /// How long a caller may take to receive an answer, 16 KiB at a time.
    pub write_timeout: Duration,
    /// After so long a silence the other side is asked whether it is still there …
    pub keep_alive_interval: Duration,
    /// … and the connection is closed if it does not answer for so long.
    pub keep_alive_timeout: Duration,
}

/// What connections to and from Lightning peers may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimitsConfig {
    /// Connections at once; an eighth is for those that this node makes.
    pub max_connections: usize,
    /// Connections at once from one address; further ones are closed.
    pub max_connections_per_address: usize,
    /// How long a connection may take for its handshake.
    pub handshake_timeout: Duration,
    /// How long a peer may take to receive what is sent to it, 16 KiB at a time.
    pub write_timeout: Duration,
    /// Bytes that wait to be sent to one peer; the library waits with further ones.
    pub max_queued_bytes: usize,
}

/// The LSP that opens just-in-time channels to us.
pub struct Lsps2ClientConfig {
    /// Its node id.
    pub node_id: PublicKey,
    /// Where it listens.
    pub address: SocketAddress,
    /// What it wants to see before it serves us.
    pub token: Option<SecretString>,
}

/// Which events are kept: those that are neither too old nor too many, and always the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsConfig {
    /// For how many seconds.
    pub keep_secs: u64,
    /// How many.
    pub keep_count: u64,
}

/// How human-readable names (BIP 353) are resolved.
pub struct HrnConfig {
    /// A DNS server that answers over TCP. What it says counts only with a proof (DNSSEC).
    pub dns_server: HostPort,
    /// How long that may take.
    pub timeout: Duration,
}

/// Metrics for Prometheus.
pub struct MetricsConfig {
    /// Whether they are served.
    pub enabled: bool,
    /// From one reading of the node to the next.
    pub poll_interval: Duration,
    /// Who may read them; everybody, if nobody is named.
    pub login: Option<MetricsLogin>,
}

/// HTTP basic authentication.
pub struct MetricsLogin {
    /// The user.
    pub username: String,
    /// Their password.
    pub password: SecretString,
}

/// A configuration file with every key, explained.
pub const TEMPLATE: &str = include_str!("template.toml");

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("Invalid configuration: {0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(key: impl AsRef<str>, reason: impl std::fmt::Display) -> Self {
        Self(format!("{}: {reason}", key.as_ref()))
    }
}

impl Config {
    /// Reads the file that `args` names, or else the default one, and merges `args` over it.
    pub fn load(args: &Args) -> Result<Self, ConfigError> {
        Self::of(args).map(|(config, _)| config)
    }

    /// The configuration as [`load`](Self::load) finds it: every key on a line of its own, as TOML,
    /// with where it comes from. Secrets are not shown.
    pub fn explain(args: &Args) -> Result<String, ConfigError> {
        let (_, values) = Self::of(args)?;
        Ok(values.to_string())
    }

    fn of(args: &Args) -> Result<(Self, Values), ConfigError> {
        let mut values = Values::gather(args, read_file(args.config_file())?)?;
        if values.are_all_defaults() {
            return Err(ConfigError(parse::FIRST_STEPS.to_owned()));
        }
        let config = Self::merge(&mut values, args)?;
        Ok((config, values))
    }

    fn merge(values: &mut Values, args: &Args) -> Result<Self, ConfigError> {
        let network = parse::network(values)?;
        let storage_dir = parse::storage_dir(values)?;
        parse::set_paths(values, &storage_dir, network);
        parse::choose_bitcoind_login(values);
        let identity = parse::identity(values)?;
        Ok(Self {
            network,
            consistent_cuts: values.is_on(keys::STORAGE_CONSISTENT_CUTS),
            backup_directory: parse::backup_directory(values)?,
            grpc_address: parse::grpc_address(values)?,
            async_payments_role: parse::async_payments_role(values, identity.is_announceable())?,
            listening_addresses: identity.listening_addresses,
            announcement_addresses: identity.announcement_addresses,
            alias: identity.alias,
            force_wallet_full_scan: parse::force_wallet_full_scan(values)?,
            chain_source: parse::chain_source(values)?,
            sync: parse::sync(values)?,
            channels: parse::channels(values)?,
            routing: parse::routing(values)?,
            rgs_server_url: parse::http_url(values, keys::NODE_RGS_SERVER_URL)?,
            pathfinding_scores_url: parse::http_url(
                values,
                keys::NODE_PATHFINDING_SCORES_SOURCE_URL,
            )?,
            log: parse::log(values, &storage_dir, network)?,
            tls: parse::tls(values)?,
            limits: parse::limits(values)?,
            peer_limits: parse::peer_limits(values)?,
            accept_timestamp_only_auth: values.is_on(keys::AUTH_ACCEPT_TIMESTAMP_ONLY),
            accept_body_bound_auth: values.is_on(keys::AUTH_ACCEPT_BODY_BOUND),
            budgets_count_funding: values.is_on(keys::AUTH_BUDGETS_COUNT_FUNDING),
            lsps2_client: parse::lsps2_client(values)?,
            lsps2_service: parse::lsps2_service(values)?,
            hodl_fail_before_deadline_blocks: parse::hodl_fail_before_deadline_blocks(values)?,
            keep_expired_invoices: parse::keep_expired_invoices(values, network)?,
            events: parse::events(values)?,
            audit_keep_days: parse::audit_keep_days(values)?,
            allow_keys_in_backups: values.is_on(keys::BACKUP_ALLOW_KEYS),
            hrn: parse::hrn(values)?,
            metrics: parse::metrics(values)?,
            tor_proxy: parse::tor_proxy(values)?,
            library_store: args.library_store(),
            without_peer_gate: args.without_peer_gate(),
            storage_dir,
        })
    }
}

fn read_file(named: Option<&PathBuf>) -> Result<File, ConfigError> {
    let (path, may_be_missing) = match named {
        Some(path) => (path.to_owned(), false),
        None => match places::default_config_file() {
            Some(path) => (path, true),
            None => return Ok(File::default()),
        },
    };
    let refused = |reason| ConfigError::new(path.display().to_string(), reason);
    match fs::read_to_string(&path) {
        Ok(text) => File::parse(&text).map_err(refused),
        Err(error) if may_be_missing && error.kind() == io::ErrorKind::NotFound => {
            Ok(File::default())
        },
        Err(error) => Err(refused(format!("cannot be read: {error}"))),
    }
}

#[cfg(test)]
mod tests;
