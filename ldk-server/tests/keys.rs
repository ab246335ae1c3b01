//! Every key can be set in the file, by its variable and by its flag, and a flag wins over a variable
//! and that over the file.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy takes the helpers of a test for production code"
)]

use std::fs;
use std::process::Command;

use ldk_server::config::keys::{Definition, KEYS, Kind};

/// Of each key a value for the file, one for the variable and one for the flag.
const VALUES: &[(&str, [&str; 3])] = &[
    ("node.network", ["regtest", "signet", "testnet4"]),
    ("node.listening_addresses", ["127.0.0.1:1", "[::1]:2", "node.example:3"]),
    ("node.announcement_addresses", ["127.0.0.1:4", "[::1]:5", "node.example:6"]),
    ("node.alias", ["alice", "bob", "carol"]),
    ("node.grpc_service_address", ["127.0.0.1:7", "[::1]:8", "0.0.0.0:9"]),
    ("node.unix_socket", ["/run/1.sock", "/run/2.sock", "/run/3.sock"]),
    ("node.unix_socket_group", ["0", "root", "7"]),
    ("node.rgs_server_url", ["http://rgs.example/1", "https://rgs.example/2", "http://rgs/3"]),
    ("node.pathfinding_scores_source_url", ["http://scores/1", "", "https://scores/3"]),
    ("node.async_payments_role", ["client", "server", "client"]),
    ("storage.consistent_cuts", OFF),
    ("storage.disk.dir_path", ["/data/1", "/data/2", "/data/3"]),
    (
        "storage.postgres.url",
        // Of a URL the user is masked.
        ["host=localhost user=1", "host=localhost user=2", "host=localhost user=3"],
    ),
    ("storage.postgres.password", ["secret-1", "secret-2", "secret-3"]),
    ("storage.postgres.password_file", ["/password/1", "/password/2", "/password/3"]),
    ("storage.postgres.tls", ON),
    ("storage.postgres.ca_cert_path", ["/ca/1", "/ca/2", "/ca/3"]),
    ("storage.postgres.schema", ["node_1", "node_2", "node_3"]),
    ("storage.postgres.lease_secs", ["11", "12", "13"]),
    ("storage.postgres.standby", ON),
    ("storage.postgres.statement_timeout_secs", ["6", "7", "8"]),
    ("bitcoind.rpc_address", ["127.0.0.1:11", "[::1]:12", "bitcoind.example:13"]),
    ("bitcoind.rpc_user", ["user 1", "user 2", "user 3"]),
    ("bitcoind.rpc_password", ["secret-1", "secret-2", "secret-3"]),
    ("bitcoind.rpc_cookie_file", ["/cookie/1", "/cookie/2", "/cookie/3"]),
    ("bitcoind.rest_address", ["127.0.0.1:14", "[::1]:15", "bitcoind.example:16"]),
    ("electrum.server_url", ["ssl://electrum:1", "ssl://electrum:2", "ssl://electrum:3"]),
    ("electrum.ca_cert_path", ["/ca/1", "/ca/2", "/ca/3"]),
    ("esplora.server_url", ["https://esplora/1", "https://esplora/2", "https://esplora/3"]),
    ("esplora.headers", ["a: secret-1", "b: secret-2", "c: secret-3"]),
    ("esplora.ca_cert_path", ["/ca/4", "/ca/5", "/ca/6"]),
    ("sync.onchain_wallet_interval_secs", ["11", "12", "13"]),
    ("sync.lightning_wallet_interval_secs", ["14", "15", "16"]),
    ("sync.fee_rates_interval_secs", ["17", "18", "19"]),
    ("channels.trusted_peers_0conf", PEERS),
    ("channels.anchor_reserve_sats", ["1", "0", "3"]),
    ("channels.anchor_trusted_peers", PEERS),
    ("channels.forwarding_fee_base_msat", ["1", "0", "3"]),
    ("channels.forwarding_fee_proportional_millionths", ["1", "2", "3"]),
    ("channels.cltv_expiry_delta", ["101", "102", "103"]),
    ("routing.max_total_routing_fee_msat", ["1", "0", "3"]),
    ("routing.max_total_cltv_expiry_delta", ["201", "202", "203"]),
    ("routing.max_path_count", ["1", "2", "3"]),
    ("routing.max_channel_saturation_power_of_half", ["1", "0", "3"]),
    ("log.level", ["Error", "warn", "Trace"]),
    ("log.file", ["/log/1", "/log/2", "/log/3"]),
    ("log.log_to_file", OFF),
    ("log.targets", ["h2=Off", "lightning=Info", "rustls=Trace"]),
    ("log.format", ["json", "text", "json"]),
    ("log.max_size_mb", ["1", "0", "3"]),
    ("log.rotation_interval_hours", ["1", "0", "3"]),
    ("log.max_files", ["1", "0", "3"]),
    ("tls.cert_path", ["/crt/1", "/crt/2", "/crt/3"]),
    ("tls.key_path", ["/key/1", "/key/2", "/key/3"]),
    ("tls.hosts", ["a.example", "10.0.0.1", "::1"]),
    ("tls.client_auth", ["optional", "required", "optional"]),
    ("auth.accept_timestamp_only", OFF),
    ("auth.accept_body_bound", OFF),
    ("auth.budgets_count_funding", OFF),
    ("limits.max_connections", ["1", "2", "3"]),
    ("limits.max_streams_per_connection", ["1", "2", "3"]),
    ("limits.max_calls_in_flight", ["1", "2", "3"]),
    ("limits.max_waiting_calls", ["1", "2", "3"]),
    ("limits.max_calls_per_second_per_connection", ["1", "2", "3"]),
    ("limits.handshake_timeout_secs", ["1", "2", "3"]),
    ("limits.header_timeout_secs", ["1", "2", "3"]),
    ("limits.request_timeout_secs", ["1", "2", "3"]),
    ("limits.write_timeout_secs", ["1", "2", "3"]),
    ("limits.keep_alive_interval_secs", ["1", "2", "3"]),
    ("limits.keep_alive_timeout_secs", ["1", "2", "3"]),
    ("limits.max_auth_failure_delay_secs", ["0", "1", "2"]),
    ("limits.max_peer_connections", ["1", "2", "3"]),
    ("limits.max_peer_connections_per_address", ["1", "2", "3"]),
    ("limits.peer_handshake_timeout_secs", ["1", "2", "3"]),
    ("limits.peer_write_timeout_secs", ["1", "2", "3"]),
    ("limits.max_queued_bytes_per_peer", ["131072", "131073", "131074"]),
    ("liquidity.lsps1_client.node_pubkey", PEERS),
    ("liquidity.lsps1_client.address", ["127.0.0.1:21", "[::1]:22", "lsp.example:23"]),
    ("liquidity.lsps1_client.token", ["secret-1", "secret-2", "secret-3"]),
    ("liquidity.lsps2_client.node_pubkey", PEERS),
    ("liquidity.lsps2_client.address", ["127.0.0.1:21", "[::1]:22", "lsp.example:23"]),
    ("liquidity.lsps2_client.token", ["secret-1", "secret-2", "secret-3"]),
    ("liquidity.lsps2_service.advertise_service", ON),
    ("liquidity.lsps2_service.channel_opening_fee_ppm", ["1", "2", "3"]),
    ("liquidity.lsps2_service.channel_over_provisioning_ppm", ["1", "2", "3"]),
    ("liquidity.lsps2_service.min_channel_opening_fee_msat", ["1", "2", "3"]),
    ("liquidity.lsps2_service.min_channel_lifetime", ["1", "2", "3"]),
    ("liquidity.lsps2_service.max_client_to_self_delay", ["1", "2", "3"]),
    ("liquidity.lsps2_service.min_payment_size_msat", ["1", "2", "3"]),
    ("liquidity.lsps2_service.max_payment_size_msat", ["1", "2", "3"]),
    ("liquidity.lsps2_service.client_trusts_lsp", ON),
    ("liquidity.lsps2_service.require_token", ["secret-1", "secret-2", "secret-3"]),
    ("hodl.fail_before_deadline_blocks", ["0", "2", "144"]),
    ("history.keep_expired_invoices_secs", ["86401", "86402", "86403"]),
    ("events.keep_secs", ["61", "62", "63"]),
    ("events.keep_count", ["1", "2", "3"]),
    ("webhooks.max_count", ["0", "1", "2"]),
    ("webhooks.timeout_secs", ["1", "2", "3"]),
    ("webhooks.pause_after_secs", ["1", "2", "3"]),
    ("webhooks.allow_private", ON),
    ("webhooks.ca_cert_path", ["/crt/1", "/crt/2", "/crt/3"]),
    ("lnurl.enabled", ON),
    ("lnurl.timeout_secs", ["1", "2", "3"]),
    ("lnurl.allow_private", ON),
    ("lnurl.ca_cert_path", ["/crt/1", "/crt/2", "/crt/3"]),
    ("cln.grpc_address", ["127.0.0.1:9731", "127.0.0.1:9732", "127.0.0.1:9733"]),
    ("cln.rest_address", ["127.0.0.1:3011", "127.0.0.1:3012", "127.0.0.1:3013"]),
    ("cln.rest_tls", OFF),
    ("cln.plugin_options", ["a=1", "a=2", "a=3"]),
    ("cln.plugins", ["/bin/true", "/bin/false", "/bin/sh"]),
    ("cln.rpc_file", ["/run/cln/1", "/run/cln/2", "/run/cln/3"]),
    ("phoenixd.address", ["127.0.0.1:9741", "127.0.0.1:9742", "127.0.0.1:9743"]),
    ("phoenixd.tls", ON),
    ("phoenixd.max_fee_base_sats", ["1", "0", "3"]),
    ("phoenixd.max_fee_ppm", ["1", "0", "3"]),
    ("phoenixd.webhooks", ["https://a.example/", "https://b.example/", "https://c.example/"]),
    ("invoices.keep_expired_days", ["1", "2", "30"]),
    ("audit.keep_days", ["0", "1", "30"]),
    ("backup.directory", ["/backup/1", "/backup/2", "/backup/3"]),
    ("backup.allow_keys", ON),
    // It has no other.
    ("hrn.mode", ["dns", "dns", "dns"]),
    ("hrn.dns_server_address", ["127.0.0.1:31", "[::1]:32", "dns.example:33"]),
    ("hrn.timeout_secs", ["1", "2", "3"]),
    ("metrics.enabled", SWITCHED_ON),
    ("metrics.poll_metrics_interval", ["1", "2", "3"]),
    ("metrics.username", ["user 1", "user 2", "user 3"]),
    ("metrics.password", ["secret-1", "secret-2", "secret-3"]),
    ("http.enabled", OFF),
    ("http.docs", OFF),
    ("http.csp", ["default-src 'none'", "default-src 'self'", "img-src 'self'"]),
    ("http.cors_origins", ["https://a.example", "http://b.example:1", "https?://c.example"]),
    ("tor.proxy_address", ["127.0.0.1:41", "[::1]:42", "tor.example:43"]),
    ("--force-wallet-full-scan", SWITCHED_ON),
];

