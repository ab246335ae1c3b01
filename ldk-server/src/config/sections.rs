//! The sections of the configuration, as the daemon works with them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::ChannelConfig;
use ldk_node::lightning::ln::msgs::SocketAddress;
use secrecy::SecretString;

use super::{CorsOrigins, HostPort};

/// The PostgreSQL that has the state.
#[derive(Clone)]
pub struct PostgresConfig {
    /// The servers, the user and the database.
    pub server: tokio_postgres::Config,
    /// The password of the user.
    pub password: Option<SecretString>,
    /// A file with the password, in place of it.
    pub password_file: Option<PathBuf>,
    /// Whether the connection has TLS.
    pub has_tls: bool,
    /// A certificate authority to trust besides the usual ones.
    pub ca_cert_path: Option<PathBuf>,
    /// The schema of the tables.
    pub schema: String,
    /// How long the lease lasts.
    pub lease: Duration,
    /// Whether a start waits while another node has the lease.
    pub is_standby: bool,
    /// How long a statement may take.
    pub statement_timeout: Duration,
}

/// Trusted peers, the reserve, and the defaults of channels.
#[derive(Debug, PartialEq, Eq)]
pub struct ChannelsConfig {
    /// Peers whose channels are used before their funding transaction is confirmed.
    pub trusted_peers_0conf: Vec<PublicKey>,
    /// The reserve for each anchor channel, in satoshis, which pays for closing it.
    pub anchor_reserve_sats: u64,
    /// Peers whose channels need no reserve.
    pub anchor_trusted_peers: Vec<PublicKey>,
    /// The default settings of channels that this node opens.
    pub opened: ChannelConfig,
}

/// Logging.
pub struct LogConfig {
    /// The least severe level that is written.
    pub level: log::LevelFilter,
    /// The least severe level that is written to the file.
    pub file_level: log::LevelFilter,
    /// Levels of targets, by prefix.
    pub targets: Vec<(String, log::LevelFilter)>,
    /// The format of a line.
    pub format: LogFormat,
    /// The log file, beside the console.
    pub file: Option<PathBuf>,
    /// When the file is rotated.
    pub rotation: LogRotation,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text.
    Text,
    /// One JSON object for each line.
    Json,
}

/// When the log file is rotated, and how many old files are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRotation {
    /// The largest size of a file, unless a single line is larger; `None` for no limit.
    pub max_bytes: Option<u64>,
    /// The largest age of a file; `None` for no limit.
    pub max_age: Option<Duration>,
    /// How many old files are kept.
    pub max_files: usize,
}

/// The certificate of the gRPC service.
#[derive(Clone)]
pub struct TlsConfig {
    /// The PEM certificate chain, leaf first.
    pub cert_path: PathBuf,
    /// Its PEM key: PKCS#8, SEC 1 or PKCS#1.
    pub key_path: PathBuf,
    /// Names and addresses that a generated certificate is valid for, besides localhost, 127.0.0.1
    /// and the address below.
    pub hosts: Vec<String>,
    /// The address of the service, if it is a single one.
    pub listening: Option<IpAddr>,
    /// The authentication of clients by certificates; `None` if it is off.
    pub client_auth: Option<ClientAuthConfig>,
}

/// The authentication of clients by certificates of the server's own authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthConfig {
    /// Whether a connection without a certificate is refused.
    pub is_required: bool,
    /// The directory of the authority's files.
    pub dir: PathBuf,
}

/// The gRPC service for clients of Core Lightning.
#[derive(Clone)]
pub struct ClnGrpcConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate, which the server's own authority has issued, as those of its clients.
    pub tls: TlsConfig,
}

/// The Unix socket of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocketConfig {
    /// Its path.
    pub path: PathBuf,
    /// The number of the group whose members may use it, besides the user of the daemon.
    pub group: Option<u32>,
}

/// Programs that speak Core Lightning's plugin protocol.
#[derive(Clone, PartialEq, Eq)]
pub struct PluginsConfig {
    /// Their paths.
    pub paths: Vec<PathBuf>,
    /// Names and values of their options, of which some may be secret.
    pub options: Vec<(String, String)>,
    /// The socket where they call the node.
    pub rpc_file: PathBuf,
}

impl fmt::Debug for PluginsConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PluginsConfig").field("paths", &self.paths).finish_non_exhaustive()
    }
}

/// CLNRest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClnRestConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it has TLS.
    pub has_tls: bool,
}

