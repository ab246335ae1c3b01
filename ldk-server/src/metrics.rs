//! What Prometheus is told about the node.
//!
//! The node is asked in the background, every so often: peers, channels, balances and events are as
//! of the last time. Payments are counted as they are written, and always up to date. The guide's
//! numbers are not added up from events, so none of them can go astray.

mod opened_by_peers;
mod page;
mod process;
mod reading;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use ldk_node::Node;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

pub(crate) use requests::Counted;
pub use requests::Requests;

use crate::certificate::Certificate;
use crate::chain::gate::Broadcasts;
use crate::clock::Ticks;
use crate::gate::PeerGate;
use crate::logging::{self, LostLines};
use crate::store::{MirrorState, PaymentCounts, Store, StoreState};
use page::{Page, signed};
use reading::Reading;

/// What there is to tell; nothing before the node was asked for the first time.
pub type Latest = watch::Receiver<Option<Metrics>>;

/// What there is to tell.
#[derive(Clone)]
pub struct Metrics {
    reading: Arc<Reading>,
    sources: Sources,
}

/// What tells its part whenever it is asked.
#[derive(Clone)]
pub struct Sources {
    /// What is on disk.
    pub store: Arc<Store>,
    /// What stands between the node and its peers.
    pub gate: Arc<PeerGate>,
    /// The transactions that are broadcast through the gate to the chain source.
    pub broadcasts: Broadcasts,
    /// The certificate in use.
    pub certificate: Certificate,
}

/// Asks the node at once and then every `poll_interval`, until `stop` is cancelled.
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
            Ok(Err(error)) => tracing::error!("cannot read the metrics: {error}"),
            Err(error) => tracing::error!("cannot read the metrics: {error}"),
        }
    }
}

impl Metrics {
    /// The text that Prometheus reads. Asks the file system for a few sizes, so it is nothing for an
    /// async thread.
    pub fn text(&self, requests: &Requests, is_ready: bool) -> prometheus::Result<String> {
        let Sources { store, gate, broadcasts, certificate } = &self.sources;
        let page = Page::default();
        self.reading.add(&page)?;
        add_payments(&page, store.payment_counts())?;
        add_state(&page, &store.state())?;
        let counted = store.collectors().into_iter().chain(gate.collectors());
        let counted = counted.chain(broadcasts.collectors());
        for collector in counted.chain(requests.collectors()) {
            page.counted(collector)?;
        }
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
        add_log(&page, logging::lost_lines())?;
        process::add(&page)?;
        page.text()
    }
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

fn add_state(page: &Page, state: &StoreState) -> prometheus::Result<()> {
    let StoreState {
        queued_writes,
        waits,
        cuts_begun,
        database_bytes,
        log_bytes,
        disk_available_bytes,
        event_subscribers,
        mirror,
        backed_up_at,
    } = *state;
    page.gauge(
        "ldk_server_store_queued_writes",
        "Changes that wait for the commit after the one under way.",
        signed(queued_writes),
    )?;
    page.gauge(
        "ldk_server_store_commit_pending_seconds",
        "For how long the disk has been busy with the commit under way; 0 if there is none.",
        signed(waits.disk.as_secs()),
    )?;
    page.gauge(
        "ldk_server_consistent_cuts",
        "1 if the state of the channels is written at consistent cuts, otherwise 0.",
        i64::from(cuts_begun),
    )?;
    page.gauge(
        "ldk_server_cut_uncovered_seconds",
        "For how long the state of a channel has waited for the manager that knows of it.",
        signed(waits.manager.as_secs()),
    )?;
    page.gauge(
        "ldk_server_store_database_bytes",
        "The size of the database's file.",
        signed(database_bytes),
    )?;
    page.gauge(
        "ldk_server_store_log_bytes",
        "The size of the database's write-ahead log.",
        signed(log_bytes),
    )?;
    if let Some(bytes) = disk_available_bytes {
        page.gauge(
            "ldk_server_store_disk_available_bytes",
            "What the disk of the database has room for.",
            signed(bytes),
        )?;
    }
    if let Some(MirrorState { behind, is_failing }) = mirror {
        page.gauge(
            "ldk_server_mirror_behind_seconds",
            "For how long the mirror has lacked changes of the database; 0 if it has them all.",
            signed(behind.as_secs()),
        )?;
        page.gauge(
            "ldk_server_mirror_failing",
            "1 if the mirror cannot be written, otherwise 0.",
            i64::from(is_failing),
        )?;
    }
    if let Some(at_secs) = backed_up_at {
        page.gauge(
            "ldk_server_last_backup_timestamp_seconds",
            "When the last backup was made, in Unix time.",
            signed(at_secs),
        )?;
    }
    page.gauge(
        "ldk_server_event_subscribers",
        "Streams of events that are open.",
        signed(event_subscribers),
    )
}

#[cfg(test)]
mod tests;
