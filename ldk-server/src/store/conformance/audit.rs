//! The record of the calls that changed something.

use std::time::{Duration, Instant};

use super::TestDatabase;
use crate::store::{AuditEntry, AuditFilter, AuditPlace, AuditResult, NewAuditEntry, Page, Store};

const DENIED: AuditResult = AuditResult::Answered(7);
const OK: AuditResult = AuditResult::Answered(0);

fn call(method: &str, caller: &str, created_at: u64) -> NewAuditEntry {
    NewAuditEntry {
        created_at,
        caller: caller.to_owned(),
        method: method.to_owned(),
        request_id: "1f".to_owned(),
        ..NewAuditEntry::default()
    }
}

fn record(store: &Store, call: NewAuditEntry, result: AuditResult) -> u64 {
    store.record_call(call, result).unwrap().number
}

fn page(
    store: &Store,
    filter: &AuditFilter,
    after: Option<AuditPlace>,
    size: usize,
) -> Page<AuditEntry> {
    store.audit_entries(filter, after, size).unwrap()
}

/// The numbers of those that pass, by pages of this size.
fn numbers(store: &Store, filter: &AuditFilter, size: usize) -> Vec<u64> {
    let (mut numbers, mut after) = (Vec::new(), None);
    loop {
        let Page { rows, has_more } = page(store, filter, after, size);
        after = rows.last().map(AuditEntry::place);
        numbers.extend(rows.iter().map(|entry| entry.number));
        if !has_more {
            return numbers;
        }
    }
}

fn results(store: &Store) -> Vec<AuditResult> {
    let rows = page(store, &AuditFilter::default(), None, 100).rows;
    rows.iter().map(|entry| entry.result).collect()
}

pub(super) fn an_entry_is_read_as_it_was_recorded<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let whole = NewAuditEntry {
        amount_msat: Some(7),
        amount_sats: Some(u64::MAX),
        not_recorded: 3,
        ..call("Bolt11Send", "rune 3", 10)
    };
    let number = record(&store, whole.clone(), AuditResult::UnderWay);
    store.record_result(number, OK, None);
    let number = record(&store, call("OnchainSend", "user 1000", 10), AuditResult::UnderWay);
    store.record_result(number, DENIED, Some(9));
    drop(store);
    let rows = page(&database.open(), &AuditFilter::default(), None, 10).rows;
    let [second, first] = &rows[..] else { panic!("{rows:?}") };
    // The largest number of the database is large enough for any amount.
    let stored = NewAuditEntry { amount_sats: Some(i64::MAX as u64), ..whole };
    assert_eq!(*first, AuditEntry { number: 1, call: stored, result: OK });
    let stored = NewAuditEntry { amount_msat: Some(9), ..call("OnchainSend", "user 1000", 10) };
    assert_eq!(*second, AuditEntry { number: 2, call: stored, result: DENIED });
}

pub(super) fn what_a_crash_has_left_has_a_result_that_nobody_knows<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    record(&store, call("Bolt11Send", "rune 3", 10), AuditResult::UnderWay);
    let given_up = record(&store, call("OpenChannel", "rune 3", 10), AuditResult::UnderWay);
    store.record_result(given_up, AuditResult::Unknown, None);
    assert_eq!(results(&store), [AuditResult::Unknown, AuditResult::UnderWay]);
    drop(store);
    let store = database.open();
    record(&store, call("Bolt11Send", "rune 3", 10), AuditResult::UnderWay);
    let expected = [AuditResult::UnderWay, AuditResult::Unknown, AuditResult::Unknown];
    assert_eq!(results(&store), expected);
    let with = |result| AuditFilter { result: Some(result), ..AuditFilter::default() };
    assert_eq!(numbers(&store, &with(AuditResult::Unknown), 10), [2, 1]);
    assert_eq!(numbers(&store, &with(AuditResult::UnderWay), 10), [3]);
}

