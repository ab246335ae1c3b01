//! From the text of one key to its value, or a message that names the key.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::AsyncPaymentsRole;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::liquidity::LSPS2ServiceConfig;
use ldk_server_grpc::places;
use rustls_pki_types::DnsName;

use super::{
    BitcoindAuth, BitcoindConfig, ChainSource, ConfigError, EventsConfig, HostPort, HrnConfig,
    LogConfig, LogFormat, LogRotation, Lsps2ClientConfig, MetricsConfig, MetricsLogin, file,
};

/// BOLT 7 gives the alias 32 bytes.
const MAX_ALIAS_BYTES: usize = 32;
/// A day: no payment is held longer, so that a larger number could only be a mistake.
const MAX_HODL_BLOCKS: u32 = 144;
const DEFAULT_HODL_BLOCKS: u32 = 1;
const BYTES_PER_MIB: u64 = 1024 * 1024;
const DEFAULT_LOG_MAX_SIZE_MB: u64 = 50;
const DEFAULT_LOG_ROTATION_HOURS: u64 = 24;
const DEFAULT_LOG_MAX_FILES: usize = 5;
/// A week.
const DEFAULT_KEEP_EXPIRED_SECS: u64 = 604_800;
/// A day. The library goes by the time of blocks, and takes a payment up to two hours after the
/// invoice has expired by that; blocks may lag behind the clock by some hours more.
const MIN_KEEP_EXPIRED_SECS: u64 = 86_400;
/// 90 days.
const DEFAULT_KEEP_SECS: u64 = 90 * 24 * 60 * 60;
/// Less is no time to come back in.
const MIN_KEEP_SECS: u64 = 60;
const DEFAULT_KEEP_COUNT: u64 = 1_000_000;
const DEFAULT_DNS_SERVER: &str = "8.8.8.8";
const DNS_PORT: u16 = 53;
const DEFAULT_HRN_TIMEOUT_SECS: u64 = 5;
const MAX_HRN_TIMEOUT_SECS: u64 = 60;
const DEFAULT_POLL_SECS: u64 = 60;
/// The node library takes no more.
const MAX_PEER_ADDRESSES: usize = 100;

pub(super) fn network(text: Option<String>) -> Result<Network, ConfigError> {
    let error = |reason| {
        let accepted = "set it to bitcoin, testnet, testnet4, signet or regtest";
        ConfigError::new("node.network", format!("{reason}; {accepted}"))
    };
    match text.as_deref() {
        Some("bitcoin") => Ok(Network::Bitcoin),
        Some("testnet") => Ok(Network::Testnet),
        Some("testnet4") => Ok(Network::Testnet4),
        Some("signet") => Ok(Network::Signet),
        Some("regtest") => Ok(Network::Regtest),
        Some(other) => Err(error(format!("\"{other}\" is no network"))),
        None => Err(error("not set".to_owned())),
    }
}

pub(super) fn peer_addresses(
    key: &str,
    texts: Option<Vec<String>>,
) -> Result<Vec<SocketAddress>, ConfigError> {
    let texts = texts.unwrap_or_default();
    if texts.len() > MAX_PEER_ADDRESSES {
        let reason = format!("{} addresses; at most {MAX_PEER_ADDRESSES}", texts.len());
        return Err(ConfigError::new(key, reason));
    }
    texts.iter().map(|text| peer_address(key, text)).collect()
}

fn peer_address(key: &str, text: &str) -> Result<SocketAddress, ConfigError> {
    SocketAddress::from_str(text).map_err(|_| {
        let accepted = "accepted are ipv4:port, [ipv6]:port, onion-v3:port and host:port";
        ConfigError::new(key, format!("\"{text}\" is not a peer address; {accepted}"))
    })
}

pub(super) fn alias(text: Option<String>) -> Result<Option<String>, ConfigError> {
    let Some(alias) = text.map(|text| text.trim().to_owned()) else { return Ok(None) };
    match alias.len() {
        0 => Err(ConfigError::new("node.alias", "must not be empty; remove the key for no alias")),
        1..=MAX_ALIAS_BYTES => Ok(Some(alias)),
        bytes => Err(ConfigError::new(
            "node.alias",
            format!("\"{alias}\" has {bytes} bytes; at most {MAX_ALIAS_BYTES}"),
        )),
    }
}

/// What the node library would refuse later with less of an explanation.
pub(super) fn check_announceable(
    listening_addresses: &[SocketAddress],
    announcement_addresses: &[SocketAddress],
    alias: Option<&str>,
) -> Result<(), ConfigError> {
    if alias.is_some() && listening_addresses.is_empty() {
        return Err(ConfigError::new("node.alias", "needs node.listening_addresses to be set too"));
    }
    if !announcement_addresses.is_empty() && (alias.is_none() || listening_addresses.is_empty()) {
        return Err(ConfigError::new(
            "node.announcement_addresses",
            "needs node.alias and node.listening_addresses to be set too",
        ));
    }
    Ok(())
}

