//! The configuration: flags over environment over file over defaults. A [`Config`] that exists is
//! valid.

mod args;
mod chain_source;
mod file;
mod parse;
mod refused;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use args::Args;
pub use chain_source::{BitcoindAuth, BitcoindConfig, ChainSource, HostPort};
use file::File;
use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::AsyncPaymentsRole;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::liquidity::LSPS2ServiceConfig;
use ldk_server_grpc::places;
use secrecy::SecretString;

/// Everything the daemon needs to know before it starts.
pub struct Config {
    /// The Bitcoin network.
    pub network: Network,
    /// Where keys are kept, and one directory of state for each network.
    pub storage_dir: PathBuf,
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
    /// Whether an `x-auth` header that does not cover the request body is accepted.
    pub accept_timestamp_only_auth: bool,
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
    /// How names like `₿user@domain` are resolved.
    pub hrn: HrnConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
    /// The SOCKS5 proxy to onion peers.
    pub tor_proxy: Option<HostPort>,
    /// Whether the library's own store is used, for benchmarks.
    pub library_store: bool,
}

impl Config {
    /// The directory of this network's state.
    pub fn network_dir(&self) -> PathBuf {
        places::network_dir(&self.storage_dir, &self.network.to_string())
    }
}

/// Logging.
pub struct LogConfig {
    /// The least severe level that is written.
    pub level: log::LevelFilter,
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
pub struct TlsConfig {
    /// The PEM certificate.
    pub cert_path: PathBuf,
    /// Its PKCS#8 PEM key.
    pub key_path: PathBuf,
    /// Names and addresses a generated certificate is valid for, besides localhost and 127.0.0.1.
    pub hosts: Vec<String>,
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

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("Invalid configuration: {0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(key: &str, reason: impl std::fmt::Display) -> Self {
        Self(format!("{key}: {reason}"))
    }
}

impl Config {
    /// Reads the file that `args` names, or else the default one, and merges `args` over it.
    pub fn load(args: Args) -> Result<Self, ConfigError> {
        let file = read_file(args.config_file.as_deref())?;
        Self::merge(args, file)
    }

