//! The sums of the entries.

use std::collections::BTreeMap;

use ldk_node::lightning::io;
use ldk_server_grpc::types::{
    AccountSummary, BooksAccount, BooksEntry, BooksEntryKind, KindSummary,
};

use super::Books;
use super::entries::Pages;
use super::entry::Span;
use super::reading::Chain;

const ACCOUNTS: [BooksAccount; 3] =
    [BooksAccount::Wallet, BooksAccount::Channels, BooksAccount::Closing];

/// The sums of the entries of a span of time.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What each account had and has.
    pub accounts: Vec<AccountSummary>,
    /// The sums of each kind.
    pub kinds: Vec<KindSummary>,
    /// How many entries have a fee that is not known.
    pub not_attributed_count: u64,
}

impl Summary {
    /// The sum of the fees of entries that this holds for.
    pub fn fees_msat(&self, of: impl Fn(BooksEntryKind) -> bool) -> u64 {
        let kinds = self.kinds.iter().filter(|kind| of(kind.kind()));
        kinds.map(|kind| kind.fee_msat).sum()
    }
}

/// Adds up the entries of a span of time.
pub fn summary(books: &Books, chain: Chain, span: Span) -> io::Result<Summary> {
    let balances =
        ACCOUNTS.map(|account| span.before.is_none().then(|| books.balance_msat(account, &chain)));
    let mut sums = Sums::default();
    let everything = Span { from: None, before: span.before };
    let mut pages = Pages::new(books, chain, everything);
    loop {
        let page = pages.next_page()?;
        if page.is_empty() {
            return Ok(sums.summary(balances));
        }
        for entry in page {
            sums.add(&entry, span);
        }
    }
}

#[derive(Default)]
struct Sums {
    /// Of each account: what there was before, what came in, and what left.
    accounts: BTreeMap<i32, (i64, u64, u64)>,
    kinds: BTreeMap<(i32, i32), KindSummary>,
    unknown: u64,
}

impl Sums {
    fn add(&mut self, entry: &BooksEntry, span: Span) {
        let (before_msat, credit_msat, debit_msat) =
            self.accounts.entry(entry.account).or_default();
        if !span.contains(entry.time) {
            *before_msat += difference(entry.credit_msat, entry.debit_msat);
            return;
        }
        *credit_msat += entry.credit_msat;
        *debit_msat += entry.debit_msat;
        let kind = self.kinds.entry((entry.account, entry.kind)).or_default();
        (kind.account, kind.kind) = (entry.account, entry.kind);
        kind.count += 1;
        kind.credit_msat += entry.credit_msat;
        kind.debit_msat += entry.debit_msat;
        kind.fee_msat += entry.fee_msat.unwrap_or_default();
        let has_fee = entry.debit_msat > 0 || entry.kind() == BooksEntryKind::Forward;
        self.unknown += u64::from(has_fee && entry.fee_msat.is_none());
    }

    fn summary(self, balances: [Option<u64>; 3]) -> Summary {
        let accounts = ACCOUNTS.into_iter().zip(balances).map(|(account, balance_msat)| {
            let sums = self.accounts.get(&account.into()).copied().unwrap_or_default();
            account_summary(account, sums, balance_msat)
        });
        Summary {
            accounts: accounts.collect(),
            kinds: self.kinds.into_values().collect(),
            not_attributed_count: self.unknown,
        }
    }
}

fn account_summary(
    account: BooksAccount,
    (before_msat, credit_msat, debit_msat): (i64, u64, u64),
    balance_msat: Option<u64>,
) -> AccountSummary {
    let after_msat = before_msat.saturating_add(difference(credit_msat, debit_msat));
    let signed = |msat: u64| i64::try_from(msat).unwrap_or(i64::MAX);
    AccountSummary {
        account: account.into(),
        before_msat,
        credit_msat,
        debit_msat,
        after_msat,
        balance_msat,
        difference_msat: balance_msat.map(|balance| after_msat.saturating_sub(signed(balance))),
    }
}

fn difference(credit_msat: u64, debit_msat: u64) -> i64 {
    let signed = |msat: u64| i64::try_from(msat).unwrap_or(i64::MAX);
    signed(credit_msat).saturating_sub(signed(debit_msat))
}
