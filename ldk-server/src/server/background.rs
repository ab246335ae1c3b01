//! The tasks that run as long as the server does.

use std::sync::Arc;

use tokio::sync::watch;

use super::app::event_loop;
use super::{ShutdownPhase, Stop, Tasks};
use crate::app::App;
use crate::certificate::{Certificate, CertificateReloader};
use crate::cln::{Cln, ClnSocket};
use crate::config::Config;
use crate::hold::deadline;
use crate::http::{Answerer, Listener, Router};
use crate::node::startup::Started;
use crate::readiness::{Probe, Readiness};
use crate::retention::invoices::InvoicePruner;
use crate::{books, logging, memory, metrics, retention, rollback, systemd};

impl Tasks {
    /// Spawns the listener, which accepts callers, and the tasks that need no node.
    pub(super) fn spawn_listener(
        &mut self,
        (listener, router): (Listener, Router),
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
        self.spawn_vital(ShutdownPhase::Connections, "listener", serving);
        self.spawn(
            ShutdownPhase::Abort,
            "notices to systemd",
            systemd::follow(readiness.subscribe()),
        );
        self.spawn(ShutdownPhase::Serving, "certificate", certificate.keep(stop()));
        self.spawn(ShutdownPhase::Serving, "lost lines", logging::report_lost_lines(stop()));
        self.spawn(ShutdownPhase::Serving, "memory", memory::release_periodically(stop()));
    }

    /// Spawns CLNRest, if there is one.
    pub(super) fn spawn_cln_rest(
        &mut self,
        listener: Option<Listener>,
        answerer: Answerer,
        stop: &Stop,
    ) {
        if let Some(listener) = listener {
            let serving = listener.serve(answerer, stop.serving().clone());
            self.spawn(ShutdownPhase::Connections, "CLNRest", serving);
        }
    }

    /// Spawns the socket for clients of Core Lightning, if there is one.
    pub(super) fn spawn_cln_socket(&mut self, socket: Option<ClnSocket>, cln: Cln, stop: &Stop) {
        if let Some(socket) = socket {
            let serving = socket.serve(cln, stop.serving().clone());
            self.spawn(ShutdownPhase::Connections, "Core Lightning's socket", serving);
        }
    }

    /// Spawns the listener for clients of Core Lightning's gRPC interface, if there is one.
    pub(super) fn spawn_cln_grpc(
        &mut self,
        listening: Option<(Listener, CertificateReloader)>,
        answerer: Answerer,
        stop: &Stop,
    ) {
        if let Some((listener, certificate)) = listening {
            let stop = || stop.serving().clone();
            let serving = listener.serve(answerer, stop());
            self.spawn(ShutdownPhase::Connections, "Core Lightning's gRPC service", serving);
            let keeping = certificate.keep(stop());
            self.spawn(ShutdownPhase::Serving, "certificate for Core Lightning's clients", keeping);
        }
    }

    /// Spawns the tasks that need a node.
    pub(super) fn spawn_with_node(
        &mut self,
        app: &Arc<App>,
        started: &Started,
        config: &Arc<Config>,
        stop: &Stop,
    ) {
        let Started { node, store, gate, .. } = started;
        let (serving, events) = (|| stop.serving().clone(), || stop.events().clone());

        let hodl_blocks = config.hodl_fail_before_deadline_blocks;
        let guard = deadline::run(Arc::clone(&app.held), hodl_blocks, events());
        self.spawn_vital(ShutdownPhase::Events, "hodl guard", guard);
        self.spawn_vital(ShutdownPhase::Events, "event loop", event_loop(app).run(events()));
        let settings = Arc::clone(&app.channel_settings);
        let signed_splices =
            Arc::clone(gate).persist_signed_splices(move || settings.rewrite(), events());
        self.spawn(ShutdownPhase::Events, "signed splices", signed_splices);

        let uses = app.permissions.runes.clone().write_uses_periodically(serving());
        self.spawn(ShutdownPhase::Serving, "uses of runes", uses);

        let keep = config.keep_expired_invoices;
        let pruner = InvoicePruner {
            node: Arc::clone(node),
            store: Arc::clone(store),
            held: Arc::clone(&app.held),
        };
        self.spawn(ShutdownPhase::Serving, "expired invoices", pruner.run(keep, serving()));
        self.spawn_retention(app, config, stop);
        let webhooks = Arc::clone(&app.webhooks).run();
        self.spawn(ShutdownPhase::Serving, "webhooks", webhooks);
        let books = books::upkeep::run(Arc::clone(&app.books), serving());
        self.spawn(ShutdownPhase::Serving, "books", books);
        let recording =
            rollback::record_periodically(Arc::clone(store), Arc::clone(config), serving());
        self.spawn(ShutdownPhase::Serving, "rollback record", recording);
        let watch = Arc::clone(gate).watch(Arc::clone(node), serving());
        self.spawn(ShutdownPhase::Serving, "watch of peers", watch);
    }

    /// Spawns the tasks that remove old records.
    fn spawn_retention(&mut self, app: &App, config: &Config, stop: &Stop) {
        let (store, serving) = (&app.store, || stop.serving().clone());
        let retention = retention::events::run(Arc::clone(store), config.events, serving());
        self.spawn(ShutdownPhase::Serving, "retention", retention);
        let deletion =
            retention::invoice_rows::run(Arc::clone(store), config.keep_invoices_days, serving());
        self.spawn(ShutdownPhase::Serving, "deletion of invoices", deletion);
        let keep_days = config.audit_keep_days;
        let retention = retention::audit::run(Arc::clone(&app.audit), keep_days, serving());
        self.spawn(ShutdownPhase::Serving, "retention of the audit", retention);
        let retention = retention::intents::run(Arc::clone(store), serving());
        self.spawn(ShutdownPhase::Serving, "retention of idempotency keys", retention);
    }

    /// Spawns the task that reads the metrics of the node, if they are enabled.
    pub(super) fn spawn_metrics(
        &mut self,
        Started { node, store, gate, chain_gate, .. }: &Started,
        App { webhooks, waiting, .. }: &App,
        config: &Config,
        latest: watch::Sender<Option<metrics::Metrics>>,
        certificate: &Certificate,
        stop: &Stop,
    ) {
        if !config.metrics.enabled {
            return;
        }
        let sources = metrics::Sources {
            store: Arc::clone(store),
            gate: Arc::clone(gate),
            broadcasts: chain_gate.broadcasts().clone(),
            certificate: certificate.clone(),
            webhooks: Arc::clone(webhooks),
            waiting: waiting.clone(),
        };
        let (node, interval) = (Arc::clone(node), config.metrics.poll_interval);
        let reading = metrics::watch_node(node, sources, interval, latest, stop.serving().clone());
        self.spawn(ShutdownPhase::Serving, "metrics", reading);
    }

    /// Spawns the task that checks whether the node is ready.
    pub(super) fn spawn_probe(
        &mut self,
        Started { node, store, .. }: &Started,
        config: &Config,
        certificate: Certificate,
        started_at_secs: u64,
        readiness: &Readiness,
        stop: &Stop,
    ) {
        let (node, store) = (Arc::clone(node), Arc::clone(store));
        let probe = Probe::new(node, store, config, certificate, started_at_secs);
        let probing = probe.run(readiness.clone(), stop.serving().clone());
        self.spawn(ShutdownPhase::Serving, "probe of readiness", probing);
    }
}
