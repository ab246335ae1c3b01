//! From the values of the keys to what the daemon works with, or a message that names the key.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::{AsyncPaymentsRole, BackgroundSyncConfig};
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::liquidity::LSPS2ServiceConfig;
use ldk_server_grpc::places;
use rustls_pki_types::DnsName;
use secrecy::SecretString;

use super::values::{Source, Values};
use super::{
    BitcoindAuth, BitcoindConfig, ChainSource, ChannelsConfig, ConfigError, EventsConfig, HostPort,
    HrnConfig, LogConfig, LogFormat, LogRotation, Lsps2ClientConfig, MetricsConfig, MetricsLogin,
    TlsConfig,
};

/// What to tell somebody who has configured nothing yet.
pub(super) const FIRST_STEPS: &str = "\
nothing is configured. At least a Bitcoin network and a source of blocks are needed. Three short ways:

  With Bitcoin Core on this machine:
    ldk-server --node-network signet --bitcoind-rpc-address 127.0.0.1:38332 \\
        --bitcoind-rpc-cookie-file ~/.bitcoin/signet/.cookie

  With an Electrum or Esplora server:
    ldk-server --node-network signet --esplora-server-url https://esplora.example.org/api

  With a file, to keep:
    mkdir -p ~/.ldk-server && ldk-server --print-default-config > ~/.ldk-server/config.toml
    (then change the network and the chain source in it, and start ldk-server)
";

const BYTES_PER_MIB: u64 = 1024 * 1024;
/// BOLT 7 gives the alias 32 bytes.
const MAX_ALIAS_BYTES: usize = 32;
/// A day: no payment is held longer, so that a larger number could only be a mistake.
const MAX_HODL_BLOCKS: u32 = 144;
/// A day. The library goes by the time of blocks, and takes a payment up to two hours after the
/// invoice has expired by that; blocks may lag behind the clock by some hours more.
const MIN_KEEP_EXPIRED_SECS: u64 = 86_400;
/// Less is no time to come back in.
const MIN_KEEP_SECS: u64 = 60;
/// The node library goes no lower.
const MIN_SYNC_INTERVAL_SECS: u64 = 10;
/// An hour: a node that looks at the chain less often is not safe.
const MAX_SYNC_INTERVAL_SECS: u64 = 3_600;
/// A hundredth of a coin: more could only be a mistake.
const MAX_ANCHOR_RESERVE_SATS: u64 = 1_000_000;
/// TOML has no larger integers.
const MAX_INTEGER: u64 = i64::MAX.unsigned_abs();
const DNS_PORT: u16 = 53;
const MAX_HRN_TIMEOUT_SECS: u64 = 60;
/// The node library takes no more.
const MAX_PEER_ADDRESSES: usize = 100;
/// What the log is called in the directory of the network.
const LOG_FILE: &str = "ldk-server.log";

fn missing(key: &str) -> ConfigError {
    ConfigError::new(key, "must be set")
}

pub(super) fn storage_dir(values: &Values) -> Result<PathBuf, ConfigError> {
    const KEY: &str = "storage.disk.dir_path";
    values
        .path(KEY)
        .or_else(places::default_dir)
        .ok_or_else(|| ConfigError::new(KEY, "must be set: there is no home directory"))
}

/// Sets the defaults of paths that depend on the storage directory.
pub(super) fn set_paths(values: &mut Values, storage_dir: &Path, network: Network) {
    let network_dir = places::network_dir(storage_dir, &network.to_string());
    for (key, path) in [
        ("storage.disk.dir_path", storage_dir.to_owned()),
        ("log.file", network_dir.join(LOG_FILE)),
        ("tls.cert_path", places::tls_cert_file(storage_dir)),
        ("tls.key_path", places::tls_key_file(storage_dir)),
    ] {
        values.set_default(key, path.display().to_string());
    }
}

