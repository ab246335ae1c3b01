//! What one answer is put together from: values that are known at the moment, and what was counted.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

/// The metrics of one answer.
///
/// It is made anew each time, because values that are known need not be kept in step.
#[derive(Default)]
pub(super) struct Page(Registry);

impl Page {
    /// What was counted.
    pub(super) fn counted(&self, collector: Box<dyn Collector>) -> prometheus::Result<()> {
        self.0.register(collector)
    }

    /// A value that goes up and down.
    pub(super) fn gauge(&self, name: &str, help: &str, value: i64) -> prometheus::Result<()> {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(value);
        self.counted(Box::new(gauge))
    }

    /// A number that only grows.
    pub(super) fn counter(&self, name: &str, help: &str, value: u64) -> prometheus::Result<()> {
        let counter = IntCounter::new(name, help)?;
        counter.inc_by(value);
        self.counted(Box::new(counter))
    }

    /// Values that go up and down, each with what this label says of it.
    pub(super) fn gauges<'a>(
        &self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, i64)>,
    ) -> prometheus::Result<()> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), &[label])?;
        for (what, value) in values {
            gauges.with_label_values(&[what]).set(value);
        }
        self.counted(Box::new(gauges))
    }

    /// The text that Prometheus reads.
    pub(super) fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }
}

/// A number as the text has it. What is larger than any real one is the largest.
pub(super) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
