//! Converts the values of keys to the parts of a `Config`. Errors name the key.

mod chain;
mod cln;
mod cln_grpc;
mod cln_plugins;
mod http;
mod limits;
mod liquidity;
mod lnurl;
mod log;
mod node;
mod phoenixd;
mod postgres;
mod routing;
mod tls;
mod unix_socket;
mod webhooks;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

pub(super) use self::log::log;
pub(super) use chain::{chain_source, choose_bitcoind_login, force_wallet_full_scan, sync};
pub(super) use cln::cln_rest;
pub(super) use cln_grpc::cln_grpc;
pub(super) use cln_plugins::cln_plugins;
pub(super) use http::http;
use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_server_grpc::{AuthorityFiles, places};
pub(super) use limits::{limits, peer_limits};
pub(super) use liquidity::{lsps1_client, lsps2_client, lsps2_service};
pub(super) use lnurl::lnurl;
pub(super) use node::{async_payments_role, grpc_address, identity};
pub(super) use phoenixd::phoenixd;
pub(super) use postgres::postgres;
pub(super) use routing::{channels, routing};
use rustls_pki_types::DnsName;
pub(super) use tls::{client_auth, tls};
pub(super) use unix_socket::{cln_socket, unix_socket};
pub(super) use webhooks::webhooks;

use node::socket_address;

use super::keys::{self, Key, Number, Text};
use super::values::Values;
use super::{ConfigError, EventsConfig, HostPort, HrnConfig, MetricsConfig, MetricsLogin};

/// The message if nothing is configured yet.
pub(super) const FIRST_STEPS: &str = "\
nothing is configured. The daemon needs at least a Bitcoin network and a chain source. Three examples:

  With Bitcoin Core on this machine:
    ldk-server --node-network signet --bitcoind-rpc-address 127.0.0.1:38332 \\
        --bitcoind-rpc-cookie-file ~/.bitcoin/signet/.cookie

  With an Electrum or Esplora server:
    ldk-server --node-network signet --esplora-server-url https://esplora.example.org/api

  With a configuration file:
    mkdir -p ~/.ldk-server && ldk-server --print-default-config > ~/.ldk-server/config.toml
    (then change the network and the chain source in it, and start ldk-server)
";

/// A day. No payment is held longer, so a larger number is a mistake.
const MAX_HODL_BLOCKS: u32 = 144;
/// A day. The library goes by the time of blocks, and takes a payment up to two hours after the
/// invoice has expired by that; blocks may lag behind the clock by some hours more.
const MIN_KEEP_EXPIRED_SECS: u64 = 86_400;
/// A shorter time is too short for a client to come back.
const MIN_KEEP_SECS: u64 = 60;
const DNS_PORT: u16 = 53;
const MAX_HRN_TIMEOUT_SECS: u64 = 60;
/// The name of the log file in the directory of the network.
const LOG_FILE: &str = "ldk-server.log";

fn missing<T>(key: Key<T>) -> ConfigError {
    ConfigError::new(key, "must be set")
}

pub(super) fn storage_dir(values: &Values) -> Result<PathBuf, ConfigError> {
    const KEY: Key<Text> = keys::STORAGE_DISK_DIR_PATH;
    values
        .path(KEY)
        .or_else(places::default_dir)
        .ok_or_else(|| ConfigError::new(KEY, "must be set: there is no home directory"))
}

pub(super) fn backup_directory(values: &Values) -> Result<Option<PathBuf>, ConfigError> {
    const KEY: Key<Text> = keys::BACKUP_DIRECTORY;
    match values.path(KEY) {
        Some(path) if path.as_os_str().is_empty() => {
            Err(ConfigError::new(KEY, "must not be empty; remove the key for no mirror"))
        },
        path => Ok(path),
    }
}

/// Sets the defaults of paths that depend on the storage directory.
pub(super) fn set_paths(
    values: &mut Values,
    storage_dir: &Path,
    network: Network,
    has_authority: bool,
) {
    let network_dir = places::network_dir(storage_dir, &network.to_string());
    let (tls_cert, tls_key) = if has_authority {
        let files = AuthorityFiles::in_dir(&network_dir);
        (files.server_cert, files.server_key)
    } else {
        (places::tls_cert_file(storage_dir), places::tls_key_file(storage_dir))
    };
    for (key, path) in [
        (keys::STORAGE_DISK_DIR_PATH, storage_dir.to_owned()),
        (keys::LOG_FILE, network_dir.join(LOG_FILE)),
        (keys::TLS_CERT_PATH, tls_cert),
        (keys::TLS_KEY_PATH, tls_key),
    ] {
        values.set_default(key, path.display().to_string());
    }
}

