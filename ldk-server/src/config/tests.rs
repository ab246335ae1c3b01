use std::num::NonZeroU32;
use std::path::Path;

use ldk_node::config::ChannelConfig;
use secrecy::ExposeSecret as _;

use super::*;

const KEY: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

const ONION: &str = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd.onion:9735";

const MINIMAL: &str = "
[node]
network = \"regtest\"
[storage.disk]
dir_path = \"/data\"
[bitcoind]
rpc_address = \"127.0.0.1:18443\"
rpc_user = \"user\"
rpc_password = \"hunter2\"
";

/// Merges flags over a file, as the daemon does; the test process's environment has no
/// LDK_SERVER_ variables.
fn load(file: &str, flags: &[&str]) -> anyhow::Result<Config> {
    loaded(file, flags).map(|(config, _)| config)
}

fn loaded(file: &str, flags: &[&str]) -> anyhow::Result<(Config, Values)> {
    let args = Args::try_parse_from([&["ldk-server"], flags].concat()).unwrap();
    let file = File::parse(file)?;
    let mut values = Values::gather(&args, file)?;
    let config = Config::merge(&mut values, &args)?;
    Ok((config, values))
}

fn refusal(file: &str, flags: &[&str]) -> String {
    match load(file, flags) {
        Ok(_) => panic!("accepted: {file} {flags:?}"),
        Err(error) => error.to_string(),
    }
}

fn refusal_of_file(path: &Path) -> String {
    let args = Args::try_parse_from([Path::new("ldk-server"), path]).unwrap();
    Config::load(&args).err().unwrap().to_string()
}

#[test]
fn the_smallest_file_gives_the_documented_defaults() {
    let config = load(MINIMAL, &[]).unwrap();
    assert_eq!(config.network, Network::Regtest);
    assert_eq!(config.grpc_address.to_string(), "127.0.0.1:3536");
    assert_eq!(config.log.level, log::LevelFilter::Debug);
    assert_eq!(config.log.file_level, log::LevelFilter::Info);
    assert_eq!(config.log.file.unwrap(), Path::new("/data/regtest/ldk-server.log"));
    assert_eq!((config.log.format, config.log.targets), (LogFormat::Text, vec![]));
    let rotation = LogRotation {
        max_bytes: Some(50 * 1024 * 1024),
        max_age: Some(Duration::from_secs(24 * 60 * 60)),
        max_files: 5,
    };
    assert_eq!(config.log.rotation, rotation);
    assert_eq!(config.tls.cert_path, Path::new("/data/tls.crt"));
    assert_eq!(config.tls.key_path, Path::new("/data/tls.key"));
    assert!(config.listening_addresses.is_empty());
    assert!(config.accept_timestamp_only_auth && config.accept_body_bound_auth);
    assert_eq!(config.hodl_fail_before_deadline_blocks, 1);
    assert_eq!(config.keep_expired_invoices, Duration::from_secs(604_800));
    assert_eq!(config.audit_keep_days, 365);
    assert_eq!(config.events, EventsConfig { keep_secs: 7_776_000, keep_count: 1_000_000 });
    assert_eq!(config.hrn.dns_server.to_string(), "8.8.8.8:53");
    assert_eq!(config.tor_proxy, None);
}

#[test]
fn flags_win_over_the_file() {
    let config = load(
        MINIMAL,
        &[
            "--node-network=signet",
            "--node-grpc-service-address=[::1]:4000",
            "--storage-dir-path=/other",
            "--bitcoind-rpc-address=node.lan:38332",
        ],
    )
    .unwrap();
    assert_eq!(config.network, Network::Signet);
    assert_eq!(config.grpc_address.to_string(), "[::1]:4000");
    assert_eq!(config.network_dir(), Path::new("/other/signet"));
    let ChainSource::Bitcoind(bitcoind) = config.chain_source else { panic!("not bitcoind") };
    assert_eq!(bitcoind.rpc, HostPort { host: "node.lan".to_owned(), port: 38332 });
}

