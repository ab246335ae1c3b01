//! The tables, from `tables.tsv`.

use std::sync::LazyLock;

const TABLES_TSV: &str = include_str!("tables.tsv");
/// The item itself, or none.
const NONE: &str = "-";

static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| read(TABLES_TSV));

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) source: Source,
    pub(super) columns: Vec<Column>,
    /// The columns of its index, if it has one.
    pub(super) indexed: Vec<&'static str>,
}

/// What the rows of a table are.
#[derive(Debug)]
pub(super) enum Source {
    /// The items of a list in the answer of a method.
    Method { name: &'static str, member: &'static str },
    /// The items of a list in each row of another table.
    Table { name: &'static str, path: &'static str },
}

/// A column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: ColumnKind,
    /// Where its value is in the item: names with points between them, or none for the item itself.
    pub(super) path: Option<&'static str>,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Integer,
    Real,
    Text,
    /// Text in hexadecimal digits in the answers of methods.
    Blob,
}

impl ColumnKind {
    fn named(name: &str) -> Option<Self> {
        [Self::Integer, Self::Real, Self::Text, Self::Blob]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
        }
    }
}

impl Table {
    /// The table whose rows the items are in.
    pub(super) fn root(&'static self) -> &'static Self {
        match self.source {
            Source::Method { .. } => self,
            Source::Table { name, .. } => find(name).unwrap_or(self),
        }
    }

    /// Core Lightning's number of a row is its `created_index`, if it has one.
    pub(super) fn has_rowid(&self) -> bool {
        !self.columns.iter().any(|column| column.name == "created_index")
    }

    /// The columns that come before those of `columns`: the number of the row, and the row and the place in
    /// the list that the item is from.
    pub(super) fn numbers(&self) -> &'static [&'static str] {
        match self.source {
            Source::Method { .. } if self.has_rowid() => &["rowid"],
            Source::Method { .. } => &[],
            Source::Table { .. } => &["rowid", "row", "arrindex"],
        }
    }

    /// All columns with their types.
    pub(super) fn all_columns(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let numbers = self.numbers().iter().map(|name| (*name, ColumnKind::Integer.name()));
        numbers.chain(self.columns.iter().map(|column| (column.name, column.kind.name())))
    }
}

/// All tables.
pub(super) fn tables() -> &'static [Table] {
    &TABLES
}

/// The table with this name. SQL does not tell upper from lower case.
pub(super) fn find(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name.eq_ignore_ascii_case(name))
}

fn read(tsv: &'static str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in tsv.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split('\t').collect();
        match *fields.as_slice() {
            ["column", name, kind, path] => {
                let column =
                    ColumnKind::named(kind).map(|kind| Column { name, kind, path: given(path) });
                if let Some((table, column)) = tables.last_mut().zip(column) {
                    table.columns.push(column);
                }
            },
            ["table", name, method, member, indexed] => {
                tables.push(table(name, Source::Method { name: method, member }, indexed));
            },
            ["subtable", name, of, path, indexed] => {
                tables.push(table(name, Source::Table { name: of, path }, indexed));
            },
            _ => {},
        }
    }
    tables
}

fn table(name: &'static str, source: Source, indexed: &'static str) -> Table {
    let indexed = given(indexed).map(|names| names.split(',').collect()).unwrap_or_default();
    Table { name, source, columns: Vec::new(), indexed }
}

fn given(field: &'static str) -> Option<&'static str> {
    Some(field).filter(|field| *field != NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let lines = TABLES_TSV.lines().filter(|line| !line.starts_with('#')).count();
        let read: usize = tables().iter().map(|table| 1 + table.columns.len()).sum();
        assert_eq!(lines, read);
    }

    #[test]
    fn lists_in_rows_have_tables_of_their_own() {
        let addresses = find("nodes_addresses").unwrap();
        assert_eq!(addresses.root().name, "nodes");
        let columns: Vec<_> = addresses.all_columns().map(|(name, _)| name).collect();
        assert_eq!(columns, ["rowid", "row", "arrindex", "type", "port", "address"]);
        assert_eq!(find("NODES").unwrap().numbers(), ["rowid"]);
        assert!(find("invoices").unwrap().numbers().is_empty());
    }
}
