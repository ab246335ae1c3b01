//! Payments that the manager of the channels does not know. With consistent cuts the record of a
//! payment and the manager that knows of it are committed together, and nothing of the payment leaves
//! the node before that. So a record without such a manager is that of a payment which never left, or
//! whose only attempt failed before the library had written it down as pending.

use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::payment::PaymentDirection::Outbound;
use ldk_node::payment::{PaymentDetails, PaymentKind, PaymentStatus};
use ldk_server_grpc::types::PaymentMethod;
use rusqlite::{Connection, OptionalExtension as _};

use super::{NAMESPACE, StatusChange, outcome, put, read};
use crate::clock::unix_secs;
use crate::compat::channel_state::Id;
use crate::store::sqlite::records::{self, Name};

/// Whether the record is that of a Lightning payment of ours that is on its way.
pub(in crate::store) fn is_on_its_way_out(details: &PaymentDetails) -> bool {
    details.direction == Outbound
        && details.status == PaymentStatus::Pending
        && !matches!(details.kind, PaymentKind::Onchain { .. })
}

/// The Lightning payments on their way out. Not those of which it is known already that their outcome
/// is not.
pub(in crate::store) fn on_their_way_out(database: &Connection) -> rusqlite::Result<Vec<Id>> {
    let mut statement = database.prepare_cached(
        "SELECT id FROM ldk_server_payments
         WHERE status = 0 AND direction = 1 AND method <> ?1 AND doubt = 0",
    )?;
    statement.query_map([PaymentMethod::Onchain as i32], |row| row.get(0))?.collect()
}

/// These have failed.
pub(in crate::store) fn have_failed(
    database: &Connection,
    payments: &[Id],
) -> rusqlite::Result<Vec<StatusChange>> {
    let mut failed = Vec::new();
    for payment in payments {
        if let Ok(name) = Name::new(NAMESPACE.0, NAMESPACE.1, &hex::encode(payment)) {
            failed.extend(has_failed(database, &name, payment)?);
        }
    }
    Ok(failed)
}

/// Whether these have arrived is not known.
pub(in crate::store) fn doubt_unknown(
    database: &Connection,
    payments: &[Id],
) -> rusqlite::Result<()> {
    payments.iter().try_for_each(|payment| outcome::give_up(database, payment))
}

/// Writes down that a payment has failed, in the library's record of it too, unless the record says
/// something else by now.
pub(in crate::store) fn has_failed(
    database: &Connection,
    name: &Name,
    id: &Id,
) -> rusqlite::Result<Option<StatusChange>> {
    let mut statement =
        database.prepare_cached("SELECT payment FROM ldk_server_payments WHERE id = ?1")?;
    let value: Option<Vec<u8>> = statement.query_row([id], |row| row.get(0)).optional()?;
    // What cannot be read was not written by us.
    let Some(Ok(details)) = value.as_deref().map(read) else { return Ok(None) };
    if !is_on_its_way_out(&details) {
        return Ok(None);
    }
    let failed = PaymentDetails {
        status: PaymentStatus::Failed,
        latest_update_timestamp: unix_secs(),
        ..details
    };
    let value = failed.encode();
    // The library may have been made to forget it.
    if records::exists(database, name)? {
        records::put(database, name, &value)?;
    }
    put(database, &failed, &value, None).map(Some)
}
