//! From which states cuts are begun.

use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::KVStoreSync;

use super::library::{channel_id, monitor};
use crate::compat::testing::{held_back, manager, monitor as monitor_at};
use crate::store::conformance::TestDatabase;
use crate::store::{CutsRefused, Store};

/// Channels, each at an update.
type Channels<'a> = &'a [(u8, u64)];

/// A store with such a manager, and monitors.
fn open(database: &impl TestDatabase, manager: Option<Vec<u8>>, monitors: Channels<'_>) -> Store {
    let store = database.open();
    if let Some(manager) = manager {
        KVStoreSync::write(&store, "", "", "manager", manager).unwrap();
    }
    for (channel, update) in monitors {
        KVStoreSync::write(&store, "monitors", "", &monitor(*channel), monitor_at(*update))
            .unwrap();
    }
    store
}

fn manager_of(channels: Channels<'_>) -> Vec<u8> {
    manager(channels.iter().map(|(channel, update)| (channel_id(*channel), *update)), [])
}

fn begin(store: &Store, open_channels: &[u8]) -> Result<(), String> {
    let channels: Vec<_> =
        open_channels.iter().map(|channel| ChannelId(channel_id(*channel))).collect();
    let begun = store.begin_cuts(&channels);
    assert_eq!(store.cuts_begun(), begun.is_ok());
    begun.map_err(|refused| match refused {
        CutsRefused::Format(reason) => reason,
        CutsRefused::Storage(error) => panic!("{error}"),
    })
}

fn refusal<D: TestDatabase>(
    manager: Option<Vec<u8>>,
    monitors: Channels<'_>,
    open_channels: &[u8],
) -> String {
    let database = D::new();
    let store = open(&database, manager, monitors);
    let reason = begin(&store, open_channels).unwrap_err();
    // All is as it was before.
    KVStoreSync::write(&store, "", "", "key", vec![1]).unwrap();
    assert!(store.durability().is_reached(store.durability().accepted()));
    reason
}

fn is_accepted<D: TestDatabase>(
    manager: Option<Vec<u8>>,
    monitors: Channels<'_>,
    open_channels: &[u8],
) {
    let database = D::new();
    let store = open(&database, manager, monitors);
    begin(&store, open_channels).unwrap();
}

pub(super) fn a_manager_of_another_version_is_refused<D: TestDatabase>() {
    let mut manager = manager_of(&[(0, 3)]);
    for version in [[2, 1], [2, 2], [1, 2], [0, 0]] {
        manager[..2].copy_from_slice(&version);
        let reason = refusal::<D>(Some(manager.clone()), &[(0, 3)], &[0]);
        assert!(reason.contains("the manager of the channels has another version"), "{reason}");
    }
    assert!(refusal::<D>(Some(vec![1]), &[], &[]).contains("another version"));
    assert!(refusal::<D>(Some(Vec::new()), &[], &[]).contains("another version"));
}

pub(super) fn a_channel_without_its_state_is_refused<D: TestDatabase>() {
    let reason = refusal::<D>(Some(manager_of(&[(0, 3)])), &[(0, 3), (1, 3)], &[0, 1]);
    assert!(reason.contains("is at None in the manager and at Some(3) in its monitor"), "{reason}");
    let reason = refusal::<D>(Some(manager_of(&[(0, 3)])), &[], &[0]);
    assert!(reason.contains("is at Some(3) in the manager and at None in its monitor"), "{reason}");
    let reason = refusal::<D>(None, &[(0, 3)], &[0]);
    assert!(reason.contains("there are channels and no manager of them"), "{reason}");
    // The channel has another version.
    let mut manager = manager_of(&[(0, 3)]);
    manager[2] = 5;
    let reason = refusal::<D>(Some(manager), &[(0, 3)], &[0]);
    assert!(reason.contains("is at None in the manager"), "{reason}");
}

pub(super) fn a_manager_that_is_behind_is_refused<D: TestDatabase>() {
    let reason = refusal::<D>(Some(manager_of(&[(0, 3)])), &[(0, 4)], &[0]);
    assert!(
        reason.contains("is at Some(3) in the manager and at Some(4) in its monitor"),
        "{reason}"
    );
}

pub(super) fn updates_beside_the_monitor_count<D: TestDatabase>() {
    let database = D::new();
    let store = open(&database, Some(manager_of(&[(0, 11)])), &[(0, 8)]);
    for update in ["9", "10", "11", "12"] {
        KVStoreSync::write(&store, "monitor_updates", &monitor(0), update, vec![1]).unwrap();
    }
    let reason = begin(&store, &[0]).unwrap_err();
    assert!(reason.contains("is at Some(11) in the manager and at Some(12)"), "{reason}");
    KVStoreSync::remove(&store, "monitor_updates", &monitor(0), "12", false).unwrap();
    begin(&store, &[0]).unwrap();
}

pub(super) fn a_monitor_of_another_format_is_refused<D: TestDatabase>() {
    for value in [Vec::new(), vec![1, 1, 0, 0], vec![2, 1, 0, 0, 0, 0, 0, 0, 0, 3], vec![0xff; 20]]
    {
        let database = D::new();
        let store = open(&database, Some(manager_of(&[(0, 3)])), &[(0, 3)]);
        KVStoreSync::write(&store, "monitors", "", &monitor(1), value).unwrap();
        let reason = begin(&store, &[0]).unwrap_err();
        assert!(reason.ends_with("has another format"), "{reason}");
    }
    let database = D::new();
    let store = open(&database, Some(manager_of(&[(0, 3)])), &[(0, 3)]);
    KVStoreSync::write(&store, "monitors", "", "no_channel", monitor_at(3)).unwrap();
    let reason = begin(&store, &[0]).unwrap_err();
    assert_eq!(reason, "the monitor no_channel has another format");
}

pub(super) fn what_a_node_may_have_is_accepted<D: TestDatabase>() {
    is_accepted::<D>(None, &[], &[]);
    is_accepted::<D>(Some(manager_of(&[])), &[], &[]);
    is_accepted::<D>(Some(manager_of(&[(0, 3), (1, 0)])), &[(0, 3), (1, 0)], &[0, 1]);
    // Those that are closed have monitors until they are put away.
    is_accepted::<D>(Some(manager_of(&[(0, 3)])), &[(0, 3), (7, 100)], &[0]);
    is_accepted::<D>(Some(manager_of(&[])), &[(7, u64::MAX)], &[]);
    // Those that were never updated.
    is_accepted::<D>(Some(manager_of(&[(0, 0)])), &[(0, 0)], &[0]);
    // One that holds updates back has them in the manager only.
    let mut manager = manager_of(&[(0, 5)]);
    manager.extend([4, 5].into_iter().flat_map(held_back));
    is_accepted::<D>(Some(manager), &[(0, 3)], &[0]);
}

pub(super) fn monitors_have_either_form_of_name<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut id = [7; 32];
    id[31] ^= 1;
    KVStoreSync::write(&store, "", "", "manager", manager([(id, 3)], [])).unwrap();
    let name = format!("{}_1", hex::encode([7; 32]));
    KVStoreSync::write(&store, "monitors", "", &name, monitor_at(3)).unwrap();
    store.begin_cuts(&[ChannelId(id)]).unwrap();
}
