//! The column `doubt`: whether a failure of the payment is to be believed.

use ldk_server_grpc::types::PaymentMethod;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, ToSql};

use crate::store::model::Certainty;

impl ToSql for Certainty {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        let number: u8 = match self {
            Self::Known => 0,
            Self::Doubted => 1,
            Self::GivenUp => 2,
        };
        Ok(number.into())
    }
}

impl FromSql for Certainty {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Self::Known),
            1 => Ok(Self::Doubted),
            2 => Ok(Self::GivenUp),
            number => Err(FromSqlError::OutOfRange(number)),
        }
    }
}

/// Doubts what is on its way now.
pub(in crate::store::sqlite) fn doubt_pending(database: &Connection) -> rusqlite::Result<()> {
    let mut statement = database.prepare_cached(
        "UPDATE ldk_server_payments SET doubt = max(doubt, ?1)
         WHERE status = 0 AND direction = 1 AND method <> ?2",
    )?;
    statement.execute((Certainty::Doubted, PaymentMethod::Onchain as i32)).map(drop)
}

/// The library has lost sight of this payment, and whether it arrived is not known.
pub(in crate::store::sqlite) fn give_up(database: &Connection, id: &[u8]) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("UPDATE ldk_server_payments SET doubt = ?1 WHERE id = ?2")?;
    statement.execute((Certainty::GivenUp, id)).map(drop)
}

/// Whether a failure of this payment is not to be believed; that there was one is then remembered.
pub(super) fn is_doubted(database: &Connection, id: &[u8]) -> rusqlite::Result<bool> {
    let mut statement = database
        .prepare_cached("UPDATE ldk_server_payments SET doubt = ?1 WHERE id = ?2 AND doubt > 0")?;
    Ok(statement.execute((Certainty::GivenUp, id))? > 0)
}