#[test]
fn everything_can_come_from_flags() {
    let config = load(
        "",
        &[
            "--node-network=regtest",
            "--storage-dir-path=/data",
            "--bitcoind-rpc-address=127.0.0.1:18443",
            "--bitcoind-rpc-cookie-file=/bitcoin/.cookie",
            "--bitcoind-rest-address=127.0.0.1:18444",
            "--node-alias=alice",
            "--node-listening-addresses=127.0.0.1:9735",
            "--node-listening-addresses=[::1]:9735",
        ],
    )
    .unwrap();
    assert_eq!(config.listening_addresses.len(), 2);
    let ChainSource::Bitcoind(bitcoind) = config.chain_source else { panic!("not bitcoind") };
    assert!(matches!(bitcoind.auth, BitcoindAuth::CookieFile(_)));
    assert_eq!(bitcoind.rest.unwrap().port, 18444);
}

#[test]
fn each_chain_source_is_read() {
    let of = |section: &str| {
        let node = "[node]\nnetwork = \"regtest\"\n[storage.disk]\ndir_path = \"/data\"\n";
        load(&format!("{node}{section}"), &[]).unwrap().chain_source
    };
    assert!(matches!(
        of("[electrum]\nserver_url = \"ssl://electrum.example:50002\"\n"),
        ChainSource::Electrum(_)
    ));
    assert!(matches!(
        of("[esplora]\nserver_url = \"https://esplora.example/api\"\n"),
        ChainSource::Esplora(_)
    ));
}

