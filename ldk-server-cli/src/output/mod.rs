//! What is printed on standard output.

#[cfg(test)]
mod shapes;
mod table;

use std::io::Write as _;

use clap::ValueEnum;
use serde::Serialize;

pub(crate) use ldk_server_grpc::terminal::escape;

use crate::failure::Failure;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Indented JSON
    Json,
    /// Tables for people
    Table,
}

/// Prints an answer.
pub(crate) fn print(answer: &impl Serialize, format: Format) -> Result<(), Failure> {
    print_text(render(answer, format))
}

/// Prints an answer as JSON in one line.
pub(crate) fn print_line(answer: &impl Serialize) -> Result<(), Failure> {
    print_text(serde_json::to_string(answer).map(|json| escape(&json).into_owned()))
}

/// Writes bytes and flushes, so that a reader on the other side of a pipe has them at once.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::Local(format!("cannot write to standard output: {error}")))
}

fn print_text(text: serde_json::Result<String>) -> Result<(), Failure> {
    let text = text.map_err(|error| Failure::Local(format!("cannot print the answer: {error}")))?;
    write(format!("{text}\n").as_bytes())
}

fn render(answer: &impl Serialize, format: Format) -> serde_json::Result<String> {
    match format {
        Format::Json => serde_json::to_string_pretty(answer).map(|json| escape(&json).into_owned()),
        Format::Table => serde_json::to_value(answer).map(|answer| table::render(&answer)),
    }
}
