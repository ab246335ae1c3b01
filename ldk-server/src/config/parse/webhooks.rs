//! Webhooks.

use std::time::Duration;

use super::missing;
use crate::config::keys::{self, Key, Number, Text};
use crate::config::values::Values;
use crate::config::{ConfigError, WebhooksConfig};

/// Each is a consumer of events, of which there are 256 in all.
const MAX_COUNT: usize = 128;
const MAX_TIMEOUT_SECS: u64 = 300;

pub(in crate::config) fn webhooks(values: &Values) -> Result<WebhooksConfig, ConfigError> {
    const COUNT: Key<Number> = keys::WEBHOOKS_MAX_COUNT;
    const TIMEOUT: Key<Number> = keys::WEBHOOKS_TIMEOUT_SECS;
    const PAUSE_AFTER: Key<Number> = keys::WEBHOOKS_PAUSE_AFTER_SECS;
    const CA_CERT: Key<Text> = keys::WEBHOOKS_CA_CERT_PATH;
    let ca_cert_path = values.path(CA_CERT);
    if ca_cert_path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
        return Err(ConfigError::new(CA_CERT, "must not be empty"));
    }
    let timeout = values.number(TIMEOUT, 1..=MAX_TIMEOUT_SECS)?.ok_or_else(|| missing(TIMEOUT))?;
    Ok(WebhooksConfig {
        max_count: values.number(COUNT, 0..=MAX_COUNT)?.ok_or_else(|| missing(COUNT))?,
        timeout: Duration::from_secs(timeout),
        pause_after_secs: values.number(PAUSE_AFTER, 1..)?.ok_or_else(|| missing(PAUSE_AFTER))?,
        allow_private: values.is_on(keys::WEBHOOKS_ALLOW_PRIVATE),
        ca_cert_path,
    })
}
