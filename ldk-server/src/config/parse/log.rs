//! The log.

use std::path::Path;
use std::time::Duration;

use ldk_node::bitcoin::Network;
use ldk_server_grpc::places;

use super::missing;
use crate::config::keys::{self, Key, List};
use crate::config::values::{Source, Values};
use crate::config::{ConfigError, LogConfig, LogFormat, LogRotation};

/// The default level of the file. At Debug a busy node writes so much that important lines are
/// rotated away before anybody reads them.
const DEFAULT_FILE_LEVEL: log::LevelFilter = log::LevelFilter::Info;
const BYTES_PER_MIB: u64 = 1024 * 1024;
/// Begins with the text of LDK Server, which users may search for.
const SAME_AS_STORAGE: &str =
    "Log file path cannot be the same as storage directory path; it must name a file";

pub(in crate::config) fn log(
    values: &Values,
    storage_dir: &Path,
    network: Network,
) -> Result<LogConfig, ConfigError> {
    let text = |key| values.text(key).ok_or_else(|| missing(key));
    let format = log_format(&text(keys::LOG_FORMAT)?)?;
    let file = values.path(keys::LOG_FILE).ok_or_else(|| missing(keys::LOG_FILE))?;
    let network_dir = places::network_dir(storage_dir, &network.to_string());
    if [storage_dir, &network_dir].into_iter().any(|dir| is_same(&file, dir)) {
        return Err(ConfigError::new(keys::LOG_FILE, SAME_AS_STORAGE));
    }
    let targets = values.list(keys::LOG_TARGETS);
    let level = log_level(keys::LOG_LEVEL, &text(keys::LOG_LEVEL)?)?;
    let is_chosen = !targets.is_empty()
        || values.source(keys::LOG_LEVEL).is_some_and(|of| of != Source::Default);
    Ok(LogConfig {
        level,
        file_level: if is_chosen { log::LevelFilter::Trace } else { DEFAULT_FILE_LEVEL },
        targets: targets.iter().map(|text| log_target(text)).collect::<Result<_, _>>()?,
        format,
        file: values.is_on(keys::LOG_LOG_TO_FILE).then_some(file),
        rotation: log_rotation(values)?,
    })
}

fn log_format(text: &str) -> Result<LogFormat, ConfigError> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => {
            let reason = format!("\"{other}\"; accepted are text and json");
            Err(ConfigError::new(keys::LOG_FORMAT, reason))
        },
    }
}

fn log_rotation(values: &Values) -> Result<LogRotation, ConfigError> {
    let number =
        |key| -> Result<u64, ConfigError> { values.number(key, 0..)?.ok_or_else(|| missing(key)) };
    let max_mib = number(keys::LOG_MAX_SIZE_MB)?;
    let max_hours = number(keys::LOG_ROTATION_INTERVAL_HOURS)?;
    let max_files = number(keys::LOG_MAX_FILES)?;
    Ok(LogRotation {
        max_bytes: (max_mib > 0).then(|| max_mib.saturating_mul(BYTES_PER_MIB)),
        max_age: (max_hours > 0).then(|| Duration::from_secs(max_hours.saturating_mul(60 * 60))),
        max_files: usize::try_from(max_files).unwrap_or(usize::MAX),
    })
}

/// Whether both paths name the same directory.
fn is_same(file: &Path, dir: &Path) -> bool {
    file == dir
        || file.canonicalize().is_ok_and(|file| dir.canonicalize().is_ok_and(|dir| file == dir))
}

fn log_target(text: &str) -> Result<(String, log::LevelFilter), ConfigError> {
    const KEY: Key<List> = keys::LOG_TARGETS;
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

fn log_level(key: impl AsRef<str>, text: &str) -> Result<log::LevelFilter, ConfigError> {
    text.parse().map_err(|_| {
        let accepted = "accepted are Error, Warn, Info, Debug, Trace and Off";
        ConfigError::new(key, format!("\"{text}\"; {accepted}"))
    })
}
