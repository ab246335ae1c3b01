//! Metrics of gRPC requests by method.

use std::time::Duration;

use ldk_server_grpc::RPC_NAMES;
use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts};

/// The label of unknown methods, because callers choose the paths.
const OTHER: &str = "other";

const DURATION_BUCKETS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Counts requests; clones share the counts.
#[derive(Clone)]
pub struct Requests {
    ended: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGaugeVec,
}

/// A request under way.
pub(crate) struct Counted {
    requests: Requests,
    method: &'static str,
    in_flight: IntGauge,
}

impl Requests {
    /// Creates the metrics, all at 0.
    pub fn new() -> prometheus::Result<Self> {
        let ended = Opts::new(
            "ldk_server_rpc_total",
            "gRPC requests that ended since the start, by method and status code.",
        );
        let duration = HistogramOpts::new(
            "ldk_server_rpc_duration_seconds",
            "How long gRPC requests took since the start, until the answer or until a stream began, \
             in seconds.",
        );
        let in_flight = Opts::new("ldk_server_rpc_in_flight", "gRPC requests under way.");
        Ok(Self {
            ended: IntCounterVec::new(ended, &["method", "code"])?,
            duration: HistogramVec::new(duration.buckets(DURATION_BUCKETS.to_vec()), &["method"])?,
            in_flight: IntGaugeVec::new(in_flight, &["method"])?,
        })
    }

    /// A request for this method begins.
    pub(crate) fn begin(&self, method: &str) -> Counted {
        let known = RPC_NAMES.iter().find(|known| **known == method);
        let method = known.map_or(OTHER, |known| *known);
        let in_flight = self.in_flight.with_label_values(&[method]);
        in_flight.inc();
        Counted { requests: self.clone(), method, in_flight }
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 3] {
        [
            Box::new(self.ended.clone()),
            Box::new(self.duration.clone()),
            Box::new(self.in_flight.clone()),
        ]
    }
}

impl Counted {
    /// The request was answered, or a stream has begun.
    pub(crate) fn answered(&self, after: Duration) {
        let duration = self.requests.duration.with_label_values(&[self.method]);
        duration.observe(after.as_secs_f64());
    }

    /// The request has ended with this status code.
    pub(crate) fn ended(&self, code: &str) {
        self.requests.ended.with_label_values(&[self.method, code]).inc();
        self.in_flight.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_cannot_make_labels() {
        let requests = Requests::new().unwrap();
        for method in ["GetNodeInfo", "Check", "NoSuchMethod", "", "getnodeinfo"] {
            let request = requests.begin(method);
            request.answered(Duration::from_millis(3));
            request.ended("OK");
        }
        let [ended, duration, in_flight] =
            requests.collectors().map(|collector| collector.collect().remove(0));
        let samples = ended.get_metric().iter().map(|sample| {
            (sample.get_label()[1].value().to_owned(), sample.get_counter().get_value())
        });
        let mut samples: Vec<_> = samples.collect();
        samples.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(samples, [("GetNodeInfo".to_owned(), 1.0), ("other".to_owned(), 4.0)]);
        assert_eq!(duration.get_metric().len(), 2);
        for sample in in_flight.get_metric() {
            assert_eq!(sample.get_gauge().get_value(), 0.0);
        }
    }
}
