//! What is compared.

use std::fmt;

use clap::ValueEnum;

/// Where a daemon keeps its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Store {
    /// In the store of this project.
    Ours,
    /// There too, and each payment has an idempotency key.
    Keyed,
    /// There too, through the gate for peers, and without consistent cuts.
    Uncut,
    /// There too, and it lets the library listen and connect to its peers itself.
    Ungated,
    /// In the SQLite store of the library.
    Library,
    /// In PostgreSQL on the same machine.
    Postgres,
    /// In PostgreSQL, with 5 ms more for each round trip.
    Distant,
}

impl fmt::Display for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ours => "ours",
            Self::Keyed => "keyed",
            Self::Uncut => "uncut",
            Self::Ungated => "ungated",
            Self::Library => "library",
            Self::Postgres => "postgres",
            Self::Distant => "distant",
        })
    }
}