pub(super) fn pages_of_the_audit_follow_one_another_with_any_filter<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let methods = ["Bolt11Send", "OnchainSend"];
    let callers = ["rune 1", "rune 2", "API key shop"];
    for number in 0..30 {
        // A clock that is set back once.
        let at = if number == 20 { 101 } else { 100 + number as u64 / 4 };
        let result = if number % 5 == 0 { DENIED } else { OK };
        record(&store, call(methods[number % 2], callers[number % 3], at), result);
    }
    let all = page(&store, &AuditFilter::default(), None, 100).rows;
    assert!(all.is_sorted_by_key(|entry| {
        let AuditPlace { created_at, number } = entry.place();
        std::cmp::Reverse((created_at, number))
    }));
    let mut filters = vec![AuditFilter::default()];
    filters.extend(
        methods.map(|method| AuditFilter {
            method: Some(method.to_owned()),
            ..AuditFilter::default()
        }),
    );
    filters.extend(
        callers.map(|caller| AuditFilter {
            caller: Some(caller.to_owned()),
            ..AuditFilter::default()
        }),
    );
    filters.extend(
        [OK, DENIED].map(|result| AuditFilter { result: Some(result), ..AuditFilter::default() }),
    );
    for (created_from, created_before) in
        [(Some(102), None), (None, Some(104)), (Some(101), Some(105))]
    {
        filters.push(AuditFilter { created_from, created_before, ..AuditFilter::default() });
        filters.push(AuditFilter {
            created_from,
            created_before,
            method: Some("Bolt11Send".to_owned()),
            caller: Some("rune 1".to_owned()),
            result: Some(OK),
        });
    }
    for filter in &filters {
        let expected: Vec<_> =
            all.iter().filter(|entry| passes(filter, entry)).map(|entry| entry.number).collect();
        for size in [1, 3, 100] {
            assert_eq!(numbers(&store, filter, size), expected, "{filter:?}");
        }
    }
}

fn passes(filter: &AuditFilter, AuditEntry { call, result, .. }: &AuditEntry) -> bool {
    filter.method.as_ref().is_none_or(|method| *method == call.method)
        && filter.caller.as_ref().is_none_or(|caller| *caller == call.caller)
        && filter.result.is_none_or(|expected| expected == *result)
        && filter.created_from.is_none_or(|from| call.created_at >= from)
        && filter.created_before.is_none_or(|before| call.created_at < before)
}

pub(super) fn old_entries_go_some_at_a_time_and_pages_go_on<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    for number in 0..1_200 {
        record(&store, call("Bolt11Send", "rune 1", 100 + number / 100), OK);
    }
    let all = AuditFilter::default();
    let last_of_first = page(&store, &all, None, 100).rows.last().map(AuditEntry::place);
    assert_eq!(store.remove_old_audit_entries(100).unwrap(), 0);
    let removed: Vec<_> = (0..4).map(|_| store.remove_old_audit_entries(111).unwrap()).collect();
    assert_eq!(removed, [500, 500, 100, 0]);
    assert_eq!(numbers(&store, &all, 7), (1_101..=1_200).rev().collect::<Vec<_>>());
    // Even the entry where the next page begins is gone.
    assert_eq!(store.remove_old_audit_entries(u64::MAX).unwrap(), 100);
    assert_eq!(page(&store, &all, last_of_first, 100).rows, []);
}

pub(super) fn an_entry_comes_to_the_disk_before_what_its_call_changes<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    for number in 1..50 {
        record(&store, call("Bolt11Receive", "rune 1", number), AuditResult::UnderWay);
        store.put("trial", "number", number.to_be_bytes().to_vec()).unwrap();
        // What is read straight from the disk.
        assert_eq!(store.reads.last_audit_number().unwrap(), number);
    }
}

pub(super) fn an_entry_can_be_on_disk_before_its_call_begins<D: TestDatabase>() {
    let store = D::new().open();
    for number in 1..10 {
        let call = call("CreateApiKey", "user 1000", 1);
        let record = store.record_call_at_once(call, AuditResult::UnderWay).unwrap();
        assert_eq!((record.number, store.reads.last_audit_number().unwrap()), (number, number));
    }
}

pub(super) fn an_entry_comes_to_the_disk_by_itself<D: TestDatabase>() {
    let store = D::new().open();
    let begun = Instant::now();
    record(&store, call("DisconnectPeer", "rune 1", 1), OK);
    while store.reads.last_audit_number().unwrap() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
}

pub(super) fn a_record_that_is_dropped_leaves_nothing<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let number = record(&store, call("Bolt11Send", "rune 1", 1), AuditResult::UnderWay);
    store.drop_record(number);
    assert_eq!(results(&store), []);
}
