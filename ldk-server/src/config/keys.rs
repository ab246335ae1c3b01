//! Every key of the configuration, with its flag, variable and default.

mod definition;

pub(super) use definition::{Boolean, List, Number, OnOff, Switch, Text};
pub use definition::{Definition, Key, Kind, Refused};

const ONLY_IN_NEWER_LIBRARY: &str =
    "not supported: LDK Node 0.7.1, which this server is built on, cannot do it; remove the key";

/// Declares a constant for each key, through which its value is read, and [`KEYS`] with all of them.
macro_rules! keys {
    ($($name:ident: $kind:ident($($text:expr),+ $(,)?) $(.$method:ident($($value:expr),* $(,)?))*;)+) => {
        $(pub(crate) const $name: Key<$kind> =
            Key::<$kind>::new($($text),+)$(.$method($($value),*))*;)+

        /// All keys, in display order.
        pub static KEYS: &[Definition] = &[$($name.definition()),+];
    };
}

keys! {
    NODE_NETWORK: Text(
        "node.network",
        "Bitcoin network: bitcoin, testnet, testnet4, signet or regtest",
    ).value("NETWORK");
    NODE_LISTENING_ADDRESSES: List(
        "node.listening_addresses",
        "Address to accept Lightning peers on; may be repeated",
    ).value("HOST:PORT");
    NODE_ANNOUNCEMENT_ADDRESSES: List(
        "node.announcement_addresses",
        "Address to announce to the network; may be repeated",
    ).value("HOST:PORT");
    NODE_ALIAS: Text("node.alias", "Name announced to the network, up to 32 bytes").value("NAME");
    NODE_GRPC_SERVICE_ADDRESS: Text(
        "node.grpc_service_address",
        "Address of the gRPC service",
    ).value("IP:PORT").default("\"127.0.0.1:3536\"");
    NODE_UNIX_SOCKET: Text(
        "node.unix_socket",
        "Unix socket where programs of the same user call the service without a key [default: none]",
    ).value("FILE");
    NODE_UNIX_SOCKET_GROUP: Text(
        "node.unix_socket_group",
        "Group, by name or number, whose members may use the Unix socket too",
    ).value("GROUP");
    NODE_RGS_SERVER_URL: Text(
        "node.rgs_server_url",
        "Rapid Gossip Sync server to take the network graph from",
    ).value("URL");
    NODE_PATHFINDING_SCORES_SOURCE_URL: Text(
        "node.pathfinding_scores_source_url",
        "URL of external pathfinding scores; an empty text means none",
    ).value("URL").short("pathfinding_scores_source_url");
    NODE_ASYNC_PAYMENTS_ROLE: Text(
        "node.async_payments_role",
        "Role in asynchronous payments: client or server",
    ).value("ROLE");
    NODE_ENABLE_ZERO_FEE_COMMITMENTS: Boolean(
        "node.enable_zero_fee_commitments",
        "Refused if true: the node library cannot open such channels",
    ).default("false").refused(Refused::IfTrue(ONLY_IN_NEWER_LIBRARY));
    STORAGE_DISK_DIR_PATH: Text(
        "storage.disk.dir_path",
        "Directory of keys and state [default: ~/.ldk-server]",
    ).value("DIR").short("storage_dir_path");
    STORAGE_CONSISTENT_CUTS: Boolean(
        "storage.consistent_cuts",
        "Whether the state on disk is always consistent, so that a crash during payments closes no \
         channel",
    ).default("true");
    STORAGE_POSTGRES_URL: Text(
        "storage.postgres.url",
        "PostgreSQL that has the state, without the password; storage.disk.dir_path then has keys and \
         a working copy",
    ).value("URL");
    STORAGE_POSTGRES_PASSWORD: Text(
        "storage.postgres.password",
        "Password of its user. Prefer the variable or password_file: other users of the machine can \
         see flags",
    ).value("PASSWORD").secret();
    STORAGE_POSTGRES_PASSWORD_FILE: Text(
        "storage.postgres.password_file",
        "File with the password of its user in the first line",
    ).value("FILE");
    STORAGE_POSTGRES_TLS: Boolean(
        "storage.postgres.tls",
        "Whether the connection has TLS [default: true unless PostgreSQL is on this machine]",
    );
    STORAGE_POSTGRES_CA_CERT_PATH: Text(
        "storage.postgres.ca_cert_path",
        "PEM certificate of an authority to trust for PostgreSQL, besides the usual ones",
    ).value("FILE");
    STORAGE_POSTGRES_SCHEMA: Text(
        "storage.postgres.schema",
        "Schema of the tables, of one node only",
    ).value("NAME").default("\"ldk_server\"");
    STORAGE_POSTGRES_LEASE_SECS: Number(
        "storage.postgres.lease_secs",
        "How long PostgreSQL may be away before this node stops, and another one may take its place",
    ).value("SECONDS").default("6");
    STORAGE_POSTGRES_STANDBY: Boolean(
        "storage.postgres.standby",
        "Whether a start waits while another node has the state, and takes its place when it is gone",
    ).default("false");
    STORAGE_POSTGRES_STATEMENT_TIMEOUT_SECS: Number(
        "storage.postgres.statement_timeout_secs",
        "How long PostgreSQL may take for a commit before it is tried again",
    ).value("SECONDS").default("5");
    BITCOIND_RPC_ADDRESS: Text(
        "bitcoind.rpc_address",
        "Bitcoin Core's RPC server",
    ).value("HOST:PORT");
    BITCOIND_RPC_USER: Text("bitcoind.rpc_user", "User of Bitcoin Core's RPC server").value("USER");
    BITCOIND_RPC_PASSWORD: Text(
        "bitcoind.rpc_password",
        "Password of that user. Prefer the variable, the file or a cookie file: other users of \
         the machine can see flags",
    ).value("PASSWORD").secret();
    BITCOIND_RPC_COOKIE_FILE: Text(
        "bitcoind.rpc_cookie_file",
        "Bitcoin Core's cookie file, in place of user and password",
    ).value("FILE");
    BITCOIND_REST_ADDRESS: Text(
        "bitcoind.rest_address",
        "Bitcoin Core's REST server; blocks are then fetched from it",
    ).value("HOST:PORT");
    ELECTRUM_SERVER_URL: Text(
        "electrum.server_url",
        "Electrum server to use in place of Bitcoin Core, tcp:// or ssl://",
    ).value("URL");
    ELECTRUM_CA_CERT_PATH: Text(
        "electrum.ca_cert_path",
        "PEM certificate of an authority to trust for the Electrum server, besides the usual ones",
    ).value("FILE");
    ESPLORA_SERVER_URL: Text(
        "esplora.server_url",
        "Esplora server to use in place of Bitcoin Core",
    ).value("URL");
    ESPLORA_HEADERS: List(
        "esplora.headers",
        "Header to send to the Esplora server, as Name: value; may be repeated",
    ).value("HEADER").secret();
    ESPLORA_CA_CERT_PATH: Text(
        "esplora.ca_cert_path",
        "PEM certificate of an authority to trust for the Esplora server, besides the usual ones",
    ).value("FILE");
    SYNC_ONCHAIN_WALLET_INTERVAL_SECS: Number(
        "sync.onchain_wallet_interval_secs",
        "Seconds between syncs of the wallet with Electrum or Esplora",
    ).value("SECONDS").default("80");
    SYNC_LIGHTNING_WALLET_INTERVAL_SECS: Number(
        "sync.lightning_wallet_interval_secs",
        "Seconds between syncs of the channels with Electrum or Esplora",
    ).value("SECONDS").default("30");
    SYNC_FEE_RATES_INTERVAL_SECS: Number(
        "sync.fee_rates_interval_secs",
        "Seconds between updates of the fee rates from Electrum or Esplora",
    ).value("SECONDS").default("600");
    CHANNELS_TRUSTED_PEERS_0CONF: List(
        "channels.trusted_peers_0conf",
        "Node id of a peer whose channels are used before they are confirmed; may be repeated",
    ).value("PUBKEY");
    CHANNELS_ANCHOR_RESERVE_SATS: Number(
        "channels.anchor_reserve_sats",
        "Reserve on chain for each anchor channel, to be able to close it",
    ).value("SATS").default("25000");
    CHANNELS_ANCHOR_TRUSTED_PEERS: List(
        "channels.anchor_trusted_peers",
        "Node id of a peer whose channels need no reserve; may be repeated",
    ).value("PUBKEY");
    CHANNELS_FORWARDING_FEE_BASE_MSAT: Number(
        "channels.forwarding_fee_base_msat",
        "Fee for each payment forwarded over a channel that this node opens",
    ).value("MSAT").default("1000");
    CHANNELS_FORWARDING_FEE_PROPORTIONAL_MILLIONTHS: Number(
        "channels.forwarding_fee_proportional_millionths",
        "Fee for each such payment, as a share of its amount",
    ).value("PPM").default("0");
    CHANNELS_CLTV_EXPIRY_DELTA: Number(
        "channels.cltv_expiry_delta",
        "Blocks added to the time lock of such a payment",
    ).value("BLOCKS").default("72");
    ROUTING_MAX_TOTAL_ROUTING_FEE_MSAT: Number(
        "routing.max_total_routing_fee_msat",
        "Highest routing fee of a payment whose request sets no limit [default: 1% of the amount plus \
         50,000 msat]",
    ).value("MSAT");
    ROUTING_MAX_TOTAL_CLTV_EXPIRY_DELTA: Number(
        "routing.max_total_cltv_expiry_delta",
        "Longest total CLTV delta of a payment whose request sets none",
    ).value("BLOCKS").default("1008");
    ROUTING_MAX_PATH_COUNT: Number(
        "routing.max_path_count",
        "Most paths of a payment whose request sets no number",
    ).value("PATHS").default("10");
    ROUTING_MAX_CHANNEL_SATURATION_POWER_OF_HALF: Number(
        "routing.max_channel_saturation_power_of_half",
        "Largest share of a channel that a payment may use if its request sets none, as a power of \
         one half: 0 all, 1 half, 2 a quarter",
    ).value("POWER").default("2");
    LOG_LEVEL: Text(
        "log.level",
        "Least severe level that is written: Error, Warn, Info, Debug, Trace or Off",
    ).value("LEVEL").default("\"Debug\"");
    LOG_FILE: Text(
        "log.file",
        "Log file [default: ldk-server.log in the directory of the network]",
    ).value("FILE");
    LOG_LOG_TO_FILE: Boolean(
        "log.log_to_file",
        "Whether to write the log to a file too, besides the console",
    ).default("true").short("log_to_file");
    LOG_TARGETS: List(
        "log.targets",
        "Other level for a part of the daemon, as target=level; may be repeated",
    ).value("TARGET=LEVEL");
    LOG_FORMAT: Text(
        "log.format",
        "Format of a line: text or json",
    ).value("FORMAT").default("\"text\"");
    LOG_MAX_SIZE_MB: Number(
        "log.max_size_mb",
        "Size at which the log file is rotated; 0 means never",
    ).value("MIB").default("50");
    LOG_ROTATION_INTERVAL_HOURS: Number(
        "log.rotation_interval_hours",
        "Age at which the log file is rotated; 0 means never",
    ).value("HOURS").default("24");
    LOG_MAX_FILES: Number(
        "log.max_files",
        "How many old log files are kept",
    ).value("FILES").default("5");
    TLS_CERT_PATH: Text(
        "tls.cert_path",
        "Certificate of the service, PEM [default: tls.crt in the storage directory; with \
         tls.client_auth server.pem in the directory of the network]",
    ).value("FILE");
    TLS_KEY_PATH: Text(
        "tls.key_path",
        "Its key, PEM [default: tls.key in the storage directory; with tls.client_auth \
         server-key.pem in the directory of the network]",
    ).value("FILE");
    TLS_HOSTS: List(
        "tls.hosts",
        "Name or address that a generated certificate is valid for, besides localhost and \
         127.0.0.1; may be repeated",
    ).value("HOST");
    TLS_CLIENT_AUTH: Text(
        "tls.client_auth",
        "Whether clients show certificates of the server's own authority: off, optional or required",
    ).value("MODE").default("\"off\"");
    AUTH_ACCEPT_TIMESTAMP_ONLY: Boolean(
        "auth.accept_timestamp_only",
        "Whether an x-auth header that does not cover the request is accepted",
    ).default("true");
    AUTH_ACCEPT_BODY_BOUND: Boolean(
        "auth.accept_body_bound",
        "Whether an x-auth header that covers the body of the request, but not its path, is \
         accepted",
    ).default("true");
    AUTH_BUDGETS_COUNT_FUNDING: Boolean(
        "auth.budgets_count_funding",
        "Whether what a caller puts into channels draws on its budgets, and not only what it gives \
         to the other side"
    ).default("true");
    LIMITS_MAX_CONNECTIONS: Number(
        "limits.max_connections",
        "Connections to the service at once; more are closed",
    ).value("CONNECTIONS").default("1024");
    LIMITS_MAX_STREAMS_PER_CONNECTION: Number(
        "limits.max_streams_per_connection",
        "Requests at once on one connection; more wait",
    ).value("STREAMS").default("256");
    LIMITS_MAX_CALLS_IN_FLIGHT: Number(
        "limits.max_calls_in_flight",
        "Calls that run or wait at once; more are refused",
    ).value("CALLS").default("4096");
    LIMITS_MAX_WAITING_CALLS: Number(
        "limits.max_waiting_calls",
        "Calls at once that wait for something to happen; more are refused",
    ).value("CALLS").default("16384");
    LIMITS_MAX_CALLS_PER_SECOND_PER_CONNECTION: Number(
        "limits.max_calls_per_second_per_connection",
        "Calls that one connection may make in a second; more are refused; 0 means any number",
    ).value("CALLS").default("0");
    LIMITS_HANDSHAKE_TIMEOUT_SECS: Number(
        "limits.handshake_timeout_secs",
        "How long a new connection may take for TLS",
    ).value("SECONDS").default("10");
    LIMITS_HEADER_TIMEOUT_SECS: Number(
        "limits.header_timeout_secs",
        "How long it may then take to send the first HTTP bytes",
    ).value("SECONDS").default("10");
    LIMITS_REQUEST_TIMEOUT_SECS: Number(
        "limits.request_timeout_secs",
        "How long a caller may take to send the body of a call",
    ).value("SECONDS").default("30");
    LIMITS_WRITE_TIMEOUT_SECS: Number(
        "limits.write_timeout_secs",
        "How long a caller may take to receive an answer",
    ).value("SECONDS").default("30");
    LIMITS_KEEP_ALIVE_INTERVAL_SECS: Number(
        "limits.keep_alive_interval_secs",
        "Seconds without data after which a keep-alive ping is sent",
    ).value("SECONDS").default("60");
    LIMITS_KEEP_ALIVE_TIMEOUT_SECS: Number(
        "limits.keep_alive_timeout_secs",
        "How long the answer to a keep-alive ping may take",
    ).value("SECONDS").default("20");
    LIMITS_MAX_AUTH_FAILURE_DELAY_SECS: Number(
        "limits.max_auth_failure_delay_secs",
        "How long wrong credentials are refused late at most, after many from one address",
    ).value("SECONDS").default("3");
    LIMITS_MAX_PEER_CONNECTIONS: Number(
        "limits.max_peer_connections",
        "Connections to and from Lightning peers at once; more are closed",
    ).value("CONNECTIONS").default("512");
    LIMITS_MAX_PEER_CONNECTIONS_PER_ADDRESS: Number(
        "limits.max_peer_connections_per_address",
        "Connections of Lightning peers from one address at once; more are closed",
    ).value("CONNECTIONS").default("16");
    LIMITS_PEER_HANDSHAKE_TIMEOUT_SECS: Number(
        "limits.peer_handshake_timeout_secs",
        "How long a connection to or from a peer may take for the Lightning handshake",
    ).value("SECONDS").default("15");
    LIMITS_PEER_WRITE_TIMEOUT_SECS: Number(
        "limits.peer_write_timeout_secs",
        "How long a peer may take to read what it is sent",
    ).value("SECONDS").default("60");
    LIMITS_MAX_QUEUED_BYTES_PER_PEER: Number(
        "limits.max_queued_bytes_per_peer",
        "Bytes that may wait to be sent to one peer",
    ).value("BYTES").default("1048576");
    LIQUIDITY_LSPS1_CLIENT_NODE_PUBKEY: Text(
        "liquidity.lsps1_client.node_pubkey",
        "Node id of the provider of channels that are ordered",
    ).value("PUBKEY");
    LIQUIDITY_LSPS1_CLIENT_ADDRESS: Text(
        "liquidity.lsps1_client.address",
        "Address of that provider",
    ).value("HOST:PORT");
    LIQUIDITY_LSPS1_CLIENT_TOKEN: Text(
        "liquidity.lsps1_client.token",
        "Token that the provider requires of its customers",
    ).secret().value("TOKEN");
    LIQUIDITY_LSPS2_CLIENT_NODE_PUBKEY: Text(
        "liquidity.lsps2_client.node_pubkey",
        "Node id of the provider of just-in-time channels",
    ).value("PUBKEY");
    LIQUIDITY_LSPS2_CLIENT_ADDRESS: Text(
        "liquidity.lsps2_client.address",
        "Address of that provider",
    ).value("HOST:PORT");
    LIQUIDITY_LSPS2_CLIENT_TOKEN: Text(
        "liquidity.lsps2_client.token",
        "Token that the provider requires of its customers",
    ).secret().value("TOKEN");
    LIQUIDITY_LSPS2_SERVICE_ADVERTISE_SERVICE: Boolean(
        "liquidity.lsps2_service.advertise_service",
        "Whether to announce that this node provides just-in-time channels",
    );
    LIQUIDITY_LSPS2_SERVICE_CHANNEL_OPENING_FEE_PPM: Number(
        "liquidity.lsps2_service.channel_opening_fee_ppm",
        "Fee of this provider, as a share of the payment",
    ).value("PPM");
    LIQUIDITY_LSPS2_SERVICE_CHANNEL_OVER_PROVISIONING_PPM: Number(
        "liquidity.lsps2_service.channel_over_provisioning_ppm",
        "How much larger than the payment a channel of this provider is",
    ).value("PPM");
    LIQUIDITY_LSPS2_SERVICE_MIN_CHANNEL_OPENING_FEE_MSAT: Number(
        "liquidity.lsps2_service.min_channel_opening_fee_msat",
        "Lowest fee of this provider",
    ).value("MSAT");
    LIQUIDITY_LSPS2_SERVICE_MIN_CHANNEL_LIFETIME: Number(
        "liquidity.lsps2_service.min_channel_lifetime",
        "How long channels of this provider stay open at least",
    ).value("BLOCKS");
    LIQUIDITY_LSPS2_SERVICE_MAX_CLIENT_TO_SELF_DELAY: Number(
        "liquidity.lsps2_service.max_client_to_self_delay",
        "Longest to_self_delay of a client that this provider accepts",
    ).value("BLOCKS");
    LIQUIDITY_LSPS2_SERVICE_MIN_PAYMENT_SIZE_MSAT: Number(
        "liquidity.lsps2_service.min_payment_size_msat",
        "Smallest payment that this provider accepts",
    ).value("MSAT");
    LIQUIDITY_LSPS2_SERVICE_MAX_PAYMENT_SIZE_MSAT: Number(
        "liquidity.lsps2_service.max_payment_size_msat",
        "Largest payment that this provider accepts",
    ).value("MSAT");
    LIQUIDITY_LSPS2_SERVICE_CLIENT_TRUSTS_LSP: Boolean(
        "liquidity.lsps2_service.client_trusts_lsp",
        "Whether clients trust this provider",
    );
    LIQUIDITY_LSPS2_SERVICE_REQUIRE_TOKEN: Text(
        "liquidity.lsps2_service.require_token",
        "Token that this provider requires of its customers",
    ).secret().value("TOKEN");
    LIQUIDITY_LSPS2_SERVICE_ALLOW_CLIENT_0RESERVE: Boolean(
        "liquidity.lsps2_service.allow_client_0reserve",
        "",
    ).refused(Refused::IfTrue(ONLY_IN_NEWER_LIBRARY));
    LIQUIDITY_LSPS2_SERVICE_DISABLE_CLIENT_RESERVE: Boolean(
        "liquidity.lsps2_service.disable_client_reserve",
        "",
    ).refused(Refused::IfTrue(ONLY_IN_NEWER_LIBRARY));
    HODL_FAIL_BEFORE_DEADLINE_BLOCKS: Number(
        "hodl.fail_before_deadline_blocks",
        "Blocks before its deadline at which a held payment is failed back; 0 means never",
    ).value("BLOCKS").default("1");
    HISTORY_KEEP_EXPIRED_INVOICES_SECS: Number(
        "history.keep_expired_invoices_secs",
        "Seconds after which an invoice that expired unpaid stays in the history only",
    ).value("SECONDS").default("604800");
    EVENTS_KEEP_SECS: Number(
        "events.keep_secs",
        "Seconds for which events are kept",
    ).value("SECONDS").default("7776000");
    EVENTS_KEEP_COUNT: Number(
        "events.keep_count",
        "How many events are kept at most",
    ).value("EVENTS").default("1000000");
    WEBHOOKS_MAX_COUNT: Number(
        "webhooks.max_count",
        "How many webhooks there can be",
    ).value("WEBHOOKS").default("16");
    WEBHOOKS_TIMEOUT_SECS: Number(
        "webhooks.timeout_secs",
        "How long a receiver of events may take to answer",
    ).value("SECONDS").default("15");
    WEBHOOKS_PAUSE_AFTER_SECS: Number(
        "webhooks.pause_after_secs",
        "Seconds without a successful delivery after which a webhook pauses",
    ).value("SECONDS").default("259200");
    WEBHOOKS_ALLOW_PRIVATE: Boolean(
        "webhooks.allow_private",
        "Whether webhooks may lead to this machine and to private networks, there also without TLS",
    ).default("false");
    WEBHOOKS_CA_CERT_PATH: Text(
        "webhooks.ca_cert_path",
        "PEM certificate of an authority to trust for receivers of events, besides the usual ones",
    ).value("FILE");
    LNURL_ENABLED: Boolean(
        "lnurl.enabled",
        "Whether LNURL services may be asked [default: true, but false on regtest]",
    );
    LNURL_TIMEOUT_SECS: Number(
        "lnurl.timeout_secs",
        "How long an LNURL service may take to answer",
    ).value("SECONDS").default("10");
    LNURL_ALLOW_PRIVATE: Boolean(
        "lnurl.allow_private",
        "Whether LNURLs may lead to this machine and to private networks, there also without TLS",
    ).default("false");
    LNURL_CA_CERT_PATH: Text(
        "lnurl.ca_cert_path",
        "PEM certificate of an authority to trust for LNURL services, besides the usual ones",
    ).value("FILE");
    CLN_REST_ADDRESS: Text(
        "cln.rest_address",
        "Address of CLNRest, which is port 3010 in Core Lightning [default: none]",
    ).value("IP:PORT");
    CLN_REST_TLS: Boolean(
        "cln.rest_tls",
        "Whether CLNRest has TLS; without it, the address must be one of this machine only",
    ).default("true");
    CLN_GRPC_ADDRESS: Text(
        "cln.grpc_address",
        "Address of the gRPC service for clients of Core Lightning, such as 127.0.0.1:9736 [default: none]",
    ).value("ADDR:PORT");
    CLN_RPC_FILE: Text(
        "cln.rpc_file",
        "Unix socket for clients of Core Lightning; a name without a directory is one in the directory of the network, such as lightning-rpc [default: none]",
    ).value("FILE");
    CLN_PLUGINS: List(
        "cln.plugins",
        "Programs that speak Core Lightning's plugin protocol, and are started with the node; needs cln.rpc_file",
    ).value("FILE");
    CLN_PLUGIN_OPTIONS: List(
        "cln.plugin_options",
        "Values of the options of plugins",
    ).value("NAME=VALUE");
    PHOENIXD_ADDRESS: Text(
        "phoenixd.address",
        "Address of phoenixd's interface, which is 127.0.0.1:9740 in phoenixd [default: none]",
    ).value("IP:PORT");
    PHOENIXD_TLS: Boolean(
        "phoenixd.tls",
        "Whether phoenixd's interface has TLS; without it, the address must be one of this machine only",
    ).default("false");
    PHOENIXD_MAX_FEE_BASE_SATS: Number(
        "phoenixd.max_fee_base_sats",
        "The most that routing may cost a payment of phoenixd's interface, beside the share of its amount",
    ).value("SATOSHIS").default("4");
    PHOENIXD_MAX_FEE_PPM: Number(
        "phoenixd.max_fee_ppm",
        "The share of its amount that routing may cost a payment of phoenixd's interface, in millionths",
    ).value("MILLIONTHS").default("4000");
    PHOENIXD_WEBHOOKS: List(
        "phoenixd.webhooks",
        "URLs that payments are told to in the form of phoenixd's webhooks",
    ).value("URL");
    INVOICES_KEEP_EXPIRED_DAYS: Number(
        "invoices.keep_expired_days",
        "Days after which invoices that expired or were cancelled are deleted; 0 means never",
    ).value("DAYS").default("0");
    AUDIT_KEEP_DAYS: Number(
        "audit.keep_days",
        "Days for which it is recorded who has called what; 0 means for ever",
    ).value("DAYS").default("365");
    BACKUP_DIRECTORY: Text(
        "backup.directory",
        "Directory to which every change of the database is copied at once",
    ).value("DIR");
    BACKUP_ALLOW_KEYS: Boolean(
        "backup.allow_keys",
        "Whether a caller may include the node's keys in a backup",
    ).default("false");
    HRN_MODE: Text(
        "hrn.mode",
        "How names like user@domain are resolved: dns",
    ).value("MODE").default("\"dns\"");
    HRN_DNS_SERVER_ADDRESS: Text(
        "hrn.dns_server_address",
        "DNS server to ask over TCP",
    ).value("HOST:PORT").default("\"8.8.8.8:53\"");
    HRN_TIMEOUT_SECS: Number(
        "hrn.timeout_secs",
        "How long the lookup of a name may take",
    ).value("SECONDS").default("5");
    HRN_ENABLE_RESOLUTION_SERVICE: Boolean(
        "hrn.enable_resolution_service",
        "",
    ).default("false").refused(Refused::IfTrue(ONLY_IN_NEWER_LIBRARY));
    METRICS_ENABLED: Switch(
        "metrics.enabled",
        "Serve metrics to Prometheus, at /metrics of the gRPC address",
    ).default("false");
    METRICS_POLL_METRICS_INTERVAL: Number(
        "metrics.poll_metrics_interval",
        "Seconds between readings of the metrics",
    ).value("SECONDS").default("60").short("poll_metrics_interval");
    METRICS_USERNAME: Text(
        "metrics.username",
        "User who may read the metrics, with a password",
    ).value("USER");
    METRICS_PASSWORD: Text(
        "metrics.password",
        "Password of that user. Prefer the variable or the file: other users of the machine can \
         see flags",
    ).value("PASSWORD").secret();
    HTTP_ENABLED: Boolean(
        "http.enabled",
        "Whether calls are answered in JSON and to web pages, on the gRPC address",
    ).default("true");
    HTTP_DOCS: Boolean(
        "http.docs",
        "Whether /docs shows the API to web browsers",
    ).default("true");
    HTTP_CSP: Text(
        "http.csp",
        "What web pages of this server may load (Content-Security-Policy)",
    ).value("POLICY").default(
        "\"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'\"",
    );
    HTTP_CORS_ORIGINS: List(
        "http.cors_origins",
        "Origin of web pages that may call, besides this server's own: https://host:port, or a \
         regular expression for that; may be repeated",
    ).value("ORIGIN");
    TOR_PROXY_ADDRESS: Text(
        "tor.proxy_address",
        "SOCKS5 proxy of Tor, to reach onion peers through",
    ).value("HOST:PORT");
    PROBING_STRATEGY: Text("probing.strategy", "").refused(Refused::Always(ONLY_IN_NEWER_LIBRARY));
    PROBING_TOP_NODE_COUNT: Number(
        "probing.top_node_count",
        "",
    ).refused(Refused::Always(ONLY_IN_NEWER_LIBRARY));
    PROBING_MAX_HOPS: Number(
        "probing.max_hops",
        "",
    ).refused(Refused::Always(ONLY_IN_NEWER_LIBRARY));
    PROBING_INTERVAL_SECS: Number(
        "probing.interval_secs",
        "",
    ).refused(Refused::Always(ONLY_IN_NEWER_LIBRARY));
    PROBING_MAX_LOCKED_MSAT: Number(
        "probing.max_locked_msat",
        "",
    ).refused(Refused::Always(ONLY_IN_NEWER_LIBRARY));
    PROBING_DIVERSITY_PENALTY_MSAT: Number(
        "probing.diversity_penalty_msat",
        "",
    ).refused(Refused::Always(ONLY_IN_NEWER_LIBRARY));
    PROBING_COOLDOWN_SECS: Number(
        "probing.cooldown_secs",
        "",
    ).refused(Refused::Always(ONLY_IN_NEWER_LIBRARY));
    RESCAN_FROM_HEIGHT: Number(
        "--rescan-from-height",
        "",
    ).refused(Refused::Always(ONLY_IN_NEWER_LIBRARY));
    FORCE_WALLET_FULL_SCAN: Switch(
        "--force-wallet-full-scan",
        "Scan the whole chain for payments to the wallet, as at the first start; with Electrum or \
         Esplora only",
    );
}
