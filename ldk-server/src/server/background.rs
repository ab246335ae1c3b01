//! The tasks that go on as long as the server does.

use std::sync::Arc;

use tokio::sync::watch;

use super::app::event_loop;
use super::{Phase, Stop, Tasks};
use crate::app::App;
use crate::certificate::{Certificate, CertificateReloader};
use crate::config::Config;
use crate::hold::deadline;
use crate::http::{Listener, Router};
use crate::node::startup::Started;
use crate::readiness::{Look, Readiness};
use crate::retention::invoices::InvoicePruner;
use crate::{logging, memory, metrics, retention, rollback, supervisor};

impl Tasks {
    /// Serves callers from now on, and does what needs no node.
    pub(super) fn serve(
        &mut self,
        listener: Listener,
        router: Router,
        certificate: CertificateReloader,
        readiness: &Readiness,
        stop: &Stop,
    ) {
        let stop = || stop.serving().clone();
        let serving = listener.serve(router, stop());
        let serving = async move {
            serving.await;
            Ok::<_, std::convert::Infallible>(())
        };
        self.spawn_vital(Phase::Listener, "listener", serving);
        self.spawn(Phase::Whole, "notices to systemd", supervisor::follow(readiness.subscribe()));
        self.spawn(Phase::Serving, "certificate", certificate.keep(stop()));
        self.spawn(Phase::Serving, "lost lines", logging::tell_lost_lines(stop()));
        self.spawn(Phase::Serving, "memory", memory::keep_giving_back(stop()));
    }

    /// Does what a node needs from now on.
    pub(super) fn accompany(
        &mut self,
        app: &Arc<App>,
        started: &Started,
        config: &Arc<Config>,
        latest_metrics: watch::Sender<Option<metrics::Metrics>>,
        certificate: &Certificate,
        stop: &Stop,
    ) {
        let Started { node, store, gate, chain_gate, .. } = started;
        let (serving, events) = (|| stop.serving().clone(), || stop.events().clone());

        let hodl_blocks = config.hodl_fail_before_deadline_blocks;
        let guard = deadline::run(Arc::clone(&app.held), hodl_blocks, events());
        self.spawn_vital(Phase::Events, "hodl guard", guard);
        self.spawn_vital(Phase::Events, "event loop", event_loop(app).run(events()));
        let settings = Arc::clone(&app.channel_settings);
        let agreements = Arc::clone(gate).settle_agreements(move || settings.rewrite(), events());
        self.spawn(Phase::Events, "agreements", agreements);

        let keep = config.keep_expired_invoices;
        let pruner = InvoicePruner {
            node: Arc::clone(node),
            store: Arc::clone(store),
            held: Arc::clone(&app.held),
        };
        self.spawn(Phase::Serving, "expired invoices", pruner.run(keep, serving()));
        let retention = retention::events::run(Arc::clone(store), config.events, serving());
        self.spawn(Phase::Serving, "retention", retention);
        let keep_days = config.audit_keep_days;
        let retention = retention::audit::run(Arc::clone(&app.audit), keep_days, serving());
        self.spawn(Phase::Serving, "retention of the audit", retention);
        let remember = rollback::remember(Arc::clone(store), Arc::clone(config), serving());
        self.spawn(Phase::Serving, "rollback record", remember);
        let watch = Arc::clone(gate).watch(Arc::clone(node), serving());
        self.spawn(Phase::Serving, "watch of peers", watch);
        if config.metrics.enabled {
            let sources = metrics::Sources {
                store: Arc::clone(store),
                gate: Arc::clone(gate),
                broadcasts: chain_gate.broadcasts().clone(),
                certificate: certificate.clone(),
            };
            let (node, interval) = (Arc::clone(node), config.metrics.poll_interval);
            let reading = metrics::watch_node(node, sources, interval, latest_metrics, serving());
            self.spawn(Phase::Serving, "metrics", reading);
        }
    }

    /// Looks from now on whether the node is ready.
    pub(super) fn look(
        &mut self,
        Started { node, store, .. }: &Started,
        config: &Config,
        certificate: Certificate,
        started_at_secs: u64,
        readiness: &Readiness,
        stop: &Stop,
    ) {
        let (node, store) = (Arc::clone(node), Arc::clone(store));
        let look = Look::new(node, store, config, certificate, started_at_secs);
        let looking = look.repeat(readiness.clone(), stop.serving().clone());
        self.spawn(Phase::Serving, "probe of readiness", looking);
    }
}
