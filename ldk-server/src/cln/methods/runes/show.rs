//! `showrunes`.

use std::sync::Arc;

use ldk_server_grpc::rune::{Rune, UniqueId};
use ldk_server_grpc::types::RuneRecord;
use serde::Serialize;

use super::records;
use super::words::Shown;
use crate::app::App;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::cln::methods::Method;
use crate::permissions::Refusal;

/// `showrunes`: all runes that were made, or one. A rune is a secret, so that only those see them who may do
/// everything.
pub(in crate::cln::methods) struct ShowRunes {
    rune: Option<String>,
}

#[derive(Serialize)]
pub(in crate::cln::methods) struct Runes {
    runes: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    rune: String,
    unique_id: String,
    restrictions: Vec<Shown>,
    restrictions_as_english: String,
    /// Only told if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<bool>,
    /// Only told if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    blacklisted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<u64>,
    /// Only told if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    our_rune: Option<bool>,
}

impl Row {
    fn of(rune: &Rune) -> Self {
        let restrictions: Vec<_> = rune.restrictions().iter().map(Shown::of).collect();
        let english: Vec<_> = restrictions.iter().map(|shown| shown.english.as_str()).collect();
        let unique_id = rune.unique_id().and_then(UniqueId::number);
        Self {
            rune: rune.encode(),
            unique_id: unique_id.map_or_else(String::new, |id| id.to_string()),
            restrictions_as_english: english.join(" AND "),
            restrictions,
            stored: None,
            blacklisted: None,
            last_used: None,
            our_rune: None,
        }
    }

    fn with_record(self, record: &RuneRecord) -> Self {
        let blacklisted = record.revoked_at.is_some().then_some(true);
        Self { blacklisted, last_used: record.last_used_at, ..self }
    }
}

impl Method for ShowRunes {
    const NAME: &'static str = "showrunes";
    const USAGE: &'static str = "[rune]";
    type Answer = Runes;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { rune: args.optional("rune")? })
    }

    async fn run(self, call: Call) -> Result<Runes, RpcError> {
        call.caller.must_be_unrestricted()?;
        let records = records::all(&call).await?;
        let app = call.cln.0.dispatcher.app()?;
        let runes = match self.rune {
            Some(text) => vec![one(&app, &text, &records)?],
            None => records.iter().map(|record| made(&app, record)).collect::<Result<_, _>>()?,
        };
        Ok(Runes { runes })
    }
}

/// A rune that was made.
fn made(app: &Arc<App>, record: &RuneRecord) -> Result<Row, RpcError> {
    let rune = app.permissions.runes.recorded(record);
    let rune = rune.map_err(|error| RpcError::internal(&error))?;
    Ok(Row::of(&rune).with_record(record))
}

/// A rune that may be one of ours.
fn one(app: &Arc<App>, text: &str, records: &[RuneRecord]) -> Result<Row, RpcError> {
    let wrong = |_| RpcError::params("rune: should be base64 string");
    let rune = Rune::parse(text).map_err(wrong)?;
    let id = rune.unique_id().and_then(UniqueId::number);
    let runes = &app.permissions.runes;
    if matches!(runes.verify(text), Err(Refusal::Forged)) {
        return Ok(Row { our_rune: Some(false), stored: Some(false), ..Row::of(&rune) });
    }
    let record = records.iter().find(|record| Some(record.id) == id);
    let Some(record) = record else { return Ok(Row::of(&rune)) };
    let recorded = runes.recorded(record).map_err(|error| RpcError::internal(&error))?;
    let stored = (recorded.encode() != rune.encode()).then_some(false);
    Ok(Row { stored, ..Row::of(&rune).with_record(record) })
}
