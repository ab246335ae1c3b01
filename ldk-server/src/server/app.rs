//! Assembles what the calls and the event loop of a running node work with.

use std::sync::Arc;

use ldk_node::config::AsyncPaymentsRole;
use ldk_node::lightning_types::features::NodeFeatures;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::app::{App, LiquidityProvider, backing_up, connecting, reading_invoices, waiting};
use crate::audit::Audit;
use crate::backup::Backups;
use crate::books::Books;
use crate::chain::fee_rates::FeeRates;
use crate::compat::node_features;
use crate::config::Config;
use crate::events::{EventLoop, JsonEvents, replaying};
use crate::executor::Executor;
use crate::hold::HeldPayments;
use crate::hrn::Names;
use crate::intents::Intents;
use crate::locks::KeyLocks;
use crate::node::channel_settings::ChannelSettings;
use crate::node::startup::Started;
use crate::pathfinding::PathFinder;
use crate::payment_requests::PaymentRequests;
use crate::permissions::Permissions;
use crate::wallet::Spending;
use crate::webhooks::Webhooks;

/// The event loop of a running node.
pub(super) fn event_loop(app: &App) -> EventLoop {
    EventLoop {
        node: Arc::clone(&app.node),
        store: Arc::clone(&app.store),
        held: Arc::clone(&app.held),
        spending: Arc::clone(&app.spending),
        splices: Arc::clone(&app.splices),
        books: Arc::clone(&app.books),
    }
}

/// Assembles what the calls of a running node work with.
pub(super) async fn assemble(
    config: &Arc<Config>,
    started: &Started,
    permissions: &Permissions,
    executor: &Executor,
    events: &Arc<JsonEvents>,
    stopping: &CancellationToken,
) -> Result<Arc<App>, StartError> {
    let Started { node, store, gate, .. } = started;
    let (node, store, gate) = (Arc::clone(node), Arc::clone(store), Arc::clone(gate));
    let (config, executor, stopping) = (Arc::clone(config), executor.clone(), stopping.clone());
    let (permissions, events) = (permissions.clone(), Arc::clone(events));
    let assembling = tokio::task::spawn_blocking(move || {
        permissions.runes.load(Arc::clone(&store))?;
        let held = Arc::new(HeldPayments::open(Arc::clone(&node), Arc::clone(&store))?);
        let settings = Arc::new(ChannelSettings::new(Arc::clone(&node)));
        let (of_node, of_store) = (Arc::clone(&node), Arc::clone(&store));
        let stop = stopping.clone();
        let spending = Arc::new(Spending::new(of_node, of_store, Arc::clone(&config), stopping));
        let (of_store, calls) = (Arc::clone(&store), executor.clone());
        let webhooks = Arc::new(Webhooks::open(&config.webhooks, of_store, calls, events, stop)?);
        Ok::<_, StartError>(Arc::new(App {
            network: config.network,
            executor,
            permissions,
            audit: Arc::new(Audit::new(Arc::clone(&store))),
            fee_rates: FeeRates::new(config.chain_source.clone()),
            splices: Arc::default(),
            books: Arc::new(Books::new(Arc::clone(&node), Arc::clone(&store))),
            channel_settings: settings,
            payment_requests: PaymentRequests::default(),
            intents: Intents::new(Arc::clone(&store)),
            held,
            lsp: liquidity_provider(&config),
            names: Names::new(&config.hrn),
            features: features(&config),
            gate,
            budgets_count_funding: config.budgets_count_funding,
            backups: backups(&config),
            path_finder: PathFinder::new(node.node_id(), config.network),
            route_defaults: config.routing,
            channel_defaults: config.channels.opened,
            connecting: connecting(),
            replaying: replaying(),
            labels: KeyLocks::default(),
            waiting: waiting(config.limits.max_waiting_calls),
            reading_invoices: reading_invoices(),
            backing_up: backing_up(),
            webhooks,
            spending,
            node,
            store,
        }))
    });
    assembling.await?
}

fn liquidity_provider(config: &Config) -> Option<LiquidityProvider> {
    let lsp = config.lsps2_client.as_ref()?;
    Some(LiquidityProvider::new(lsp.node_id, lsp.address.clone()))
}

fn features(config: &Config) -> NodeFeatures {
    let is_async_server = matches!(config.async_payments_role, Some(AsyncPaymentsRole::Server));
    node_features::announced(is_async_server)
}

fn backups(config: &Config) -> Backups {
    Backups {
        storage_dir: config.storage_dir.clone(),
        network_dir: config.network_dir(),
        network: config.network,
        allow_keys: config.allow_keys_in_backups,
    }
}
