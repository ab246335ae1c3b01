//! The table of clients and stories in docs/clients.md.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::stories::Story;

const BEGIN: &str =
    "<!-- The test `clients` makes this table; CLIENTS_WRITE=1 has it written. -->\n";
const END: &str = "<!-- end -->";

/// What became of the stories of a client.
pub(super) struct Row {
    pub(super) client: &'static str,
    pub(super) door: &'static str,
    /// In the order of [`Story::ALL`].
    pub(super) cells: Vec<Cell>,
}

pub(super) enum Cell {
    /// It works.
    Passed,
    /// Why it does not, as far as it is known beforehand.
    Without(&'static str),
    /// It should have worked.
    Failed(String),
}

/// Fails if a story has failed, or if the document has another table; writes it there if that is asked for.
pub(super) fn keep(rows: &[Row]) -> Result<()> {
    let failures = failures(rows);
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clients.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).context("docs/clients.md has no table")?;
    let (table, after) = rest.split_once(END).context("the table in docs/clients.md has no end")?;
    let made = markdown(rows)?;
    if std::env::var_os("CLIENTS_WRITE").is_some() {
        return Ok(std::fs::write(&path, [before, BEGIN, &made, END, after].concat())?);
    }
    ensure!(table == made, "docs/clients.md has another table than this one:\n{made}");
    Ok(())
}

fn failures(rows: &[Row]) -> Vec<String> {
    let mut failures = Vec::new();
    for row in rows {
        for (story, cell) in Story::ALL.iter().zip(&row.cells) {
            if let Cell::Failed(why) = cell {
                failures.push(format!("{} at {}, {}: {why}", row.client, row.door, story.name()));
            }
        }
    }
    failures
}

fn markdown(rows: &[Row]) -> Result<String> {
    let mut table = String::from("\n| client | door |");
    for story in Story::ALL {
        write!(table, " {} |", story.name())?;
    }
    writeln!(table, "\n|--|--|{}", "--|".repeat(Story::ALL.len()))?;
    for row in rows {
        write!(table, "| {} | {} |", row.client, row.door)?;
        for cell in &row.cells {
            let text = match cell {
                Cell::Passed => "pass",
                Cell::Without(why) => why,
                Cell::Failed(_) => "fails",
            };
            write!(table, " {text} |")?;
        }
        writeln!(table)?;
    }
    writeln!(table)?;
    Ok(table)
}

#[test]
fn a_table_has_a_line_for_each_client() -> Result<()> {
    let cells = vec![Cell::Passed, Cell::Without("–")];
    let made = markdown(&[Row { client: "c", door: "socket", cells }])?;
    assert!(made.contains("\n| client | door | start |"), "{made}");
    assert!(made.ends_with("| c | socket | pass | – |\n\n"), "{made}");
    Ok(())
}
