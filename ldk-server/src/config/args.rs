//! What may be set on the command line and in the environment. A flag wins over its variable, and
//! both win over the file.

use std::path::PathBuf;

use clap::Parser;

/// A standalone Lightning node with a gRPC API.
#[derive(Parser, Default)]
#[command(name = "ldk-server", version)]
pub struct Args {
    /// Configuration file, in TOML [default: ~/.ldk-server/config.toml, if it exists].
    pub config_file: Option<PathBuf>,

    /// Bitcoin network: bitcoin, testnet, testnet4, signet or regtest.
    #[arg(long, env = "LDK_SERVER_NODE_NETWORK", value_name = "NETWORK")]
    pub node_network: Option<String>,

    /// Address to accept Lightning peers on, as host:port; may be repeated.
    #[arg(long, env = "LDK_SERVER_NODE_LISTENING_ADDRESSES", value_name = "HOST:PORT")]
    pub node_listening_addresses: Option<Vec<String>>,

    /// Address to announce to the network, as host:port; may be repeated.
    #[arg(long, env = "LDK_SERVER_NODE_ANNOUNCEMENT_ADDRESSES", value_name = "HOST:PORT")]
    pub node_announcement_addresses: Option<Vec<String>>,

    /// Address of the gRPC service, as ip:port [default: 127.0.0.1:3536].
    #[arg(long, env = "LDK_SERVER_NODE_GRPC_SERVICE_ADDRESS", value_name = "IP:PORT")]
    pub node_grpc_service_address: Option<String>,

    /// Name announced to the network, up to 32 bytes.
    #[arg(long, env = "LDK_SERVER_NODE_ALIAS", value_name = "NAME")]
    pub node_alias: Option<String>,

    /// Part this node takes in asynchronous payments: client or server.
    #[arg(long, env = "LDK_SERVER_NODE_ASYNC_PAYMENTS_ROLE", value_name = "ROLE")]
    pub node_async_payments_role: Option<String>,

    /// Refused if true: the node library cannot open such channels.
    #[arg(long, env = "LDK_SERVER_NODE_ENABLE_ZERO_FEE_COMMITMENTS", value_name = "BOOL")]
    pub node_enable_zero_fee_commitments: Option<bool>,

    /// URL of external pathfinding scores; an empty text means none.
    #[arg(long, env = "LDK_SERVER_PATHFINDING_SCORES_SOURCE_URL", value_name = "URL")]
    pub pathfinding_scores_source_url: Option<String>,

    /// Directory of keys and state [default: ~/.ldk-server].
    #[arg(long, env = "LDK_SERVER_STORAGE_DIR_PATH", value_name = "DIR")]
    pub storage_dir_path: Option<PathBuf>,

    /// Bitcoin Core's RPC server, as host:port.
    #[arg(long, env = "LDK_SERVER_BITCOIND_RPC_ADDRESS", value_name = "HOST:PORT")]
    pub bitcoind_rpc_address: Option<String>,

    /// User of Bitcoin Core's RPC server.
    #[arg(long, env = "LDK_SERVER_BITCOIND_RPC_USER", value_name = "USER")]
    pub bitcoind_rpc_user: Option<String>,

    /// Password of that user. Prefer the variable, the file or a cookie file: other users of the
    /// machine can see flags.
    #[arg(
        long,
        env = "LDK_SERVER_BITCOIND_RPC_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    pub bitcoind_rpc_password: Option<String>,

    /// Bitcoin Core's cookie file, in place of user and password.
    #[arg(long, env = "LDK_SERVER_BITCOIND_RPC_COOKIE_FILE", value_name = "FILE")]
    pub bitcoind_rpc_cookie_file: Option<PathBuf>,

    /// Bitcoin Core's REST server, as host:port; blocks are then fetched from it.
    #[arg(long, env = "LDK_SERVER_BITCOIND_REST_ADDRESS", value_name = "HOST:PORT")]
    pub bitcoind_rest_address: Option<String>,

    /// Whether to write the log to a file too, besides the console [default: true].
    #[arg(long, env = "LDK_SERVER_LOG_TO_FILE", value_name = "BOOL")]
    pub log_to_file: Option<bool>,

    /// Blocks before its deadline at which a held payment is failed back; 0 means never
    /// [default: 1].
    #[arg(long, env = "LDK_SERVER_HODL_FAIL_BEFORE_DEADLINE_BLOCKS", value_name = "BLOCKS")]
    pub hodl_fail_before_deadline_blocks: Option<u32>,

