//! The tables of the file, and what stands for them in PostgreSQL.
//!
//! A table has the same name and the same columns there, and a column `row_id` with the number that SQLite
//! gives each row. Text is `bytea`, because SQLite's may have a NUL in it, which a `text` refuses. There
//! are no other constraints and no indexes: it is written by row, and read as a whole.

use ldk_node::lightning::io;
use rusqlite::Connection;
use tokio_postgres::types::Type;

use crate::store::model::invalid_data;
use crate::store::sqlite::primary::MARK_TABLE;
use crate::store::sqlite::sql_error;

/// The table of the last numbers that were given out, which has no declared types.
const SEQUENCE: &str = "sqlite_sequence";
/// The largest target that PostgreSQL takes, of its pages of 8 KiB.
const LONGEST_ROW: usize = 8_160;

/// A table of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    /// Those that are stored.
    pub(super) columns: Vec<Column>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What is in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Real,
    Text,
    Blob,
}

impl Kind {
    fn of(declared: &str) -> io::Result<Self> {
        match declared {
            "INTEGER" => Ok(Self::Integer),
            "REAL" => Ok(Self::Real),
            "TEXT" => Ok(Self::Text),
            "BLOB" => Ok(Self::Blob),
            other => Err(invalid_data(&format!("a column has the type {other:?}"))),
        }
    }

    fn type_name(self) -> &'static str {
        match self {
            Self::Integer => "bigint",
            Self::Real => "double precision",
            Self::Text | Self::Blob => "bytea",
        }
    }

    /// The type of a list of such values.
    pub(super) fn list_type(self) -> Type {
        match self {
            Self::Integer => Type::INT8_ARRAY,
            Self::Real => Type::FLOAT8_ARRAY,
            Self::Text | Self::Blob => Type::BYTEA_ARRAY,
        }
    }
}

impl Table {
    /// Whether the file itself keeps it up to date, so that nothing can be told of its changes.
    pub(super) fn is_sequence(&self) -> bool {
        self.name == SEQUENCE
    }

    /// The columns, separated by commas.
    pub(super) fn column_list(&self) -> String {
        self.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// The statement that creates it in this schema.
    pub(super) fn create(&self, schema: &str) -> String {
        let columns = self
            .columns
            .iter()
            .map(|column| format!(", {} {}", quoted(&column.name), column.kind.type_name()));
        let (columns, name) = (columns.collect::<String>(), self.within(schema));
        let bytes = self.columns.iter().filter(|column| column.kind.type_name() == "bytea");
        // Compressing what is mostly keys and signatures costs each commit more time than it saves.
        let plain = bytes.map(|column| {
            let column = quoted(&column.name);
            format!("ALTER TABLE {name} ALTER COLUMN {column} SET STORAGE EXTERNAL;")
        });
        let plain = plain.collect::<String>();
        // A value out of line is a row for each 2 KB, with an entry in an index, and so are those of the
        // value before it. So what fits into a page stays in its row.
        format!(
            "CREATE TABLE {name} (row_id bigint PRIMARY KEY{columns}) \
             WITH (toast_tuple_target = {LONGEST_ROW});{plain}"
        )
    }

    /// Its name in this schema.
    pub(super) fn within(&self, schema: &str) -> String {
        format!("{}.{}", quoted(schema), quoted(&self.name))
    }

    /// Writes rows of which the first parameter with this number has the row ids, and those after it
    /// the columns.
    pub(super) fn upsert(&self, schema: &str, first: usize) -> String {
        let kinds = self.columns.iter().map(|column| column.kind.type_name());
        let lists = std::iter::once("bigint").chain(kinds).enumerate();
        let lists: Vec<_> =
            lists.map(|(index, kind)| format!("${}::{kind}[]", first + index)).collect();
        let new = self.columns.iter().map(|column| {
            let name = quoted(&column.name);
            format!("{name} = excluded.{name}")
        });
        format!(
            "INSERT INTO {} (row_id, {}) SELECT * FROM unnest({}) \
             ON CONFLICT (row_id) DO UPDATE SET {}",
            self.within(schema),
            self.column_list(),
            lists.join(", "),
            new.collect::<Vec<_>>().join(", "),
        )
    }

    /// Removes the rows whose ids the parameter with this number has.
    pub(super) fn remove(&self, schema: &str, parameter: usize) -> String {
        format!("DELETE FROM {} WHERE row_id = ANY (${parameter}::bigint[])", self.within(schema))
    }
}

/// A name in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tables of this file, without that of its mark.
pub(super) fn tables(database: &Connection) -> io::Result<Vec<Table>> {
    let sql = "SELECT name, wr FROM pragma_table_list
               WHERE schema = 'main' AND type = 'table' AND name <> ?1
               AND (name NOT LIKE 'sqlite\\_%' ESCAPE '\\' OR name = ?2)
               ORDER BY name";
    let mut statement = database.prepare(sql).map_err(sql_error)?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?));
    let names = statement.query_map([MARK_TABLE, SEQUENCE], row).map_err(sql_error)?;
    let names = names.collect::<rusqlite::Result<Vec<_>>>().map_err(sql_error)?;
    let table = |(name, has_no_row_ids): (String, bool)| {
        if has_no_row_ids {
            return Err(invalid_data(&format!("the rows of {name} have no numbers")));
        }
        Ok(Table { columns: columns(database, &name)?, name })
    };
    names.into_iter().map(table).collect()
}

/// What is generated is not among them.
fn columns(database: &Connection, table: &str) -> io::Result<Vec<Column>> {
    let sql = "SELECT name, type FROM pragma_table_info(?1) ORDER BY cid";
    let mut statement = database.prepare(sql).map_err(sql_error)?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let columns = statement.query_map([table], row).map_err(sql_error)?;
    let columns = columns.collect::<rusqlite::Result<Vec<_>>>().map_err(sql_error)?;
    let column = |(name, declared): (String, String)| {
        let kind = match (table, name.as_str()) {
            (SEQUENCE, "name") => Kind::Text,
            (SEQUENCE, _) => Kind::Integer,
            _ => Kind::of(&declared)?,
        };
        Ok(Column { name, kind })
    };
    columns.into_iter().map(column).collect()
}

/// What makes an empty file with the same tables and indexes, one statement each.
pub(super) fn definitions(database: &Connection) -> io::Result<Vec<String>> {
    let version: i64 = database
        .query_row("SELECT user_version FROM pragma_user_version", [], |row| row.get(0))
        .map_err(sql_error)?;
    let sql = "SELECT sql FROM main.sqlite_schema
               WHERE sql IS NOT NULL AND tbl_name <> ?1 AND name <> ?2 ORDER BY type = 'index', name";
    let mut statement = database.prepare(sql).map_err(sql_error)?;
    let found = statement.query_map([MARK_TABLE, SEQUENCE], |row| row.get(0)).map_err(sql_error)?;
    let mut definitions: Vec<String> = found.collect::<rusqlite::Result<_>>().map_err(sql_error)?;
    definitions.push(format!("PRAGMA user_version = {version}"));
    Ok(definitions)
}