const PEERS: [&str; 3] = [
    "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619",
    "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5",
];
const ON: [&str; 3] = ["true", "false", "true"];
const OFF: [&str; 3] = ["false", "true", "false"];
const SWITCHED_ON: [&str; 3] = ["true"; 3];

const FULL_SCAN: &str = "--force-wallet-full-scan";

/// What cannot be set beside the rest: all but one of the chain sources, one of the two ways to log
/// in to bitcoind and to PostgreSQL, what bitcoind cannot do, and a mirror of what is in PostgreSQL.
const ALTERNATIVES: [&[&str]; 4] = [
    &["electrum.", "esplora.", FULL_SCAN, "bitcoind.rpc_cookie_file", "storage.postgres."],
    &[
        "electrum.",
        "esplora.",
        FULL_SCAN,
        "bitcoind.rpc_user",
        "bitcoind.rpc_password",
        "storage.postgres.",
    ],
    &["bitcoind.", "esplora.", "backup.directory", "storage.postgres.password_file"],
    &["bitcoind.", "electrum.", "backup.directory", "storage.postgres.password"],
];

#[test]
fn every_key_is_set_by_flag_over_variable_over_file() {
    for left_out in ALTERNATIVES {
        let is_left_out = |name: &str| {
            let is_it = |left_out: &&str| {
                name == *left_out || (left_out.ends_with('.') && name.starts_with(left_out))
            };
            left_out.iter().any(is_it)
        };
        let is_set = |key: &&Definition| !is_left_out(key.name);
        let keys: Vec<&Definition> =
            KEYS.iter().filter(|key| key.refused.is_none()).filter(is_set).collect();
        // The first of them, the first two, and all three.
        for ways in 1..=3 {
            let shown = checked(&keys, ways);
            for key in &keys {
                expect(&shown, key, ways);
            }
        }
    }
}

