//! The format of a log line. Control characters are escaped, so that text of strangers neither adds
//! lines nor controls a terminal.
//!
//! The message of a line that belongs to a request begins with the id of the request.

use std::fmt;

use ldk_server_grpc::terminal::escape_line;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{ChronoUtc, FormatTime as _};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::spans::Fields;
use crate::config::LogFormat;

/// The field with the message.
const MESSAGE: &str = "message";
/// The prefix of fields with the origin of records of the `log` crate.
const ORIGIN_PREFIX: &str = "log.";

/// Writes a line in the configured format. As text it is
/// `[<RFC 3339 UTC, ms> <level> <target>:<line>] <message>`.
pub(super) struct Line {
    time: ChronoUtc,
    format: LogFormat,
}

impl Line {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { time: ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned()), format }
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let line = metadata.line().unwrap_or(0);
        let call = Fields::around(context);
        match self.format {
            LogFormat::Text => {
                writer.write_char('[')?;
                self.time.format_time(&mut writer)?;
                write!(writer, " {:<5} {}:{line}] ", metadata.level(), metadata.target())?;
                let mut fields = of_request(&call);
                context.field_format().format_fields(Writer::new(&mut fields), event)?;
                writeln!(writer, "{}", escape_line(&fields))
            },
            LogFormat::Json => {
                let mut timestamp = String::new();
                self.time.format_time(&mut Writer::new(&mut timestamp))?;
                let mut object = Object {
                    timestamp,
                    level: metadata.level().as_str(),
                    target: metadata.target(),
                    line,
                    message: String::new(),
                    fields: Map::new(),
                    call,
                };
                event.record(&mut object);
                object.message.insert_str(0, &of_request(&object.call));
                let text = serde_json::to_string(&object).map_err(|_| fmt::Error)?;
                writeln!(writer, "{}", escape_line(&text))
            },
        }
    }
}

/// The beginning of a message that belongs to a request.
fn of_request(call: &Fields) -> String {
    call.request_id().map_or_else(String::new, |id| format!("request {id} "))
}

/// A line as JSON.
#[derive(Serialize)]
struct Object<'a> {
    timestamp: String,
    level: &'a str,
    target: &'a str,
    line: u32,
    message: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: Map<String, Value>,
    /// The fields of the surrounding spans.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    call: Fields,
}

impl Object<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        if !field.name().starts_with(ORIGIN_PREFIX) {
            self.fields.insert(field.name().to_owned(), value.into());
        }
    }
}

impl Visit for Object<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            MESSAGE => self.message = format!("{value:?}"),
            _ => self.insert(field, format!("{value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            MESSAGE => value.clone_into(&mut self.message),
            _ => self.insert(field, value),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }
}
