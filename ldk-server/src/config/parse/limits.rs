//! The limits for callers and peers.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::missing;
use crate::config::keys::{self, Key, Number};
use crate::config::values::Values;
use crate::config::{ConfigError, LimitsConfig, PeerLimitsConfig};

/// Processes hardly ever have more open files.
const MAX_CONNECTIONS: usize = 65_536;
/// Each costs memory on every connection.
const MAX_STREAMS: u32 = 4096;
const MAX_IN_FLIGHT: usize = 65_536;
/// Each costs the memory of its connection's stream.
const MAX_WAITING: usize = 1_048_576;
const MAX_PER_SECOND: u32 = 1_000_000;
/// A longer time to begin makes no sense.
const MAX_OPENING_SECS: u64 = 300;
const MAX_SECS: u64 = 3600;
/// A client gives up on a longer one.
const MAX_FAILURE_DELAY_SECS: u64 = 10;
/// The largest message has to fit.
const MIN_QUEUED_BYTES: usize = 128 * 1024;
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// The limits for callers.
pub(in crate::config) fn limits(values: &Values) -> Result<LimitsConfig, ConfigError> {
    let secs = |key, accepted| secs(values, key, accepted);
    let count = |key, most| count(values, key, 1..=most);
    const STREAMS: Key<Number> = keys::LIMITS_MAX_STREAMS_PER_CONNECTION;
    let per_second =
        values.number(keys::LIMITS_MAX_CALLS_PER_SECOND_PER_CONNECTION, 0..=MAX_PER_SECOND)?;
    Ok(LimitsConfig {
        max_connections: count(keys::LIMITS_MAX_CONNECTIONS, MAX_CONNECTIONS)?,
        max_streams_per_connection: values
            .number(STREAMS, 1..=MAX_STREAMS)?
            .ok_or_else(|| missing(STREAMS))?,
        max_calls_in_flight: count(keys::LIMITS_MAX_CALLS_IN_FLIGHT, MAX_IN_FLIGHT)?,
        max_waiting_calls: count(keys::LIMITS_MAX_WAITING_CALLS, MAX_WAITING)?,
        max_calls_per_second_per_connection: per_second.and_then(NonZeroU32::new),
        handshake_timeout: secs(keys::LIMITS_HANDSHAKE_TIMEOUT_SECS, 1..=MAX_OPENING_SECS)?,
        header_timeout: secs(keys::LIMITS_HEADER_TIMEOUT_SECS, 1..=MAX_OPENING_SECS)?,
        request_timeout: secs(keys::LIMITS_REQUEST_TIMEOUT_SECS, 1..=MAX_SECS)?,
        write_timeout: secs(keys::LIMITS_WRITE_TIMEOUT_SECS, 1..=MAX_SECS)?,
        keep_alive_interval: secs(keys::LIMITS_KEEP_ALIVE_INTERVAL_SECS, 1..=MAX_SECS)?,
        keep_alive_timeout: secs(keys::LIMITS_KEEP_ALIVE_TIMEOUT_SECS, 1..=MAX_SECS)?,
        max_auth_failure_delay: secs(
            keys::LIMITS_MAX_AUTH_FAILURE_DELAY_SECS,
            0..=MAX_FAILURE_DELAY_SECS,
        )?,
    })
}

/// The limits for peers.
pub(in crate::config) fn peer_limits(values: &Values) -> Result<PeerLimitsConfig, ConfigError> {
    let secs = |key, accepted| secs(values, key, accepted);
    let count = |key, accepted| count(values, key, accepted);
    let queued = MIN_QUEUED_BYTES..=MAX_QUEUED_BYTES;
    Ok(PeerLimitsConfig {
        max_connections: count(keys::LIMITS_MAX_PEER_CONNECTIONS, 1..=MAX_CONNECTIONS)?,
        max_connections_per_address: count(
            keys::LIMITS_MAX_PEER_CONNECTIONS_PER_ADDRESS,
            1..=MAX_CONNECTIONS,
        )?,
        handshake_timeout: secs(keys::LIMITS_PEER_HANDSHAKE_TIMEOUT_SECS, 1..=MAX_OPENING_SECS)?,
        write_timeout: secs(keys::LIMITS_PEER_WRITE_TIMEOUT_SECS, 1..=MAX_SECS)?,
        max_queued_bytes: count(keys::LIMITS_MAX_QUEUED_BYTES_PER_PEER, queued)?,
    })
}

fn secs(
    values: &Values,
    key: Key<Number>,
    accepted: RangeInclusive<u64>,
) -> Result<Duration, ConfigError> {
    let secs = values.number(key, accepted)?.ok_or_else(|| missing(key))?;
    Ok(Duration::from_secs(secs))
}

fn count(
    values: &Values,
    key: Key<Number>,
    accepted: RangeInclusive<usize>,
) -> Result<usize, ConfigError> {
    values.number(key, accepted)?.ok_or_else(|| missing(key))
}
