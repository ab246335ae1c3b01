//! What callers keep under keys of their own, and have said of payments.

use std::slice;

use ldk_node::lightning::ln::channelmanager::PaymentId;

use super::TestDatabase;
use crate::store::{
    DatastoreKey, DatastoreMode, DatastoreRefusal, DatastoreRow, MAX_VALUE_BYTES, PayOrder, Store,
};

const CREATE: DatastoreMode = DatastoreMode { exists: Some(false), appends: false };
const REPLACE: DatastoreMode = DatastoreMode { exists: Some(true), appends: false };
const PUT: DatastoreMode = DatastoreMode { exists: None, appends: false };
const APPEND: DatastoreMode = DatastoreMode { exists: None, appends: true };

fn key(path: &str) -> DatastoreKey {
    DatastoreKey::new(path.split('/').map(str::to_owned).collect()).unwrap()
}

fn put(
    store: &Store,
    path: &str,
    value: &str,
    mode: DatastoreMode,
) -> Result<u64, DatastoreRefusal> {
    let put = store.put_data(key(path), value.into(), mode, None).unwrap();
    put.map(|row| row.generation)
}

fn listed(store: &Store, path: Option<&str>) -> Vec<(String, String)> {
    let rows = store.data(path.map(key).as_ref()).unwrap().into_iter();
    rows.map(|row| (row.key.names().join("/"), String::from_utf8(row.value).unwrap())).collect()
}

pub(super) fn what_is_kept_is_there_after_a_crash<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    assert_eq!(put(&store, "a/b", "1", CREATE), Ok(0));
    assert_eq!(put(&store, "a/b", "2", REPLACE), Ok(1));
    let left = database.killed().open();
    let row = DatastoreRow { key: key("a/b"), value: b"2".to_vec(), generation: 1 };
    assert_eq!(left.data(None).unwrap().first().map(|row| row.generation), Some(1));
    assert_eq!(left.data(Some(&key("a"))).unwrap(), slice::from_ref(&row));
    assert_eq!(store.delete_data(key("a/b"), Some(1)).unwrap(), Ok(row));
    assert_eq!(listed(&database.killed().open(), None), []);
}

pub(super) fn a_value_is_written_only_as_its_caller_expects_it<D: TestDatabase>() {
    let store = D::new().open();
    assert_eq!(put(&store, "a", "1", REPLACE), Err(DatastoreRefusal::Missing));
    assert_eq!(put(&store, "a", "1", PUT), Ok(0));
    assert_eq!(put(&store, "a", "1", CREATE), Err(DatastoreRefusal::Exists));
    assert_eq!(put(&store, "a", "2", APPEND), Ok(1));
    let replace = |generation| store.put_data(key("a"), b"3".to_vec(), REPLACE, Some(generation));
    assert_eq!(replace(0).unwrap(), Err(DatastoreRefusal::OtherGeneration(1)));
    let delete = |path, generation| store.delete_data(key(path), generation).unwrap();
    assert_eq!(delete("a", Some(0)), Err(DatastoreRefusal::OtherGeneration(1)));
    assert_eq!(delete("b", None), Err(DatastoreRefusal::Missing));
    assert_eq!(listed(&store, None), [("a".to_owned(), "12".to_owned())]);
    assert_eq!(replace(1).unwrap().map(|row| row.generation), Ok(2));
    let long = "x".repeat(MAX_VALUE_BYTES);
    assert_eq!(put(&store, "a", &long, APPEND), Err(DatastoreRefusal::TooLong));
    assert_eq!(listed(&store, Some("a")), [("a".to_owned(), "3".to_owned())]);
}

pub(super) fn keys_are_a_tree_with_values_at_its_leaves<D: TestDatabase>() {
    let store = D::new().open();
    for path in ["a/b", "a/c/d", "a/c/e", "ab", "a!/z", "ä/ö"] {
        assert_eq!(put(&store, path, path, CREATE), Ok(0), "{path}");
    }
    assert_eq!(put(&store, "a", "1", PUT), Err(DatastoreRefusal::HasChildren));
    let parent = Err(DatastoreRefusal::ParentExists(key("a/b")));
    assert_eq!(put(&store, "a/b/c", "1", PUT), parent);
    let row = |path: &str, value: &str| (path.to_owned(), value.to_owned());
    assert_eq!(listed(&store, Some("a")), [row("a/b", "a/b"), row("a/c/d", ""), row("a/c/e", "")]);
    assert_eq!(listed(&store, Some("a/b")), [row("a/b", "a/b")]);
    assert_eq!(listed(&store, Some("ä")), [row("ä/ö", "ä/ö")]);
    assert_eq!(listed(&store, Some("b")), []);
    let all = listed(&store, None);
    assert_eq!(all.len(), 6);
    assert!(all.contains(&row("ab", "ab")) && all.contains(&row("a/b", "")), "{all:?}");
}

pub(super) fn what_was_said_of_a_payment_is_told_again<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let order = |label: &str| PayOrder { label: Some(label.to_owned()), ..Default::default() };
    let (one, two) = (PaymentId([1; 32]), PaymentId([2; 32]));
    store.keep_pay_order(one, order("first")).unwrap();
    let left = database.killed().open();
    assert_eq!(left.pay_orders(&[two, one]).unwrap(), [None, Some(order("first"))]);
    // It was tried again.
    store.keep_pay_order(one, order("second")).unwrap();
    assert_eq!(store.pay_orders(&[one]).unwrap(), [Some(order("second"))]);
    assert_eq!(store.pay_orders(&[]).unwrap(), []);
    store.forget_pay_order(one).unwrap();
    assert_eq!(store.pay_orders(&[one]).unwrap(), [None]);
}
