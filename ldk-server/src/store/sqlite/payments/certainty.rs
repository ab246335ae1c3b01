//! The column `doubt`: whether a failure of the payment is to be believed.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

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
