//! Reads from a serialized `ChannelManager` which monitor updates of its channels it covers, and
//! from a monitor which update it has.
//!
//! The library has no API for this. Three facts about the formats of lightning 0.2 are enough:
//!
//! - A funded channel begins with two bytes of version, the lower half of the user channel id, 8 zero
//!   bytes, and the channel id; 12 bytes later follows the number of its latest monitor update
//!   (`FundedChannel::write`).
//! - A blocked monitor update is serialized within the channel in its final form: two bytes of version
//!   and its number (`ChannelMonitorUpdate::write`).
//! - An outbound payment under way is serialized with its 32-byte id
//!   (`ChannelManager::pending_outbound_payments`).
//!
//! A monitor begins with two bytes of version and the number of its latest update; the library's
//! persister puts two bytes `ff` before that.

use ldk_node::lightning::util::persist::MONITOR_UPDATING_PERSISTER_PREPEND_SENTINEL;
use memchr::memmem;

/// The versions of the formats, each followed by the oldest version that can read it.
const MANAGER_VERSION: [u8; 2] = [1, 1];
const CHANNEL_VERSION: [u8; 2] = [4, 4];
const MONITOR_VERSION: [u8; 2] = [1, 1];

/// What the library refuses to read if a manager begins with it: what only a later version can read.
pub(crate) const UNREADABLE_VERSION: [u8; 2] = [u8::MAX; 2];

const ZEROS: usize = 8;
const ID_BYTES: usize = 32;
/// From the zeros to the number of the latest update: the state of the channel has 4 bytes, its
/// value 8.
const NUMBER_AT: usize = ZEROS + ID_BYTES + 4 + 8;
/// From the beginning of a channel to the zeros.
const ZEROS_AT: usize = CHANNEL_VERSION.len() + 8;

/// The id of a channel or payment.
pub(crate) type Id = [u8; ID_BYTES];

/// Whether the manager has the version of the format described above.
pub(crate) fn is_known_manager(manager: &[u8]) -> bool {
    manager.starts_with(&MANAGER_VERSION)
}

/// The number of the latest monitor update of a channel in the manager; `None` if the channel is
/// closed or not funded yet.
pub(crate) fn channel_update(manager: &[u8], channel: &Id) -> Option<u64> {
    let mut beginning = [0; ZEROS + ID_BYTES];
    beginning[ZEROS..].copy_from_slice(channel);
    memmem::find_iter(manager, &beginning).find_map(|at| {
        let version = manager.get(at.checked_sub(ZEROS_AT)?..)?;
        if !version.starts_with(&CHANNEL_VERSION) {
            return None;
        }
        number_at(manager, at + NUMBER_AT)
    })
}

/// Whether a channel has a blocked update of this number. An update of that number which is written
/// now is then a different one, which the manager does not cover: a claim takes the number of the
/// first blocked update, and the blocked ones get the next numbers.
pub(crate) fn holds_back_update(manager: &[u8], number: u64) -> bool {
    let mut update = [0; MONITOR_VERSION.len() + 8];
    update[..MONITOR_VERSION.len()].copy_from_slice(&MONITOR_VERSION);
    update[MONITOR_VERSION.len()..].copy_from_slice(&number.to_be_bytes());
    memmem::find(manager, &update).is_some()
}

/// Whether the manager has this outbound payment.
pub(crate) fn knows_payment(manager: &[u8], payment: &Id) -> bool {
    memmem::find(manager, payment).is_some()
}

/// Whether the manager has this transaction as a funding transaction.
pub(crate) fn knows_transaction(manager: &[u8], txid: &Id) -> bool {
    memmem::find(manager, txid).is_some()
}

/// The number of the latest update of a monitor that the library's persister has written.
pub(crate) fn monitor_update(monitor: &[u8]) -> Option<u64> {
    let monitor =
        monitor.strip_prefix(MONITOR_UPDATING_PERSISTER_PREPEND_SENTINEL).unwrap_or(monitor);
    if !monitor.starts_with(&MONITOR_VERSION) {
        return None;
    }
    number_at(monitor, MONITOR_VERSION.len())
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    let number = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests;
