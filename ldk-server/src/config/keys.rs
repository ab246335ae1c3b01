//! Every key of the configuration: its name in the file, its flag, its variable and its default.

use std::borrow::Cow;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text, be it a name, an address, a URL or a path.
    Text,
    /// An integer.
    Number,
    /// `true` or `false`.
    Boolean,
    /// As [`Boolean`](Self::Boolean), with a flag that has no value and can only switch it on.
    Switch,
    /// Texts; the flag may be repeated, the variable holds one.
    List,
}

/// When a value is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Whatever it is.
    Always(&'static str),
    /// If it is `true`.
    IfTrue(&'static str),
}

const ONLY_IN_NEWER_LIBRARY: &str =
    "not supported: LDK Node 0.7.1, which this server is built on, cannot do it; remove the key";

/// A key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Its sections and its name in the file, `section.name`; or `--name` if it is only a flag.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it does, for `--help`.
    pub help: &'static str,
    /// What stands for the value in `--help`.
    pub value_name: &'static str,
    /// Its default, as TOML; none if it must be set, is off without a value, or has a default that
    /// depends on others.
    pub default: Option<&'static str>,
    /// Whether its value is never shown.
    pub is_secret: bool,
    /// If it cannot be honoured.
    pub refused: Option<Refused>,
    /// What flag and variable are named after, if not after all of the name.
    short_name: Option<&'static str>,
}

impl Key {
    /// Whether it can be set in the file.
    pub fn is_in_file(&self) -> bool {
        !self.name.starts_with("--")
    }

