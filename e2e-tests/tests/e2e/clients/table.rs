//! The table of clients and stories in docs/clients.md.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::commands::Command;
use super::stories::Story;

const MADE_BY: &str = "made by the test `clients`: CLIENTS_WRITE=1 has it written";
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

/// Fails if a story has failed.
pub(super) fn ensure_passed(rows: &[Row]) -> Result<()> {
    let failures = failures(rows);
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// Fails if the document has other tables; writes these there if that is asked for.
pub(super) fn keep(rows: &[Row], commands: &[Command]) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clients.md");
    let text = std::fs::read_to_string(&path)?;
    let made =
        with(&with(&text, "clients", &of_clients(rows)?)?, "commands", &of_commands(commands)?)?;
    if std::env::var_os("CLIENTS_WRITE").is_some() {
        return Ok(std::fs::write(&path, made)?);
    }
    ensure!(text == made, "docs/clients.md is not this; CLIENTS_WRITE=1 has it written:\n{made}");
    Ok(())
}

/// The document with this table in place of the one with this name.
fn with(text: &str, name: &str, table: &str) -> Result<String> {
    let begin = format!("<!-- table of {name}, {MADE_BY} -->\n");
    let (before, rest) = text.split_once(&begin).with_context(|| format!("there is no {begin}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no {END} after {begin}"))?;
    Ok([before, &begin, table, END, after].concat())
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

fn of_clients(rows: &[Row]) -> Result<String> {
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

fn of_commands(commands: &[Command]) -> Result<String> {
    let mut table = String::from("\n| command | |\n|--|--|\n");
    for command in commands {
        writeln!(table, "| `lightning-cli {}` | {} |", command.text, command.result)?;
    }
    writeln!(table)?;
    Ok(table)
}

#[test]
fn a_table_has_a_line_for_each_client() -> Result<()> {
    let cells = vec![Cell::Passed, Cell::Without("–")];
    let made = of_clients(&[Row { client: "c", door: "socket", cells }])?;
    assert!(made.contains("\n| client | door | start |"), "{made}");
    assert!(made.ends_with("| c | socket | pass | – |\n\n"), "{made}");
    Ok(())
}
