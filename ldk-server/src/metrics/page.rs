//! Builds one response of the metrics endpoint.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

/// The metrics of one answer.
///
/// It is built for each response, so that current values need not be kept up to date.
#[derive(Default)]
pub(super) struct Page(Registry);

impl Page {
    /// Adds metrics that are kept elsewhere.
    pub(super) fn counted(&self, collector: Box<dyn Collector>) -> prometheus::Result<()> {
        self.0.register(collector)
    }

    /// Adds a gauge.
    pub(super) fn gauge(&self, name: &str, help: &str, value: i64) -> prometheus::Result<()> {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(value);
        self.counted(Box::new(gauge))
    }

    /// Adds a gauge of a time, in seconds with their fractions.
    pub(super) fn seconds(&self, name: &str, help: &str, time: Duration) -> prometheus::Result<()> {
        let gauge = Gauge::new(name, help)?;
        gauge.set(time.as_secs_f64());
        self.counted(Box::new(gauge))
    }

    /// Adds a counter.
    pub(super) fn counter(&self, name: &str, help: &str, value: u64) -> prometheus::Result<()> {
        let counter = IntCounter::new(name, help)?;
        counter.inc_by(value);
        self.counted(Box::new(counter))
    }

    /// Adds gauges with a label.
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

    /// Renders the text format of Prometheus.
    pub(super) fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }
}

/// Converts a number; larger numbers become the largest one.
pub(super) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
