//! Completion scripts for shells.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::{Cli, output};

/// Print the completion script for a shell; needs no server and no key
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Shell that the script is for
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "ldk-server-cli", &mut script);
        output::write(&script)
    }
}