pub(super) fn async_payments_role(
    text: Option<String>,
    is_announceable: bool,
) -> Result<Option<AsyncPaymentsRole>, ConfigError> {
    const KEY: &str = "node.async_payments_role";
    match text.map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        None => Ok(None),
        Some("client") => Ok(Some(AsyncPaymentsRole::Client)),
        Some("server") if is_announceable => Ok(Some(AsyncPaymentsRole::Server)),
        Some("server") => Err(ConfigError::new(
            KEY,
            "\"server\" needs node.alias and node.listening_addresses to be set too",
        )),
        Some(other) => Err(ConfigError::new(
            KEY,
            format!("\"{other}\" is no role; set it to client or server"),
        )),
    }
}

pub(super) fn grpc_address(text: Option<String>) -> Result<SocketAddr, ConfigError> {
    let text = text.unwrap_or_else(|| places::DEFAULT_ADDRESS.to_owned());
    text.parse().map_err(|_| {
        let accepted = "accepted are ipv4:port and [ipv6]:port, not host names";
        ConfigError::new("node.grpc_service_address", format!("\"{text}\"; {accepted}"))
    })
}

pub(super) fn http_url(key: &str, url: Option<String>) -> Result<Option<String>, ConfigError> {
    url.map(|url| url_of(key, url, &["http", "https"])).transpose()
}

fn url_of(key: &str, url: String, schemes: &[&str]) -> Result<String, ConfigError> {
    let known = url.split_once("://").is_some_and(|(scheme, rest)| {
        schemes.contains(&scheme) && !rest.is_empty() && !rest.contains(char::is_whitespace)
    });
    if known {
        Ok(url)
    } else {
        let accepted = schemes.join(":// or ");
        Err(ConfigError::new(key, format!("\"{url}\" must be a URL with {accepted}://")))
    }
}

pub(super) fn chain_source(
    bitcoind: Option<file::Bitcoind>,
    electrum: Option<file::Server>,
    esplora: Option<file::Server>,
) -> Result<ChainSource, ConfigError> {
    match (bitcoind, electrum, esplora) {
        (Some(keys), None, None) => bitcoind_config(keys).map(ChainSource::Bitcoind),
        (None, Some(server), None) => Ok(ChainSource::Electrum {
            server_url: url_of("electrum.server_url", server.server_url, &["tcp", "ssl"])?,
        }),
        (None, None, Some(server)) => Ok(ChainSource::Esplora {
            server_url: url_of("esplora.server_url", server.server_url, &["http", "https"])?,
        }),
        (bitcoind, electrum, esplora) => {
            let set: Vec<_> = [
                bitcoind.map(|_| "bitcoind"),
                electrum.map(|_| "electrum"),
                esplora.map(|_| "esplora"),
            ]
            .into_iter()
            .flatten()
            .collect();
            let found = if set.is_empty() { "none is set".to_owned() } else { set.join(" and ") };
            Err(ConfigError::new(
                "chain source",
                format!("set a single one of [bitcoind], [electrum] and [esplora]; found: {found}"),
            ))
        },
    }
}

fn bitcoind_config(keys: file::Bitcoind) -> Result<BitcoindConfig, ConfigError> {
    let missing = |key| ConfigError::new(key, "must be set when bitcoind is the chain source");
    let rpc_address = keys.rpc_address.ok_or_else(|| missing("bitcoind.rpc_address"))?;
    let auth = match (keys.rpc_cookie_file, keys.rpc_user, keys.rpc_password) {
        (Some(file), None, None) => BitcoindAuth::CookieFile(file),
        (Some(_), _, _) => {
            return Err(ConfigError::new(
                "bitcoind.rpc_cookie_file",
                "set it, or rpc_user and rpc_password, not both",
            ));
        },
        (None, Some(user), Some(password)) => BitcoindAuth::Password { user, password },
        (None, None, _) => return Err(missing("bitcoind.rpc_user (or bitcoind.rpc_cookie_file)")),
        (None, Some(_), None) => return Err(missing("bitcoind.rpc_password")),
    };
    Ok(BitcoindConfig {
        rpc: host_port("bitcoind.rpc_address", &rpc_address)?,
        auth,
        rest: keys
            .rest_address
            .map(|address| host_port("bitcoind.rest_address", &address))
            .transpose()?,
    })
}