    /// The flag, without the dashes before it.
    pub fn flag(&self) -> String {
        self.words().replace(['.', '_'], "-")
    }

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("LDK_SERVER_{}", self.words().replace(['.', '-'], "_").to_uppercase())
    }

    /// Whether flag and variable are not named as the rule has it.
    pub fn has_short_name(&self) -> bool {
        self.short_name.is_some()
    }

    fn words(&self) -> Cow<'static, str> {
        self.short_name.unwrap_or(self.name).trim_start_matches("--").into()
    }

    const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        let value_name = match kind {
            Kind::Text | Kind::List => "TEXT",
            Kind::Number => "NUMBER",
            Kind::Boolean | Kind::Switch => "BOOL",
        };
        Self {
            name,
            kind,
            help,
            value_name,
            default: None,
            is_secret: false,
            refused: None,
            short_name: None,
        }
    }

    const fn value(self, value_name: &'static str) -> Self {
        Self { value_name, ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    const fn short(self, short_name: &'static str) -> Self {
        Self { short_name: Some(short_name), ..self }
    }

    const fn refused(self, refused: Refused) -> Self {
        Self { refused: Some(refused), ..self }
    }
}

const fn text(name: &'static str, help: &'static str) -> Key {
    Key::new(name, Kind::Text, help)
}

const fn list(name: &'static str, help: &'static str) -> Key {
    Key::new(name, Kind::List, help)
}

const fn number(name: &'static str, help: &'static str) -> Key {
    Key::new(name, Kind::Number, help)
}

const fn boolean(name: &'static str, help: &'static str) -> Key {
    Key::new(name, Kind::Boolean, help)
}

const fn switch(name: &'static str, help: &'static str) -> Key {
    Key::new(name, Kind::Switch, help)
}

/// All keys, in the order they are shown in.
pub static KEYS: &[Key] = &[
    text("node.network", "Bitcoin network: bitcoin, testnet, testnet4, signet or regtest")
        .value("NETWORK"),
    list("node.listening_addresses", "Address to accept Lightning peers on; may be repeated")
        .value("HOST:PORT"),
    list("node.announcement_addresses", "Address to announce to the network; may be repeated")
        .value("HOST:PORT"),
    text("node.alias", "Name announced to the network, up to 32 bytes").value("NAME"),
    text("node.grpc_service_address", "Address of the gRPC service")
        .value("IP:PORT")
        .default("\"127.0.0.1:3536\""),
    text("node.rgs_server_url", "Rapid Gossip Sync server to take the network graph from")
        .value("URL"),
    text(
        "node.pathfinding_scores_source_url",
        "URL of external pathfinding scores; an empty text means none",
    )
    .value("URL")
    .short("pathfinding_scores_source_url"),
    text("node.async_payments_role", "Part taken in asynchronous payments: client or server")
        .value("ROLE"),
    boolean(
        "node.enable_zero_fee_commitments",
        "Refused if true: the node library cannot open such channels",
    )
    .default("false")
    .refused(Refused::IfTrue(ONLY_IN_NEWER_LIBRARY)),
    text("storage.disk.dir_path", "Directory of keys and state [default: ~/.ldk-server]")
        .value("DIR")
        .short("storage_dir_path"),
    boolean(
        "storage.consistent_cuts",
        "Whether what is written to disk always fits together, so that a crash amid payments closes no channel",
    )
    .default("true"),
    text("bitcoind.rpc_address", "Bitcoin Core's RPC server").value("HOST:PORT"),
    text("bitcoind.rpc_user", "User of Bitcoin Core's RPC server").value("USER"),
    text(
        "bitcoind.rpc_password",
        "Password of that user. Prefer the variable, the file or a cookie file: other users of the \
         machine can see flags",
    )
    .value("PASSWORD")
    .secret(),
    text("bitcoind.rpc_cookie_file", "Bitcoin Core's cookie file, in place of user and password")
        .value("FILE"),
    text("bitcoind.rest_address", "Bitcoin Core's REST server; blocks are then fetched from it")
        .value("HOST:PORT"),
    text("electrum.server_url", "Electrum server to use in place of Bitcoin Core, tcp:// or ssl://")
        .value("URL"),
    text(
        "electrum.ca_cert_path",
        "Certificate, PEM, of an authority that may have signed that of the Electrum server, besides \
         the usual ones",
    )
    .value("FILE"),
    text("esplora.server_url", "Esplora server to use in place of Bitcoin Core").value("URL"),
    list("esplora.headers", "Header to send to the Esplora server, as Name: value; may be repeated")
        .value("HEADER")
        .secret(),
    text(
        "esplora.ca_cert_path",
        "Certificate, PEM, of an authority that may have signed that of the Esplora server, besides \
         the usual ones",
    )
    .value("FILE"),
    number(
        "sync.onchain_wallet_interval_secs",
        "Seconds from one sync of the wallet with Electrum or Esplora to the next",
    )
    .value("SECONDS")
    .default("80"),
    number(
        "sync.lightning_wallet_interval_secs",
        "Seconds from one sync of the channels with Electrum or Esplora to the next",
    )
    .value("SECONDS")
    .default("30"),
    number(
        "sync.fee_rates_interval_secs",
        "Seconds from one reading of the fee rates of Electrum or Esplora to the next",
    )
    .value("SECONDS")
    .default("600"),
    list(
        "channels.trusted_peers_0conf",
        "Node id of a peer whose channels are used before they are confirmed; may be repeated",
    )
    .value("PUBKEY"),
    number(
        "channels.anchor_reserve_sats",
        "Kept on chain for each anchor channel, to be able to close it",
    )
    .value("SATS")
    .default("25000"),
    list(
        "channels.anchor_trusted_peers",
        "Node id of a peer for whose channels nothing is kept on chain; may be repeated",
    )
    .value("PUBKEY"),
    number(
        "channels.forwarding_fee_base_msat",
        "Fee for each payment forwarded over a channel that this node opens",
    )
    .value("MSAT")
    .default("1000"),
    number(
        "channels.forwarding_fee_proportional_millionths",
        "Fee for such a payment as a share of its amount",
    )
    .value("PPM")
    .default("0"),
    number("channels.cltv_expiry_delta", "Blocks added to the time lock of such a payment")
        .value("BLOCKS")
        .default("72"),
    number(
        "routing.max_total_routing_fee_msat",
        "Most that a payment may cost in fees where its request sets no limit [default: 1% of the \
         amount plus 50,000 msat]",
    )
    .value("MSAT"),
    number(
        "routing.max_total_cltv_expiry_delta",
        "Longest time lock of a payment's route where its request sets none",
    )
    .value("BLOCKS")
    .default("1008"),
    number(
        "routing.max_path_count",
        "Most paths that a payment is split over where its request sets no number",
    )
    .value("PATHS")
    .default("10"),
    number(
        "routing.max_channel_saturation_power_of_half",
        "Largest share of a channel that a payment may use where its request sets none, as a power \
         of one half: 0 all, 1 half, 2 a quarter",
    )
    .value("POWER")
    .default("2"),
    text("log.level", "Least severe level that is written: Error, Warn, Info, Debug, Trace or Off")
        .value("LEVEL")
        .default("\"Debug\""),
    text("log.file", "Log file [default: ldk-server.log in the directory of the network]")
        .value("FILE"),
    boolean("log.log_to_file", "Whether to write the log to a file too, besides the console")
        .default("true")
        .short("log_to_file"),
    list("log.targets", "Other level for a part of the daemon, as target=level; may be repeated")
        .value("TARGET=LEVEL"),
    text("log.format", "What a line looks like: text or json").value("FORMAT").default("\"text\""),
    number("log.max_size_mb", "Size at which another log file is begun; 0 means never")
        .value("MIB")
        .default("50"),
    number("log.rotation_interval_hours", "Age at which another log file is begun; 0 means never")
        .value("HOURS")
        .default("24"),
    number("log.max_files", "How many older log files are kept").value("FILES").default("5"),
    text("tls.cert_path", "Certificate of the service, PEM [default: tls.crt in the storage directory]")
        .value("FILE"),
    text("tls.key_path", "Its key, PEM [default: tls.key in the storage directory]").value("FILE"),
    list(
        "tls.hosts",
        "Name or address that a certificate made here is valid for, besides localhost and \
         127.0.0.1; may be repeated",
    )
    .value("HOST"),
    boolean(
        "auth.accept_timestamp_only",
        "Whether an x-auth header that does not cover the request is accepted",
    )
    .default("true"),
    boolean(
        "auth.accept_body_bound",
        "Whether an x-auth header that covers the body of the request, but not its path, is accepted",
    )
    .default("true"),
    number("limits.max_connections", "Connections to the service at once; more are closed")
        .value("CONNECTIONS")
        .default("1024"),
    number("limits.max_streams_per_connection", "Requests at once on one connection; more wait")
        .value("STREAMS")
        .default("256"),
    number("limits.max_calls_in_flight", "Calls that run or wait at once; more are refused")
        .value("CALLS")
        .default("4096"),
    number(
        "limits.max_calls_per_second_per_connection",
        "Calls that one connection may make in a second; more are refused; 0 means any number",
    )
    .value("CALLS")
    .default("0"),
    number("limits.handshake_timeout_secs", "How long a new connection may take for TLS")
        .value("SECONDS")
        .default("10"),
    number("limits.header_timeout_secs", "How long it may then take to begin with HTTP")
        .value("SECONDS")
        .default("10"),
    number("limits.request_timeout_secs", "How long a caller may take to send the body of a call")
        .value("SECONDS")
        .default("30"),
    number("limits.write_timeout_secs", "How long a caller may take to receive an answer")
        .value("SECONDS")
        .default("30"),
    number(
        "limits.keep_alive_interval_secs",
        "Seconds of silence after which the other side is asked whether it is still there",
    )
    .value("SECONDS")
    .default("60"),
    number("limits.keep_alive_timeout_secs", "How long its answer may take")
        .value("SECONDS")
        .default("20"),
    number(
        "limits.max_peer_connections",
        "Connections to and from Lightning peers at once; more are closed",
    )
    .value("CONNECTIONS")
    .default("512"),
    number(
        "limits.max_peer_connections_per_address",
        "Connections of Lightning peers from one address at once; more are closed",
    )
    .value("CONNECTIONS")
    .default("16"),
    number(
        "limits.peer_handshake_timeout_secs",
        "How long a connection to or from a peer may take for the Lightning handshake",
    )
    .value("SECONDS")
    .default("15"),
    number("limits.peer_write_timeout_secs", "How long a peer may take to receive what it is sent")
        .value("SECONDS")
        .default("60"),
    number("limits.max_queued_bytes_per_peer", "Bytes that may wait to be sent to one peer")
        .value("BYTES")
        .default("1048576"),
    text("liquidity.lsps2_client.node_pubkey", "Node id of the provider of just-in-time channels")
        .value("PUBKEY"),
    text("liquidity.lsps2_client.address", "Where it listens").value("HOST:PORT"),
    text("liquidity.lsps2_client.token", "What it asks of its customers").secret().value("TOKEN"),
    boolean("liquidity.lsps2_service.advertise_service", "Whether to announce that this node is one"),
    number("liquidity.lsps2_service.channel_opening_fee_ppm", "Its fee, as a share of the payment")
        .value("PPM"),
    number(
        "liquidity.lsps2_service.channel_over_provisioning_ppm",
        "How much larger than the payment its channels are made",
    )
    .value("PPM"),
    number("liquidity.lsps2_service.min_channel_opening_fee_msat", "Its least fee").value("MSAT"),
    number("liquidity.lsps2_service.min_channel_lifetime", "How long its channels stay open at least")
        .value("BLOCKS"),
    number(
        "liquidity.lsps2_service.max_client_to_self_delay",
        "The longest delay of a client's own money that it accepts",
    )
    .value("BLOCKS"),
    number("liquidity.lsps2_service.min_payment_size_msat", "The smallest payment it takes")
        .value("MSAT"),
    number("liquidity.lsps2_service.max_payment_size_msat", "The largest payment it takes")
        .value("MSAT"),
    boolean("liquidity.lsps2_service.client_trusts_lsp", "Whether its clients trust it"),
    text("liquidity.lsps2_service.require_token", "What it asks of its customers")
        .secret()
        .value("TOKEN"),
    boolean("liquidity.lsps2_service.allow_client_0reserve", "").refused(Refused::IfTrue(ONLY_IN_NEWER_LIBRARY)),
    boolean("liquidity.lsps2_service.disable_client_reserve", "").refused(Refused::IfTrue(ONLY_IN_NEWER_LIBRARY)),
    number(
        "hodl.fail_before_deadline_blocks",
        "Blocks before its deadline at which a held payment is failed back; 0 means never",
    )
    .value("BLOCKS")
    .default("1"),
    number(
        "history.keep_expired_invoices_secs",
        "Seconds after which an invoice that expired unpaid is in the history only",
    )
    .value("SECONDS")
    .default("604800"),
    number("events.keep_secs", "Seconds for which events are kept")
        .value("SECONDS")
        .default("7776000"),
    number("events.keep_count", "How many events are kept at most")
        .value("EVENTS")
        .default("1000000"),
    text("backup.directory", "Directory to which every change of the database is copied at once")
        .value("DIR"),
    boolean(
        "backup.allow_keys",
        "Whether a caller may have the node's keys put into a backup",
    )
    .default("false"),
    text("hrn.mode", "How names like user@domain are resolved: dns")
        .value("MODE")
        .default("\"dns\""),
    text("hrn.dns_server_address", "DNS server to ask over TCP")
        .value("HOST:PORT")
        .default("\"8.8.8.8:53\""),
    number("hrn.timeout_secs", "How long a name may take").value("SECONDS").default("5"),
    boolean("hrn.enable_resolution_service", "").default("false").refused(Refused::IfTrue(ONLY_IN_NEWER_LIBRARY)),
    switch("metrics.enabled", "Serve metrics to Prometheus, at /metrics of the gRPC address")
        .default("false"),
    number("metrics.poll_metrics_interval", "Seconds from one reading of the metrics to the next")
        .value("SECONDS")
        .default("60")
        .short("poll_metrics_interval"),
    text("metrics.username", "User who may read the metrics, with a password").value("USER"),
    text(
        "metrics.password",
        "Password of that user. Prefer the variable or the file: other users of the machine can see \
         flags",
    )
    .value("PASSWORD")
    .secret(),
    text("tor.proxy_address", "SOCKS5 proxy of Tor, to reach onion peers through")
        .value("HOST:PORT"),
    text("probing.strategy", "").refused(Refused::Always(ONLY_IN_NEWER_LIBRARY)),
    number("probing.top_node_count", "").refused(Refused::Always(ONLY_IN_NEWER_LIBRARY)),
    number("probing.max_hops", "").refused(Refused::Always(ONLY_IN_NEWER_LIBRARY)),
    number("probing.interval_secs", "").refused(Refused::Always(ONLY_IN_NEWER_LIBRARY)),
    number("probing.max_locked_msat", "").refused(Refused::Always(ONLY_IN_NEWER_LIBRARY)),
    number("probing.diversity_penalty_msat", "").refused(Refused::Always(ONLY_IN_NEWER_LIBRARY)),
    number("probing.cooldown_secs", "").refused(Refused::Always(ONLY_IN_NEWER_LIBRARY)),
    number("--rescan-from-height", "").refused(Refused::Always(ONLY_IN_NEWER_LIBRARY)),
    switch(
        "--force-wallet-full-scan",
        "Look through all of the chain for what the wallet was paid, as at the first start; with \
         Electrum or Esplora only",
    ),
];
