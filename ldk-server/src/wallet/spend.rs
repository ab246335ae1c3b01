//! The last spend of the on-chain wallet, and how much the wallet knows of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ldk_node::UserChannelId;
use ldk_node::bitcoin::Txid;

use crate::error::Error;

/// The last spend, and how much the wallet knows of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spend {
    /// The wallet knows of it.
    Known,
    /// It may have been before the start of the daemon.
    BeforeStart,
    /// Its transaction was created.
    Transaction { txid: Txid, since: Instant },
    /// The library creates the funding transaction of this channel once the peer has agreed.
    Channel(UserChannelId),
    /// It is part of a splice of this channel that the peer has not agreed to yet.
    Splice(UserChannelId),
}

impl Spend {
    pub(super) fn transaction(txid: Txid) -> Self {
        Self::Transaction { txid, since: Instant::now() }
    }

    /// The error for a caller who cannot spend because of this one.
    pub(super) fn not_yet_known(self) -> Error {
        let under_way = "another on-chain spend is under way";
        let reason = match self {
            Self::Known => format!("{under_way}; try again later"),
            Self::BeforeStart => {
                let reason =
                    "the wallet has not looked at the chain since the start; try again later";
                return Error::Unavailable(reason.to_owned());
            },
            Self::Transaction { txid, .. } => format!(
                "{under_way}: the wallet has not found its transaction {txid} on the chain yet; try \
                 again later, at the latest when it is confirmed"
            ),
            Self::Channel(id) => format!(
                "{under_way}: the peer has not agreed to open channel {} yet; try again later, or \
                 close that channel",
                id.0
            ),
            Self::Splice(id) => format!(
                "{under_way}: the peer has not agreed to the splice of channel {} yet; try again \
                 later",
                id.0
            ),
        };
        Error::FailedPrecondition(reason)
    }
}

/// The state of the last spend.
pub(super) struct LastSpend(Mutex<Spend>);

impl Default for LastSpend {
    fn default() -> Self {
        Self(Mutex::new(Spend::BeforeStart))
    }
}

impl LastSpend {
    pub(super) fn get(&self) -> Spend {
        *self.lock()
    }

    pub(super) fn set(&self, spend: Spend) {
        *self.lock() = spend;
    }

    /// Replaces the last spend if it is still `old`, and returns whether it was.
    pub(super) fn replace(&self, old: Spend, new: Spend) -> bool {
        let mut last = self.lock();
        let is_last = *last == old;
        if is_last {
            *last = new;
        }
        is_last
    }

    fn lock(&self) -> MutexGuard<'_, Spend> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::hashes::Hash as _;

    use super::*;

    const CHANNEL: UserChannelId = UserChannelId(1);
    const OTHER: UserChannelId = UserChannelId(2);

    #[test]
    fn only_the_last_spend_changes_its_state() {
        let last = LastSpend::default();
        last.set(Spend::Splice(CHANNEL));
        assert!(!last.replace(Spend::Splice(OTHER), Spend::Known));
        assert!(!last.replace(Spend::Channel(CHANNEL), Spend::Known));
        assert_eq!(last.get(), Spend::Splice(CHANNEL));
        let transaction = Spend::transaction(Txid::from_byte_array([1; 32]));
        assert!(last.replace(Spend::Splice(CHANNEL), transaction));
        assert_eq!(last.get(), transaction);
    }

    #[test]
    fn a_refusal_says_what_is_waited_for() {
        let txid = Txid::from_byte_array([1; 32]);
        for (spend, name) in [
            (Spend::transaction(txid), txid.to_string()),
            (Spend::Channel(CHANNEL), "channel 1".to_owned()),
            (Spend::Splice(OTHER), "channel 2".to_owned()),
        ] {
            let Error::FailedPrecondition(reason) = spend.not_yet_known() else {
                panic!("another status");
            };
            assert!(reason.contains(&name), "{reason}");
        }
        assert!(matches!(Spend::BeforeStart.not_yet_known(), Error::Unavailable(_)));
    }
}
