//! The configuration: flags over environment over file over defaults. A [`Config`] that exists is
//! valid.
//!
//! The table in [`keys`] has every key. [`Values`] collects the values that are set, and `parse`
//! converts them to a [`Config`].

mod args;
mod chain_source;
mod cors_origins;
mod file;
pub mod keys;
mod parse;
mod sections;
mod values;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use args::{Args, Command, RestoreArgs, StorageKind};
pub use chain_source::{
    BitcoindAuth, BitcoindConfig, ChainSource, ElectrumConfig, EsploraConfig, HostPort,
};
pub use cors_origins::CorsOrigins;
use file::File;
use ldk_node::bitcoin::Network;
use ldk_node::config::{AsyncPaymentsRole, BackgroundSyncConfig};
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_node::liquidity::LSPS2ServiceConfig;
use ldk_server_grpc::places;
pub use sections::{
    ChannelsConfig, ClientAuthConfig, ClnGrpcConfig, ClnRestConfig, EventsConfig, HrnConfig,
    HttpConfig, LimitsConfig, LnurlConfig, LogConfig, LogFormat, LogRotation, LspConfig,
    MetricsConfig, MetricsLogin, PeerLimitsConfig, PhoenixdConfig, PluginsConfig, PostgresConfig,
    TlsConfig, UnixSocketConfig, WebhooksConfig,
};
use values::Values;

/// The configuration of the daemon.
pub struct Config {
    /// The Bitcoin network.
    pub network: Network,
    /// The directory of the keys, with one directory of state for each network.
    pub storage_dir: PathBuf,
    /// Whether the state of the channels is written at consistent cuts, before anything leaves.
    pub consistent_cuts: bool,
    /// The PostgreSQL that has the state, if it is not in the directory.
    pub postgres: Option<PostgresConfig>,
    /// The directory of the mirror, with one directory for each network.
    pub backup_directory: Option<PathBuf>,
    /// The address of the gRPC service.
    pub grpc_address: SocketAddr,
    /// The Unix socket of the service, for programs on this machine.
    pub unix_socket: Option<UnixSocketConfig>,
    /// CLNRest, for clients of Core Lightning.
    pub cln_rest: Option<ClnRestConfig>,
    /// The Unix socket for clients of Core Lightning.
    pub cln_socket: Option<UnixSocketConfig>,
    /// Programs that speak Core Lightning's plugin protocol.
    pub cln_plugins: Option<PluginsConfig>,
    /// The gRPC service for clients of Core Lightning.
    pub cln_grpc: Option<ClnGrpcConfig>,
    /// phoenixd's interface.
    pub phoenixd: Option<PhoenixdConfig>,
    /// The addresses where Lightning peers connect.
    pub listening_addresses: Vec<SocketAddress>,
    /// The addresses that are announced; empty for the listening addresses.
    pub announcement_addresses: Vec<SocketAddress>,
    /// The announced name.
    pub alias: Option<String>,
    /// The source of blocks and fee rates.
    pub chain_source: ChainSource,
    /// The sync intervals, for Electrum and Esplora.
    pub sync: BackgroundSyncConfig,
    /// Trusted peers, the reserve, and the defaults of channels.
    pub channels: ChannelsConfig,
    /// The default limits of payments.
    pub routing: RouteParametersConfig,
    /// The Rapid Gossip Sync server; without one, gossip comes from peers.
    pub rgs_server_url: Option<String>,
    /// The URL of external pathfinding scores.
    pub pathfinding_scores_url: Option<String>,
    /// The role in asynchronous payments.
    pub async_payments_role: Option<AsyncPaymentsRole>,
    /// Logging.
    pub log: LogConfig,
    /// The certificate of the gRPC service.
    pub tls: TlsConfig,
    /// The limits for callers.
    pub limits: LimitsConfig,
    /// The limits for peers.
    pub peer_limits: PeerLimitsConfig,
    /// Whether an `x-auth` header that does not cover the request body is accepted.
    pub accept_timestamp_only_auth: bool,
    /// Whether an `x-auth` header that covers the body and not the path is accepted.
    pub accept_body_bound_auth: bool,
    /// Whether what a caller puts into channels draws on its budgets.
    pub budgets_count_funding: bool,
    /// The LSP that opens channels that are ordered.
    pub lsps1_client: Option<LspConfig>,
    /// The LSP that opens just-in-time channels to this node.
    pub lsps2_client: Option<LspConfig>,
    /// The just-in-time channels that this node opens to others.
    pub lsps2_service: Option<LSPS2ServiceConfig>,
    /// How many blocks before its deadline a held payment is failed back; 0 for never.
    pub hodl_fail_before_deadline_blocks: u32,
    /// How long an invoice that expired unpaid stays in the memory of the library.
    pub keep_expired_invoices: Duration,
    /// How long and how many events are kept.
    pub events: EventsConfig,
    /// Webhooks.
    pub webhooks: WebhooksConfig,
    /// LNURL services.
    pub lnurl: LnurlConfig,
    /// For how many days invoices are kept that expired or were cancelled; for ever if it is 0.
    pub keep_invoices_days: u64,
    /// For how many days entries of the audit are kept; for ever if it is 0.
    pub audit_keep_days: u64,
    /// Whether a caller may include the node's keys in a backup.
    pub allow_keys_in_backups: bool,
    /// How names like `₿user@domain` are resolved.
    pub hrn: HrnConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
    /// JSON over HTTP, and web pages.
    pub http: HttpConfig,
    /// The SOCKS5 proxy to onion peers.
    pub tor_proxy: Option<HostPort>,
    /// Whether the wallet scans the whole chain again. Not with Bitcoin Core.
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

/// A configuration file with every key and its explanation.
pub const TEMPLATE: &str = include_str!("template.toml");

/// An invalid configuration.
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

