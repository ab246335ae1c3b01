//! Where log lines go: errors to stderr, the rest to stdout, all of them to the log file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Event, Level, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{ChronoUtc, FormatTime};
use tracing_subscriber::fmt::writer::MakeWriterExt as _;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogConfig;

/// Libraries whose debug lines tell an operator nothing.
const QUIET_TARGETS: [&str; 8] =
    ["h2", "hyper", "hyper_util", "mio", "reqwest", "rustls", "tokio_util", "tonic"];

/// The log file, which can be opened anew after it was moved away.
#[derive(Clone)]
pub struct LogFile(Arc<OpenLogFile>);

struct OpenLogFile {
    path: PathBuf,
    file: Mutex<File>,
}

/// Sends the log of this process to the console and to the configured file, from now on.
pub fn start(config: &LogConfig) -> io::Result<Option<LogFile>> {
    let file = config.file.clone().map(LogFile::open).transpose()?;
    let level = level_filter(config.level);
    let quiet = QUIET_TARGETS.map(|target| (target, level.min(LevelFilter::INFO)));
    let targets = Targets::new().with_default(level).with_targets(quiet);

    let console = io::stderr.with_max_level(Level::ERROR).or_else(io::stdout);
    // A line that cannot be written would be told about on stderr, and to fail at that is a panic.
    let line_layer = || tracing_subscriber::fmt::layer().log_internal_errors(false);
    let console_layer = line_layer().event_format(Line::default()).with_writer(console);
    let file_layer =
        file.clone().map(|file| line_layer().event_format(Line::default()).with_writer(file));
    let subscriber = tracing_subscriber::registry()
        .with(console_layer.and_then(file_layer).with_filter(targets));
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    tracing_log::LogTracer::init_with_filter(config.level).map_err(io::Error::other)?;
    Ok(file)
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

impl LogFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = open_append(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("log.file {}: {error}", path.display()))
        })?;
        Ok(Self(Arc::new(OpenLogFile { path, file: Mutex::new(file) })))
    }

    /// Opens the file anew by its name, as after a rotation by another program.
    pub fn reopen(&self) -> io::Result<()> {
        let file = open_append(&self.0.path)?;
        *self.0.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }
}

fn open_append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Writes to the log file as it is open now.
pub struct LogFileWriter<'a>(&'a OpenLogFile);

impl io::Write for LogFileWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = LogFileWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LogFileWriter(&self.0)
    }
}

/// `[<RFC 3339 UTC, ms> <level> <target>:<line>] <message>`
struct Line {
    time: ChronoUtc,
}

impl Default for Line {
    fn default() -> Self {
        Self { time: ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned()) }
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Records of the `log` crate, which the node library writes, carry their origin in fields.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        writer.write_char('[')?;
        self.time.format_time(&mut writer)?;
        let line = metadata.line().unwrap_or(0);
        write!(writer, " {:<5} {}:{line}] ", metadata.level(), metadata.target())?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
