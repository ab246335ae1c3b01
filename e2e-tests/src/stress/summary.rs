//! What is reported.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::violation::{Kind, Violation};

/// Of these so many are told; all are counted.
const VIOLATIONS_SHOWN: usize = 20;

/// What was counted over all kills.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Kills. Two nodes that are killed at once are one.
    pub kills: u32,
    /// Those of more than one node at once.
    pub of_several: u32,
    /// Those of nodes that were doing nothing.
    pub of_idle: u32,
    /// Those after which a node was killed once more while it came back.
    pub again: u32,
    /// The most kills that the nodes of one group have come back from with the channels that they
    /// had at first.
    pub most_survived: u32,
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
    /// Why channels were closed that nobody had asked to close, and how often.
    pub closures: BTreeMap<String, u32>,
    /// What nodes were asked for when they were killed, by its name.
    pub operations: BTreeMap<&'static str, Operations>,
    /// Channels that were asked to be closed by agreement, and were closed by force.
    pub forced: u32,
    /// Channels that both nodes have, and whose funding transaction nobody has.
    pub unfunded: u32,
    /// Channels that the opener has given up before it made their funding transaction, as it does when
    /// the other is gone, and that the other waits for.
    pub abandoned: u32,
    /// Splices that both nodes have agreed on, and whose transaction nobody has.
    pub unspliced: u32,
    /// What was done to a node with a standby, by its name, and how often.
    pub faults: BTreeMap<&'static str, u32>,
    /// How long it took the standby to serve, each time it had to take over.
    pub outages: Vec<Duration>,
    /// How often the lease of a state in PostgreSQL was taken.
    pub takings: u32,
    /// The commits of such a state that were audited.
    pub commits: u64,
    /// What the miners got.
    pub fees_sats: u64,
    /// Numbered events that were taken.
    pub events: u64,
    /// What the daemons have counted, by the name of the metric.
    pub counters: BTreeMap<String, u64>,
    /// What must not be.
    pub violations: Vec<Violation>,
    /// How long it all took.
    pub duration: Duration,
}

impl Summary {
    /// The channels that were closed and that nobody had asked to close.
    pub fn closed(&self) -> u32 {
        self.closures.values().sum()
    }

    /// The payments that stay pending for ever.
    pub fn pending_for_ever(&self) -> u32 {
        self.pending + self.arrived_and_pending
    }

    /// Whether nothing is as it must not be.
    pub fn is_right(&self) -> bool {
        self.closed() == 0 && self.pending_for_ever() == 0 && self.violations.is_empty()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.of_several += other.of_several;
        self.of_idle += other.of_idle;
        self.again += other.again;
        self.most_survived = self.most_survived.max(other.most_survived);
        self.payments += other.payments;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.pending += other.pending;
        self.unknown += other.unknown;
        self.arrived += other.arrived;
        self.arrived_and_pending += other.arrived_and_pending;
        for (reason, times) in other.closures {
            *self.closures.entry(reason).or_default() += times;
        }
        for (name, operations) in other.operations {
            self.operations.entry(name).or_default().add(operations);
        }
        self.forced += other.forced;
        self.unfunded += other.unfunded;
        self.abandoned += other.abandoned;
        self.unspliced += other.unspliced;
        for (name, times) in other.faults {
            *self.faults.entry(name).or_default() += times;
        }
        self.outages.extend(other.outages);
        self.takings += other.takings;
        self.commits += other.commits;
        self.fees_sats += other.fees_sats;
        self.events += other.events;
        self.count_all(other.counters);
        self.violations.extend(other.violations);
    }

    /// Counts channels that were closed and that nobody had asked to close, of which there is one at
    /// least.
    pub(super) fn count_closures(&mut self, reasons: impl Iterator<Item = String>) {
        for reason in reasons {
            *self.closures.entry(reason).or_default() += 1;
        }
        if self.closures.is_empty() {
            self.closures.insert("no node has told why".to_owned(), 1);
        }
    }

    /// Counts what became of something that a node was asked for.
    pub(super) fn count_operation(&mut self, name: &'static str, is_done: bool, is_begun: bool) {
        self.operations.entry(name).or_default().add(Operations {
            done: u32::from(is_done),
            undone: u32::from(!is_done),
            begun_and_undone: u32::from(is_begun && !is_done),
        });
    }

