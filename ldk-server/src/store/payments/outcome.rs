//! Failures that are not to be believed.
//!
//! A node that is killed may have an older state of its channels than their monitors have. The
//! library then closes them at the next start, and gives up what waited to be sent in the older
//! state, though the newer one had sent it already. So once it says that it closes a channel for
//! that reason, a failure of any payment that is on its way is not taken for one: whether it arrived
//! is not known. That it succeeded is believed at any time.

use ldk_node::Event;
use ldk_node::lightning::events::ClosureReason;
use ldk_node::lightning::util::ser::Readable as _;
use ldk_server_grpc::types::PaymentMethod;
use rusqlite::Connection;

/// How far a payment is doubted; 0 if it is not.
pub(super) type Doubt = u8;
/// If the library says that it failed, that is not to be believed.
const DOUBTED: Doubt = 1;
/// The library has said so.
pub(super) const GIVEN_UP: Doubt = 2;

/// Whether the event that came into the library's queue last is that a channel is closed because its
/// state is outdated.
pub(in crate::store) fn reveals_outdated_state(queue: &[u8]) -> bool {
    let Some((length, mut events)) = queue.split_first_chunk() else { return false };
    let events = (0..u16::from_be_bytes(*length)).map_while(|_| Event::read(&mut events).ok());
    let Some(Event::ChannelClosed { reason, .. }) = events.last() else { return false };
    matches!(reason, Some(ClosureReason::OutdatedChannelManager))
}

/// Doubts what is on its way now.
pub(in crate::store) fn doubt_pending(database: &Connection) -> rusqlite::Result<()> {
    let mut statement = database.prepare_cached(
        "UPDATE ldk_server_payments SET doubt = max(doubt, ?1)
         WHERE status = 0 AND direction = 1 AND method <> ?2",
    )?;
    statement.execute((DOUBTED, PaymentMethod::Onchain as i32)).map(drop)
}

/// The library has lost sight of this payment, and whether it arrived is not known.
pub(super) fn give_up(database: &Connection, id: &[u8]) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("UPDATE ldk_server_payments SET doubt = ?1 WHERE id = ?2")?;
    statement.execute((GIVEN_UP, id)).map(drop)
}

/// Whether a failure of this payment is not to be believed; that there was one is then remembered.
pub(super) fn is_doubted(database: &Connection, id: &[u8]) -> rusqlite::Result<bool> {
    let mut statement = database
        .prepare_cached("UPDATE ldk_server_payments SET doubt = ?1 WHERE id = ?2 AND doubt > 0")?;
    Ok(statement.execute((GIVEN_UP, id))? > 0)
}