    /// Formats the configuration of [`load`](Self::load): one line for each key, as TOML, with the
    /// source of its value. Secrets are masked.
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
        let client_auth = parse::client_auth(values, &storage_dir, network)?;
        parse::set_paths(values, &storage_dir, network, client_auth.is_some());
        parse::choose_bitcoind_login(values);
        let identity = parse::identity(values)?;
        let cln_socket = parse::cln_socket(values, &storage_dir, network)?;
        Ok(Self {
            network,
            consistent_cuts: values.is_on(keys::STORAGE_CONSISTENT_CUTS),
            postgres: parse::postgres(values)?,
            backup_directory: parse::backup_directory(values)?,
            grpc_address: parse::grpc_address(values)?,
            unix_socket: parse::unix_socket(values)?,
            cln_rest: parse::cln_rest(values)?,
            cln_grpc: parse::cln_grpc(values, &storage_dir, network)?,
            phoenixd: parse::phoenixd(values)?,
            cln_plugins: parse::cln_plugins(values, cln_socket.as_ref())?,
            cln_socket,
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
            tls: parse::tls(values, client_auth)?,
            limits: parse::limits(values)?,
            peer_limits: parse::peer_limits(values)?,
            accept_timestamp_only_auth: values.is_on(keys::AUTH_ACCEPT_TIMESTAMP_ONLY),
            accept_body_bound_auth: values.is_on(keys::AUTH_ACCEPT_BODY_BOUND),
            budgets_count_funding: values.is_on(keys::AUTH_BUDGETS_COUNT_FUNDING),
            lsps1_client: parse::lsps1_client(values)?,
            lsps2_client: parse::lsps2_client(values)?,
            lsps2_service: parse::lsps2_service(values)?,
            hodl_fail_before_deadline_blocks: parse::hodl_fail_before_deadline_blocks(values)?,
            keep_expired_invoices: parse::keep_expired_invoices(values, network)?,
            events: parse::events(values)?,
            webhooks: parse::webhooks(values)?,
            lnurl: parse::lnurl(values, network)?,
            keep_invoices_days: parse::keep_invoices_days(values)?,
            audit_keep_days: parse::audit_keep_days(values)?,
            allow_keys_in_backups: values.is_on(keys::BACKUP_ALLOW_KEYS),
            hrn: parse::hrn(values)?,
            metrics: parse::metrics(values)?,
            http: parse::http(values)?,
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
    let name = path.display().to_string();
    match fs::read_to_string(&path) {
        Ok(text) => File::parse(&text).map_err(|error| ConfigError::new(name, error)),
        Err(error) if may_be_missing && error.kind() == io::ErrorKind::NotFound => {
            Ok(File::default())
        },
        Err(error) => Err(ConfigError::new(name, format!("cannot be read: {error}"))),
    }
}

#[cfg(test)]
mod tests;