    /// Adds what a daemon has counted.
    pub(super) fn count_all(&mut self, counters: BTreeMap<String, u64>) {
        for (name, value) in counters {
            *self.counters.entry(name).or_default() += value;
        }
    }

    fn count(&self, kind: Kind) -> usize {
        self.violations.iter().filter(|violation| violation.kind == kind).count()
    }

    fn fmt_payments(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "payments    {}: {} succeeded, {} failed, {} never sent; {} arrived",
            self.payments, self.succeeded, self.failed, self.unknown, self.arrived
        )?;
        writeln!(
            out,
            "pending     {} for ever, {} of them arrived",
            self.pending_for_ever(),
            self.arrived_and_pending
        )
    }

    fn fmt_standby(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (name, times) in &self.faults {
            writeln!(out, "fault       {times} x {name}")?;
        }
        let mut outages = self.outages.clone();
        outages.sort_unstable();
        if let (Some(median), Some(longest)) = (outages.get(outages.len() / 2), outages.last()) {
            writeln!(
                out,
                "takeovers   {}, after p50 {:.2} s, at most {:.2} s",
                outages.len(),
                median.as_secs_f64(),
                longest.as_secs_f64()
            )?;
        }
        let (commits, takings, writers) = (self.commits, self.takings, self.count(Kind::Writers));
        writeln!(
            out,
            "audit       {commits} commits, the lease was taken {takings} times, {writers} moments \
             with two writers"
        )
    }

    fn fmt_violations(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "violations  {}: {} of states, {} not listed, {} of events, {} of balances, {} of writers, \
             {} stuck",
            self.violations.len(),
            self.count(Kind::State),
            self.count(Kind::Missing),
            self.count(Kind::Events),
            self.count(Kind::Balance),
            self.count(Kind::Writers),
            self.count(Kind::Stuck)
        )?;
        for violation in self.violations.iter().take(VIOLATIONS_SHOWN) {
            writeln!(out, "  {violation}")?;
        }
        Ok(())
    }
}

/// What became of something that a node was asked for and killed amid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// How often it came to be.
    pub done: u32,
    /// How often it did not, and all was as before.
    pub undone: u32,
    /// How often it did not although the call was answered: that tells that it has begun.
    pub begun_and_undone: u32,
}

impl Operations {
    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.undone += other.undone;
        self.begun_and_undone += other.begun_and_undone;
    }
}

impl Display for Operations {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { done, undone, begun_and_undone } = self;
        write!(out, "{done} done, {undone} undone, {begun_and_undone} of these after an answer")
    }
}

impl Display for Summary {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "kills       {}: {} of several nodes at once, {} of idle nodes, {} repeated during the \
             restart; up to {} survived by the same channels",
            self.kills, self.of_several, self.of_idle, self.again, self.most_survived
        )?;
        writeln!(out, "closed      {} channels that nobody asked to close", self.closed())?;
        for (reason, times) in &self.closures {
            writeln!(out, "  {times} x {reason}")?;
        }
        for (name, operations) in &self.operations {
            writeln!(out, "{name:11} {operations}")?;
        }
        if !self.operations.is_empty() {
            writeln!(
                out,
                "not sent    {} closing transactions, and the channel was closed by force; {} funding \
                 and {} splice transactions, and the channel waits for ever",
                self.forced, self.unfunded, self.unspliced
            )?;
            let abandoned = self.abandoned;
            writeln!(out, "given up    {abandoned} openings before there was a transaction")?;
        }
        if self.payments > 0 {
            self.fmt_payments(out)?;
        }
        if !self.faults.is_empty() {
            self.fmt_standby(out)?;
        }
        writeln!(out, "events      {}", self.events)?;
        for (name, value) in &self.counters {
            writeln!(out, "metric      {name} {value}")?;
        }
        self.fmt_violations(out)?;
        let seconds = self.duration.as_secs_f64();
        write!(
            out,
            "time        {seconds:.0} s, {:.1} s a kill; {} sat of fees",
            seconds / f64::from(self.kills.max(1)),
            self.fees_sats
        )
    }
}
