//! What the records of the library are called.

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::persist::{
    CHANNEL_MANAGER_PERSISTENCE_KEY, CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE, CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MONITOR_UPDATE_PERSISTENCE_PRIMARY_NAMESPACE, KVSTORE_NAMESPACE_KEY_ALPHABET,
    KVSTORE_NAMESPACE_KEY_MAX_LEN,
};

use crate::compat::event_queue;
use crate::compat::records::PAYMENTS;

/// The namespace of the server's own records among the library's. The library has none of this name.
pub(in crate::store) const SERVER: &str = "ldk_server";

/// Where it is written down whether the last process made cuts, among the server's own records.
pub(in crate::store) const CUTS_MADE: (&str, &str) = ("cuts", "made");

/// Where the server's own records of broadcasts are.
pub(in crate::store) const BROADCASTS: &str = "broadcasts";

/// A value of the library's, or that it has none.
pub(in crate::store) type Value = Option<std::sync::Arc<Vec<u8>>>;

/// Where one of the library's records is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) struct Name {
    primary: String,
    secondary: String,
    key: String,
}

impl Name {
    pub(in crate::store) fn new(primary: &str, secondary: &str, key: &str) -> io::Result<Self> {
        check(primary, secondary)?;
        if key.is_empty() {
            return Err(invalid("a key must not be empty"));
        }
        check_part(key)?;
        let [primary, secondary, key] = [primary, secondary, key].map(str::to_owned);
        Ok(Self { primary, secondary, key })
    }

    /// The record of the payment with this id.
    pub(in crate::store) fn of_payment(id: PaymentId) -> Self {
        let [primary, secondary] = [PAYMENTS.0, PAYMENTS.1].map(str::to_owned);
        Self { primary, secondary, key: hex::encode(id.0) }
    }

    /// The manager of the channels.
    pub(in crate::store) fn of_manager() -> Self {
        let [primary, secondary, key] = [
            CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
            CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE,
            CHANNEL_MANAGER_PERSISTENCE_KEY,
        ]
        .map(str::to_owned);
        Self { primary, secondary, key }
    }

    pub(in crate::store) fn is_in(&self, (primary, secondary): (&str, &str)) -> bool {
        self.primary == primary && self.secondary == secondary
    }

    /// Its namespaces and its key.
    pub(in crate::store) fn parts(&self) -> [&str; 3] {
        [&self.primary, &self.secondary, &self.key]
    }

    pub(in crate::store) fn key(&self) -> &str {
        &self.key
    }

    /// Which monitor it is, if it is one, or an update of which.
    pub(in crate::store) fn monitor(&self) -> Option<&str> {
        match self.primary.as_str() {
            CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE => Some(&self.key),
            CHANNEL_MONITOR_UPDATE_PERSISTENCE_PRIMARY_NAMESPACE => Some(&self.secondary),
            _ => None,
        }
    }

    /// Whether it is a whole monitor.
    pub(in crate::store) fn is_whole_monitor(&self) -> bool {
        self.primary == CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE
    }

    pub(in crate::store) fn is_manager(&self) -> bool {
        let namespace = (
            CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
            CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE,
        );
        self.is_in(namespace) && self.key == CHANNEL_MANAGER_PERSISTENCE_KEY
    }

    /// Whether it is the library's queue of events.
    pub(in crate::store) fn is_event_queue(&self) -> bool {
        let (primary, secondary, key) = event_queue::STORE_KEY;
        self.is_in((primary, secondary)) && self.key == key
    }
}

/// Whether records may be in this namespace.
pub(in crate::store) fn check(primary: &str, secondary: &str) -> io::Result<()> {
    if primary.is_empty() && !secondary.is_empty() {
        return Err(invalid("a secondary namespace needs a primary one"));
    }
    check_part(primary)?;
    check_part(secondary)
}

fn check_part(part: &str) -> io::Result<()> {
    if part.len() > KVSTORE_NAMESPACE_KEY_MAX_LEN {
        return Err(invalid("a namespace or key is too long"));
    }
    if !part.chars().all(|character| KVSTORE_NAMESPACE_KEY_ALPHABET.contains(character)) {
        return Err(invalid("a namespace or key has a character that is not allowed"));
    }
    Ok(())
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
