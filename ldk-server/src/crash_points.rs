//! Points at which tests have the process end as if it were killed. Released builds have none.

/// The variable that names the file in which a test writes at which point the process is to end.
#[cfg(debug_assertions)]
const FILE: &str = "LDK_CRASH_POINT_FILE";

/// A point in the life of a payment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CrashPoint {
    /// Nothing was handed to the library.
    Intent,
    /// The library has it, and nothing more is written.
    Dispatched,
    /// What came of it is written, and need not be on disk.
    Written,
    /// It is on disk, and not answered.
    Answer,
    /// The library has told of it in an event.
    Event,
}

/// Ends the process if a test has asked for that at this point.
#[cfg(debug_assertions)]
pub(crate) fn reached(point: CrashPoint) {
    let Some(file) = std::env::var_os(FILE) else { return };
    let armed = std::fs::read_to_string(&file).unwrap_or_default();
    if armed.trim() == format!("{point:?}") && std::fs::remove_file(&file).is_ok() {
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub(crate) const fn reached(_: CrashPoint) {}
