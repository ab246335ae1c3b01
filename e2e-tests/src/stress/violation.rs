//! What must not be.

use std::fmt;

/// What kind of promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The state of a payment is not what was told, or differs between the two ends.
    State,
    /// A payment is not where it must be listed.
    Missing,
    /// An event has come twice, out of order, or not at all.
    Events,
    /// Money was made or lost.
    Balance,
    /// Two daemons of one node have written, or one without the lease.
    Writers,
    /// Something did not come to an end in time, or a node ended by itself.
    Stuck,
}

/// One thing that must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    pub(super) kind: Kind,
    text: String,
}

impl Violation {
    pub(super) fn new(kind: Kind, text: String) -> Self {
        Self { kind, text }
    }

    /// Says when it was and which logs tell more.
    pub(super) fn at(mut self, place: &str) -> Self {
        self.text = format!("{place}: {}", self.text);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {}", self.kind, self.text)
    }
}
