//! Writes what methods answer into tables.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use serde_json::Value;

use super::schema::{Column, ColumnKind, Source, Table};

/// The statement that makes a table, and its index.
pub(super) fn definition(table: &Table) -> String {
    let columns = table.all_columns().map(|(name, kind)| {
        let key = if name == "rowid" { " PRIMARY KEY" } else { "" };
        format!("\"{name}\" {kind}{key}")
    });
    let columns: Vec<_> = columns.collect();
    let mut made = format!("CREATE TABLE {} ({});", table.name, columns.join(", "));
    if !table.indexed.is_empty() {
        let (name, indexed) = (table.name, table.indexed.join(", "));
        made += &format!("CREATE INDEX {name}_index ON {name} ({indexed});");
    }
    made
}

/// Fills a table with the items of its root, and tells how many rows it has, or nothing if it would have
/// more than `most`.
pub(super) fn fill(
    connection: &Connection,
    table: &Table,
    items: &[Value],
    most: usize,
) -> rusqlite::Result<Option<usize>> {
    let places = vec!["?"; table.numbers().len() + table.columns.len()].join(", ");
    let text = format!("INSERT INTO {} VALUES ({places})", table.name);
    let mut insert = connection.prepare(&text)?;
    let (mut rows, mut last) = (0, 0);
    for (row, item) in (1..).zip(items) {
        let inner = match &table.source {
            Source::Method { .. } => std::slice::from_ref(item),
            Source::Table { path, .. } => {
                at(item, path).and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
            },
        };
        for (index, item) in (0_i64..).zip(inner) {
            rows += 1;
            if rows > most {
                return Ok(None);
            }
            last += 1;
            let numbers = [last, row, index];
            let numbers = numbers.into_iter().take(table.numbers().len()).map(Sql::Integer);
            let values = table.columns.iter().map(|column| value(column, item));
            insert.execute(params_from_iter(numbers.chain(values)))?;
        }
    }
    Ok(Some(rows))
}

/// What is at this path.
fn at<'a>(item: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(item, |item, name| item.get(name))
}

/// The value of a column. What the answer does not have is null.
fn value(column: &Column, item: &Value) -> Sql {
    let value = column.path.map_or(Some(item), |path| at(item, path));
    match value {
        Some(Value::Bool(value)) => Sql::Integer((*value).into()),
        Some(Value::Number(number)) => {
            let integer = number.as_i64().filter(|_| column.kind != ColumnKind::Real);
            match (integer, number.as_f64()) {
                (Some(integer), _) => Sql::Integer(integer),
                (None, Some(real)) => Sql::Real(real),
                (None, None) => Sql::Null,
            }
        },
        Some(Value::String(text)) if column.kind == ColumnKind::Blob => {
            hex::decode(text).map_or(Sql::Null, Sql::Blob)
        },
        Some(Value::String(text)) => Sql::Text(text.clone()),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => Sql::Null,
    }
}