#[test]
fn a_server_may_have_an_authority_of_its_own_if_it_is_reached_by_tls() {
    let of = |section: &str, server_url: &str| {
        let node = "[node]\nnetwork = \"regtest\"\n[storage.disk]\ndir_path = \"/data\"\n";
        let server = format!("server_url = \"{server_url}\"\nca_cert_path = \"/ca\"\n");
        load(&format!("{node}[{section}]\n{server}"), &[])
    };
    let ChainSource::Electrum(electrum) = of("electrum", "ssl://[::1]:2").unwrap().chain_source
    else {
        panic!("not electrum")
    };
    assert_eq!(electrum.server_url(), "ssl://[::1]:2");
    assert_eq!(electrum.ca_cert_path.as_deref(), Some(Path::new("/ca")));
    assert!(of("esplora", "https://a.example/api").is_ok());
    for (section, server_url, expected) in [
        ("electrum", "tcp://a.example:1", "electrum.ca_cert_path: is for a server_url with ssl://"),
        ("esplora", "http://a.example", "esplora.ca_cert_path: is for a server_url with https://"),
        ("electrum", "ssl://a.example", "electrum.server_url: \"a.example\" must be host:port"),
        ("esplora", "https://a.example:x", "esplora.server_url: is not a URL: "),
    ] {
        let message = of(section, server_url).err().unwrap().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn an_esplora_server_may_need_headers() {
    let file = "[node]\nnetwork = \"regtest\"\n[esplora]\nserver_url = \"http://a\"\n";
    let headers = |text: &str| {
        let file = format!("{file}headers = [{text}]\n");
        match loaded(&file, &[])?.0.chain_source {
            ChainSource::Esplora(esplora) => Ok(esplora.headers),
            _ => anyhow::bail!("not esplora"),
        }
    };
    let read = headers("\"Authorization: Bearer a:b\"").unwrap();
    assert_eq!(read[0].0, "Authorization");
    assert_eq!(read[0].1.expose_secret(), "Bearer a:b");
    for wrong in ["\"hunter2\"", "\"a b: hunter2\"", "\"a: hunter2\\u0001\""] {
        let message = headers(wrong).unwrap_err().to_string();
        assert!(message.contains("esplora.headers: "), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let shown = loaded(&format!("{file}headers = [\"a: hunter2\"]\n"), &[]).unwrap().1.to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn peers_are_trusted_by_name() {
    let flag = format!("--channels-trusted-peers-0conf={KEY}");
    let file = format!("{MINIMAL}[channels]\nanchor_reserve_sats = 0\n");
    let channels = load(&file, &[&flag]).unwrap().channels;
    assert_eq!(channels.anchor_reserve_sats, 0);
    assert_eq!(channels.trusted_peers_0conf[0].to_string(), KEY);
    assert!(channels.anchor_trusted_peers.is_empty());
}

#[test]
fn liquidity_sections_are_read() {
    let config = load(
        &format!(
            "{MINIMAL}
[liquidity.lsps1_client]
node_pubkey = \"{KEY}\"
address = \"127.0.0.1:9736\"
[liquidity.lsps2_client]
node_pubkey = \"{KEY}\"
address = \"127.0.0.1:9735\"
[liquidity.lsps2_service]
advertise_service = false
channel_opening_fee_ppm = 1000
channel_over_provisioning_ppm = 500000
min_channel_opening_fee_msat = 1000000
min_channel_lifetime = 4320
max_client_to_self_delay = 1440
min_payment_size_msat = 10000000
max_payment_size_msat = 25000000000
client_trusts_lsp = true
"
        ),
        &[],
    )
    .unwrap();
    let ordered = config.lsps1_client.unwrap();
    assert_eq!(
        (ordered.node_id.to_string(), ordered.address.to_string()),
        (KEY.to_owned(), "127.0.0.1:9736".to_owned())
    );
    assert_eq!(config.lsps2_client.unwrap().node_id.to_string(), KEY);
    assert_eq!(config.lsps2_service.unwrap().min_channel_lifetime, 4320);
}

#[test]
fn names_are_resolved_by_the_dns_server_of_the_file() {
    for (address, host, port) in [
        ("1.1.1.1", "1.1.1.1", 53),
        ("127.0.0.1:5353", "127.0.0.1", 5353),
        ("::1", "::1", 53),
        ("[::1]", "::1", 53),
        ("[::1]:5353", "::1", 5353),
        ("dns.example.org", "dns.example.org", 53),
    ] {
        let file = format!("{MINIMAL}[hrn]\ndns_server_address = \"{address}\"\n");
        let hrn = load(&file, &[]).unwrap().hrn;
        assert_eq!(hrn.dns_server, HostPort { host: host.to_owned(), port }, "{address}");
        assert_eq!(hrn.timeout, Duration::from_secs(5));
    }
}

#[test]
fn expired_invoices_may_go_at_once_on_regtest_only() {
    let keep = |file: &str, flags: &[&str]| load(file, flags).unwrap().keep_expired_invoices;
    let file = format!("{MINIMAL}[history]\nkeep_expired_invoices_secs = 0\n");
    assert_eq!(keep(&file, &[]), Duration::ZERO);
    let flags = ["--node-network=signet", "--history-keep-expired-invoices-secs=86400"];
    assert_eq!(keep(&file, &flags), Duration::from_secs(86_400));
}

#[test]
fn what_is_kept_of_the_events_is_in_the_file_or_a_flag() {
    let file = format!("{MINIMAL}[events]\nkeep_secs = 60\nkeep_count = 1\n");
    assert_eq!(load(&file, &[]).unwrap().events, EventsConfig { keep_secs: 60, keep_count: 1 });
    let flags = ["--events-keep-secs=3600", "--events-keep-count=2"];
    let events = load(&file, &flags).unwrap().events;
    assert_eq!(events, EventsConfig { keep_secs: 3600, keep_count: 2 });
}

#[test]
fn the_audit_is_kept_as_long_as_the_file_or_a_flag_says() {
    let file = format!("{MINIMAL}[audit]\nkeep_days = 0\n");
    assert_eq!(load(&file, &[]).unwrap().audit_keep_days, 0);
    assert_eq!(load(&file, &["--audit-keep-days=30"]).unwrap().audit_keep_days, 30);
}

#[test]
fn callers_are_limited_as_the_file_says() {
    let default = load(MINIMAL, &[]).unwrap().limits;
    let expected = LimitsConfig {
        max_connections: 1024,
        max_streams_per_connection: 256,
        max_calls_in_flight: 4096,
        max_waiting_calls: 16_384,
        max_calls_per_second_per_connection: None,
        handshake_timeout: Duration::from_secs(10),
        header_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(30),
        write_timeout: Duration::from_secs(30),
        keep_alive_interval: Duration::from_secs(60),
        keep_alive_timeout: Duration::from_secs(20),
        max_auth_failure_delay: Duration::from_secs(3),
    };
    assert_eq!(default, expected);
    let file = format!("{MINIMAL}[limits]\nmax_calls_per_second_per_connection = 5\n");
    let limits = load(&file, &["--limits-request-timeout-secs=1"]).unwrap().limits;
    let expected = LimitsConfig {
        max_calls_per_second_per_connection: NonZeroU32::new(5),
        request_timeout: Duration::from_secs(1),
        ..expected
    };
    assert_eq!(limits, expected);
    let peers = load(MINIMAL, &["--limits-max-peer-connections=7"]).unwrap().peer_limits;
    let expected = PeerLimitsConfig {
        max_connections: 7,
        max_connections_per_address: 16,
        handshake_timeout: Duration::from_secs(15),
        write_timeout: Duration::from_secs(60),
        max_queued_bytes: 1024 * 1024,
    };
    assert_eq!(peers, expected);
    for (key, value, accepted) in [
        ("max_connections", 0, "1 to 65536"),
        ("max_streams_per_connection", 4097, "1 to 4096"),
        ("max_calls_in_flight", 65_537, "1 to 65536"),
        ("max_calls_per_second_per_connection", -1, "0 to 1000000"),
        ("handshake_timeout_secs", 0, "1 to 300"),
        ("header_timeout_secs", 301, "1 to 300"),
        ("request_timeout_secs", 3601, "1 to 3600"),
        ("write_timeout_secs", 0, "1 to 3600"),
        ("keep_alive_interval_secs", 0, "1 to 3600"),
        ("keep_alive_timeout_secs", 0, "1 to 3600"),
        ("max_auth_failure_delay_secs", 11, "0 to 10"),
        ("max_peer_connections", 0, "1 to 65536"),
        ("max_peer_connections_per_address", 65_537, "1 to 65536"),
        ("peer_handshake_timeout_secs", 301, "1 to 300"),
        ("peer_write_timeout_secs", 0, "1 to 3600"),
        ("max_queued_bytes_per_peer", 131_071, "131072 to 67108864"),
    ] {
        let file = format!("{MINIMAL}[limits]\n{key} = {value}\n");
        let expected = format!("limits.{key}: {value} is out of range; accepted are {accepted}");
        assert!(refusal(&file, &[]).contains(&expected), "{expected}");
    }
}

#[test]
fn metrics_are_off_until_they_are_switched_on() {
    assert!(!load(MINIMAL, &[]).unwrap().metrics.enabled);
    let metrics = load(MINIMAL, &["--metrics-enabled"]).unwrap().metrics;
    assert!(metrics.enabled);
    assert_eq!(metrics.poll_interval, Duration::from_secs(60));
    assert!(metrics.login.is_none());
    let file =
        format!("{MINIMAL}[metrics]\nenabled = true\nusername = \"me\"\npassword = \"hunter2\"\n");
    let metrics = load(&file, &["--poll-metrics-interval=1"]).unwrap().metrics;
    assert_eq!(metrics.poll_interval, Duration::from_secs(1));
    assert_eq!(metrics.login.unwrap().username, "me");
}

#[test]
fn bad_files_are_refused_with_the_key_and_what_is_accepted() {
    let with = |section: &str| format!("{MINIMAL}{section}");
    let replaced = |from: &str, to: &str| MINIMAL.replace(from, to);
    for (file, expected) in [
        (String::new(), "node.network: not set"),
        (replaced("\"regtest\"", "\"mainnet\""), "node.network: \"mainnet\" is no network"),
        (replaced("127.0.0.1:18443", "127.0.0.1"), "bitcoind.rpc_address"),
        (replaced("127.0.0.1:18443", "127.0.0.1:70000"), "bitcoind.rpc_address"),
        (replaced("rpc_user = \"user\"\n", ""), "bitcoind.rpc_user"),
        (replaced("rpc_password = \"hunter2\"\n", ""), "bitcoind.rpc_password"),
        (with("rpc_cookie_file = \"/c\"\n"), "bitcoind.rpc_cookie_file"),
        (with("[esplora]\nserver_url = \"http://a\"\n"), "found: bitcoind and esplora"),
        (
            "[node]\nnetwork = \"regtest\"\n[storage.disk]\ndir_path = \"/data\"\n".to_owned(),
            "found: none",
        ),
        (
            with("").replace("[bitcoind]", "[electrum]"),
            "line 7, electrum.rpc_address: is not known",
        ),
        (
            "[node]\nnetwork = \"regtest\"\n[esplora]\n".to_owned(),
            "esplora.server_url: must be set",
        ),
        (with("[tls]\nhosts = [\"no host\"]\n"), "tls.hosts"),
        (with("[log]\nlevel = \"loud\"\n"), "log.level: \"loud\""),
        (with("[log]\nfile = \"/data\"\n"), "log.file"),
        (with("[log]\nformat = \"xml\"\n"), "log.format: \"xml\"; accepted are text and json"),
        (with("[log]\ntargets = [\"lightning\"]\n"), "must be target=level"),
        (with("[log]\ntargets = [\"=Info\"]\n"), "must be target=level"),
        (with("[log]\ntargets = [\"lightning=loud\"]\n"), "log.targets: \"loud\""),
        (with("[log]\nmax_files = -1\n"), "log.max_files: -1 is out of range"),
        (with("[backup]\ndirectory = \"\"\n"), "backup.directory: must not be empty"),
        (with("[tor]\nproxy_address = \"127.0.0.1\"\n"), "tor.proxy_address"),
        (with(&format!("[tor]\nproxy_address = \"{ONION}\"\n")), "tor.proxy_address"),
        (with("[tor]\n"), "proxy_address"),
        (with("[metrics]\nenabled = true\nusername = \"me\"\n"), "metrics.password"),
        (with("[metrics]\nenabled = true\npassword = \"hunter2\"\n"), "metrics.username"),
        (with("[metrics]\nenabled = true\npassword = 7\n"), "password"),
        (with("[metrics]\npoll_metrics_interval = 0\n"), "metrics.poll_metrics_interval"),
        (with("[probing]\nstrategy = \"random_walk\"\n"), "probing"),
        (with("[hrn]\nmode = \"blip32\"\n"), "hrn.mode"),
        (with("[hrn]\nmode = \"lnurl\"\n"), "hrn.mode: \"lnurl\"; accepted is dns"),
        (with("[hrn]\nenable_resolution_service = true\n"), "hrn.enable_resolution_service"),
        (
            with("[hrn]\ntimeout_secs = 0\n"),
            "hrn.timeout_secs: 0 is out of range; accepted are 1 to 60",
        ),
        (with("[hrn]\ndns_server_address = \"a b\"\n"), "hrn.dns_server_address"),
        (
            with("[hodl]\nfail_before_deadline_blocks = 145\n"),
            "145 is out of range; accepted are 0 to 144",
        ),
        (
            with("[history]\nkeep_expired_invoices_secs = 86399\n").replace("regtest", "signet"),
            "history.keep_expired_invoices_secs: 86399 is too small; at least 86400",
        ),
        (with("[history]\nkeep_expired_invoices_secs = -1\n"), "keep_expired_invoices_secs"),
        (
            with("[events]\nkeep_secs = 59\n"),
            "events.keep_secs: 59 is out of range; accepted are 60 and more",
        ),
        (
            with("[events]\nkeep_count = 0\n"),
            "events.keep_count: 0 is out of range; accepted are 1 and more",
        ),
        (
            with("[events]\nkeep_days = 1\n"),
            "events.keep_days: is not known; did you mean events.keep_secs?",
        ),
        (with("[nodes]\n"), "line 10, nodes: is not known; did you mean node?"),
        (with("x = 1\n"), "bitcoind.x: is not known"),
        (with("[log]\nfile = 1\n"), "log.file: expected a string, found integer"),
        (with("[tls]\nhosts = [1]\n"), "tls.hosts: expected a list of strings, found array"),
        (with("[events]\nkeep_count = \"1\"\n"), "events.keep_count: expected an integer"),
        (with("[metrics]\nenabled = 1\n"), "metrics.enabled: expected true or false"),
        (
            with("[log]\nlevle = \"info\"\n"),
            "line 11, log.levle: is not known; did you mean log.level?",
        ),
        (
            with("[liquidity.lsps2_client]\nnode_pubkey = \"02\"\naddress = \"127.0.0.1:9735\"\n"),
            "liquidity.lsps2_client.node_pubkey",
        ),
        (
            with(&format!("[liquidity.lsps1_client]\nnode_pubkey = \"{KEY}\"\n")),
            "liquidity.lsps1_client.address",
        ),
    ] {
        let message = refusal(&file, &[]);
        assert!(message.contains(expected), "wanted {expected:?} in {message:?}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

/// The library's type cannot be compared.
fn shown(limits: RouteParametersConfig) -> String {
    format!("{limits:?}")
}

#[test]
fn without_keys_the_defaults_are_those_of_the_library() {
    let config = load(MINIMAL, &[]).unwrap();
    assert_eq!(shown(config.routing), shown(RouteParametersConfig::default()));
    assert_eq!(config.channels.opened, ChannelConfig::default());
    assert!(!config.force_wallet_full_scan);
}

#[test]
fn payments_are_limited_and_forwarding_costs_as_configured() {
    let file = format!(
        "{MINIMAL}[channels]\ncltv_expiry_delta = 100\nforwarding_fee_base_msat = 1\n\
         forwarding_fee_proportional_millionths = 2\n\
         [routing]\nmax_total_routing_fee_msat = 0\n"
    );
    let flags = ["--routing-max-path-count=1", "--routing-max-channel-saturation-power-of-half=0"];
    let config = load(&file, &flags).unwrap();
    let routing = RouteParametersConfig {
        max_total_routing_fee_msat: Some(0),
        max_path_count: 1,
        max_channel_saturation_power_of_half: 0,
        ..Default::default()
    };
    assert_eq!(shown(config.routing), shown(routing));
    let opened = ChannelConfig {
        cltv_expiry_delta: 100,
        forwarding_fee_base_msat: 1,
        forwarding_fee_proportional_millionths: 2,
        ..Default::default()
    };
    assert_eq!(config.channels.opened, opened);
}

#[test]
fn a_full_scan_needs_an_index_of_the_chain() {
    let flag = "--force-wallet-full-scan";
    assert!(refusal(MINIMAL, &[flag]).contains("--force-wallet-full-scan: not with [bitcoind]"));
    let indexed = ["--node-network=regtest", "--esplora-server-url=http://127.0.0.1:1", flag];
    assert!(load("", &indexed).unwrap().force_wallet_full_scan);
}

#[test]
fn bad_flags_are_refused_with_the_key_and_what_is_accepted() {
    for (flags, expected) in [
        (&["--node-grpc-service-address=localhost:1"][..], "node.grpc_service_address"),
        (&["--node-listening-addresses=9735"], "node.listening_addresses"),
        (
            &["--node-listening-addresses=0.0.0.0:0"],
            "node.listening_addresses: \"0.0.0.0:0\" has port",
        ),
        (&["--node-listening-addresses=[::]:0"], "accepted are 1 to 65535"),
        (
            &["--node-announcement-addresses=a.example:0"],
            "node.announcement_addresses: \"a.example",
        ),
        (&["--node-alias=alice"], "needs node.listening_addresses"),
        (
            &["--node-alias=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "--node-listening-addresses=a:1"],
            "33 bytes; at most 32",
        ),
        (&["--node-alias= "], "must not be empty"),
        (&["--node-announcement-addresses=a:1"], "node.announcement_addresses"),
        (&["--node-async-payments-role=server"], "node.async_payments_role"),
        (&["--node-async-payments-role=both"], "set it to client or server"),
        (&["--node-enable-zero-fee-commitments=true"], "node.enable_zero_fee_commitments"),
        (&["--pathfinding-scores-source-url=ftp://a"], "node.pathfinding_scores_source_url"),
        (&["--rescan-from-height=1"], "--rescan-from-height"),
        (&["--metrics-enabled", "--metrics-username=me"], "metrics.password"),
        (&["--poll-metrics-interval=0"], "metrics.poll_metrics_interval"),
        (&["--probing-max-hops=3"], "probing"),
        (&["--tor-proxy-address=9050"], "tor.proxy_address"),
        (&["--hodl-fail-before-deadline-blocks=145"], "hodl.fail_before_deadline_blocks"),
        (
            &["--node-network=bitcoin", "--history-keep-expired-invoices-secs=0"],
            "history.keep_expired_invoices_secs: 0 is too small",
        ),
        (&["--events-keep-secs=0"], "events.keep_secs"),
        (&["--events-keep-count=0"], "events.keep_count"),
        (&["--log-max-size-mb=-1"], "log.max_size_mb: -1 is out of range"),
        (&["--sync-fee-rates-interval-secs=9"], "sync.fee_rates_interval_secs: 9 is out of range"),
        (&["--channels-anchor-trusted-peers=02"], "channels.anchor_trusted_peers: \"02\""),
        (&["--channels-anchor-reserve-sats=-1"], "channels.anchor_reserve_sats: -1 is out of"),
        (&["--channels-cltv-expiry-delta=1"], "channels.cltv_expiry_delta: 1 is out of range"),
        (&["--routing-max-path-count=0"], "routing.max_path_count: 0 is out of range"),
        (&["--routing-max-path-count=256"], "accepted are 1 to 255"),
        (
            &["--routing-max-total-cltv-expiry-delta=0"],
            "routing.max_total_cltv_expiry_delta: 0 is out of range",
        ),
    ] {
        let message = refusal(MINIMAL, flags);
        assert!(message.contains(expected), "wanted {expected:?} in {message:?}");
        assert!(message.starts_with("Invalid configuration: "), "{message}");
    }
}

#[test]
fn a_mistake_beside_a_secret_does_not_show_it() {
    let dir = tempfile::tempdir().unwrap();
    for value in ["hunter2\"", "1234567", "[\"hunter2\"]"] {
        let path = dir.path().join("config.toml");
        let text = MINIMAL.replace("\"hunter2\"", value);
        fs::write(&path, text).unwrap();
        let message = refusal_of_file(&path);
        assert!(message.contains("line 9, ") && message.contains("rpc_password: "), "{message}");
        assert!(!message.contains("hunter2") && !message.contains("1234567"), "{message}");
    }
}

#[test]
fn a_chain_source_is_named_without_its_password() {
    let server_url = "https://me:hunter2@esplora.example:8443/api?x".to_owned();
    let esplora = EsploraConfig { server_url, headers: Vec::new(), ca_cert_path: None };
    let shown = ChainSource::Esplora(esplora).to_string();
    assert_eq!(shown, "esplora at https://esplora.example:8443");
}

#[test]
fn a_named_file_must_exist() {
    let message = refusal_of_file(Path::new("/nowhere.toml"));
    assert!(message.contains("/nowhere.toml: cannot be read"), "{message}");
}

#[test]
fn every_key_is_shown_with_where_it_comes_from() {
    let file = MINIMAL.replace("127.0.0.1:18443", "127.0.0.1:18444");
    let (_, values) = loaded(&file, &["--node-network=signet"]).unwrap();
    let shown = values.to_string();
    for (key, value, source) in [
        ("node.network", "\"signet\"", "flag --node-network"),
        ("bitcoind.rpc_address", "\"127.0.0.1:18444\"", "file"),
        ("bitcoind.rpc_password", "\"********\"", "file"),
        ("log.file", "\"/data/signet/ldk-server.log\"", "default"),
        ("events.keep_count", "1000000", "default"),
        ("tls.hosts", "", ""),
    ] {
        let line = shown.lines().find(|line| line.contains(key)).unwrap();
        match value {
            "" => assert_eq!(line, format!("# {key} is not set")),
            _ => {
                let (setting, origin) = line.split_once('#').unwrap();
                assert_eq!(setting.trim_end(), format!("{key} = {value}"));
                assert_eq!(origin.trim(), source);
            },
        }
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    // It is a configuration again, but for the password.
    let again = shown.replace("********", "hunter2");
    assert_eq!(loaded(&again, &[]).unwrap().0.network_dir(), Path::new("/data/signet"));
}

#[test]
fn what_is_secret_in_a_url_is_not_shown() {
    let file = "[node]\nnetwork = \"regtest\"\nrgs_server_url = \"https://a/s?key=hunter2\"\n\
                [esplora]\nserver_url = \"http://me:hunter2@a/b\"\n";
    let shown = loaded(file, &[]).unwrap().1.to_string();
    assert!(shown.contains("\"http://********@a/b\""), "{shown}");
    assert!(shown.contains("\"https://a/s?key=********\""), "{shown}");
    let refused = refusal(&file.replace("http://me", "ftp://me"), &[]);
    assert!(refused.contains("ftp://********@a/b"), "{refused}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn every_default_is_accepted_as_a_value() {
    for key in keys::KEYS {
        let Some(default) = key.default else { continue };
        let file = format!("{} = {default}\n", key.name);
        let values = File::parse(&file).unwrap().values;
        assert_eq!(values.len(), 1, "{file}");
    }
}

#[test]
fn who_has_configured_nothing_is_told_how_to_begin() {
    let args = Args::try_parse_from(["ldk-server"]).unwrap();
    let values = Values::gather(&args, File::default()).unwrap();
    assert!(values.are_all_defaults());
    let values = Values::gather(&args, File::parse("[node]\n").unwrap()).unwrap();
    assert!(!values.are_all_defaults());
}

#[test]
fn the_log_is_as_configured() {
    let log = "[log]\nformat = \"json\"\ntargets = [\"lightning::chain=info\", \"h2 = Off\"]\n\
               max_size_mb = 0\nrotation_interval_hours = 0\nmax_files = 7\n";
    let log = load(&format!("{MINIMAL}{log}"), &["--log-max-files=0"]).unwrap().log;
    assert_eq!(log.format, LogFormat::Json);
    let targets = [("lightning::chain", log::LevelFilter::Info), ("h2", log::LevelFilter::Off)];
    assert_eq!(log.targets, targets.map(|(target, level)| (target.to_owned(), level)));
    assert_eq!(log.rotation, LogRotation { max_bytes: None, max_age: None, max_files: 0 });
}

#[test]
fn whoever_chooses_a_level_gets_it_in_the_file_too() {
    for flags in [&["--log-level=Debug"][..], &["--log-targets=lightning=Trace"]] {
        assert_eq!(loaded(MINIMAL, flags).unwrap().0.log.file_level, log::LevelFilter::Trace);
    }
}

#[test]
fn the_log_file_is_none_of_the_directories() {
    let dir = tempfile::tempdir().unwrap();
    let (storage, link) = (dir.path().join("storage"), dir.path().join("link"));
    std::fs::create_dir_all(storage.join("signet")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&storage, &link).unwrap();
    let storage_flag = format!("--storage-dir-path={}", storage.display());
    for file in [&storage, &storage.join("signet"), &storage.join("signet/.."), &link] {
        let log_flag = format!("--log-file={}", file.display());
        let flags = [storage_flag.as_str(), &log_flag, "--node-network=signet"];
        let refused = refusal(MINIMAL, &flags);
        let sentence = "Log file path cannot be the same as storage directory path";
        assert!(refused.contains("log.file: ") && refused.contains(sentence), "{refused}");
    }
}

#[test]
fn clients_have_certificates_if_they_are_to_have_some() {
    let tls = |flags: &[&str]| load(MINIMAL, flags).unwrap().tls;
    let off = tls(&["--tls-client-auth", "off"]);
    assert_eq!((off.client_auth, off.cert_path.as_path()), (None, Path::new("/data/tls.crt")));
    for (mode, is_required) in [("optional", false), ("required", true)] {
        let tls = tls(&["--tls-client-auth", mode]);
        let dir = PathBuf::from("/data/regtest");
        assert_eq!(tls.cert_path, dir.join("server.pem"));
        assert_eq!(tls.key_path, dir.join("server-key.pem"));
        assert_eq!(tls.client_auth, Some(ClientAuthConfig { is_required, dir }));
    }
    let own = tls(&["--tls-client-auth", "required", "--tls-cert-path", "/own.crt"]);
    assert_eq!(own.cert_path, Path::new("/own.crt"));
    let refused = refusal(MINIMAL, &["--tls-client-auth", "on"]);
    assert!(refused.contains("tls.client_auth: \"on\"; accepted are off, optional"), "{refused}");
}

#[test]
fn the_grpc_service_for_core_lightnings_clients_wants_certificates() {
    assert!(load(MINIMAL, &[]).unwrap().cln_grpc.is_none());
    let config = load(MINIMAL, &["--cln-grpc-address", "10.1.2.3:9736"]).unwrap();
    let dir = config.network_dir();
    let ClnGrpcConfig { address, tls } = config.cln_grpc.unwrap();
    assert_eq!(address.to_string(), "10.1.2.3:9736");
    assert_eq!(tls.listening, Some(address.ip()));
    assert_eq!(tls.cert_path, dir.join("server.pem"));
    assert_eq!(tls.client_auth, Some(ClientAuthConfig { is_required: true, dir }));
    assert!(config.tls.client_auth.is_none(), "the node's own port is as it was");
    let refused = refusal(MINIMAL, &["--cln-grpc-address", "localhost:9736"]);
    assert!(refused.contains("cln.grpc_address: \"localhost:9736\"; accepted are"), "{refused}");
}

#[cfg(unix)]
#[test]
fn the_unix_socket_has_a_path_that_fits() {
    let socket = |path: &str| load(MINIMAL, &["--node-unix-socket", path]).map(|it| it.unix_socket);
    assert_eq!(load(MINIMAL, &[]).unwrap().unix_socket, None);
    let path = "/".repeat(107);
    let expected = UnixSocketConfig { path: path.clone().into(), group: None };
    assert_eq!(socket(&path).unwrap(), Some(expected));
    for (path, reason) in
        [("", "must not be empty"), (&"a".repeat(108), "has 108 bytes; at most 107")]
    {
        let refused = socket(path).unwrap_err().to_string();
        assert!(refused.contains("node.unix_socket: ") && refused.contains(reason), "{refused}");
    }
    let alone = refusal(MINIMAL, &["--node-unix-socket-group", "0"]);
    assert!(alone.contains("node.unix_socket_group: needs node.unix_socket"), "{alone}");
}
