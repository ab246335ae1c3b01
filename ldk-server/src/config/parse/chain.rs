//! The chain source.

use std::path::PathBuf;
use std::str::FromStr as _;

use http::{HeaderName, HeaderValue};
use ldk_node::config::BackgroundSyncConfig;
use reqwest::Url;
use secrecy::SecretString;

use super::{host_port, missing, url_of};
use crate::config::keys::{self, Key, Switch, Text};
use crate::config::values::{Source, Values};
use crate::config::{
    BitcoindAuth, BitcoindConfig, ChainSource, ConfigError, ElectrumConfig, EsploraConfig,
};

/// The minimum of the node library.
const MIN_SYNC_INTERVAL_SECS: u64 = 10;
/// An hour. A node that syncs less often is not safe.
const MAX_SYNC_INTERVAL_SECS: u64 = 3_600;

/// A password in a flag or variable replaces a cookie file in the file, and the other way round.
pub(in crate::config) fn choose_bitcoind_login(values: &mut Values) {
    const COOKIE_FILE: Key<Text> = keys::BITCOIND_RPC_COOKIE_FILE;
    const LOGIN: [Key<Text>; 2] = [keys::BITCOIND_RPC_USER, keys::BITCOIND_RPC_PASSWORD];
    let is_given =
        |values: &Values, key| matches!(values.source(key), Some(Source::Flag | Source::Variable));
    let replaced: &[Key<Text>] = if is_given(values, COOKIE_FILE) {
        &LOGIN
    } else if LOGIN.iter().any(|key| is_given(values, *key)) {
        &[COOKIE_FILE]
    } else {
        &[]
    };
    for &key in replaced {
        if values.source(key) == Some(Source::File) {
            values.remove(key);
        }
    }
}

/// Whether the wallet scans the whole chain, which needs an index of the chain.
pub(in crate::config) fn force_wallet_full_scan(values: &Values) -> Result<bool, ConfigError> {
    const FLAG: Key<Switch> = keys::FORCE_WALLET_FULL_SCAN;
    let is_on = values.is_on(FLAG);
    if is_on && values.have_section("bitcoind") {
        let reason = "not with [bitcoind]: LDK Node 0.7.1 cannot scan blocks from before the wallet was \
                      created; use Electrum or Esplora for this start";
        return Err(ConfigError::new(FLAG, reason));
    }
    Ok(is_on)
}

pub(in crate::config) fn chain_source(values: &Values) -> Result<ChainSource, ConfigError> {
    let sections = ["bitcoind", "electrum", "esplora"];
    let set: Vec<&str> =
        sections.into_iter().filter(|section| values.have_section(section)).collect();
    match set[..] {
        ["bitcoind"] => bitcoind(values).map(ChainSource::Bitcoind),
        ["electrum"] => electrum(values).map(ChainSource::Electrum),
        ["esplora"] => esplora(values).map(ChainSource::Esplora),
        _ => {
            let found = if set.is_empty() { "none is set".to_owned() } else { set.join(" and ") };
            Err(ConfigError::new(
                "chain source",
                format!("set a single one of [bitcoind], [electrum] and [esplora]; found: {found}"),
            ))
        },
    }
}

