//! The metrics for Prometheus.
//!
//! A task reads the node periodically: peers, channels, balances and events are as of the last
//! reading. Payments are counted when they are written, so they are up to date. No number is a sum
//! of events, so none can drift.

mod opened_by_peers;
mod page;
mod postgres;
mod process;
mod reading;
mod requests;
mod state;

use std::sync::Arc;
use std::time::Duration;

use ldk_node::Node;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

pub(crate) use requests::Counted;
pub use requests::Requests;

use crate::bulkhead::Bulkhead;
use crate::certificate::Certificate;
use crate::chain::gate::Broadcasts;
use crate::clock::Ticks;
use crate::gate::PeerGate;
use crate::logging::{self, LostLines};
use crate::store::{PaymentCounts, Store};
use crate::webhooks::Webhooks;
use page::{Page, signed};
use reading::Reading;

/// The latest metrics; `None` before the first reading of the node.
pub type Latest = watch::Receiver<Option<Metrics>>;

/// The metrics of a running node.
#[derive(Clone)]
pub struct Metrics {
    reading: Arc<Reading>,
    sources: Sources,
}

/// The sources whose metrics are always up to date.
#[derive(Clone)]
pub struct Sources {
    /// The store.
    pub store: Arc<Store>,
    /// The gate for peers.
    pub gate: Arc<PeerGate>,
    /// The metrics of broadcasts.
    pub broadcasts: Broadcasts,
    /// The certificate in use.
    pub certificate: Certificate,
    /// The webhooks.
    pub webhooks: Arc<Webhooks>,
    /// The calls that wait for something to happen.
    pub waiting: Bulkhead,
}

/// Reads the node at once and then every `poll_interval`, until `stop` is cancelled.
pub async fn watch_node(
    node: Arc<Node>,
    sources: Sources,
    poll_interval: Duration,
    latest: watch::Sender<Option<Metrics>>,
    stop: CancellationToken,
) {
    let mut ticks = Ticks::after(Duration::ZERO, poll_interval, stop);
    while ticks.next().await {
        let (node, read) = (Arc::clone(&node), sources.clone());
        match spawn_blocking(move || Reading::of(&node, &read.store, &read.gate)).await {
            Ok(Ok(reading)) => {
                let (reading, sources) = (Arc::new(reading), sources.clone());
                latest.send_replace(Some(Metrics { reading, sources }));
            },
            Ok(Err(error)) => tracing::error!(%error, "cannot read the metrics"),
            Err(error) => tracing::error!(%error, "cannot read the metrics"),
        }
    }
}

impl Metrics {
    /// Renders all metrics in the text format of Prometheus. Blocks: it reads sizes from the file
    /// system.
    pub fn text(&self, requests: &Requests, is_ready: bool) -> prometheus::Result<String> {
        let Sources { store, gate, broadcasts, certificate, webhooks, waiting } = &self.sources;
        let page = Page::default();
        self.reading.add(&page)?;
        add_payments(&page, store.payment_counts())?;
        state::add(&page, &store.state())?;
        if let Some(state) = store.postgres_state() {
            postgres::add(&page, &state)?;
        }
        let counted = store.collectors().into_iter().chain(gate.collectors());
        let counted = counted.chain(broadcasts.collectors());
        for collector in counted.chain(requests.collectors()) {
            page.counted(collector)?;
        }
        page.gauge(
            "ldk_server_waiting_calls",
            "Calls that wait for something to happen.",
            signed(waiting.taken()),
        )?;
        page.gauge(
            "ldk_server_ready",
            "1 if the node can be relied on, as /readyz tells, otherwise 0.",
            i64::from(is_ready),
        )?;
        page.gauge(
            "ldk_server_tls_certificate_expiry_timestamp_seconds",
            "The last second in which the certificate of the service is valid, in Unix time.",
            signed(certificate.expires_at_secs()),
        )?;
        add_webhooks(&page, webhooks)?;
        add_log(&page, logging::lost_lines())?;
        process::add(&page)?;
        page.text()
    }
}

/// Renders the metrics of a node that waits while another one has its state: no calls, which it answers
/// with UNAVAILABLE as it must. Blocks, as [`Metrics::text`] does.
pub fn standby_text() -> prometheus::Result<String> {
    let page = Page::default();
    postgres::add_standby(&page, true)?;
    add_log(&page, logging::lost_lines())?;
    process::add(&page)?;
    page.text()
}

fn add_webhooks(page: &Page, webhooks: &Webhooks) -> prometheus::Result<()> {
    page.counted(webhooks.collector())?;
    page.gauges(
        "ldk_server_webhooks",
        "Webhooks: active, failing since their last attempt, or paused until they are resumed.",
        "state",
        webhooks.states().map(|(state, number)| (state, signed(number))),
    )
}

fn add_log(page: &Page, lost: LostLines) -> prometheus::Result<()> {
    let LostLines { console, file } = lost;
    page.counter(
        "ldk_server_log_lines_lost_console_total",
        "Lines of the log since the start that standard output or error did not take.",
        console,
    )?;
    page.counter(
        "ldk_server_log_lines_lost_file_total",
        "Lines of the log since the start that the log file did not take.",
        file,
    )
}

fn add_payments(page: &Page, payments: PaymentCounts) -> prometheus::Result<()> {
    let PaymentCounts { begun, pending, told_successful, told_failed, .. } = payments;
    page.gauge(
        "ldk_server_total_pending_payments_count",
        "Payments that have neither succeeded nor failed: under way, invoices not paid yet, \
         transactions with fewer than 6 confirmations.",
        signed(pending),
    )?;
    page.counter(
        "ldk_server_total_payments_count",
        "Payments of every kind, direction and state: those stored at the start, and each that \
         began since.",
        begun,
    )?;
    page.counter(
        "ldk_server_total_successful_payments_count",
        "Payments of every kind that had succeeded at the start, and each event since that one from \
         here has succeeded.",
        told_successful,
    )?;
    page.counter(
        "ldk_server_total_failed_payments_count",
        "Payments of every kind that had failed at the start, and each event since that one from here \
         has failed.",
        told_failed,
    )
}

#[cfg(test)]
mod tests;
