//! Keeps the fields of spans, for the lines within them.

use std::fmt;

use serde::{Serialize, Serializer};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::{FmtContext, FormatFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

/// The field that text lines show.
const REQUEST_ID: &str = "request_id";

/// Stores the fields of each span in its extensions.
pub(super) struct Spans;

/// The fields of a span, as text.
#[derive(Clone, Default)]
pub(super) struct Fields(Vec<(&'static str, String)>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }
}

impl Fields {
    /// Those of all spans that this was written in, from the outermost.
    pub(super) fn around<S, N>(context: &FmtContext<'_, S, N>) -> Self
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static,
    {
        let mut all = Self::default();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            if let Some(Self(fields)) = span.extensions().get::<Self>() {
                all.0.extend(fields.iter().cloned());
            }
        }
        all
    }

    /// The request that it was written for.
    pub(super) fn request_id(&self) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| *name == REQUEST_ID).map(|(_, id)| id.as_str())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}
