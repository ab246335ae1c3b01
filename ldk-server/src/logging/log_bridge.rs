//! Forwards records of the `log` crate, which the library uses, to `tracing`.

use log::{Log, Metadata, Record};
use tracing_log::LogTracer;

use crate::compat::{lsps1, splice_signed};

/// Observes every record, and forwards those that are enabled.
struct LogBridge(LogTracer);

impl Log for LogBridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        splice_signed::observe(record);
        if lsps1::observe(record) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Takes all records from now on. The library logs at every level without checking `most`, so its
/// records are observed at any level.
pub(super) fn start(most: log::LevelFilter) -> Result<(), log::SetLoggerError> {
    log::set_boxed_logger(Box::new(LogBridge(LogTracer::new())))?;
    log::set_max_level(most);
    Ok(())
}
