//! The log.

use std::path::Path;
use std::time::Duration;

use ldk_node::bitcoin::Network;
use ldk_server_grpc::places;

use super::missing;
use crate::config::values::Values;
use crate::config::{ConfigError, LogConfig, LogFormat, LogRotation};

const BYTES_PER_MIB: u64 = 1024 * 1024;

pub(in crate::config) fn log(
    values: &Values,
    storage_dir: &Path,
    network: Network,
) -> Result<LogConfig, ConfigError> {
    let text = |key| values.text(key).ok_or_else(|| missing(key));
    let number =
        |key| -> Result<u64, ConfigError> { values.number(key, 0..)?.ok_or_else(|| missing(key)) };
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