pub(super) fn network(values: &Values) -> Result<Network, ConfigError> {
    let text = values.text("node.network");
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

fn peer_addresses(values: &Values, key: &str) -> Result<Vec<SocketAddress>, ConfigError> {
    let texts = values.list(key);
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

fn alias(values: &Values) -> Result<Option<String>, ConfigError> {
    let Some(alias) = values.text("node.alias").map(|text| text.trim().to_owned()) else {
        return Ok(None);
    };
    match alias.len() {
        0 => Err(ConfigError::new("node.alias", "must not be empty; remove the key for no alias")),
        1..=MAX_ALIAS_BYTES => Ok(Some(alias)),
        bytes => Err(ConfigError::new(
            "node.alias",
            format!("\"{alias}\" has {bytes} bytes; at most {MAX_ALIAS_BYTES}"),
        )),
    }
}

/// What the network is told of the node.
pub(super) struct Identity {
    pub(super) listening_addresses: Vec<SocketAddress>,
    pub(super) announcement_addresses: Vec<SocketAddress>,
    pub(super) alias: Option<String>,
}

impl Identity {
    pub(super) fn is_announceable(&self) -> bool {
        self.alias.is_some() && !self.listening_addresses.is_empty()
    }
}

/// What the node library would refuse later with less of an explanation is refused here.
pub(super) fn identity(values: &Values) -> Result<Identity, ConfigError> {
    let identity = Identity {
        listening_addresses: peer_addresses(values, "node.listening_addresses")?,
        announcement_addresses: peer_addresses(values, "node.announcement_addresses")?,
        alias: alias(values)?,
    };
    if identity.alias.is_some() && identity.listening_addresses.is_empty() {
        return Err(ConfigError::new("node.alias", "needs node.listening_addresses to be set too"));
    }
    if !identity.announcement_addresses.is_empty() && !identity.is_announceable() {
        return Err(ConfigError::new(
            "node.announcement_addresses",
            "needs node.alias and node.listening_addresses to be set too",
        ));
    }
    Ok(identity)
}

pub(super) fn async_payments_role(
    values: &Values,
    is_announceable: bool,
) -> Result<Option<AsyncPaymentsRole>, ConfigError> {
    const KEY: &str = "node.async_payments_role";
    match values.text(KEY).map(|text| text.trim().to_ascii_lowercase()).as_deref() {
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

pub(super) fn grpc_address(values: &Values) -> Result<SocketAddr, ConfigError> {
    const KEY: &str = "node.grpc_service_address";
    let text = values.text(KEY).ok_or_else(|| missing(KEY))?;
    text.parse().map_err(|_| {
        let accepted = "accepted are ipv4:port and [ipv6]:port, not host names";
        ConfigError::new(KEY, format!("\"{text}\"; {accepted}"))
    })
}

/// The empty text is no URL, and no mistake.
pub(super) fn http_url(values: &Values, key: &str) -> Result<Option<String>, ConfigError> {
    let url = values.text(key).filter(|url| !url.is_empty());
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

/// A password that is given by flag or variable replaces a cookie file in the file, and the other
/// way round.
pub(super) fn choose_bitcoind_login(values: &mut Values) {
    const COOKIE_FILE: &str = "bitcoind.rpc_cookie_file";
    const LOGIN: [&str; 2] = ["bitcoind.rpc_user", "bitcoind.rpc_password"];
    let is_given =
        |values: &Values, key| matches!(values.source(key), Some(Source::Flag | Source::Variable));
    let replaced: &[&str] = if is_given(values, COOKIE_FILE) {
        &LOGIN
    } else if LOGIN.iter().any(|key| is_given(values, key)) {
        &[COOKIE_FILE]
    } else {
        &[]
    };
    for key in replaced {
        if values.source(key) == Some(Source::File) {
            values.remove(key);
        }
    }
}

pub(super) fn chain_source(values: &Values) -> Result<ChainSource, ConfigError> {
    let server_url = |key: &str, schemes: &[&str]| {
        url_of(key, values.text(key).ok_or_else(|| missing(key))?, schemes)
    };
    let sections = ["bitcoind", "electrum", "esplora"];
    let set: Vec<&str> =
        sections.into_iter().filter(|section| values.have_section(section)).collect();
    match set[..] {
        ["bitcoind"] => bitcoind(values).map(ChainSource::Bitcoind),
        ["electrum"] => Ok(ChainSource::Electrum {
            server_url: server_url("electrum.server_url", &["tcp", "ssl"])?,
        }),
        ["esplora"] => Ok(ChainSource::Esplora {
            server_url: server_url("esplora.server_url", &["http", "https"])?,
            headers: headers(values)?,
        }),
        _ => {
            let found = if set.is_empty() { "none is set".to_owned() } else { set.join(" and ") };
            Err(ConfigError::new(
                "chain source",
                format!("set a single one of [bitcoind], [electrum] and [esplora]; found: {found}"),
            ))
        },
    }
}

/// The text is not quoted: it may hold a password.
fn headers(values: &Values) -> Result<Vec<(String, SecretString)>, ConfigError> {
    let header = |text: &String| {
        let (name, value) = text.split_once(':')?;
        let (name, value) = (name.trim(), value.trim());
        HeaderName::from_str(name).ok()?;
        HeaderValue::from_str(value).ok()?;
        Some((name.to_owned(), SecretString::from(value)))
    };
    let headers: Option<Vec<_>> = values.list("esplora.headers").iter().map(header).collect();
    headers.ok_or_else(|| ConfigError::new("esplora.headers", "each must be \"Name: value\""))
}

pub(super) fn sync(values: &Values) -> Result<BackgroundSyncConfig, ConfigError> {
    let interval = |key| {
        values
            .number(key, MIN_SYNC_INTERVAL_SECS, MAX_SYNC_INTERVAL_SECS)?
            .ok_or_else(|| missing(key))
    };
    Ok(BackgroundSyncConfig {
        onchain_wallet_sync_interval_secs: interval("sync.onchain_wallet_interval_secs")?,
        lightning_wallet_sync_interval_secs: interval("sync.lightning_wallet_interval_secs")?,
        fee_rate_cache_update_interval_secs: interval("sync.fee_rates_interval_secs")?,
    })
}

pub(super) fn channels(values: &Values) -> Result<ChannelsConfig, ConfigError> {
    const RESERVE: &str = "channels.anchor_reserve_sats";
    let peers = |key| -> Result<Vec<PublicKey>, ConfigError> {
        values.list(key).iter().map(|text| public_key(key, text)).collect()
    };
    Ok(ChannelsConfig {
        trusted_peers_0conf: peers("channels.trusted_peers_0conf")?,
        anchor_reserve_sats: values
            .number(RESERVE, 0, MAX_ANCHOR_RESERVE_SATS)?
            .ok_or_else(|| missing(RESERVE))?,
        anchor_trusted_peers: peers("channels.anchor_trusted_peers")?,
    })
}

fn public_key(key: &str, text: &str) -> Result<PublicKey, ConfigError> {
    PublicKey::from_str(text).map_err(|_| {
        ConfigError::new(key, format!("\"{text}\" is not a public key of 66 hex digits"))
    })
}

fn bitcoind(values: &Values) -> Result<BitcoindConfig, ConfigError> {
    let missing = |key| ConfigError::new(key, "must be set when bitcoind is the chain source");
    let rpc_address =
        values.text("bitcoind.rpc_address").ok_or_else(|| missing("bitcoind.rpc_address"))?;
    let auth = match (
        values.path("bitcoind.rpc_cookie_file"),
        values.text("bitcoind.rpc_user"),
        values.secret("bitcoind.rpc_password"),
    ) {
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
    let rest_address = values.text("bitcoind.rest_address");
    Ok(BitcoindConfig {
        rpc: host_port("bitcoind.rpc_address", &rpc_address)?,
        auth,
        rest: rest_address
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
    values: &Values,
    storage_dir: &Path,
    network: Network,
) -> Result<LogConfig, ConfigError> {
    let text = |key| values.text(key).ok_or_else(|| missing(key));
    let number = |key| values.number(key, 0, MAX_INTEGER)?.ok_or_else(|| missing(key));
    let format = match text("log.format")?.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => {
            let reason = format!("\"{other}\"; accepted are text and json");
            return Err(ConfigError::new("log.format", reason));
        },
    };
    let file = values.path("log.file").ok_or_else(|| missing("log.file"))?;
    if file == storage_dir || file == places::network_dir(storage_dir, &network.to_string()) {
        return Err(ConfigError::new("log.file", "must name a file, not the storage directory"));
    }
    let max_mib = number("log.max_size_mb")?;
    let max_hours = number("log.rotation_interval_hours")?;
    let max_files = number("log.max_files")?;
    let rotation = LogRotation {
        max_bytes: (max_mib > 0).then(|| max_mib.saturating_mul(BYTES_PER_MIB)),
        max_age: (max_hours > 0).then(|| Duration::from_secs(max_hours.saturating_mul(60 * 60))),
        max_files: usize::try_from(max_files).unwrap_or(usize::MAX),
    };
    let targets = values.list("log.targets");
    Ok(LogConfig {
        level: log_level("log.level", &text("log.level")?)?,
        targets: targets.iter().map(|text| log_target(text)).collect::<Result<_, _>>()?,
        format,
        file: values.is_on("log.log_to_file").then_some(file),
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

pub(super) fn hodl_fail_before_deadline_blocks(values: &Values) -> Result<u32, ConfigError> {
    const KEY: &str = "hodl.fail_before_deadline_blocks";
    values.number(KEY, 0, MAX_HODL_BLOCKS)?.ok_or_else(|| missing(KEY))
}

pub(super) fn keep_expired_invoices(
    values: &Values,
    network: Network,
) -> Result<Duration, ConfigError> {
    const KEY: &str = "history.keep_expired_invoices_secs";
    match values.number(KEY, 0, MAX_INTEGER)?.ok_or_else(|| missing(KEY))? {
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
    let number = |key, least| values.number(key, least, MAX_INTEGER)?.ok_or_else(|| missing(key));
    Ok(EventsConfig {
        keep_secs: number("events.keep_secs", MIN_KEEP_SECS)?,
        keep_count: number("events.keep_count", 1)?,
    })
}

pub(super) fn hrn(values: &Values) -> Result<HrnConfig, ConfigError> {
    match values.text("hrn.mode").as_deref() {
        None | Some("dns") => {},
        Some("blip32") => {
            let reason =
                "not supported: LDK Node 0.7.1 cannot ask peers for names; accepted is dns";
            return Err(ConfigError::new("hrn.mode", format!("\"blip32\" is {reason}")));
        },
        Some(mode) => {
            return Err(ConfigError::new("hrn.mode", format!("\"{mode}\"; accepted is dns")));
        },
    }
    let (address_key, timeout_key) = ("hrn.dns_server_address", "hrn.timeout_secs");
    let timeout_secs = values.number(timeout_key, 1, MAX_HRN_TIMEOUT_SECS)?;
    let address = values.text(address_key).ok_or_else(|| missing(address_key))?;
    Ok(HrnConfig {
        dns_server: host_and_maybe_port(address_key, &address, DNS_PORT)?,
        timeout: Duration::from_secs(timeout_secs.ok_or_else(|| missing(timeout_key))?),
    })
}

fn host_and_maybe_port(key: &str, text: &str, port: u16) -> Result<HostPort, ConfigError> {
    let host = text.trim_matches(['[', ']']);
    if host.parse::<IpAddr>().is_ok() || DnsName::try_from(host).is_ok() {
        return Ok(HostPort { host: host.to_owned(), port });
    }
    host_port(key, text)
}

pub(super) fn metrics(values: &Values) -> Result<MetricsConfig, ConfigError> {
    const POLL_INTERVAL: &str = "metrics.poll_metrics_interval";
    let enabled = values.is_on("metrics.enabled");
    let poll_secs =
        values.number(POLL_INTERVAL, 1, MAX_INTEGER)?.ok_or_else(|| missing(POLL_INTERVAL))?;
    let half = |key| ConfigError::new(key, "set it together with the other half of the login");
    let login = match (values.text("metrics.username"), values.secret("metrics.password")) {
        (Some(username), Some(password)) => Some(MetricsLogin { username, password }),
        (None, Some(_)) if enabled => return Err(half("metrics.username")),
        (Some(_), None) if enabled => return Err(half("metrics.password")),
        _ => None,
    };
    Ok(MetricsConfig { enabled, poll_interval: Duration::from_secs(poll_secs), login })
}

pub(super) fn tor_proxy(values: &Values) -> Result<Option<HostPort>, ConfigError> {
    const KEY: &str = "tor.proxy_address";
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

pub(super) fn tls(values: &Values) -> Result<TlsConfig, ConfigError> {
    let path = |key| values.path(key).ok_or_else(|| missing(key));
    let hosts = values.list("tls.hosts");
    for host in &hosts {
        if host.parse::<IpAddr>().is_err() && DnsName::try_from(host.as_str()).is_err() {
            let reason = format!("\"{host}\" is neither an IP address nor a DNS name");
            return Err(ConfigError::new("tls.hosts", reason));
        }
    }
    Ok(TlsConfig { cert_path: path("tls.cert_path")?, key_path: path("tls.key_path")?, hosts })
}

pub(super) fn lsps2_client(values: &Values) -> Result<Option<Lsps2ClientConfig>, ConfigError> {
    const NODE: &str = "liquidity.lsps2_client.node_pubkey";
    const ADDRESS: &str = "liquidity.lsps2_client.address";
    if !values.have_section("liquidity.lsps2_client") {
        return Ok(None);
    }
    let node_id = values.text(NODE).ok_or_else(|| missing(NODE))?;
    let address = values.text(ADDRESS).ok_or_else(|| missing(ADDRESS))?;
    Ok(Some(Lsps2ClientConfig {
        node_id: public_key(NODE, &node_id)?,
        address: peer_address(ADDRESS, &address)?,
        token: values.secret("liquidity.lsps2_client.token"),
    }))
}

/// All of the section but the token has to be set.
pub(super) fn lsps2_service(values: &Values) -> Result<Option<LSPS2ServiceConfig>, ConfigError> {
    const SECTION: &str = "liquidity.lsps2_service";
    if !values.have_section(SECTION) {
        return Ok(None);
    }
    let key = |name: &str| format!("{SECTION}.{name}");
    let is_on = |name: &str| match values.source(&key(name)) {
        Some(_) => Ok(values.is_on(&key(name))),
        None => Err(missing(&key(name))),
    };
    let small =
        |name: &str| values.number(&key(name), 0, u32::MAX)?.ok_or_else(|| missing(&key(name)));
    let large =
        |name: &str| values.number(&key(name), 0, MAX_INTEGER)?.ok_or_else(|| missing(&key(name)));
    Ok(Some(LSPS2ServiceConfig {
        require_token: values.text(&key("require_token")),
        advertise_service: is_on("advertise_service")?,
        channel_opening_fee_ppm: small("channel_opening_fee_ppm")?,
        channel_over_provisioning_ppm: small("channel_over_provisioning_ppm")?,
        min_channel_opening_fee_msat: large("min_channel_opening_fee_msat")?,
        min_channel_lifetime: small("min_channel_lifetime")?,
        max_client_to_self_delay: small("max_client_to_self_delay")?,
        min_payment_size_msat: large("min_payment_size_msat")?,
        max_payment_size_msat: large("max_payment_size_msat")?,
        client_trusts_lsp: is_on("client_trusts_lsp")?,
    }))
}