fn host_port(key: &str, text: &str) -> Result<HostPort, ConfigError> {
    text.rsplit_once(':')
        .and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse().ok()?)))
        .filter(|(host, _)| !host.is_empty())
        .map(|(host, port)| HostPort { host: host.to_owned(), port })
        .ok_or_else(|| ConfigError::new(key, format!("\"{text}\" must be host:port")))
}

pub(super) fn log(
    keys: file::Log,
    storage_dir: &Path,
    network_dir: &Path,
) -> Result<LogConfig, ConfigError> {
    let file::Log {
        level,
        file,
        log_to_file,
        format,
        targets,
        max_size_mb,
        rotation_interval_hours,
        max_files,
    } = keys;
    let level = match level {
        None => log::LevelFilter::Debug,
        Some(text) => log_level("log.level", &text)?,
    };
    let format = match format.as_deref() {
        None | Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(other) => {
            let reason = format!("\"{other}\"; accepted are text and json");
            return Err(ConfigError::new("log.format", reason));
        },
    };
    let file = file.unwrap_or_else(|| network_dir.join("ldk-server.log"));
    if file == storage_dir || file == network_dir {
        return Err(ConfigError::new("log.file", "must name a file, not the storage directory"));
    }
    let max_size_mb = max_size_mb.unwrap_or(DEFAULT_LOG_MAX_SIZE_MB);
    let max_hours = rotation_interval_hours.unwrap_or(DEFAULT_LOG_ROTATION_HOURS);
    let rotation = LogRotation {
        max_bytes: (max_size_mb > 0).then(|| max_size_mb.saturating_mul(BYTES_PER_MIB)),
        max_age: (max_hours > 0).then(|| Duration::from_secs(max_hours.saturating_mul(60 * 60))),
        max_files: max_files.unwrap_or(DEFAULT_LOG_MAX_FILES),
    };
    Ok(LogConfig {
        level,
        targets: targets.iter().map(|text| log_target(text)).collect::<Result<_, _>>()?,
        format,
        file: log_to_file.unwrap_or(true).then_some(file),
        rotation,
    })
}

fn log_target(text: &str) -> Result<(String, log::LevelFilter), ConfigError> {
    const KEY: &str = "log.targets";
    match text.split_once('=') {
        Some((target, level)) if !target.trim().is_empty() => {
            Ok((target.trim().to_owned(), log_level(KEY, level.trim())?))
        },
        _ => {
            let reason = format!("\"{text}\" must be target=level, as in lightning::chain=Info");
            Err(ConfigError::new(KEY, reason))
        },
    }
}

fn log_level(key: &str, text: &str) -> Result<log::LevelFilter, ConfigError> {
    text.parse().map_err(|_| {
        let accepted = "accepted are Error, Warn, Info, Debug, Trace and Off";
        ConfigError::new(key, format!("\"{text}\"; {accepted}"))
    })
}

pub(super) fn hodl_fail_before_deadline_blocks(blocks: Option<u32>) -> Result<u32, ConfigError> {
    match blocks.unwrap_or(DEFAULT_HODL_BLOCKS) {
        blocks if blocks <= MAX_HODL_BLOCKS => Ok(blocks),
        blocks => Err(ConfigError::new(
            "hodl.fail_before_deadline_blocks",
            format!("{blocks} is too large; at most {MAX_HODL_BLOCKS}"),
        )),
    }
}

pub(super) fn keep_expired_invoices(
    secs: Option<u64>,
    network: Network,
) -> Result<Duration, ConfigError> {
    match secs.unwrap_or(DEFAULT_KEEP_EXPIRED_SECS) {
        secs if secs < MIN_KEEP_EXPIRED_SECS && network != Network::Regtest => {
            Err(ConfigError::new(
                "history.keep_expired_invoices_secs",
                format!(
                    "{secs} is too small; at least {MIN_KEEP_EXPIRED_SECS}, because until then an \
                     invoice may still be paid"
                ),
            ))
        },
        secs => Ok(Duration::from_secs(secs)),
    }
}

pub(super) fn events(keys: file::Events) -> Result<EventsConfig, ConfigError> {
    let keep_secs = keys.keep_secs.unwrap_or(DEFAULT_KEEP_SECS);
    if keep_secs < MIN_KEEP_SECS {
        let reason = format!("{keep_secs} is too small; at least {MIN_KEEP_SECS} seconds");
        return Err(ConfigError::new("events.keep_secs", reason));
    }
    let keep_count = keys.keep_count.unwrap_or(DEFAULT_KEEP_COUNT);
    if keep_count == 0 {
        return Err(ConfigError::new("events.keep_count", "0 is too small; at least 1 event"));
    }
    Ok(EventsConfig { keep_secs, keep_count })
}