pub(super) fn network(values: &Values) -> Result<Network, ConfigError> {
    let text = values.text(keys::NODE_NETWORK);
    let error = |reason| {
        let accepted = "set it to bitcoin, testnet, testnet4, signet or regtest";
        ConfigError::new(keys::NODE_NETWORK, format!("{reason}; {accepted}"))
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

fn peer_address(key: impl AsRef<str> + Copy, text: &str) -> Result<SocketAddress, ConfigError> {
    let address = SocketAddress::from_str(text).map_err(|_| {
        let accepted = "accepted are ipv4:port, [ipv6]:port, onion-v3:port and host:port";
        ConfigError::new(key, format!("\"{text}\" is not a peer address; {accepted}"))
    })?;
    // The system would choose an unknown port.
    if port(&address) == 0 {
        let reason = format!("\"{text}\" has port 0; accepted are 1 to 65535, 9735 is usual");
        return Err(ConfigError::new(key, reason));
    }
    Ok(address)
}

fn port(address: &SocketAddress) -> u16 {
    match address {
        SocketAddress::TcpIpV4 { port, .. }
        | SocketAddress::TcpIpV6 { port, .. }
        | SocketAddress::OnionV3 { port, .. }
        | SocketAddress::Hostname { port, .. } => *port,
        SocketAddress::OnionV2([.., high, low]) => u16::from_be_bytes([*high, *low]),
    }
}

/// An empty text means no URL.
pub(super) fn http_url(values: &Values, key: Key<Text>) -> Result<Option<String>, ConfigError> {
    let url = values.text(key).filter(|url| !url.is_empty());
    url.map(|url| url_of(key, url, &["http", "https"])).transpose()
}

fn url_of(key: impl AsRef<str>, url: String, schemes: &[&str]) -> Result<String, ConfigError> {
    let known = url.split_once("://").is_some_and(|(scheme, rest)| {
        schemes.contains(&scheme) && !rest.is_empty() && !rest.contains(char::is_whitespace)
    });
    if known {
        Ok(url)
    } else {
        let accepted = schemes.join(":// or ");
        let shown = crate::urls::masked(&url);
        Err(ConfigError::new(key, format!("\"{shown}\" must be a URL with {accepted}://")))
    }
}

fn public_key(key: impl AsRef<str>, text: &str) -> Result<PublicKey, ConfigError> {
    PublicKey::from_str(text).map_err(|_| {
        ConfigError::new(key, format!("\"{text}\" is not a public key of 66 hex digits"))
    })
}

fn host_port(key: impl AsRef<str>, text: &str) -> Result<HostPort, ConfigError> {
    text.rsplit_once(':')
        .and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse().ok()?)))
        .filter(|(host, _)| !host.is_empty())
        .map(|(host, port)| HostPort { host: host.to_owned(), port })
        .ok_or_else(|| ConfigError::new(key, format!("\"{text}\" must be host:port")))
}

pub(super) fn hodl_fail_before_deadline_blocks(values: &Values) -> Result<u32, ConfigError> {
    const KEY: Key<Number> = keys::HODL_FAIL_BEFORE_DEADLINE_BLOCKS;
    values.number(KEY, 0..=MAX_HODL_BLOCKS)?.ok_or_else(|| missing(KEY))
}

pub(super) fn keep_expired_invoices(
    values: &Values,
    network: Network,
) -> Result<Duration, ConfigError> {
    const KEY: Key<Number> = keys::HISTORY_KEEP_EXPIRED_INVOICES_SECS;
    match values.number(KEY, 0..)?.ok_or_else(|| missing(KEY))? {
        secs if secs < MIN_KEEP_EXPIRED_SECS && network != Network::Regtest => {
            Err(ConfigError::new(
                KEY,
                format!(
                    "{secs} is too small; at least {MIN_KEEP_EXPIRED_SECS}, because until then an \
                     invoice may still be paid"
                ),
            ))
        },
        secs => Ok(Duration::from_secs(secs)),
    }
}

