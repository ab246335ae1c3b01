//! The examples of the specifications.

/// Those of BOLT 11.
pub(crate) const BOLT11: &str = include_str!("bolt11.tsv");

/// Those of BOLT 12.
pub(crate) const BOLT12: &str = include_str!("bolt12.tsv");

/// The examples in a table that can be decoded, or those that cannot: name and text.
pub(crate) fn all(table: &'static str, valid: bool) -> Vec<(&'static str, &'static str)> {
    let verdict = if valid { "valid" } else { "invalid" };
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    let rows = rows.map(|row| row.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row[0] == verdict).map(|row| (row[1], row[2])).collect()
}

/// The example of this name, which can be decoded.
pub(crate) fn text(table: &'static str, name: &str) -> &'static str {
    all(table, true).into_iter().find(|(known, _)| *known == name).unwrap().1
}
