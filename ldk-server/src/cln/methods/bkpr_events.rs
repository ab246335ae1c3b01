//! The events of accounts.

use ldk_server_grpc::types::{BooksAccount as Account, BooksEntry, BooksEntryKind as Kind};
use serde::Serialize;

use crate::books::{Coin, Coins, Position, WalletTransaction};

const MSAT: u64 = 1_000;

/// The account of the wallet.
pub(super) const WALLET: &str = "wallet";
/// The account of payments of our own.
pub(in crate::cln) const CHANNELS: &str = "channels";

/// The account of an entry.
pub(super) fn account(entry: &BooksEntry) -> String {
    match entry.account() {
        Account::Wallet => WALLET.to_owned(),
        Account::Channels | Account::Closing | Account::Unspecified
            if entry.channel_id.is_empty() =>
        {
            CHANNELS.to_owned()
        },
        Account::Channels | Account::Closing | Account::Unspecified => entry.channel_id.clone(),
    }
}

/// What has changed an account.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Event {
    account: String,
    #[serde(rename = "type")]
    kind: &'static str,
    tag: &'static str,
    credit_msat: u64,
    debit_msat: u64,
    currency: &'static str,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    outpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blockheight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fees_msat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_rebalance: Option<bool>,
}

impl Event {
    pub(super) fn time(&self) -> u64 {
        self.timestamp
    }

    /// Whether it is of this account and this payment or transaction.
    pub(super) fn is_of(&self, account: Option<&str>, payment_id: Option<&str>) -> bool {
        let ids = [&self.payment_id, &self.txid];
        account.is_none_or(|account| account == self.account)
            && payment_id.is_none_or(|id| ids.into_iter().any(|own| own.as_deref() == Some(id)))
    }

    /// Each coin comes, and perhaps goes; fees are events of their own. Only what is in a block counts.
    pub(super) fn of_wallet(coins: &Coins, currency: &'static str) -> Vec<Self> {
        let moved = coins
            .all
            .iter()
            .flat_map(|coin| [Self::deposit(coin, currency), Self::withdrawal(coin, currency)]);
        let fees = coins.transactions.iter().map(|of| Self::fee(of, currency));
        moved.chain(fees).flatten().collect()
    }

    fn on_chain(tag: &'static str, at: Position, currency: &'static str) -> Option<Self> {
        at.height.map(|height| Self {
            account: WALLET.to_owned(),
            kind: "chain",
            tag,
            currency,
            timestamp: at.time,
            blockheight: Some(height),
            ..Self::default()
        })
    }

    fn deposit(coin: &Coin, currency: &'static str) -> Option<Self> {
        let event = Self::on_chain("deposit", coin.made, currency)?;
        let credit_msat = coin.value_sats.saturating_mul(MSAT);
        Some(Self { credit_msat, outpoint: Some(coin.outpoint.to_string()), ..event })
    }

    fn withdrawal(coin: &Coin, currency: &'static str) -> Option<Self> {
        let (txid, at) = coin.spent?;
        let event = Self::on_chain("withdrawal", at, currency)?;
        Some(Self {
            debit_msat: coin.value_sats.saturating_mul(MSAT),
            outpoint: Some(coin.outpoint.to_string()),
            txid: Some(txid.to_string()),
            ..event
        })
    }

    fn fee(of: &WalletTransaction, currency: &'static str) -> Option<Self> {
        let fee_sats = of.own_fee_sats.filter(|fee_sats| *fee_sats > 0)?;
        let event = Self::on_chain("onchain_fee", of.position, currency)?;
        Some(Self {
            kind: "onchain_fee",
            debit_msat: fee_sats.saturating_mul(MSAT),
            txid: Some(of.transaction.compute_txid().to_string()),
            blockheight: None,
            ..event
        })
    }

