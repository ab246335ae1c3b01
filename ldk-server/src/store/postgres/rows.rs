//! Rows on their way between the file and PostgreSQL, by column.

use bytes::BytesMut;
use ldk_node::lightning::io;
use rusqlite::types::{Value, ValueRef};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::tables::{Kind, Table};
use crate::store::model::invalid_data;
use crate::store::sqlite::sql_error;

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    Integers(Vec<Option<i64>>),
    Reals(Vec<Option<f64>>),
    /// Of text or bytes.
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Values {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Integer => Self::Integers(Vec::new()),
            Kind::Real => Self::Reals(Vec::new()),
            Kind::Text | Kind::Blob => Self::Bytes(Vec::new()),
        }
    }

    fn push(&mut self, kind: Kind, value: ValueRef<'_>) -> bool {
        match (self, kind, value) {
            (Self::Integers(values), _, ValueRef::Null) => values.push(None),
            (Self::Reals(values), _, ValueRef::Null) => values.push(None),
            (Self::Bytes(values), _, ValueRef::Null) => values.push(None),
            (Self::Integers(values), _, ValueRef::Integer(value)) => values.push(Some(value)),
            (Self::Reals(values), _, ValueRef::Real(value)) => values.push(Some(value)),
            (Self::Bytes(values), Kind::Text, ValueRef::Text(value))
            | (Self::Bytes(values), Kind::Blob, ValueRef::Blob(value)) => {
                values.push(Some(value.to_vec()));
            },
            _ => return false,
        }
        true
    }
}

impl ToSql for Values {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Integers(values) => values.to_sql(kind, out),
            Self::Reals(values) => values.to_sql(kind, out),
            Self::Bytes(values) => values.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8_ARRAY | Type::FLOAT8_ARRAY | Type::BYTEA_ARRAY)
    }

    to_sql_checked!();
}

/// Rows of one table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows {
    pub(super) ids: Vec<i64>,
    pub(super) columns: Vec<Values>,
}

impl Rows {
    /// None yet.
    pub(super) fn of(table: &Table) -> Self {
        let columns = table.columns.iter().map(|column| Values::of(column.kind)).collect();
        Self { ids: Vec::new(), columns }
    }

    /// Adds a row of the file, whose first column is its id.
    pub(super) fn push(&mut self, table: &Table, row: &rusqlite::Row<'_>) -> io::Result<()> {
        self.ids.push(row.get(0).map_err(sql_error)?);
        for (index, (values, column)) in self.columns.iter_mut().zip(&table.columns).enumerate() {
            let value = row.get_ref(index + 1).map_err(sql_error)?;
            if !values.push(column.kind, value) {
                let (table, column) = (&table.name, &column.name);
                return Err(invalid_data(&format!("{table}.{column} has a value of another type")));
            }
        }
        Ok(())
    }

    /// How many bytes they have, about.
    pub(super) fn bytes(&self) -> usize {
        let of_values = |values: &Values| match values {
            Values::Integers(values) => values.len() * 8,
            Values::Reals(values) => values.len() * 8,
            Values::Bytes(values) => values.iter().flatten().map(Vec::len).sum(),
        };
        self.ids.len() * 8 + self.columns.iter().map(of_values).sum::<usize>()
    }
}

/// How many bytes a row has, about.
pub(super) fn bytes(row: &[Value]) -> usize {
    let of_value = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Integer(_) | Value::Real(_) => 8,
    };
    row.iter().map(of_value).sum()
}

/// A row of PostgreSQL's, whose first column is its id, as SQLite has it.
pub(super) fn values(
    table: &Table,
    row: &tokio_postgres::Row,
) -> Result<Vec<Value>, Box<dyn std::error::Error + Send + Sync>> {
    let mut values = vec![Value::Integer(row.try_get(0)?)];
    for (index, column) in table.columns.iter().enumerate() {
        let index = index + 1;
        let bytes = || row.try_get::<_, Option<Vec<u8>>>(index);
        let value = match column.kind {
            Kind::Integer => row.try_get::<_, Option<i64>>(index)?.map(Value::Integer),
            Kind::Real => row.try_get::<_, Option<f64>>(index)?.map(Value::Real),
            Kind::Blob => bytes()?.map(Value::Blob),
            Kind::Text => bytes()?.map(String::from_utf8).transpose()?.map(Value::Text),
        };
        values.push(value.unwrap_or(Value::Null));
    }
    Ok(values)
}
