//! Broadcasts that no chain source has answered.

use std::sync::Arc;

use ldk_node::bitcoin::absolute::LockTime;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::bitcoin::transaction::Version;
use ldk_node::bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::KVStoreSync;

use super::TestDatabase;
use crate::clock::unix_secs;
use crate::compat::testing as library;
use crate::store::journal::{Answer, CAPACITY, Entry, Journal, MAX_AGE_SECS};
use crate::store::model::BROADCASTS;

fn funding() -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 1 }
}

fn spending(outputs: &[OutPoint], script: ScriptBuf) -> Transaction {
    let input = |output: &OutPoint| TxIn {
        previous_output: *output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: outputs.iter().map(input).collect(),
        output: vec![TxOut { value: Amount::from_sat(1_000), script_pubkey: script }],
    }
}

pub(in crate::store) fn payment(number: u8) -> Transaction {
    let coin = OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 };
    spending(&[coin, funding()], ScriptBuf::new())
}

fn closing() -> Transaction {
    spending(&[funding()], ScriptBuf::new())
}

fn channel() -> ChannelId {
    ChannelId::v1_from_funding_txid(funding().txid.as_byte_array(), 1)
}

pub(in crate::store) fn open(database: &impl TestDatabase) -> Journal {
    Journal::open(Arc::new(database.open())).unwrap()
}

/// The transactions that are left after a restart.
pub(in crate::store) fn left(database: &impl TestDatabase) -> Vec<Transaction> {
    open(database).unanswered().into_iter().flat_map(|left| left.transactions).collect()
}

/// The library has this on disk.
fn write(journal: &Journal, primary: &str, key: &str, value: Vec<u8>) {
    KVStoreSync::write(&*journal.store, primary, "", key, value).unwrap();
}

pub(super) fn what_is_not_answered_is_there_after_a_restart_in_its_order<D: TestDatabase>() {
    let database = D::new();
    let journal = open(&database);
    let numbers: Vec<_> = (0..20).map(|n| journal.add(vec![payment(n)]).unwrap()).collect();
    numbers.iter().for_each(|&number| journal.is_durable(number));
    journal.answered(numbers[3], &Answer::Taken);
    journal.answered(numbers[5], &Answer::Refused("dust".to_owned()));
    journal.answered(numbers[6], &Answer::NothingToSpend("missingorspent".to_owned()));
    // It is broadcast again.
    assert_eq!(journal.add(vec![payment(4)]), Some(numbers[4]));
    drop(journal);
    let expected: Vec<_> =
        (0..20).filter(|number| ![3, 5, 6].contains(number)).map(payment).collect();
    for _ in 0..2 {
        assert_eq!(left(&database), expected);
    }
    let journal = open(&database);
    for unanswered in journal.unanswered() {
        journal.answered(unanswered.number, &Answer::Taken);
    }
    drop(journal);
    assert_eq!(left(&database), []);
}

pub(super) fn what_rests_on_a_state_that_is_not_on_disk_is_never_sent<D: TestDatabase>() {
    let database = D::new();
    let journal = open(&database);
    write(&journal, "", "manager", library::manager([(channel().0, 3)], []));
    write(&journal, "monitors", &format!("{}_1", funding().txid), vec![1]);
    for transaction in [payment(1), closing()] {
        journal.add(vec![transaction]).unwrap();
    }
    drop(journal);
    assert_eq!(left(&database), []);
    // Nor when the state comes to it later in another way.
    let journal = open(&database);
    write(
        &journal,
        "",
        "manager",
        library::manager([], [payment(1).compute_txid().to_byte_array()]),
    );
    drop(journal);
    assert_eq!(left(&database), []);
}

pub(super) fn the_history_tells_what_the_wallet_has_made<D: TestDatabase>() {
    let database = D::new();
    let journal = open(&database);
    for transaction in [payment(1), payment(2), payment(3)] {
        journal.add(vec![transaction]).unwrap();
    }
    for made in [payment(1), payment(3)] {
        journal.store.transaction_made(made.compute_txid(), None, None).unwrap();
    }
    // The network did not want it.
    journal.store.transaction_refused(payment(3).compute_txid()).unwrap();
    drop(journal);
    assert_eq!(left(&database), [payment(1)]);
}

pub(super) fn the_manager_tells_what_it_rests_on<D: TestDatabase>() {
    let database = D::new();
    let journal = open(&database);
    write(&journal, "monitors", &format!("{}_1", funding().txid), vec![1]);
    let splice = spending(&[funding()], ScriptBuf::new_p2wsh(&ScriptBuf::new().wscript_hash()));
    let of_another = spending(&[OutPoint { vout: 0, ..funding() }], ScriptBuf::new());
    for transaction in [payment(1), closing(), splice, of_another] {
        journal.add(vec![transaction]).unwrap();
    }
    let funded = [payment(1).compute_txid().to_byte_array()];
    write(&journal, "", "manager", library::manager([([9; 32], 3)], funded));
    drop(journal);
    assert_eq!(left(&database), [payment(1), closing()]);
}

pub(super) fn a_child_is_kept_until_its_parent_was_taken<D: TestDatabase>() {
    let database = D::new();
    let journal = open(&database);
    let parent = journal.add(vec![payment(1)]).unwrap();
    let output = OutPoint { txid: payment(1).compute_txid(), vout: 0 };
    let child = journal.add(vec![spending(&[output], ScriptBuf::new())]).unwrap();
    let nothing = Answer::NothingToSpend("missingorspent".to_owned());
    journal.answered(child, &nothing);
    assert_eq!(journal.unanswered().len(), 2);
    journal.answered(parent, &nothing);
    journal.answered(child, &nothing);
    assert_eq!(journal.unanswered(), []);
}

pub(super) fn commitments_are_not_written_down<D: TestDatabase>() {
    let database = D::new();
    let journal = open(&database);
    let mut commitment = closing();
    commitment.input[0].sequence = Sequence(0x80ab_cdef);
    commitment.lock_time = LockTime::from_consensus(0x20ab_cdef);
    assert_eq!(journal.add(vec![commitment.clone()]), None);
    assert_eq!(journal.add(vec![commitment.clone(), payment(1)]), None);
    assert_eq!(journal.add(vec![]), None);
    commitment.lock_time = LockTime::ZERO;
    assert!(journal.add(vec![commitment]).is_some());
}

pub(super) fn what_is_old_is_forgotten_and_so_is_the_oldest_of_too_many<D: TestDatabase>() {
    let database = D::new();
    let journal = open(&database);
    for (number, age) in [(1, MAX_AGE_SECS - 60), (2, MAX_AGE_SECS + 60)] {
        let transactions = vec![payment(number as u8)];
        let read_at = unix_secs() - age;
        journal.write(number, Some(&Entry { transactions, read_at, is_durable: true }));
    }
    drop(journal);
    assert_eq!(left(&database), [payment(1)]);
    let journal = open(&database);
    for index in 0..CAPACITY as u32 {
        let coin = OutPoint { vout: index + 2, ..funding() };
        journal.add(vec![spending(&[coin], ScriptBuf::new())]).unwrap();
    }
    let unanswered = journal.unanswered();
    assert_eq!((unanswered.len(), unanswered[0].number), (CAPACITY, 2));
}

pub(super) fn a_damaged_record_stops_the_start<D: TestDatabase>() {
    let database = D::new();
    let store = Arc::new(database.open());
    let key = format!("{:016x}", 5);
    store.put(BROADCASTS, &key, vec![0x18, 99, 1]).unwrap();
    let error = Journal::open(store).err().unwrap().to_string();
    assert!(error.contains(&key), "{error}");
}
