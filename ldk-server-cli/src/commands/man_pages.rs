//! Manual pages.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use crate::Cli;
use crate::failure::Failure;

/// Write manual pages, one for each command; needs neither server nor key
#[derive(Debug, Args)]
pub(crate) struct ManPages {
    /// Directory to write them to
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl ManPages {
    pub(crate) fn run(self) -> Result<(), Failure> {
        clap_mangen::generate_to(Cli::command(), &self.dir).map_err(|error| {
            Failure::Local(format!("cannot write to {}: {error}", self.dir.display()))
        })
    }
}
