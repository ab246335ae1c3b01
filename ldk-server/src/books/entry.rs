//! What all entries have, and the span of time that they are asked for.

use ldk_server_grpc::types::{BooksAccount, BooksEntry, BooksEntryKind};

/// A span of time, in Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its beginning; no limit if it is `None`.
    pub from: Option<u64>,
    /// Its end, which is not part of it; no limit if it is `None`.
    pub before: Option<u64>,
}

impl Span {
    /// Whether this time is in it.
    pub fn contains(&self, time: u64) -> bool {
        self.from.is_none_or(|from| from <= time) && self.is_before_end(time)
    }

    /// Whether this time is before its end.
    pub fn is_before_end(&self, time: u64) -> bool {
        self.before.is_none_or(|before| time < before)
    }
}

/// An entry of which only what has changed is known.
pub(super) fn entry(
    account: BooksAccount,
    kind: BooksEntryKind,
    credit_sats: u64,
    debit_sats: u64,
) -> BooksEntry {
    BooksEntry {
        account: account.into(),
        kind: kind.into(),
        credit_msat: 1_000 * credit_sats,
        debit_msat: 1_000 * debit_sats,
        ..BooksEntry::default()
    }
}