pub(super) fn events(values: &Values) -> Result<EventsConfig, ConfigError> {
    let number = |key, least| values.number(key, least..)?.ok_or_else(|| missing(key));
    Ok(EventsConfig {
        keep_secs: number(keys::EVENTS_KEEP_SECS, MIN_KEEP_SECS)?,
        keep_count: number(keys::EVENTS_KEEP_COUNT, 1)?,
    })
}

pub(super) fn keep_invoices_days(values: &Values) -> Result<u64, ConfigError> {
    const KEY: Key<Number> = keys::INVOICES_KEEP_EXPIRED_DAYS;
    values.number(KEY, 0..)?.ok_or_else(|| missing(KEY))
}

pub(super) fn audit_keep_days(values: &Values) -> Result<u64, ConfigError> {
    const KEY: Key<Number> = keys::AUDIT_KEEP_DAYS;
    values.number(KEY, 0..)?.ok_or_else(|| missing(KEY))
}

pub(super) fn hrn(values: &Values) -> Result<HrnConfig, ConfigError> {
    match values.text(keys::HRN_MODE).as_deref() {
        None | Some("dns") => {},
        Some("blip32") => {
            let reason =
                "not supported: LDK Node 0.7.1 cannot ask peers for names; accepted is dns";
            return Err(ConfigError::new(keys::HRN_MODE, format!("\"blip32\" is {reason}")));
        },
        Some(mode) => {
            return Err(ConfigError::new(keys::HRN_MODE, format!("\"{mode}\"; accepted is dns")));
        },
    }
    let (address_key, timeout_key) = (keys::HRN_DNS_SERVER_ADDRESS, keys::HRN_TIMEOUT_SECS);
    let timeout_secs = values.number(timeout_key, 1..=MAX_HRN_TIMEOUT_SECS)?;
    let address = values.text(address_key).ok_or_else(|| missing(address_key))?;
    Ok(HrnConfig {
        dns_server: host_and_maybe_port(address_key, &address, DNS_PORT)?,
        timeout: Duration::from_secs(timeout_secs.ok_or_else(|| missing(timeout_key))?),
    })
}

fn host_and_maybe_port(
    key: impl AsRef<str>,
    text: &str,
    port: u16,
) -> Result<HostPort, ConfigError> {
    let host = text.trim_matches(['[', ']']);
    if host.parse::<IpAddr>().is_ok() || DnsName::try_from(host).is_ok() {
        return Ok(HostPort { host: host.to_owned(), port });
    }
    host_port(key, text)
}

pub(super) fn metrics(values: &Values) -> Result<MetricsConfig, ConfigError> {
    const POLL_INTERVAL: Key<Number> = keys::METRICS_POLL_METRICS_INTERVAL;
    let enabled = values.is_on(keys::METRICS_ENABLED);
    let poll_secs = values.number(POLL_INTERVAL, 1..)?.ok_or_else(|| missing(POLL_INTERVAL))?;
    let half = |key| ConfigError::new(key, "set it together with the other half of the login");
    let login = match (values.text(keys::METRICS_USERNAME), values.secret(keys::METRICS_PASSWORD)) {
        (Some(username), Some(password)) => Some(MetricsLogin { username, password }),
        (None, Some(_)) if enabled => return Err(half(keys::METRICS_USERNAME)),
        (Some(_), None) if enabled => return Err(half(keys::METRICS_PASSWORD)),
        _ => None,
    };
    Ok(MetricsConfig { enabled, poll_interval: Duration::from_secs(poll_secs), login })
}

pub(super) fn tor_proxy(values: &Values) -> Result<Option<HostPort>, ConfigError> {
    const KEY: Key<Text> = keys::TOR_PROXY_ADDRESS;
    if !values.have_section("tor") {
        return Ok(None);
    }
    let text = values.text(KEY).ok_or_else(|| missing(KEY))?;
    match peer_address(KEY, &text)? {
        SocketAddress::OnionV3 { .. } | SocketAddress::OnionV2(_) => {
            Err(ConfigError::new(KEY, "must be the address of Tor's own proxy, not behind Tor"))
        },
        _ => host_port(KEY, &text).map(Some),
    }
}