/// phoenixd's interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoenixdConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it has TLS.
    pub has_tls: bool,
    /// The most that routing may cost a payment, in millisatoshis, beside the share of its amount.
    pub max_fee_base_msat: u64,
    /// That share, in millionths.
    pub max_fee_ppm: u32,
    /// URLs that payments are told to.
    pub webhooks: Vec<String>,
}

/// The limits for callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Connections at once; more are closed.
    pub max_connections: usize,
    /// Requests at once on one connection; the caller has to wait with more.
    pub max_streams_per_connection: u32,
    /// Calls that run or wait at once, over all connections; more are refused.
    pub max_calls_in_flight: usize,
    /// Calls that wait for something to happen, over all connections; more are refused.
    pub max_waiting_calls: usize,
    /// Calls of one connection per second; `None` for no limit.
    pub max_calls_per_second_per_connection: Option<NonZeroU32>,
    /// How long a new connection may take for its TLS handshake.
    pub handshake_timeout: Duration,
    /// How long it may then take to send the first HTTP bytes, and in HTTP/1 the headers of each
    /// request.
    pub header_timeout: Duration,
    /// How long a caller may take to send the body of a call.
    pub request_timeout: Duration,
    /// How long a caller may take to receive an answer, 16 KiB at a time.
    pub write_timeout: Duration,
    /// After this time without data, a keep-alive ping is sent.
    pub keep_alive_interval: Duration,
    /// The connection is closed if the ping is not answered within this time.
    pub keep_alive_timeout: Duration,
    /// How long the refusal of a wrong credential waits at most, after many of one address.
    pub max_auth_failure_delay: Duration,
}

/// The limits for connections to and from Lightning peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimitsConfig {
    /// Connections at once; an eighth is for those that this node makes.
    pub max_connections: usize,
    /// Connections at once from one address; more are closed.
    pub max_connections_per_address: usize,
    /// How long the handshake may take.
    pub handshake_timeout: Duration,
    /// How long a peer may take to receive what is sent to it, 16 KiB at a time.
    pub write_timeout: Duration,
    /// Bytes that may wait to be sent to one peer; the library has to wait with more.
    pub max_queued_bytes: usize,
}

/// A provider that opens channels to this node (an LSP).
pub struct LspConfig {
    /// Its node id.
    pub node_id: PublicKey,
    /// Its address.
    pub address: SocketAddress,
    /// The token that it requires.
    pub token: Option<SecretString>,
}

/// Which events are kept: those within both limits, and always the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsConfig {
    /// How many seconds an event is kept.
    pub keep_secs: u64,
    /// How many events are kept.
    pub keep_count: u64,
}

/// Webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// How many there can be.
    pub max_count: usize,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
    /// After how many seconds without a successful delivery a webhook pauses.
    pub pause_after_secs: u64,
    /// Whether receivers may be on this machine and in private networks.
    pub allow_private: bool,
    /// An authority to trust besides the usual ones.
    pub ca_cert_path: Option<PathBuf>,
}

/// LNURL services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LnurlConfig {
    /// Whether they may be asked.
    pub is_enabled: bool,
    /// How long one may take to answer.
    pub timeout: Duration,
    /// Whether they may be on this machine and in private networks.
    pub allow_private: bool,
    /// An authority to trust besides the usual ones.
    pub ca_cert_path: Option<PathBuf>,
}

/// How human-readable names (BIP 353) are resolved.
pub struct HrnConfig {
    /// A DNS server that answers over TCP. Answers need a DNSSEC proof.
    pub dns_server: HostPort,
    /// How long a lookup may take.
    pub timeout: Duration,
}

/// Metrics for Prometheus.
pub struct MetricsConfig {
    /// Whether metrics are served.
    pub enabled: bool,
    /// How often the node is read.
    pub poll_interval: Duration,
    /// The login that may read them; `None` for everybody.
    pub login: Option<MetricsLogin>,
}

/// JSON over HTTP, and web pages.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Whether there are any.
    pub enabled: bool,
    /// Whether there is a page that shows the API.
    pub docs: bool,
    /// What web pages of this server may load (Content-Security-Policy).
    pub csp: HeaderValue,
    /// The web pages of others that may call.
    pub cors_origins: CorsOrigins,
}

/// HTTP basic authentication.
pub struct MetricsLogin {
    /// The user.
    pub username: String,
    /// Their password.
    pub password: SecretString,
}