pub(super) fn hrn(keys: file::Hrn) -> Result<HrnConfig, ConfigError> {
    // Refused before, unless false.
    let file::Hrn { mode, dns_server_address, timeout_secs, enable_resolution_service: _ } = keys;
    if let Some(mode) = mode.filter(|mode| mode != "dns") {
        return Err(ConfigError::new("hrn.mode", format!("\"{mode}\"; accepted is dns")));
    }
    let timeout_secs = timeout_secs.unwrap_or(DEFAULT_HRN_TIMEOUT_SECS);
    if !(1..=MAX_HRN_TIMEOUT_SECS).contains(&timeout_secs) {
        let reason = format!("{timeout_secs}; accepted are 1 to {MAX_HRN_TIMEOUT_SECS} seconds");
        return Err(ConfigError::new("hrn.timeout_secs", reason));
    }
    let address = dns_server_address.unwrap_or_else(|| DEFAULT_DNS_SERVER.to_owned());
    Ok(HrnConfig {
        dns_server: host_and_maybe_port("hrn.dns_server_address", &address, DNS_PORT)?,
        timeout: Duration::from_secs(timeout_secs),
    })
}

fn host_and_maybe_port(key: &str, text: &str, port: u16) -> Result<HostPort, ConfigError> {
    let host = text.trim_matches(['[', ']']);
    if host.parse::<IpAddr>().is_ok() || DnsName::try_from(host).is_ok() {
        return Ok(HostPort { host: host.to_owned(), port });
    }
    host_port(key, text)
}

pub(super) fn metrics(keys: file::Metrics) -> Result<MetricsConfig, ConfigError> {
    let file::Metrics { enabled, poll_metrics_interval, username, password } = keys;
    let poll_secs = poll_metrics_interval.unwrap_or(DEFAULT_POLL_SECS);
    if poll_secs == 0 {
        return Err(ConfigError::new("metrics.poll_metrics_interval", "must be at least 1 second"));
    }
    let missing = |key| ConfigError::new(key, "set it together with the other half of the login");
    let login = match (username, password) {
        (Some(username), Some(password)) => Some(MetricsLogin { username, password }),
        (None, Some(_)) if enabled => return Err(missing("metrics.username")),
        (Some(_), None) if enabled => return Err(missing("metrics.password")),
        _ => None,
    };
    Ok(MetricsConfig { enabled, poll_interval: Duration::from_secs(poll_secs), login })
}

pub(super) fn tor_proxy(address: Option<String>) -> Result<Option<HostPort>, ConfigError> {
    const KEY: &str = "tor.proxy_address";
    let Some(text) = address else { return Ok(None) };
    match peer_address(KEY, &text)? {
        SocketAddress::OnionV3 { .. } | SocketAddress::OnionV2(_) => {
            Err(ConfigError::new(KEY, "must be the address of Tor's own proxy, not behind Tor"))
        },
        _ => host_port(KEY, &text).map(Some),
    }
}

pub(super) fn tls_hosts(hosts: Vec<String>) -> Result<Vec<String>, ConfigError> {
    for host in &hosts {
        if host.parse::<IpAddr>().is_err() && DnsName::try_from(host.as_str()).is_err() {
            let reason = format!("\"{host}\" is neither an IP address nor a DNS name");
            return Err(ConfigError::new("tls.hosts", reason));
        }
    }
    Ok(hosts)
}

pub(super) fn lsps2_client(keys: file::Lsps2Client) -> Result<Lsps2ClientConfig, ConfigError> {
    let node_id = PublicKey::from_str(&keys.node_pubkey).map_err(|_| {
        let reason = format!("\"{}\" is not a public key of 66 hex digits", keys.node_pubkey);
        ConfigError::new("liquidity.lsps2_client.node_pubkey", reason)
    })?;
    Ok(Lsps2ClientConfig {
        node_id,
        address: peer_address("liquidity.lsps2_client.address", &keys.address)?,
        token: keys.token,
    })
}

pub(super) fn lsps2_service(keys: file::Lsps2Service) -> LSPS2ServiceConfig {
    let file::Lsps2Service {
        advertise_service,
        channel_opening_fee_ppm,
        channel_over_provisioning_ppm,
        min_channel_opening_fee_msat,
        min_channel_lifetime,
        max_client_to_self_delay,
        min_payment_size_msat,
        max_payment_size_msat,
        client_trusts_lsp,
        require_token,
        // Refused before, unless false.
        allow_client_0reserve: _,
        disable_client_reserve: _,
    } = keys;
    LSPS2ServiceConfig {
        require_token,
        advertise_service,
        channel_opening_fee_ppm,
        channel_over_provisioning_ppm,
        min_channel_opening_fee_msat,
        min_channel_lifetime,
        max_client_to_self_delay,
        min_payment_size_msat,
        max_payment_size_msat,
        client_trusts_lsp,
    }
}
