//! What is measured, one after the other.

use std::fmt;
use std::num::NonZeroUsize;

/// How payments are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `SpontaneousSend`: the payee has asked for nothing.
    Keysend,
    /// `Bolt11Send`, for invoices that were made beforehand.
    Bolt11,
}

/// A run of payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    /// How many payments are under way at once.
    pub(crate) in_flight: usize,
    /// Whether bob pays alice, and not alice bob.
    pub(crate) turned: bool,
}

impl Case {
    /// Every kind with each number in flight. The direction changes from one to the next, so that
    /// the channel keeps its balance.
    pub(crate) fn all(in_flight: &[NonZeroUsize]) -> Vec<Self> {
        let kinds = [Kind::Keysend, Kind::Bolt11];
        let cases = kinds.iter().flat_map(|kind| in_flight.iter().map(move |count| (kind, count)));
        cases
            .zip([false, true].into_iter().cycle())
            .map(|((kind, in_flight), turned)| Self {
                kind: *kind,
                in_flight: in_flight.get(),
                turned,
            })
            .collect()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Keysend => "keysend",
            Self::Bolt11 => "BOLT 11",
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {} in flight", self.kind, self.in_flight)
    }
}
