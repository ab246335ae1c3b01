//! What transactions are taken for.

use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::bitcoin::{OutPoint, Txid};
use ldk_server_grpc::events::{ChannelStateChangeReason, ChannelStateChangeReasonKind as Reason};
use ldk_server_grpc::types::{BooksAccount as Account, BooksEntry, BooksEntryKind as Kind};

use super::chain::{Transaction, Transactions};
use super::reading::Chain;
use super::record::{ChannelRecord, ClosedOutput, Closing, Splice};

const OWN: bool = true;
const FOREIGN: bool = false;

fn outpoint(transaction: u8, vout: u32) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([transaction; 32]), vout }
}

fn transaction(
    id: u8,
    (sent_sats, received_sats, outputs_sats): (u64, u64, u64),
    inputs: &[(OutPoint, bool)],
) -> Transaction {
    Transaction {
        txid: Txid::from_byte_array([id; 32]),
        height: Some(u32::from(id)),
        time: u64::from(id),
        sent_sats,
        received_sats,
        inputs: inputs.to_vec(),
        outputs_sats,
    }
}

/// A channel of 1,000 sat, of which 100 sat were given to the peer, with transaction 2.
fn channel() -> ChannelRecord {
    ChannelRecord {
        counterparty_node_id: "peer".to_owned(),
        funding: outpoint(2, 0).to_string(),
        opened_at: Some(2),
        value_sats: Some(1_000),
        is_outbound: true,
        opening_balance_sats: Some(900),
        has_anchors: Some(true),
        ..ChannelRecord::default()
    }
}

fn funding() -> Transaction {
    transaction(2, (5_000, 3_990, 4_990), &[(outpoint(1, 0), OWN)])
}

fn closing(kind: Reason, claimable_sats: u64, balance_sats: Option<u64>) -> Closing {
    let mut reason = ChannelStateChangeReason::default();
    reason.set_kind(kind);
    Closing {
        at: 9,
        reason: Some(reason),
        claimable_sats: Some(claimable_sats),
        balance_sats,
        ..Closing::default()
    }
}

fn chain(record: Option<ChannelRecord>, transactions: Vec<Transaction>) -> Chain {
    let records = record.map(|record| ("id".to_owned(), record)).into_iter().collect();
    Chain::of(records, &Transactions::of(transactions.into_iter()))
}

/// Account, kind, what came in, what left, and the fee, in satoshis.
type Line = (Account, Kind, u64, u64, Option<u64>);

fn lines(entries: &[BooksEntry]) -> Vec<Line> {
    let line = |entry: &BooksEntry| {
        let fee_sats = entry.fee_msat.map(|fee_msat| fee_msat / 1_000);
        let (credit_sats, debit_sats) = (entry.credit_msat / 1_000, entry.debit_msat / 1_000);
        (entry.account(), entry.kind(), credit_sats, debit_sats, fee_sats)
    };
    let mut lines: Vec<_> = entries.iter().map(line).collect();
    lines.sort_by_key(|line| (line.0, line.1));
    lines
}

/// What is in the books of these, beside the opening.
fn beside_opening(record: ChannelRecord, transactions: Vec<Transaction>) -> (Vec<Line>, Chain) {
    let mut all = vec![funding()];
    all.extend(transactions);
    let chain = chain(Some(record), all);
    let mut lines = lines(&chain.entries);
    lines.retain(|line| !matches!(line.1, Kind::ChannelOpen | Kind::Push));
    (lines, chain)
}

#[test]
fn what_is_of_no_channel_is_a_deposit_or_a_withdrawal() {
    let came = transaction(1, (0, 5_000, 9_000), &[(outpoint(9, 0), FOREIGN)]);
    let left = transaction(3, (5_000, 2_900, 4_900), &[(outpoint(1, 0), OWN)]);
    let found = chain(None, vec![came, left]);
    assert_eq!(
        lines(&found.entries),
        [
            (Account::Wallet, Kind::Deposit, 5_000, 0, Some(0)),
            (Account::Wallet, Kind::Withdrawal, 0, 2_100, Some(100)),
        ]
    );
    assert_eq!(found.entries[1].block_height, Some(3));
}

