//! What is reported.

use std::fmt;
use std::time::Duration;

/// Of these so many are told; all are counted.
const VIOLATIONS_SHOWN: usize = 20;

/// What was counted over all kills.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Kills of a node that was only paying.
    pub payers_killed: u32,
    /// Kills of a node that was only being paid.
    pub payees_killed: u32,
    /// Kills of a node that was doing both.
    pub both_killed: u32,
    /// Kills of a node that was doing neither.
    pub idle_killed: u32,
    /// Payments of which an invoice was made, or that were begun.
    pub payments: u32,
    /// Those that succeeded, as the payer says.
    pub succeeded: u32,
    /// Those that failed, as the payer says.
    pub failed: u32,
    /// Those that have not arrived and stay pending at the payer for ever.
    pub pending: u32,
    /// Those that have not arrived and that the payer does not know; no call told that they began.
    pub unknown: u32,
    /// Those that have arrived, as the payee says.
    pub arrived: u32,
    /// Those among them that stay pending at the payer for ever.
    pub arrived_and_pending: u32,
    /// Those among them that the payer does not know; no call told that they began.
    pub arrived_and_unknown: u32,
    /// Kills after which the node that was killed closed the channel.
    pub closed_by_victim: u32,
    /// Kills after which the other node did.
    pub closed_by_peer: u32,
    /// Kills after which payments stayed in the channel and moved no further, although both nodes
    /// were connected, until the channel was closed by force.
    pub stalled: u32,
    /// How often the library ended a node with a panic; it was started again and had to be right.
    pub library_panics: u32,
    /// What the miners got for these closures, and for the channels opened in their place.
    pub fees_sats: u64,
    /// Numbered events that were taken.
    pub events: u64,
    /// What must not be.
    pub violations: Vec<Violation>,
    /// How long it all took.
    pub duration: Duration,
}

impl Summary {
    /// All kills.
    pub fn kills(&self) -> u32 {
        self.payers_killed + self.payees_killed + self.both_killed + self.idle_killed
    }

    /// The kills after which a channel was force-closed.
    pub fn closures(&self) -> u32 {
        self.closed_by_victim + self.closed_by_peer
    }

    pub(super) fn add(&mut self, other: Self) {
        self.payers_killed += other.payers_killed;
        self.payees_killed += other.payees_killed;
        self.both_killed += other.both_killed;
        self.idle_killed += other.idle_killed;
        self.payments += other.payments;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.pending += other.pending;
        self.unknown += other.unknown;
        self.arrived += other.arrived;
        self.arrived_and_pending += other.arrived_and_pending;
        self.arrived_and_unknown += other.arrived_and_unknown;
        self.closed_by_victim += other.closed_by_victim;
        self.closed_by_peer += other.closed_by_peer;
        self.stalled += other.stalled;
        self.library_panics += other.library_panics;
        self.fees_sats += other.fees_sats;
        self.events += other.events;
        self.violations.extend(other.violations);
    }

    fn count(&self, kind: Kind) -> usize {
        self.violations.iter().filter(|violation| violation.kind == kind).count()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills = self.kills();
        writeln!(
            out,
            "kills        {kills}: {} payer, {} payee, {} both at once, {} idle",
            self.payers_killed, self.payees_killed, self.both_killed, self.idle_killed
        )?;
        writeln!(
            out,
            "payments     {}: {} succeeded, {} failed, {} unknown; {} arrived",
            self.payments, self.succeeded, self.failed, self.unknown, self.arrived
        )?;
        writeln!(
            out,
            "for ever     {} pending at the payer, {} arrived and pending, {} arrived and unknown",
            self.pending, self.arrived_and_pending, self.arrived_and_unknown
        )?;
        writeln!(
            out,
            "force-closed {} of {kills}: {} by the killed node, {} by its peer; fees {} sat",
            self.closures(),
            self.closed_by_victim,
            self.closed_by_peer,
            self.fees_sats
        )?;
        writeln!(out, "events       {}, without gap or repetition unless told below", self.events)?;
        writeln!(
            out,
            "library      {} panics, in nodes started again; {} channels stalled, and were closed",
            self.library_panics, self.stalled
        )?;
        writeln!(
            out,
            "violations   {}: {} of states, {} missing in lists, {} of events, {} of balances, {} \
             stuck",
            self.violations.len(),
            self.count(Kind::State),
            self.count(Kind::Missing),
            self.count(Kind::Events),
            self.count(Kind::Balance),
            self.count(Kind::Stuck)
        )?;
        for violation in self.violations.iter().take(VIOLATIONS_SHOWN) {
            writeln!(out, "  {violation}")?;
        }
        let seconds = self.duration.as_secs_f64();
        write!(
            out,
            "time         {seconds:.0} s, {:.1} s a kill",
            seconds / f64::from(kills.max(1))
        )
    }
}

/// What kind of promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The state of a payment is not what was told, or differs between the two ends.
    State,
    /// A payment is not where it must be listed.
    Missing,
    /// An event has come twice, out of order, or not at all.
    Events,
    /// Money was made or lost.
    Balance,
    /// Something did not come to an end in time, or a node ended by itself.
    Stuck,
}

/// One thing that must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    kind: Kind,
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