#[test]
fn the_values_tell_the_ways_apart() {
    for (name, [file, variable, flag]) in VALUES {
        let key = KEYS.iter().find(|key| key.name == *name).unwrap();
        if key.kind == Kind::Switch || *name == "hrn.mode" {
            continue;
        }
        assert!(file != variable && variable != flag, "{name}");
        assert_ne!(Some(in_toml(key, file).as_str()), key.default, "{name}");
    }
}

/// What the daemon says of its configuration when the keys are set in so many ways.
fn checked(keys: &[&Definition], ways: usize) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ldk-server"));
    command.arg(&file).arg("--check-config").env_clear();
    let mut text = String::new();
    for key in keys {
        let [in_file, in_variable, in_flag] = values(key);
        if key.is_in_file() {
            text += &format!("{} = {}\n", key.name, in_toml(key, in_file));
        }
        if ways > 1 {
            command.env(key.variable(), in_variable);
        }
        match key.kind {
            _ if ways < 3 => {},
            Kind::Switch => _ = command.arg(format!("--{}", key.flag())),
            _ => _ = command.arg(format!("--{}={in_flag}", key.flag())),
        }
    }
    fs::write(&file, text).unwrap();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Checks that the last of so many ways is the one that counts.
fn expect(shown: &str, key: &Definition, ways: usize) {
    let name = key.name;
    let value = match in_toml(key, values(key)[ways - 1]) {
        _ if key.is_secret => "\"********\"".to_owned(),
        value => value,
    };
    let source = match ways {
        1 => "file".to_owned(),
        2 => format!("variable {}", key.variable()),
        _ => format!("flag --{}", key.flag()),
    };
    let line = shown.lines().find(|line| line.split(' ').find(|word| *word != "#") == Some(name));
    let line = line.unwrap_or_else(|| panic!("{name} is not in {shown}"));
    if ways == 1 && !key.is_in_file() {
        assert_eq!(line, format!("# {name} is not set"));
        return;
    }
    let (setting, origin) = line.rsplit_once('#').unwrap();
    assert_eq!((setting.trim_end(), origin.trim()), (&*format!("{name} = {value}"), &*source));
}

fn values(key: &Definition) -> [&'static str; 3] {
    let of_key = VALUES.iter().find(|(name, _)| *name == key.name);
    of_key.unwrap_or_else(|| panic!("{} needs values to be tried with", key.name)).1
}

fn in_toml(key: &Definition, value: &str) -> String {
    match key.kind {
        Kind::Text => format!("\"{value}\""),
        Kind::List => format!("[\"{value}\"]"),
        Kind::Number | Kind::Boolean | Kind::Switch => value.to_owned(),
    }
}
