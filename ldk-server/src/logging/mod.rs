//! Where log lines go: errors to stderr, the rest to stdout, all of them to the log file.
//!
//! They are written by threads of their own, one for the console and one for the file. Whoever logs
//! waits for neither.

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

/// Libraries whose debug lines tell an operator nothing.
const QUIET_TARGETS: [&str; 8] =
    ["h2", "hyper", "hyper_util", "mio", "reqwest", "rustls", "tokio_util", "tonic"];

/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_millis(500);
/// How often it is told that lines were lost.
const TELL_PERIOD: Duration = Duration::from_secs(60);

/// One process has one log.
static SINKS: OnceLock<Arc<Sinks>> = OnceLock::new();

/// The sinks that lines go.
struct Sinks {
    console: Queue<ConsoleLine>,
    file: Option<Queue<Bytes>>,
}

struct ConsoleLine {
    bytes: Bytes,
    is_error: bool,
}

/// How many lines were not written so far, because what they are written to did not take them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostLines {
    /// Standard output or error.
    pub console: u64,
    /// The log file.
    pub file: u64,
}

/// Sends the log of this process to the console and to the configured file, from now on.
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
        // Told about on stderr otherwise, and to fail at that is a panic.
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

/// Waits a moment for what is to be written, before the process ends.
pub fn flush() {
    if let Some(sinks) = SINKS.get() {
        sinks.flush(LAST_LINES);
    }
}

/// How many lines were lost.
pub fn lost_lines() -> LostLines {
    SINKS.get().map(|sinks| sinks.lost()).unwrap_or_default()
}

/// Tells from time to time how many lines were lost, until `stop` is cancelled.
pub async fn report_lost_lines(stop: CancellationToken) {
    let mut told = LostLines::default();
    let mut ticks = Ticks::after(TELL_PERIOD, TELL_PERIOD, stop);
    while ticks.next().await {
        let lost = lost_lines();
        if lost != told {
            let (console, file) = (lost.console - told.console, lost.file - told.file);
            tracing::warn!(
                "lines of the log were lost: {console} to the console, {file} to the file, because \
                 nobody took them there"
            );
            told = lost;
        }
    }
}

/// A line for the console only, where the log cannot be written to.
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
                // The line is lost, which must not keep it from the console.
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
        // Where it cannot be written it is lost, which must not keep it from the file.
        let _ = if self.is_error {
            io::stderr().write_all(&self.bytes)
        } else {
            io::stdout().write_all(&self.bytes)
        };
    }
}

/// Takes finished lines to all the places they go to.
struct Lines {
    redactor: Redactor,
    sinks: Arc<Sinks>,
    /// The least severe level that the file gets.
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
    /// Is given one whole line at a time.
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
