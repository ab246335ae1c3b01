//! What was earned and spent.

use ldk_server_grpc::types::{BooksAccount as Account, BooksEntry, BooksEntryKind as Kind};
use serde::Serialize;

use super::bkpr_events::account;

/// An amount that was earned or spent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Income {
    account: String,
    tag: &'static str,
    credit_msat: u64,
    debit_msat: u64,
    currency: &'static str,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    txid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<String>,
}

/// What an entry tells of income. What goes from one of our accounts to another is none, but its fee.
pub(super) fn income(entry: &BooksEntry, currency: &'static str) -> Vec<Income> {
    let fee_msat = entry.fee_msat.unwrap_or_default();
    let base = Income {
        account: account(entry),
        currency,
        timestamp: entry.time,
        txid: Some(entry.txid.clone()).filter(|txid| !txid.is_empty()),
        payment_id: Some(entry.payment_hash.clone()).filter(|hash| !hash.is_empty()),
        ..Income::default()
    };
    let credit = |tag, credit_msat| Income { tag, credit_msat, ..base.clone() };
    let debit = |tag, debit_msat| Income { tag, debit_msat, ..base.clone() };
    let paid_msat = entry.debit_msat.saturating_sub(fee_msat);
    let is_wallet = entry.account() == Account::Wallet;
    let mut events = match entry.kind() {
        Kind::Deposit => vec![credit("deposit", entry.credit_msat)],
        Kind::Withdrawal => {
            vec![debit("withdrawal", paid_msat), debit("onchain_fee", fee_msat)]
        },
        Kind::PaymentReceived => vec![credit("invoice", entry.credit_msat)],
        Kind::PaymentSent => vec![debit("invoice", paid_msat), debit("invoice_fee", fee_msat)],
        Kind::Forward => vec![credit("routed", entry.credit_msat)],
        Kind::Push => {
            vec![Income { credit_msat: entry.credit_msat, ..debit("pushed", entry.debit_msat) }]
        },
        // A swept output that no channel is known of.
        Kind::Sweep if is_wallet && entry.channel_id.is_empty() && entry.fee_msat.is_none() => {
            vec![credit("deposit", entry.credit_msat)]
        },
        Kind::ChannelOpen
        | Kind::Splice
        | Kind::ChannelClose
        | Kind::CloseFeeBump
        | Kind::Sweep => vec![debit("onchain_fee", fee_msat)],
        Kind::Unspecified => Vec::new(),
    };
    events.retain(|event| event.credit_msat > 0 || event.debit_msat > 0);
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: Kind, account: Account, entry: BooksEntry) -> Vec<(&'static str, u64, u64)> {
        let mut entry = entry;
        entry.set_kind(kind);
        entry.set_account(account);
        let events = income(&entry, "bcrt").into_iter();
        events.map(|event| (event.tag, event.credit_msat, event.debit_msat)).collect()
    }

    #[test]
    fn fees_are_told_apart_from_what_is_paid() {
        let spent = || BooksEntry { debit_msat: 105, fee_msat: Some(5), ..BooksEntry::default() };
        let sent = told(Kind::PaymentSent, Account::Channels, spent());
        assert_eq!(sent, [("invoice", 0, 100), ("invoice_fee", 0, 5)]);
        let withdrawn = told(Kind::Withdrawal, Account::Wallet, spent());
        assert_eq!(withdrawn, [("withdrawal", 0, 100), ("onchain_fee", 0, 5)]);
        assert_eq!(told(Kind::ChannelOpen, Account::Wallet, spent()), [("onchain_fee", 0, 5)]);
    }

    #[test]
    fn what_moves_between_our_accounts_is_no_income() {
        let moved = || BooksEntry { credit_msat: 100, fee_msat: Some(0), ..BooksEntry::default() };
        assert!(told(Kind::ChannelOpen, Account::Channels, moved()).is_empty());
        assert!(told(Kind::ChannelClose, Account::Wallet, moved()).is_empty());
        assert_eq!(told(Kind::Deposit, Account::Wallet, moved()), [("deposit", 100, 0)]);
        assert_eq!(told(Kind::Push, Account::Channels, moved()), [("pushed", 100, 0)]);
    }
}
