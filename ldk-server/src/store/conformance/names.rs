//! Names of records: those that the library's own store takes, and no others.

use ldk_node::lightning::io;
use ldk_node::lightning::util::persist::{
    KVSTORE_NAMESPACE_KEY_ALPHABET, KVSTORE_NAMESPACE_KEY_MAX_LEN, KVStore, KVStoreSync,
};
use tokio::runtime;

use super::TestDatabase;
use crate::store::Store;

fn calls(store: &Store, (primary, secondary, key): (&str, &str, &str)) -> Vec<io::Result<()>> {
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    vec![
        KVStoreSync::write(store, primary, secondary, key, vec![1]),
        KVStoreSync::read(store, primary, secondary, key).map(drop),
        KVStoreSync::remove(store, primary, secondary, key, false),
        runtime.block_on(KVStore::write(store, primary, secondary, key, vec![1])),
        runtime.block_on(KVStore::read(store, primary, secondary, key)).map(drop),
        runtime.block_on(KVStore::remove(store, primary, secondary, key, true)),
    ]
}

pub(super) fn names_that_cannot_be_are_refused<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let long = "a".repeat(KVSTORE_NAMESPACE_KEY_MAX_LEN + 1);
    for name in [
        ("space", "", ""),
        ("", "sub", "key"),
        (long.as_str(), "", "key"),
        ("space", &long, "key"),
        ("space", "", &long),
        ("sp ace", "", "key"),
        ("space", "s/ub", "key"),
        ("space", "", "k\u{e9}y"),
        ("space", "", "ke\0y"),
        ("space", "", "../key"),
    ] {
        for result in calls(&store, name) {
            let kind = result.map_err(|error| error.kind());
            assert_eq!(kind, Err(io::ErrorKind::InvalidInput), "{name:?}");
        }
    }
    for (primary, secondary) in [("", "sub"), (long.as_str(), ""), ("space", &long), ("s.", "")] {
        let kind = KVStoreSync::list(&store, primary, secondary).map_err(|error| error.kind());
        assert_eq!(kind, Err(io::ErrorKind::InvalidInput), "{primary:?} {secondary:?}");
    }
}

pub(super) fn names_that_can_be_are_taken<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let long = "a".repeat(KVSTORE_NAMESPACE_KEY_MAX_LEN);
    let (one, other) = KVSTORE_NAMESPACE_KEY_ALPHABET.split_at(32);
    for name in [
        ("", "", "key"),
        ("space", "", "key"),
        ("space", "sub", "key"),
        (&long, &long, &long),
        (one, other, one),
        ("space", "sub", other),
    ] {
        for result in calls(&store, name) {
            result.unwrap();
        }
    }
}

pub(super) fn what_is_not_there<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    assert_eq!(KVStoreSync::list(&store, "space", "").unwrap(), [""; 0]);
    let unknown = KVStoreSync::read(&store, "space", "", "key").map_err(|error| error.kind());
    assert_eq!(unknown, Err(io::ErrorKind::NotFound));
    KVStoreSync::remove(&store, "space", "", "key", false).unwrap();

    KVStoreSync::write(&store, "space", "sub", "key", Vec::new()).unwrap();
    assert_eq!(KVStoreSync::read(&store, "space", "sub", "key").unwrap(), [0; 0]);
    let of_namespace = KVStoreSync::read(&store, "space", "", "key").map_err(|error| error.kind());
    assert_eq!(of_namespace, Err(io::ErrorKind::NotFound), "namespaces are apart");
    assert_eq!(KVStoreSync::list(&store, "space", "").unwrap(), [""; 0]);
    assert_eq!(KVStoreSync::list(&store, "space", "sub").unwrap(), ["key"]);
}
