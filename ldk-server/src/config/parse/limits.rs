//! What callers may ask of the service.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::missing;
use crate::config::values::Values;
use crate::config::{ConfigError, LimitsConfig};

/// More than the open files of a process are hardly ever.
const MAX_CONNECTIONS: usize = 65_536;
/// Each costs memory on every connection.
const MAX_STREAMS: u32 = 4096;
const MAX_IN_FLIGHT: usize = 65_536;
const MAX_PER_SECOND: u32 = 1_000_000;
/// Who takes longer to begin is not going to.
const MAX_OPENING_SECS: u64 = 300;
const MAX_SECS: u64 = 3600;

pub(in crate::config) fn limits(values: &Values) -> Result<LimitsConfig, ConfigError> {
    let secs = |key: &str, accepted: RangeInclusive<u64>| {
        let secs = values.number(key, accepted)?.ok_or_else(|| missing(key))?;
        Ok(Duration::from_secs(secs))
    };
    let count = |key: &str, most: usize| values.number(key, 1..=most)?.ok_or_else(|| missing(key));
    const STREAMS: &str = "limits.max_streams_per_connection";
    let per_second =
        values.number("limits.max_calls_per_second_per_connection", 0..=MAX_PER_SECOND)?;
    Ok(LimitsConfig {
        max_connections: count("limits.max_connections", MAX_CONNECTIONS)?,
        max_streams_per_connection: values
            .number(STREAMS, 1..=MAX_STREAMS)?
            .ok_or_else(|| missing(STREAMS))?,
        max_calls_in_flight: count("limits.max_calls_in_flight", MAX_IN_FLIGHT)?,
        max_calls_per_second_per_connection: per_second.and_then(NonZeroU32::new),
        handshake_timeout: secs("limits.handshake_timeout_secs", 1..=MAX_OPENING_SECS)?,
        header_timeout: secs("limits.header_timeout_secs", 1..=MAX_OPENING_SECS)?,
        request_timeout: secs("limits.request_timeout_secs", 1..=MAX_SECS)?,
        keep_alive_interval: secs("limits.keep_alive_interval_secs", 1..=MAX_SECS)?,
        keep_alive_timeout: secs("limits.keep_alive_timeout_secs", 1..=MAX_SECS)?,
    })
}
