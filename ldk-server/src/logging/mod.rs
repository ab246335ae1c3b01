//! Where log lines go: errors to stderr, the rest to stdout, all of them to the log file.

mod aliases;
mod file;
mod line;
mod redaction;
mod rotation;

use std::io;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

pub(crate) use aliases::Alias;
pub use file::LogFile;

use crate::config::LogConfig;
use line::Line;
use redaction::Redactor;

/// Libraries whose debug lines tell an operator nothing.
const QUIET_TARGETS: [&str; 8] =
    ["h2", "hyper", "hyper_util", "mio", "reqwest", "rustls", "tokio_util", "tonic"];

/// Sends the log of this process to the console and to the configured file, from now on.
pub fn start(config: &LogConfig) -> io::Result<Option<LogFile>> {
    let file = config.file.clone().map(|path| LogFile::open(path, config.rotation)).transpose()?;
    let lines = Lines { redactor: Redactor::default(), file: file.clone() };
    let layer = tracing_subscriber::fmt::layer()
        .event_format(Line::new(config.format))
        .with_writer(lines)
        // Told about on stderr otherwise, and to fail at that is a panic.
        .log_internal_errors(false);
    let subscriber = tracing_subscriber::registry().with(targets(config)).with(layer);
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    let most = config.targets.iter().map(|(_, level)| *level).fold(config.level, Ord::max);
    tracing_log::LogTracer::init_with_filter(most).map_err(io::Error::other)?;
    Ok(file)
}

/// Which lines are written. Of the targets that fit, the longest counts.
fn targets(config: &LogConfig) -> Targets {
    let level = level_filter(config.level);
    let quiet = QUIET_TARGETS.map(|target| (target, level.min(LevelFilter::INFO)));
    let configured =
        config.targets.iter().map(|(target, level)| (target.as_str(), level_filter(*level)));
    Targets::new().with_default(level).with_targets(quiet).with_targets(configured)
}

fn level_filter(level: log::LevelFilter) -> LevelFilter {
    match level {
        log::LevelFilter::Off => LevelFilter::OFF,
        log::LevelFilter::Error => LevelFilter::ERROR,
        log::LevelFilter::Warn => LevelFilter::WARN,
        log::LevelFilter::Info => LevelFilter::INFO,
        log::LevelFilter::Debug => LevelFilter::DEBUG,
        log::LevelFilter::Trace => LevelFilter::TRACE,
    }
}

/// Takes finished lines to all the places they go to.
struct Lines {
    redactor: Redactor,
    file: Option<LogFile>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter { lines: self, is_error: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> LineWriter<'a> {
        LineWriter { lines: self, is_error: *metadata.level() == Level::ERROR }
    }
}

struct LineWriter<'a> {
    lines: &'a Lines,
    is_error: bool,
}

impl io::Write for LineWriter<'_> {
    /// Is given one whole line at a time. Where that cannot be written it is lost, which must not
    /// keep it from the other place.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let public = aliases::replace(self.lines.redactor.redact(line));
        let _ = if self.is_error {
            io::stderr().write_all(&public)
        } else {
            io::stdout().write_all(&public)
        };
        if let Some(file) = &self.lines.file {
            let _ = file.write(&public);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