    /// The events of an entry that is not of the wallet.
    pub(super) fn of_entry(entry: &BooksEntry, currency: &'static str) -> Vec<Self> {
        if entry.account() == Account::Wallet {
            return Vec::new();
        }
        let event = Self {
            account: account(entry),
            kind: "channel",
            tag: tag(entry.kind()),
            credit_msat: entry.credit_msat,
            debit_msat: entry.debit_msat,
            currency,
            timestamp: entry.time,
            payment_id: Some(entry.payment_hash.clone()).filter(|hash| !hash.is_empty()),
            fees_msat: entry.fee_msat.filter(|fee_msat| *fee_msat > 0),
            is_rebalance: Some(false),
            ..Self::default()
        };
        if entry.kind() == Kind::Forward { forwarded(entry, event) } else { vec![event] }
    }
}

/// A forward comes in by one channel and goes out by another.
fn forwarded(entry: &BooksEntry, event: Event) -> Vec<Event> {
    let Some(out_msat) = entry.forwarded_msat else { return Vec::new() };
    let fee_msat = entry.fee_msat.unwrap_or_default();
    let came = Event {
        account: entry.prev_channel_id.clone(),
        credit_msat: out_msat.saturating_add(fee_msat),
        debit_msat: 0,
        currency: event.currency,
        kind: event.kind,
        tag: event.tag,
        timestamp: event.timestamp,
        fees_msat: event.fees_msat,
        is_rebalance: event.is_rebalance,
        ..Event::default()
    };
    let went = Event { credit_msat: 0, debit_msat: out_msat, ..event };
    vec![came, went]
}

/// Core Lightning's name of what an entry tells of.
fn tag(kind: Kind) -> &'static str {
    match kind {
        Kind::Deposit | Kind::Sweep => "deposit",
        Kind::Withdrawal => "withdrawal",
        Kind::ChannelOpen => "channel_open",
        Kind::Push => "pushed",
        Kind::Splice => "splice",
        Kind::ChannelClose => "channel_close",
        Kind::CloseFeeBump => "onchain_fee",
        Kind::PaymentReceived | Kind::PaymentSent => "invoice",
        Kind::Forward => "routed",
        Kind::Unspecified => "journal_entry",
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::{OutPoint, ScriptBuf, Txid};

    use super::*;

    #[test]
    fn a_coin_comes_and_goes_once_it_is_in_a_block() {
        let txid: Txid = "ab".repeat(32).parse().unwrap();
        let at = |height| Position { height, time: 9 };
        let coin = Coin {
            outpoint: OutPoint { txid, vout: 1 },
            value_sats: 5,
            script: ScriptBuf::new(),
            made: at(Some(7)),
            spent: Some((txid, at(None))),
            is_immature: false,
        };
        let events = |coin: &Coin| {
            let coins = Coins { all: vec![coin.clone()], transactions: Vec::new() };
            Event::of_wallet(&coins, "bcrt")
        };
        let came = events(&coin);
        assert_eq!((came.len(), came[0].tag, came[0].credit_msat), (1, "deposit", 5_000));
        assert!(came[0].is_of(Some("wallet"), None) && !came[0].is_of(Some("cd"), None));
        let gone = events(&Coin { spent: Some((txid, at(Some(8)))), ..coin });
        assert_eq!((gone.len(), gone[1].tag, gone[1].debit_msat), (2, "withdrawal", 5_000));
        assert_eq!(gone[1].txid, Some(txid.to_string()));
    }

    #[test]
    fn a_forward_changes_two_accounts() {
        let mut entry = BooksEntry {
            credit_msat: 5,
            fee_msat: Some(5),
            channel_id: "out".to_owned(),
            prev_channel_id: "in".to_owned(),
            forwarded_msat: Some(100),
            ..Default::default()
        };
        entry.set_account(Account::Channels);
        entry.set_kind(Kind::Forward);
        let events = Event::of_entry(&entry, "bcrt");
        let told: Vec<_> =
            events.iter().map(|of| (&*of.account, of.credit_msat, of.debit_msat)).collect();
        assert_eq!(told, [("in", 105, 0), ("out", 0, 100)]);
        entry.set_account(Account::Wallet);
        assert!(Event::of_entry(&entry, "bcrt").is_empty());
    }
}
