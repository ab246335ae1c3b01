//! What is written with the `log` crate, which is how the library writes: it goes the way of all lines.

use log::{Log, Metadata, Record};
use tracing_log::LogTracer;

use crate::compat::splice_signed;

/// Hears everything, and passes on what is to be written.
struct LogBridge(LogTracer);

impl Log for LogBridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        splice_signed::observe(record);
        self.0.log(record);
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Takes what is written from now on. Above this level only the library is heard, which asks nobody
/// before it writes.
pub(super) fn start(most: log::LevelFilter) -> Result<(), log::SetLoggerError> {
    log::set_boxed_logger(Box::new(LogBridge(LogTracer::new())))?;
    log::set_max_level(most);
    Ok(())
}