#[test]
fn an_opening_costs_the_fee_of_its_transaction() {
    let chain = chain(Some(channel()), vec![funding()]);
    assert_eq!(
        lines(&chain.entries),
        [
            (Account::Wallet, Kind::ChannelOpen, 0, 1_010, Some(10)),
            (Account::Channels, Kind::ChannelOpen, 1_000, 0, Some(0)),
            (Account::Channels, Kind::Push, 0, 100, Some(0)),
        ]
    );
    assert!(chain.entries.iter().all(|entry| entry.channel_id == "id"));
}

#[test]
fn a_channel_whose_funding_never_came_is_not_in_the_books() {
    let failed = ChannelRecord {
        closing: Some(Closing {
            failed_to_open: true,
            ..closing(Reason::FundingTimedOut, 0, None)
        }),
        ..channel()
    };
    assert!(chain(Some(failed), vec![]).entries.is_empty());
    assert!(chain(Some(channel()), vec![]).entries.is_empty());
}

#[test]
fn what_the_peer_pushed_came_without_a_fee() {
    let record = ChannelRecord { is_outbound: false, opening_balance_sats: Some(100), ..channel() };
    let chain = chain(Some(record), vec![]);
    assert_eq!(lines(&chain.entries), [(Account::Channels, Kind::Push, 100, 0, Some(0))]);
    assert_eq!(chain.channels["id"].1.open_fee_sats, Some(0));
}

fn splice(amount_sats: Option<i64>, value_sats: u64) -> ChannelRecord {
    let splice = Splice {
        funding: outpoint(3, 1).to_string(),
        ready_at: Some(4),
        value_sats: Some(value_sats),
        amount_sats,
    };
    ChannelRecord { splices: vec![splice], ..channel() }
}

#[test]
fn the_wallet_pays_the_fee_of_what_is_spliced_in() {
    let inputs = [(outpoint(2, 0), FOREIGN), (outpoint(2, 1), OWN)];
    let spliced = transaction(3, (3_990, 3_470, 4_970), &inputs);
    let (lines, chain) = beside_opening(splice(Some(500), 1_500), vec![spliced]);
    assert_eq!(
        lines,
        [
            (Account::Wallet, Kind::Splice, 0, 520, Some(20)),
            (Account::Channels, Kind::Splice, 500, 0, Some(0)),
        ]
    );
    let on_chain = &chain.channels["id"].1;
    assert_eq!((on_chain.spliced_sats, on_chain.splice_fees_sats), (Some(500), Some(20)));
}

#[test]
fn the_channel_pays_the_fee_of_what_is_spliced_out() {
    let to_wallet = transaction(3, (0, 200, 970), &[(outpoint(2, 0), FOREIGN)]);
    for (transactions, to_wallet) in [(vec![to_wallet], true), (vec![], false)] {
        let (lines, chain) = beside_opening(splice(Some(-200), 770), transactions);
        let paid = (Account::Channels, Kind::Splice, 0, 230, Some(30));
        let came = (Account::Wallet, Kind::Splice, 200, 0, Some(0));
        assert_eq!(lines, if to_wallet { vec![came, paid] } else { vec![paid] });
        let on_chain = &chain.channels["id"].1;
        assert_eq!((on_chain.spliced_sats, on_chain.splice_fees_sats), (Some(-230), Some(30)));
    }
}

#[test]
fn a_splice_of_the_peer_changes_nothing() {
    let (lines, chain) = beside_opening(splice(None, 1_500), vec![]);
    assert!(lines.is_empty(), "{lines:?}");
    assert_eq!(chain.channels["id"].1.spliced_sats, Some(0));
}

#[test]
fn the_fee_of_a_splice_from_before_the_books_is_not_known() {
    let inputs = [(outpoint(2, 0), FOREIGN), (outpoint(2, 1), OWN)];
    let spliced = transaction(3, (3_990, 3_470, 4_970), &inputs);
    let (lines, chain) = beside_opening(splice(None, 1_500), vec![spliced]);
    assert_eq!(lines, [(Account::Wallet, Kind::Splice, 0, 520, None)]);
    let on_chain = &chain.channels["id"].1;
    assert_eq!((on_chain.spliced_sats, on_chain.splice_fees_sats), (None, None));
}