    /// Seconds after which an invoice that expired unpaid is in the history only [default: 604800].
    #[arg(long, env = "LDK_SERVER_HISTORY_KEEP_EXPIRED_INVOICES_SECS", value_name = "SECONDS")]
    pub history_keep_expired_invoices_secs: Option<u64>,

    /// Seconds for which events are kept [default: 7776000, 90 days].
    #[arg(long, env = "LDK_SERVER_EVENTS_KEEP_SECS", value_name = "SECONDS")]
    pub events_keep_secs: Option<u64>,

    /// How many events are kept at most [default: 1000000].
    #[arg(long, env = "LDK_SERVER_EVENTS_KEEP_COUNT", value_name = "EVENTS")]
    pub events_keep_count: Option<u64>,

    /// Serve metrics to Prometheus, at /metrics of the gRPC address.
    #[arg(long, env = "LDK_SERVER_METRICS_ENABLED", value_parser = clap::builder::FalseyValueParser::new())]
    pub metrics_enabled: bool,

    /// Seconds from one reading of the metrics to the next [default: 60].
    #[arg(long, env = "LDK_SERVER_POLL_METRICS_INTERVAL", value_name = "SECONDS")]
    pub poll_metrics_interval: Option<u64>,

    /// User who may read the metrics, with a password.
    #[arg(long, env = "LDK_SERVER_METRICS_USERNAME", value_name = "USER")]
    pub metrics_username: Option<String>,

    /// Password of that user. Prefer the variable or the file: other users of the machine can see
    /// flags.
    #[arg(
        long,
        env = "LDK_SERVER_METRICS_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    pub metrics_password: Option<String>,

    /// SOCKS5 proxy of Tor, to reach onion peers through, as host:port.
    #[arg(long, env = "LDK_SERVER_TOR_PROXY_ADDRESS", value_name = "HOST:PORT")]
    pub tor_proxy_address: Option<String>,

    /// Keep the library's state in the library's own store, to measure the server's by. What the
    /// server itself writes down is then not safe from a loss of power.
    #[arg(long, hide = true)]
    pub library_store: bool,

    /// What is refused with a reason.
    #[command(flatten)]
    pub unsupported: UnsupportedArgs,
}

/// Options of the contract that this version does not serve. They are known, so that whoever sets
/// one is told why it has no effect, and is not left to find out.
#[derive(clap::Args, Default)]
#[command(next_help_heading = "Not supported by this version")]
pub struct UnsupportedArgs {
    #[arg(long, env = "LDK_SERVER_LOG_MAX_SIZE_MB", hide = true)]
    pub log_max_size_mb: Option<String>,
    #[arg(long, env = "LDK_SERVER_LOG_ROTATION_INTERVAL_HOURS", hide = true)]
    pub log_rotation_interval_hours: Option<String>,
    #[arg(long, env = "LDK_SERVER_LOG_MAX_FILES", hide = true)]
    pub log_max_files: Option<String>,
    #[arg(long, env = "LDK_SERVER_RESCAN_FROM_HEIGHT", hide = true)]
    pub rescan_from_height: Option<String>,
    #[arg(long, env = "LDK_SERVER_FORCE_WALLET_FULL_SCAN", hide = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub force_wallet_full_scan: bool,
    #[arg(long, env = "LDK_SERVER_PROBING_STRATEGY", hide = true)]
    pub probing_strategy: Option<String>,
    #[arg(long, env = "LDK_SERVER_PROBING_TOP_NODE_COUNT", hide = true)]
    pub probing_top_node_count: Option<String>,
    #[arg(long, env = "LDK_SERVER_PROBING_MAX_HOPS", hide = true)]
    pub probing_max_hops: Option<String>,
    #[arg(long, env = "LDK_SERVER_PROBING_INTERVAL_SECS", hide = true)]
    pub probing_interval_secs: Option<String>,
    #[arg(long, env = "LDK_SERVER_PROBING_MAX_LOCKED_MSAT", hide = true)]
    pub probing_max_locked_msat: Option<String>,
    #[arg(long, env = "LDK_SERVER_PROBING_DIVERSITY_PENALTY_MSAT", hide = true)]
    pub probing_diversity_penalty_msat: Option<String>,
    #[arg(long, env = "LDK_SERVER_PROBING_COOLDOWN_SECS", hide = true)]
    pub probing_cooldown_secs: Option<String>,
}
