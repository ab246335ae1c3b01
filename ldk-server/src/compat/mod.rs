//! What is known of the private formats of LDK Node 0.7.1 and lightning 0.2. An upgrade of the library
//! begins here: each fact has recorded bytes, or words, as its test.

pub(crate) mod blocks;
pub(crate) mod channel_state;
pub(crate) mod event_queue;
pub(crate) mod node_features;
pub(crate) mod panics;
pub(crate) mod peer_record;
pub(crate) mod records;
pub(crate) mod splice_signed;
pub(crate) mod wallet;

#[cfg(test)]
pub(crate) mod testing;
