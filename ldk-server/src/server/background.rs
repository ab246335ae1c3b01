//! The tasks that run as long as the server does.

use std::convert::Infallible;
use std::sync::Arc;

use super::app::event_loop;
use super::listeners::Listeners;
use super::phoenixd::PhoenixdService;
use super::service::Answers;
use super::{Lifetime, RunningNode, Services, ShutdownPhase};
use crate::app::App;
use crate::certificate::{Certificate, CertificateReloader};
use crate::hold::deadline;
use crate::http::Listener;
use crate::readiness::Probe;
use crate::retention::invoices::InvoicePruner;
use crate::{books, logging, memory, metrics, retention, rollback, systemd};

impl Lifetime {
    /// Spawns the listeners, which accept callers, and the tasks that need no node.
    pub(super) fn spawn_listeners(&mut self, listeners: Listeners, answers: Answers) {
        let Listeners {
            address,
            own: (own, certificate),
            cln_rest,
            cln_grpc,
            cln_socket,
            phoenixd,
        } = listeners;
        let stopping = self.stop.serving().clone();
        let serving = own.serve(answers.own, stopping.clone());
        let serving = async move {
            serving.await;
            Ok::<_, Infallible>(())
        };
        self.tasks.spawn_vital(ShutdownPhase::Connections, "listener", serving);
        self.spawn_keeping("certificate", certificate);
        if let Some(listener) = cln_rest {
            let serving = listener.serve(answers.cln_rest, stopping.clone());
            self.tasks.spawn(ShutdownPhase::Connections, "CLNRest", serving);
        }
        if let Some((listener, certificate)) = cln_grpc {
            let serving = listener.serve(answers.cln_grpc, stopping.clone());
            self.tasks.spawn(ShutdownPhase::Connections, "Core Lightning's gRPC", serving);
            self.spawn_keeping("certificate of Core Lightning's gRPC", certificate);
        }
        if let Some(socket) = cln_socket {
            let serving = socket.serve(answers.cln, stopping.clone());
            self.tasks.spawn(ShutdownPhase::Connections, "Core Lightning's socket", serving);
        }
        if let Some((listener, service)) = phoenixd.zip(answers.phoenixd) {
            self.spawn_phoenixd(listener, service);
        }
        let notices = systemd::follow(self.readiness.subscribe());
        self.tasks.spawn(ShutdownPhase::Abort, "notices to systemd", notices);
        let lost_lines = logging::report_lost_lines(stopping.clone());
        self.tasks.spawn(ShutdownPhase::Serving, "lost lines", lost_lines);
        let releasing = memory::release_periodically(stopping);
        self.tasks.spawn(ShutdownPhase::Serving, "memory", releasing);
        tracing::info!("gRPC service listening on {address}");
    }

    fn spawn_phoenixd(&mut self, listener: Listener, service: PhoenixdService) {
        let PhoenixdService { answerer, phoenixd, webhooks } = service;
        let stopping = self.stop.serving().clone();
        let serving = listener.serve(answerer, stopping.clone());
        self.tasks.spawn(ShutdownPhase::Connections, "phoenixd's interface", serving);
        let posting = webhooks.run(phoenixd, stopping);
        self.tasks.spawn(ShutdownPhase::Serving, "phoenixd's webhooks", posting);
    }

    fn spawn_keeping(&mut self, name: &'static str, certificate: CertificateReloader) {
        let keeping = certificate.keep(self.stop.serving().clone());
        self.tasks.spawn(ShutdownPhase::Serving, name, keeping);
    }

    /// Spawns the tasks that need a node.
    pub(super) fn spawn_with_node(
        &mut self,
        services: &Services,
        running: &RunningNode,
        app: &Arc<App>,
        certificate: Certificate,
    ) {
        self.spawn_with_events(app);
        self.spawn_serving(app);
        self.spawn_plugins(services, app);
        self.spawn_retention(app);
        if self.config.metrics.enabled {
            self.spawn_metrics(services, running, app, certificate.clone());
        }
        self.spawn_probe(running, certificate);
    }

    /// Spawns the tasks that live as long as events are taken from the node.
    fn spawn_with_events(&mut self, app: &Arc<App>) {
        let events = || self.stop.events().clone();
        let hodl_blocks = self.config.hodl_fail_before_deadline_blocks;
        let guard = deadline::run(Arc::clone(&app.held), hodl_blocks, events());
        let taking = event_loop(app).run(events());
        let settings = Arc::clone(&app.channel_settings);
        let signed_splices =
            Arc::clone(&app.gate).persist_signed_splices(move || settings.rewrite(), events());
        self.tasks.spawn_vital(ShutdownPhase::Events, "hodl guard", guard);
        self.tasks.spawn_vital(ShutdownPhase::Events, "event loop", taking);
        self.tasks.spawn(ShutdownPhase::Events, "signed splices", signed_splices);
    }

