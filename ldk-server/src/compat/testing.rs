//! Writes the library's formats for tests, as far as this server reads them.

use super::channel_state::Id;

/// A manager with these channels, each at this update, and these payments.
pub(crate) fn manager(
    channels: impl IntoIterator<Item = (Id, u64)>,
    payments: impl IntoIterator<Item = Id>,
) -> Vec<u8> {
    let mut bytes = vec![1, 1];
    for (channel, update) in channels {
        bytes.extend([4, 4, 9, 9, 9, 9, 9, 9, 9, 9]);
        bytes.extend([0; 8]);
        bytes.extend(channel);
        bytes.extend([7; 12]);
        bytes.extend(update.to_be_bytes());
    }
    bytes.extend(payments.into_iter().flatten());
    bytes
}

/// The bytes of a blocked update of this number, to append to a manager.
pub(crate) fn held_back(update: u64) -> Vec<u8> {
    [&[1, 1][..], &update.to_be_bytes()].concat()
}

/// A monitor at this update, as the library's persister writes it.
pub(crate) fn monitor(update: u64) -> Vec<u8> {
    [&[0xff, 0xff, 1, 1][..], &update.to_be_bytes(), b"the rest"].concat()
}
