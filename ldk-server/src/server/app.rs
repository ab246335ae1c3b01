//! What the calls of a node that runs work with, put together.

use std::sync::Arc;

use ldk_node::config::AsyncPaymentsRole;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::app::{App, LiquidityProvider, backing_up, connecting};
use crate::audit::Audit;
use crate::backup::Backups;
use crate::compat::node_features;
use crate::config::Config;
use crate::events::{EventLoop, replaying};
use crate::executor::Executor;
use crate::hold::HeldPayments;
use crate::hrn::Names;
use crate::node::channel_settings::ChannelSettings;
use crate::node::startup::Started;
use crate::payment_requests::PaymentRequests;
use crate::permissions::Permissions;
use crate::wallet::Spending;

/// What takes the events of a node that runs.
pub(super) fn event_loop(app: &App) -> EventLoop {
    EventLoop {
        node: Arc::clone(&app.node),
        store: Arc::clone(&app.store),
        held: Arc::clone(&app.held),
        spending: Arc::clone(&app.spending),
        splices: Arc::clone(&app.splices),
    }
}

/// What the calls of a node that runs work with.
pub(super) async fn assemble(
    config: &Arc<Config>,
    started: &Started,
    permissions: &Permissions,
    executor: &Executor,
    stopping: &CancellationToken,
) -> Result<Arc<App>, StartError> {
    let Started { node, store, gate, .. } = started;
    let (node, store, gate) = (Arc::clone(node), Arc::clone(store), Arc::clone(gate));
    let (executor, permissions) = (executor.clone(), permissions.clone());
    let (config, stopping) = (Arc::clone(config), stopping.clone());
    let lsp = config
        .lsps2_client
        .as_ref()
        .map(|lsp| LiquidityProvider::new(lsp.node_id, lsp.address.clone()));
    let is_async_server = matches!(config.async_payments_role, Some(AsyncPaymentsRole::Server));
    let assembling = tokio::task::spawn_blocking(move || {
        permissions.runes.load(Arc::clone(&store))?;
        let held = HeldPayments::open(Arc::clone(&node), Arc::clone(&store))?;
        let app = Arc::new(App {
            network: config.network,
            executor,
            permissions,
            audit: Arc::new(Audit::new(Arc::clone(&store))),
            splices: Arc::default(),
            channel_settings: Arc::new(ChannelSettings::new(Arc::clone(&node))),
            payment_requests: PaymentRequests::default(),
            held: Arc::new(held),
            lsp,
            names: Names::new(&config.hrn),
            features: node_features::announced(is_async_server),
            gate,
            budgets_count_funding: config.budgets_count_funding,
            backups: Backups {
                storage_dir: config.storage_dir.clone(),
                network_dir: config.network_dir(),
                network: config.network,
                allow_keys: config.allow_keys_in_backups,
            },
            route_defaults: config.routing,
            channel_defaults: config.channels.opened,
            connecting: connecting(),
            replaying: replaying(),
            backing_up: backing_up(),
            spending: Arc::new(Spending::new(
                Arc::clone(&node),
                Arc::clone(&store),
                config,
                stopping,
            )),
            node,
            store,
        });
        Ok(app)
    });
    assembling.await?
}