    /// Spawns the tasks that live as long as callers are served.
    fn spawn_serving(&mut self, app: &Arc<App>) {
        let Self { config, tasks, stop, .. } = self;
        let serving = || stop.serving().clone();
        let uses = app.permissions.runes.clone().write_uses_periodically(serving());
        tasks.spawn(ShutdownPhase::Serving, "uses of runes", uses);
        let webhooks = Arc::clone(&app.webhooks).run();
        tasks.spawn(ShutdownPhase::Serving, "webhooks", webhooks);
        let books = books::upkeep::run(Arc::clone(&app.books), serving());
        tasks.spawn(ShutdownPhase::Serving, "books", books);
        let (store, config) = (Arc::clone(&app.store), Arc::clone(config));
        let recording = rollback::record_periodically(store, config, serving());
        tasks.spawn(ShutdownPhase::Serving, "rollback record", recording);
        let watch = Arc::clone(&app.gate).watch(Arc::clone(&app.node), serving());
        tasks.spawn(ShutdownPhase::Serving, "watch of peers", watch);
    }

    /// Spawns the task that runs plugins, if there are any.
    fn spawn_plugins(&mut self, services: &Services, app: &Arc<App>) {
        if let Some(plugins) = self.config.cln_plugins.clone() {
            let (app, stop) = (Arc::clone(app), self.stop.serving().clone());
            let running = services.cln.clone().run_plugins(app, plugins, stop);
            self.tasks.spawn(ShutdownPhase::Serving, "plugins", running);
        }
    }

    /// Spawns the tasks that remove old records.
    fn spawn_retention(&mut self, app: &App) {
        let Self { config, tasks, stop, .. } = self;
        let (store, serving) = (|| Arc::clone(&app.store), || stop.serving().clone());
        let (node, held) = (Arc::clone(&app.node), Arc::clone(&app.held));
        let pruner = InvoicePruner { node, store: store(), held };
        let pruning = pruner.run(config.keep_expired_invoices, serving());
        tasks.spawn(ShutdownPhase::Serving, "expired invoices", pruning);
        let retention = retention::events::run(store(), config.events, serving());
        tasks.spawn(ShutdownPhase::Serving, "retention", retention);
        let deletion = retention::invoice_rows::run(store(), config.keep_invoices_days, serving());
        tasks.spawn(ShutdownPhase::Serving, "deletion of invoices", deletion);
        let audit = Arc::clone(&app.audit);
        let retention = retention::audit::run(audit, config.audit_keep_days, serving());
        tasks.spawn(ShutdownPhase::Serving, "retention of the audit", retention);
        let retention = retention::intents::run(store(), serving());
        tasks.spawn(ShutdownPhase::Serving, "retention of idempotency keys", retention);
    }

    /// Spawns the task that reads the metrics of the node.
    fn spawn_metrics(
        &mut self,
        services: &Services,
        RunningNode { node, store, gate, chain_gate, .. }: &RunningNode,
        App { webhooks, waiting, .. }: &App,
        certificate: Certificate,
    ) {
        let sources = metrics::Sources {
            store: Arc::clone(store),
            gate: Arc::clone(gate),
            broadcasts: chain_gate.broadcasts().clone(),
            certificate,
            webhooks: Arc::clone(webhooks),
            waiting: waiting.clone(),
        };
        let (node, interval) = (Arc::clone(node), self.config.metrics.poll_interval);
        let (latest, stopping) = (services.latest_metrics.clone(), self.stop.serving().clone());
        let reading = metrics::watch_node(node, sources, interval, latest, stopping);
        self.tasks.spawn(ShutdownPhase::Serving, "metrics", reading);
    }

    /// Spawns the task that checks whether the node is ready.
    fn spawn_probe(
        &mut self,
        RunningNode { node, store, .. }: &RunningNode,
        certificate: Certificate,
    ) {
        let (node, store) = (Arc::clone(node), Arc::clone(store));
        let probe = Probe::new(node, store, &self.config, certificate, self.started_at_secs);
        let probing = probe.run(self.readiness.clone(), self.stop.serving().clone());
        self.tasks.spawn(ShutdownPhase::Serving, "probe of readiness", probing);
    }
}
