//! What a manager covers of what waits for it, and where it belongs.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Entry, Kind};
use crate::compat::channel_state::{self, Id};
use crate::store::durability::Position;

/// What is to be done with a manager and with what waits; numbers are indices of the queue.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Before which write it belongs.
    pub(super) place: usize,
    /// It knows a monitor and not one that was queued before it. No place is right for it.
    pub(super) is_inverted: bool,
    /// Monitors that wait no longer.
    pub(super) covered: Vec<usize>,
    /// Payments that it knows of. Their records belong before it.
    pub(super) known_payments: Vec<usize>,
    /// Payments that it should know of if they were still on their way.
    pub(super) over: Vec<(usize, Id)>,
    /// What was queued before it and waits for the next one.
    pub(super) passed: Vec<usize>,
}

/// Looks at what waits with the eyes of the manager that was queued at this position.
pub(super) fn judge<K, T>(
    entries: &VecDeque<Entry<K, T>>,
    position: Position,
    manager: &[u8],
) -> Verdict {
    let mut channels = Channels { manager, updates: HashMap::new(), uncovered: HashSet::new() };
    let mut verdict = Verdict { place: entries.len(), ..Verdict::default() };
    let mut is_behind = false;
    for (index, entry) in entries.iter().enumerate() {
        // The record belongs before a manager that knows of the payment even if a later record of
        // it has come meanwhile.
        if let Kind::Outbound(payment) = &entry.kind
            && channel_state::knows_payment(manager, payment)
        {
            verdict.known_payments.push(index);
            continue;
        }
        let Some(wait) = &entry.wait else { continue };
        let is_earlier = entry.position < position;
        // The one before was queued after this, and the manager is serialized after that.
        let is_second = is_earlier && wait.first_manager.is_some();
        match &entry.kind {
            Kind::Monitor { channel, update, is_first } => {
                let covers = is_earlier && channels.cover(channel, *update, *is_first, is_second);
                if covers {
                    verdict.covered.push(index);
                    verdict.is_inverted |= is_behind;
                } else if !is_behind {
                    verdict.place = index;
                    is_behind = true;
                }
                if !covers && is_earlier {
                    verdict.passed.push(index);
                }
            },
            Kind::Outbound(payment) if is_second => verdict.over.push((index, *payment)),
            Kind::Outbound(_) if is_earlier => verdict.passed.push(index),
            Kind::Outbound(_) | Kind::Plain | Kind::Manager(_) => {},
        }
    }
    verdict
}

/// What the manager knows of channels, each looked for once.
struct Channels<'a> {
    manager: &'a [u8],
    updates: HashMap<Id, Option<u64>>,
    /// Channels of which it does not know an update. It knows no later one either.
    uncovered: HashSet<Id>,
}

impl Channels<'_> {
    fn cover(&mut self, channel: &Id, update: u64, is_first: bool, is_second: bool) -> bool {
        let covers =
            !self.uncovered.contains(channel) && self.knows(channel, update, is_first, is_second);
        if !covers {
            self.uncovered.insert(*channel);
        }
        covers
    }

    fn knows(&mut self, channel: &Id, update: u64, is_first: bool, is_second: bool) -> bool {
        let manager = self.manager;
        let known = self.updates.entry(*channel);
        match known.or_insert_with(|| channel_state::channel_update(manager, channel)) {
            Some(known) => *known >= update && !channel_state::holds_back_update(manager, update),
            // A channel that is not there is closed, and nothing depends on its monitor any more;
            // or the manager is older than the channel.
            None => !is_first || is_second,
        }
    }
}
