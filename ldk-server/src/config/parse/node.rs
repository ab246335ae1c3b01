//! The announced identity of the node, and its addresses.

use std::net::SocketAddr;

use ldk_node::config::AsyncPaymentsRole;
use ldk_node::lightning::ln::msgs::SocketAddress;

use super::{missing, peer_address};
use crate::config::ConfigError;
use crate::config::keys::{self, Key, List, Text};
use crate::config::values::Values;

/// BOLT 7 gives the alias 32 bytes.
const MAX_ALIAS_BYTES: usize = 32;
/// The limit of the node library.
const MAX_PEER_ADDRESSES: usize = 100;

/// The announced identity of the node.
pub(in crate::config) struct Identity {
    pub(in crate::config) listening_addresses: Vec<SocketAddress>,
    pub(in crate::config) announcement_addresses: Vec<SocketAddress>,
    pub(in crate::config) alias: Option<String>,
}

impl Identity {
    pub(in crate::config) fn is_announceable(&self) -> bool {
        self.alias.is_some() && !self.listening_addresses.is_empty()
    }
}

/// Refuses what the node library would refuse later with a worse explanation.
pub(in crate::config) fn identity(values: &Values) -> Result<Identity, ConfigError> {
    let identity = Identity {
        listening_addresses: peer_addresses(values, keys::NODE_LISTENING_ADDRESSES)?,
        announcement_addresses: peer_addresses(values, keys::NODE_ANNOUNCEMENT_ADDRESSES)?,
        alias: alias(values)?,
    };
    if identity.alias.is_some() && identity.listening_addresses.is_empty() {
        return Err(ConfigError::new(
            keys::NODE_ALIAS,
            "needs node.listening_addresses to be set too",
        ));
    }
    if !identity.announcement_addresses.is_empty() && !identity.is_announceable() {
        return Err(ConfigError::new(
            keys::NODE_ANNOUNCEMENT_ADDRESSES,
            "needs node.alias and node.listening_addresses to be set too",
        ));
    }
    Ok(identity)
}

fn peer_addresses(values: &Values, key: Key<List>) -> Result<Vec<SocketAddress>, ConfigError> {
    let texts = values.list(key);
    if texts.len() > MAX_PEER_ADDRESSES {
        let reason = format!("{} addresses; at most {MAX_PEER_ADDRESSES}", texts.len());
        return Err(ConfigError::new(key, reason));
    }
    texts.iter().map(|text| peer_address(key, text)).collect()
}

fn alias(values: &Values) -> Result<Option<String>, ConfigError> {
    let Some(alias) = values.text(keys::NODE_ALIAS).map(|text| text.trim().to_owned()) else {
        return Ok(None);
    };
    match alias.len() {
        0 => Err(ConfigError::new(
            keys::NODE_ALIAS,
            "must not be empty; remove the key for no alias",
        )),
        1..=MAX_ALIAS_BYTES => Ok(Some(alias)),
        bytes => Err(ConfigError::new(
            keys::NODE_ALIAS,
            format!("\"{alias}\" has {bytes} bytes; at most {MAX_ALIAS_BYTES}"),
        )),
    }
}

pub(in crate::config) fn async_payments_role(
    values: &Values,
    is_announceable: bool,
) -> Result<Option<AsyncPaymentsRole>, ConfigError> {
    const KEY: Key<Text> = keys::NODE_ASYNC_PAYMENTS_ROLE;
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

pub(in crate::config) fn grpc_address(values: &Values) -> Result<SocketAddr, ConfigError> {
    const KEY: Key<Text> = keys::NODE_GRPC_SERVICE_ADDRESS;
    socket_address(KEY, &values.text(KEY).ok_or_else(|| missing(KEY))?)
}

/// The address to listen at that a key has.
pub(in crate::config) fn socket_address(
    key: Key<Text>,
    text: &str,
) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        let accepted = "accepted are ipv4:port and [ipv6]:port, not host names";
        ConfigError::new(key, format!("\"{text}\"; {accepted}"))
    })
}
