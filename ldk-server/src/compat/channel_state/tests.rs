//! What is known of the formats, against what real nodes wrote.
//!
//! `testdata` has the state of two regtest nodes that ran for this alone, with the library's versions
//! of `Cargo.lock`: three payments from one to the other were over, and a fourth was held by the
//! payee (`Bolt11ReceiveForHash`). The manager, the monitor of their channel and its last update were
//! then taken out of `ldk_node_data`. After an upgrade of the library they are to be recorded anew.

use ldk_node::lightning::chain::channelmonitor::ChannelMonitorUpdate;
use ldk_node::lightning::util::ser::{Readable as _, Writeable as _};
use proptest::prelude::*;

use super::*;
use crate::compat::testing;

const CHANNEL: &str = "255695755459fe6799b02bb2eca2aefe53cff4153171b8a8bf904597261add6c";
/// The payment that is held.
const HELD: &str = "4bb06f8e4e3a7715d201d573d0aa423762e55dabd61a2c02278fa56cc6d294e0";
/// The last of those that were over.
const LAST: &str = "408d0f84b57b7222a0002a93cf0135e6d94584f0536c965a0ef8d67b0a3ffb2f";

/// What a node has of the channel.
struct Node {
    manager: &'static [u8],
    monitor: &'static [u8],
    /// The last update of the monitor, and its number, which is its key.
    update: (&'static [u8], u64),
}

const PAYER: Node = Node {
    manager: include_bytes!("../testdata/payer_manager"),
    monitor: include_bytes!("../testdata/payer_monitor"),
    update: (include_bytes!("../testdata/payer_update_18"), 18),
};

const PAYEE: Node = Node {
    manager: include_bytes!("../testdata/payee_manager"),
    monitor: include_bytes!("../testdata/payee_monitor"),
    update: (include_bytes!("../testdata/payee_update_17"), 17),
};

fn id(hex: &str) -> Id {
    hex::decode(hex).unwrap().try_into().unwrap()
}

#[test]
fn the_manager_is_at_the_last_update_of_the_monitor() {
    for Node { manager, update: (_, number), .. } in [PAYER, PAYEE] {
        assert!(is_known_manager(manager));
        assert_eq!(channel_update(manager, &id(CHANNEL)), Some(number));
        let mut other = id(CHANNEL);
        other[31] ^= 1;
        assert_eq!(channel_update(manager, &other), None);
        assert_eq!(channel_update(manager, &[0; 32]), None);
    }
}

#[test]
fn a_monitor_has_its_number_with_and_without_the_sentinel() {
    for Node { monitor, update: (update, number), .. } in [PAYER, PAYEE] {
        // Whole monitors are written every 100 updates.
        assert_eq!(monitor_update(monitor), Some(0));
        assert!(monitor.starts_with(MONITOR_UPDATING_PERSISTER_PREPEND_SENTINEL));
        assert_eq!(monitor_update(&monitor[2..]), Some(0));
        // An update begins in the same way.
        assert_eq!(monitor_update(update), Some(number));
        let read = ChannelMonitorUpdate::read(&mut &*update).unwrap();
        assert_eq!(read.update_id, number);
    }
}

#[test]
fn a_payment_on_its_way_is_known_and_no_other() {
    assert!(knows_payment(PAYER.manager, &id(HELD)));
    assert!(!knows_payment(PAYER.manager, &id(CHANNEL).map(|byte| !byte)));
    let mut other = id(HELD);
    other[0] ^= 1;
    assert!(!knows_payment(PAYER.manager, &other));
    // One that is over is remembered for a while by the payer, and not by the payee.
    assert!(knows_payment(PAYER.manager, &id(LAST)));
    assert!(!knows_payment(PAYEE.manager, &id(LAST)));
}

#[test]
fn an_update_that_is_held_back_is_found_as_it_will_be_written() {
    for Node { manager, update: (update, number), .. } in [PAYER, PAYEE] {
        for number in (0..10_000).chain([u64::MAX]) {
            assert!(!holds_back_update(manager, number), "{number}");
        }
        let holding = [manager, update].concat();
        assert!(holds_back_update(&holding, number));
        assert!(!holds_back_update(&holding, number - 1));
        assert!(!holds_back_update(&holding, number + 1));
        // The library writes an update in the manager as it does alone.
        let written = ChannelMonitorUpdate::read(&mut &*update).unwrap().encode();
        assert!(written.starts_with(&testing::held_back(number)));
    }
}

#[test]
fn what_tests_write_is_in_the_same_format() {
    let manager = testing::manager([([1; 32], 3), ([2; 32], 300)], [[9; 32]]);
    assert!(is_known_manager(&manager));
    assert_eq!(channel_update(&manager, &[1; 32]), Some(3));
    assert_eq!(channel_update(&manager, &[2; 32]), Some(300));
    assert_eq!(channel_update(&manager, &[3; 32]), None);
    assert!(knows_payment(&manager, &[9; 32]) && !knows_payment(&manager, &[8; 32]));
    assert_eq!(monitor_update(&testing::monitor(7)), Some(7));
}

#[test]
fn other_versions_are_refused() {
    for version in [[0, 0], [1, 2], [2, 1], [2, 2], [0xff, 0xff]] {
        let mut manager = PAYER.manager.to_vec();
        manager[..2].copy_from_slice(&version);
        assert!(!is_known_manager(&manager), "{version:?}");

        let mut monitor = PAYER.monitor.to_vec();
        monitor[2..4].copy_from_slice(&version);
        assert_eq!(monitor_update(&monitor), None, "{version:?}");
        assert_eq!(monitor_update(&monitor[2..]), None, "{version:?}");
    }
    let channel = id(CHANNEL);
    let at = memmem::find(PAYER.manager, &channel).unwrap() - ZEROS - ZEROS_AT;
    for version in [[3, 3], [5, 4], [4, 5], [5, 5]] {
        let mut manager = PAYER.manager.to_vec();
        manager[at..at + 2].copy_from_slice(&version);
        assert_eq!(channel_update(&manager, &channel), None, "{version:?}");
    }
    let mut manager = PAYER.manager.to_vec();
    manager[at + ZEROS_AT] = 1;
    assert_eq!(channel_update(&manager, &channel), None, "the zeros are another thing");
}

#[test]
fn a_channel_is_found_behind_another_mention_of_it() {
    let channel = id(CHANNEL);
    let mention = [&[0; ZEROS][..], &channel].concat();
    let manager = [&[1, 1][..], &mention, PAYER.manager].concat();
    assert_eq!(channel_update(&manager, &channel), Some(18));
    // At the very beginning, and with nothing behind it.
    assert_eq!(channel_update(&mention, &channel), None);
}

#[test]
fn what_is_cut_short_has_no_number() {
    for length in 0..12 {
        assert_eq!(monitor_update(&PAYER.monitor[..length]), None, "{length}");
    }
    assert_eq!(monitor_update(&PAYER.monitor[..12]), Some(0));
    let channel = id(CHANNEL);
    let number_at = memmem::find(PAYER.manager, &channel).unwrap() + NUMBER_AT - ZEROS;
    for length in 0..number_at + 8 {
        assert_eq!(channel_update(&PAYER.manager[..length], &channel), None, "{length}");
    }
    assert_eq!(channel_update(&PAYER.manager[..number_at + 8], &channel), Some(18));
}

/// Real bytes, cut short and with some of them changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let recorded = prop_oneof![
        Just(PAYER.manager),
        Just(PAYER.monitor),
        Just(PAYER.update.0),
        Just(PAYEE.manager),
        Just(PAYEE.monitor),
        Just(PAYEE.update.0),
    ];
    // Most of what is looked at is near the beginning.
    let place = prop_oneof![0..200_usize, 0..6_000_usize];
    let changes = prop::collection::vec((place.clone(), any::<u8>()), 0..20);
    let length = prop_oneof![Just(usize::MAX), place];
    (recorded, changes, length).prop_map(|(recorded, changes, length)| {
        let mut bytes = recorded.to_vec();
        for (at, byte) in changes {
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
        }
        bytes.truncate(length);
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..Default::default() })]

    #[test]
    fn nothing_panics(bytes in damaged(), any_id in any::<Id>(), number in any::<u64>()) {
        for id in [id(CHANNEL), id(HELD), any_id] {
            let is_in = memmem::find(&bytes, &id).is_some();
            prop_assert_eq!(knows_payment(&bytes, &id), is_in);
            prop_assert!(is_in || channel_update(&bytes, &id).is_none());
        }
        holds_back_update(&bytes, number);
        is_known_manager(&bytes);
        monitor_update(&bytes);
    }
}