    fn merge(args: Args, file: File) -> Result<Self, ConfigError> {
        refused::check(&args, &file)?;
        let network = parse::network(args.node_network.or(file.node.network))?;
        let storage_dir = match args.storage_dir_path.or(file.storage.disk.dir_path) {
            Some(dir) => dir,
            None => places::default_dir().ok_or_else(|| {
                ConfigError::new("storage.disk.dir_path", "must be set: there is no home directory")
            })?,
        };
        let network_dir = places::network_dir(&storage_dir, &network.to_string());
        let listening_addresses = parse::peer_addresses(
            "node.listening_addresses",
            args.node_listening_addresses.or(file.node.listening_addresses),
        )?;
        let alias = parse::alias(args.node_alias.or(file.node.alias))?;
        let announcement_addresses = parse::peer_addresses(
            "node.announcement_addresses",
            args.node_announcement_addresses.or(file.node.announcement_addresses),
        )?;
        parse::check_announceable(&listening_addresses, &announcement_addresses, alias.as_deref())?;
        let async_payments_role = parse::async_payments_role(
            args.node_async_payments_role.or(file.node.async_payments_role),
            alias.is_some() && !listening_addresses.is_empty(),
        )?;
        let bitcoind = merge_bitcoind(
            file.bitcoind,
            file::Bitcoind {
                rpc_address: args.bitcoind_rpc_address,
                rpc_user: args.bitcoind_rpc_user,
                rpc_password: args.bitcoind_rpc_password.map(Into::into),
                rpc_cookie_file: args.bitcoind_rpc_cookie_file,
                rest_address: args.bitcoind_rest_address,
            },
        );
        let scores_url =
            args.pathfinding_scores_source_url.or(file.node.pathfinding_scores_source_url);
        Ok(Self {
            network,
            grpc_address: parse::grpc_address(
                args.node_grpc_service_address.or(file.node.grpc_service_address),
            )?,
            listening_addresses,
            announcement_addresses,
            alias,
            chain_source: parse::chain_source(bitcoind, file.electrum, file.esplora)?,
            rgs_server_url: parse::http_url("node.rgs_server_url", file.node.rgs_server_url)?,
            pathfinding_scores_url: parse::http_url(
                "node.pathfinding_scores_source_url",
                scores_url.filter(|url| !url.is_empty()),
            )?,
            async_payments_role,
            log: parse::log(
                file::Log { log_to_file: args.log_to_file.or(file.log.log_to_file), ..file.log },
                &storage_dir,
                &network_dir,
            )?,
            tls: TlsConfig {
                cert_path: file
                    .tls
                    .cert_path
                    .unwrap_or_else(|| places::tls_cert_file(&storage_dir)),
                key_path: file.tls.key_path.unwrap_or_else(|| places::tls_key_file(&storage_dir)),
                hosts: parse::tls_hosts(file.tls.hosts)?,
            },
            accept_timestamp_only_auth: file.auth.accept_timestamp_only.unwrap_or(true),
            lsps2_client: file.liquidity.lsps2_client.map(parse::lsps2_client).transpose()?,
            lsps2_service: file.liquidity.lsps2_service.map(parse::lsps2_service),
            library_store: args.library_store,
            hodl_fail_before_deadline_blocks: parse::hodl_fail_before_deadline_blocks(
                args.hodl_fail_before_deadline_blocks.or(file.hodl.fail_before_deadline_blocks),
            )?,
            keep_expired_invoices: parse::keep_expired_invoices(
                args.history_keep_expired_invoices_secs.or(file.history.keep_expired_invoices_secs),
                network,
            )?,
            events: parse::events(file::Events {
                keep_secs: args.events_keep_secs.or(file.events.keep_secs),
                keep_count: args.events_keep_count.or(file.events.keep_count),
            })?,
            hrn: parse::hrn(file.hrn)?,
            metrics: parse::metrics(file::Metrics {
                enabled: args.metrics_enabled || file.metrics.enabled,
                poll_metrics_interval: args
                    .poll_metrics_interval
                    .or(file.metrics.poll_metrics_interval),
                username: args.metrics_username.or(file.metrics.username),
                password: args.metrics_password.map(Into::into).or(file.metrics.password),
            })?,
            tor_proxy: parse::tor_proxy(
                args.tor_proxy_address.or(file.tor.map(|tor| tor.proxy_address)),
            )?,
            storage_dir,
        })
    }
}

fn read_file(named: Option<&Path>) -> Result<File, ConfigError> {
    let (path, may_be_missing) = match named {
        Some(path) => (path.to_owned(), false),
        None => match places::default_config_file() {
            Some(path) => (path, true),
            None => return Ok(File::default()),
        },
    };
    match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| {
            ConfigError::new(&path.display().to_string(), places::toml_error(&text, &error))
        }),
        Err(error) if may_be_missing && error.kind() == io::ErrorKind::NotFound => {
            Ok(File::default())
        },
        Err(error) => {
            Err(ConfigError::new(&path.display().to_string(), format!("cannot be read: {error}")))
        },
    }
}

/// The bitcoind keys of the file with those of flags and environment laid over; `None` if neither
/// has any.
fn merge_bitcoind(file: Option<file::Bitcoind>, args: file::Bitcoind) -> Option<file::Bitcoind> {
    let in_file = file.is_some();
    let file = file.unwrap_or_default();
    // A password in the environment replaces a cookie file in the file, and the other way round.
    let file = match (&args.rpc_cookie_file, args.rpc_user.is_some() || args.rpc_password.is_some())
    {
        (Some(_), _) => file::Bitcoind { rpc_user: None, rpc_password: None, ..file },
        (None, true) => file::Bitcoind { rpc_cookie_file: None, ..file },
        (None, false) => file,
    };
    let in_args = args.rpc_address.is_some()
        || args.rpc_user.is_some()
        || args.rpc_password.is_some()
        || args.rpc_cookie_file.is_some()
        || args.rest_address.is_some();
    (in_file || in_args).then(|| file::Bitcoind {
        rpc_address: args.rpc_address.or(file.rpc_address),
        rpc_user: args.rpc_user.or(file.rpc_user),
        rpc_password: args.rpc_password.or(file.rpc_password),
        rpc_cookie_file: args.rpc_cookie_file.or(file.rpc_cookie_file),
        rest_address: args.rest_address.or(file.rest_address),
    })
}

#[cfg(test)]
mod tests;
