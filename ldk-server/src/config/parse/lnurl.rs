//! LNURL services.

use std::time::Duration;

use ldk_node::bitcoin::Network;

use super::missing;
use crate::config::keys::{self, Key, Number, Text};
use crate::config::values::Values;
use crate::config::{ConfigError, LnurlConfig};

const MAX_TIMEOUT_SECS: u64 = 60;

/// On regtest nobody expects that the Internet is asked.
pub(in crate::config) fn lnurl(
    values: &mut Values,
    network: Network,
) -> Result<LnurlConfig, ConfigError> {
    const TIMEOUT: Key<Number> = keys::LNURL_TIMEOUT_SECS;
    const CA_CERT: Key<Text> = keys::LNURL_CA_CERT_PATH;
    let ca_cert_path = values.path(CA_CERT);
    if ca_cert_path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
        return Err(ConfigError::new(CA_CERT, "must not be empty"));
    }
    let timeout = values.number(TIMEOUT, 1..=MAX_TIMEOUT_SECS)?.ok_or_else(|| missing(TIMEOUT))?;
    values.set_default_switch(keys::LNURL_ENABLED, network != Network::Regtest);
    Ok(LnurlConfig {
        is_enabled: values.is_on(keys::LNURL_ENABLED),
        timeout: Duration::from_secs(timeout),
        allow_private: values.is_on(keys::LNURL_ALLOW_PRIVATE),
        ca_cert_path,
    })
}
