//! Writes log lines: errors to stderr, the rest to stdout, all of them to the log file.
//!
//! Two threads write, one to the console and one to the file, so that no caller waits for the output.

mod aliases;
mod file;
mod line;
mod log_bridge;
mod queue;
mod redaction;
mod repeats;
mod rotation;
mod spans;

use std::io::{self, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

pub(crate) use aliases::Alias;
pub use file::LogFile;

use crate::clock::Ticks;
use crate::config::LogConfig;
use line::Line;
use queue::Queue;
use redaction::Redactor;
use repeats::RepeatFilter;
use spans::Spans;

/// Libraries whose debug lines are of no use to an operator.
const QUIET_TARGETS: [&str; 9] = [
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "reqwest",
    "rustls",
    "tokio_postgres",
    "tokio_util",
    "tonic",
];

/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_millis(500);
/// How often lost lines are reported.
const TELL_PERIOD: Duration = Duration::from_secs(60);

/// A process has one log.
static SINKS: OnceLock<Arc<Sinks>> = OnceLock::new();

/// The outputs of log lines.
struct Sinks {
    console: Queue<ConsoleLine>,
    file: Option<Queue<Bytes>>,
}

struct ConsoleLine {
    bytes: Bytes,
    is_error: bool,
}

/// How many lines were lost because their output was blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostLines {
    /// Lines to standard output or error.
    pub console: u64,
    /// Lines to the log file.
    pub file: u64,
}

/// Starts the log of this process, to the console and to the configured file.
pub fn start(config: &LogConfig) -> io::Result<Option<LogFile>> {
    let file = config.file.clone().map(|path| LogFile::open(path, config.rotation)).transpose()?;
    let sinks = Arc::new(Sinks::open(file.clone())?);
    if SINKS.set(Arc::clone(&sinks)).is_err() {
        return Err(io::Error::other("the log was started already"));
    }
    let file_level = level_filter(config.file_level);
    let lines = Lines { redactor: Redactor::default(), sinks, file_level };
    let layer = tracing_subscriber::fmt::layer()
        .event_format(Line::new(config.format))
        .with_writer(lines)
        // Otherwise they are written to stderr, and a failure to do so is a panic.
        .log_internal_errors(false);
    let subscriber = tracing_subscriber::registry()
        .with(targets(config))
        .with(RepeatFilter::default())
        .with(Spans)
        .with(layer);
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    let most = config.targets.iter().map(|(_, level)| *level).fold(config.level, Ord::max);
    log_bridge::start(most).map_err(io::Error::other)?;
    Ok(file)
}

/// The levels by target; the longest matching target counts.
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

/// Waits a moment until queued lines are written, before the process ends.
pub fn flush() {
    if let Some(sinks) = SINKS.get() {
        sinks.flush(LAST_LINES);
    }
}

/// The number of lost lines.
pub fn lost_lines() -> LostLines {
    SINKS.get().map(|sinks| sinks.lost()).unwrap_or_default()
}

/// Logs the number of lost lines periodically, until `stop` is cancelled.
pub async fn report_lost_lines(stop: CancellationToken) {
    let mut told = LostLines::default();
    let mut ticks = Ticks::after(TELL_PERIOD, TELL_PERIOD, stop);
    while ticks.next().await {
        let lost = lost_lines();
        if lost != told {
            let (console, file) = (lost.console - told.console, lost.file - told.file);
            tracing::warn!(
                console,
                file,
                "lines of the log were lost, because the output was blocked"
            );
            told = lost;
        }
    }
}

/// Writes a line to the console only.
fn write_to_console(text: &str) {
    if let Some(sinks) = SINKS.get() {
        let bytes = Bytes::from(format!("{text}\n"));
        let length = bytes.len();
        sinks.console.push(ConsoleLine { bytes, is_error: true }, length);
    }
}

impl Sinks {
    fn open(file: Option<LogFile>) -> io::Result<Self> {
        let console = Queue::start("log to console", ConsoleLine::write)?;
        let file = file.map(|file| {
            Queue::start("log to file", move |line: Bytes| {
                // If this fails, the line is still written to the console.
                let _ = file.write(&line);
            })
        });
        Ok(Self { console, file: file.transpose()? })
    }

    fn flush(&self, patience: Duration) {
        self.console.flush(patience);
        if let Some(file) = &self.file {
            file.flush(patience);
        }
    }

    fn lost(&self) -> LostLines {
        let Self { console, file } = self;
        LostLines { console: console.lost(), file: file.as_ref().map_or(0, Queue::lost) }
    }

    fn push(&self, line: Bytes, is_error: bool, is_for_file: bool) {
        let length = line.len();
        if let Some(file) = self.file.as_ref().filter(|_| is_for_file) {
            file.push(line.clone(), length);
        }
        self.console.push(ConsoleLine { bytes: line, is_error }, length);
    }
}

impl ConsoleLine {
    fn write(self) {
        // If this fails, the line is still written to the file.
        let _ = if self.is_error {
            io::stderr().write_all(&self.bytes)
        } else {
            io::stdout().write_all(&self.bytes)
        };
    }
}

/// Writes formatted lines to all outputs.
struct Lines {
    redactor: Redactor,
    sinks: Arc<Sinks>,
    /// The least severe level that is written to the file.
    file_level: LevelFilter,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter { lines: self, is_error: false, is_for_file: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> LineWriter<'a> {
        let level = *metadata.level();
        let is_for_file = level <= self.file_level;
        LineWriter { lines: self, is_error: level == Level::ERROR, is_for_file }
    }
}

struct LineWriter<'a> {
    lines: &'a Lines,
    is_error: bool,
    is_for_file: bool,
}

impl io::Write for LineWriter<'_> {
    /// Each call has one complete line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let public = aliases::replace(self.lines.redactor.redact(line));
        self.lines.sinks.push(Bytes::copy_from_slice(&public), self.is_error, self.is_for_file);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
