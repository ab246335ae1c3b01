//! What is in the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::lightning::ln::types::ChannelId;

use crate::compat::channel_state::Id;
use crate::store::durability::Position;

/// How long a payment that no manager knows may be waited for, once there was a manager without it.
/// Nearly always the payment was over before it was written down.
pub(super) const PAYMENT_PATIENCE: Duration = Duration::from_millis(20);

/// So long a write that is in no hurry waits for one that is, whose commit it shares.
pub(super) const DEFERRAL: Duration = Duration::from_millis(500);

/// Which of the writes that are in no hurry it is; later ones have higher ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Ticket(pub(super) u64);

/// What a write is to the cut.
#[derive(Clone, Debug)]
pub(in crate::store) enum Kind {
    /// It stands where it was put.
    Plain,
    /// The monitor of a channel comes to this update.
    Monitor {
        /// The channel.
        channel: Id,
        /// The number of the update.
        update: u64,
        /// It is the first of the channel.
        is_first: bool,
    },
    /// The record of a payment that is on its way out.
    Outbound(Id),
    /// The manager, serialized.
    Manager(Arc<Vec<u8>>),
}

impl Kind {
    /// The channel whose monitor it is, and whether it is the first.
    pub(in crate::store::writer) fn monitored(&self) -> Option<(ChannelId, bool)> {
        match self {
            Self::Monitor { channel, is_first, .. } => Some((ChannelId(*channel), *is_first)),
            Self::Plain | Self::Outbound(_) | Self::Manager(_) => None,
        }
    }
}

/// A write in the order.
#[derive(Debug)]
pub(in crate::store::writer) struct Entry<K, T> {
    pub(super) position: Position,
    pub(in crate::store::writer) kind: Kind,
    /// While it must not be committed.
    pub(super) wait: Option<Wait>,
    /// While no commit is made for it alone.
    pub(super) deferral: Option<Deferral>,
    /// What it writes. Writes with the same key stay in their order.
    pub(in crate::store::writer) key: Option<K>,
    pub(in crate::store::writer) payload: T,
}

#[derive(Debug)]
pub(super) struct Wait {
    pub(super) since: Instant,
    /// When the first manager came that may have been serialized before.
    pub(super) first_manager: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Deferral {
    pub(super) ticket: Ticket,
    pub(super) until: Instant,
}

/// A manager that came while payments were being handed to the library.
#[derive(Debug)]
pub(super) struct Held<K, T> {
    pub(super) entry: Entry<K, T>,
    pub(super) since: Instant,
    /// The last of these payments.
    pub(super) last_pin: u64,
}

impl<K, T> Entry<K, T> {
    /// Its place in the order of all writes.
    pub(in crate::store::writer) fn position(&self) -> Position {
        self.position
    }

    pub(super) fn is_monitor(&self) -> bool {
        matches!(self.kind, Kind::Monitor { .. })
    }

    /// From when on it may be committed without being covered; `None` if not, or if it is.
    pub(super) fn free_from(&self) -> Option<Instant> {
        let first_manager = self.wait.as_ref()?.first_manager?;
        (!self.is_monitor()).then(|| first_manager + PAYMENT_PATIENCE)
    }

    /// For how long no commit is made for it alone; `None` if it is in a hurry.
    pub(super) fn deferred_for(&self, now: Instant) -> Option<Duration> {
        let until = self.deferral.as_ref()?.until;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    pub(super) fn is_free(&self, now: Instant) -> bool {
        self.wait.is_none() || self.free_from().is_some_and(|from| from <= now)
    }
}
