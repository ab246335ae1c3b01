//! What is shown of a test even when it passes.

use std::io::{self, Write as _};

/// Prints a line past the capturing of the test harness, which shows the output of failed tests only.
pub fn print_uncaptured(line: &str) {
    // That nobody can read it is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}