#[test]
fn the_opener_pays_for_a_closure_by_agreement() {
    let closed = || transaction(5, (0, 840, 940), &[(outpoint(2, 0), FOREIGN)]);
    let reason = Reason::LocallyInitiatedCooperativeClosure;
    let record = ChannelRecord { closing: Some(closing(reason, 800, None)), ..channel() };
    let (lines, chain) = beside_opening(record.clone(), vec![closed()]);
    assert_eq!(
        lines,
        [
            (Account::Wallet, Kind::ChannelClose, 840, 0, Some(0)),
            (Account::Channels, Kind::ChannelClose, 0, 900, Some(60)),
        ]
    );
    let on_chain = &chain.channels["id"].1;
    assert_eq!((on_chain.final_balance_sats, on_chain.close_cost_sats()), (Some(900), Some(60)));
    let (_, chain) = beside_opening(ChannelRecord { is_outbound: false, ..record }, vec![closed()]);
    let on_chain = &chain.channels["id"].1;
    assert_eq!((on_chain.final_balance_sats, on_chain.close_cost_sats()), (Some(840), Some(0)));
}

fn forced(balance_sats: Option<u64>) -> ChannelRecord {
    let output = ClosedOutput { outpoint: outpoint(7, 1).to_string(), value_sats: 200 };
    ChannelRecord {
        closing: Some(closing(Reason::HolderForceClosed, 200, balance_sats)),
        outputs: vec![output],
        ..channel()
    }
}

#[test]
fn a_closure_by_force_costs_its_transaction_and_the_sweep() {
    let bump = transaction(8, (400, 350, 350), &[(outpoint(7, 0), FOREIGN), (outpoint(6, 0), OWN)]);
    let sweep = transaction(9, (0, 180, 180), &[(outpoint(7, 1), FOREIGN)]);
    let (lines, chain) = beside_opening(forced(Some(900)), vec![bump, sweep]);
    assert_eq!(
        lines,
        [
            (Account::Wallet, Kind::CloseFeeBump, 0, 50, Some(50)),
            (Account::Wallet, Kind::Sweep, 180, 0, Some(0)),
            (Account::Channels, Kind::ChannelClose, 0, 900, Some(700)),
            (Account::Closing, Kind::ChannelClose, 200, 0, Some(0)),
            (Account::Closing, Kind::Sweep, 0, 200, Some(20)),
        ]
    );
    assert_eq!(chain.channels["id"].1.close_cost_sats(), Some(770));
}

#[test]
fn what_a_closure_costs_is_not_known_before_all_has_come() {
    let (_, chain) = beside_opening(forced(Some(900)), vec![]);
    assert_eq!(chain.channels["id"].1.close_cost_sats(), None);
    let sweep = transaction(9, (0, 180, 180), &[(outpoint(7, 1), FOREIGN)]);
    let (lines, chain) = beside_opening(forced(None), vec![sweep]);
    assert!(lines.contains(&(Account::Channels, Kind::ChannelClose, 0, 200, None)), "{lines:?}");
    assert_eq!(chain.channels["id"].1.close_cost_sats(), None);
}

#[test]
fn the_fee_of_a_sweep_of_two_channels_is_not_shared_out() {
    let mut other = forced(Some(900));
    other.outputs[0].outpoint = outpoint(17, 1).to_string();
    other.is_outbound = false;
    let inputs = [(outpoint(7, 1), FOREIGN), (outpoint(17, 1), FOREIGN)];
    let transactions = [funding(), transaction(9, (0, 370, 370), &inputs)];
    let records = vec![("a".to_owned(), forced(Some(900))), ("b".to_owned(), other)];
    let chain = Chain::of(records, &Transactions::of(transactions.into_iter()));
    let swept: Vec<_> =
        lines(&chain.entries).into_iter().filter(|line| line.1 == Kind::Sweep).collect();
    let of_one = (Account::Closing, Kind::Sweep, 0, 200, None);
    assert_eq!(swept, [(Account::Wallet, Kind::Sweep, 370, 0, Some(0)), of_one, of_one]);
    assert!(chain.channels.values().all(|(_, on_chain)| on_chain.close_cost_sats().is_none()));
}