fn bitcoind(values: &Values) -> Result<BitcoindConfig, ConfigError> {
    let missing =
        |key: &str| ConfigError::new(key, "must be set when bitcoind is the chain source");
    let rpc_address = values
        .text(keys::BITCOIND_RPC_ADDRESS)
        .ok_or_else(|| missing(keys::BITCOIND_RPC_ADDRESS.name()))?;
    let auth = match (
        values.path(keys::BITCOIND_RPC_COOKIE_FILE),
        values.text(keys::BITCOIND_RPC_USER),
        values.secret(keys::BITCOIND_RPC_PASSWORD),
    ) {
        (Some(file), None, None) => BitcoindAuth::CookieFile(file),
        (Some(_), _, _) => {
            return Err(ConfigError::new(
                keys::BITCOIND_RPC_COOKIE_FILE,
                "set it, or rpc_user and rpc_password, not both",
            ));
        },
        (None, Some(user), Some(password)) => BitcoindAuth::Password { user, password },
        (None, None, _) => return Err(missing("bitcoind.rpc_user (or bitcoind.rpc_cookie_file)")),
        (None, Some(_), None) => return Err(missing(keys::BITCOIND_RPC_PASSWORD.name())),
    };
    let rest_address = values.text(keys::BITCOIND_REST_ADDRESS);
    Ok(BitcoindConfig {
        rpc: host_port(keys::BITCOIND_RPC_ADDRESS, &rpc_address)?,
        auth,
        rest: rest_address
            .map(|address| host_port(keys::BITCOIND_REST_ADDRESS, &address))
            .transpose()?,
    })
}

fn electrum(values: &Values) -> Result<ElectrumConfig, ConfigError> {
    const KEY: Key<Text> = keys::ELECTRUM_SERVER_URL;
    let url = url_of(KEY, values.text(KEY).ok_or_else(|| missing(KEY))?, &["tcp", "ssl"])?;
    let uses_tls = url.starts_with("ssl://");
    let (_, address) = url.split_once("://").unwrap_or_default();
    Ok(ElectrumConfig {
        server: host_port(KEY, address)?,
        uses_tls,
        ca_cert_path: ca_cert_path(values, keys::ELECTRUM_CA_CERT_PATH, uses_tls, "ssl://")?,
    })
}

/// A URL that cannot be read is not quoted: it may hold a password.
fn esplora(values: &Values) -> Result<EsploraConfig, ConfigError> {
    const KEY: Key<Text> = keys::ESPLORA_SERVER_URL;
    let url = url_of(KEY, values.text(KEY).ok_or_else(|| missing(KEY))?, &["http", "https"])?;
    if let Err(error) = Url::parse(&url) {
        return Err(ConfigError::new(KEY, format!("is not a URL: {error}")));
    }
    let uses_tls = url.starts_with("https://");
    let ca_cert_path = ca_cert_path(values, keys::ESPLORA_CA_CERT_PATH, uses_tls, "https://")?;
    Ok(EsploraConfig { server_url: url, headers: headers(values)?, ca_cert_path })
}

/// Refuses a certificate authority without TLS, because it would have no effect.
fn ca_cert_path(
    values: &Values,
    key: Key<Text>,
    uses_tls: bool,
    scheme: &str,
) -> Result<Option<PathBuf>, ConfigError> {
    match values.path(key) {
        Some(_) if !uses_tls => {
            let reason = format!("is for a server_url with {scheme} only; remove the key");
            Err(ConfigError::new(key, reason))
        },
        path => Ok(path),
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
    let headers: Option<Vec<_>> = values.list(keys::ESPLORA_HEADERS).iter().map(header).collect();
    headers.ok_or_else(|| ConfigError::new(keys::ESPLORA_HEADERS, "each must be \"Name: value\""))
}

pub(in crate::config) fn sync(values: &Values) -> Result<BackgroundSyncConfig, ConfigError> {
    let interval = |key| {
        values
            .number(key, MIN_SYNC_INTERVAL_SECS..=MAX_SYNC_INTERVAL_SECS)?
            .ok_or_else(|| missing(key))
    };
    Ok(BackgroundSyncConfig {
        onchain_wallet_sync_interval_secs: interval(keys::SYNC_ONCHAIN_WALLET_INTERVAL_SECS)?,
        lightning_wallet_sync_interval_secs: interval(keys::SYNC_LIGHTNING_WALLET_INTERVAL_SECS)?,
        fee_rate_cache_update_interval_secs: interval(keys::SYNC_FEE_RATES_INTERVAL_SECS)?,
    })
}
