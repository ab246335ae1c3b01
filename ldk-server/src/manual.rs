//! The command line, for `man` and for shells.

use std::io;

use clap_complete::Shell;
use clap_mangen::Man;

use crate::config::Args;

/// The manual page, as roff.
pub fn man_page() -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(Args::command()).render(&mut page)?;
    String::from_utf8(page).map_err(io::Error::other)
}

/// The completion script for a shell.
pub fn completions(shell: Shell) -> io::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "ldk-server", &mut script);
    String::from_utf8(script).map_err(io::Error::other)
}
