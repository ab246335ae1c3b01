//! Assembles what the calls and the event loop of a running node work with.

use std::sync::Arc;

use ldk_node::Node;
use ldk_node::config::AsyncPaymentsRole;
use ldk_node::lightning_types::features::NodeFeatures;
use ldk_server_grpc::types::ChannelProgress;

use super::{Lifetime, RunningNode, Services, StartError};
use crate::app::{
    App, ChannelProvider, LiquidityProvider, backing_up, connecting, reading_for_waiters, waiting,
};
use crate::audit::Audit;
use crate::backup::Backups;
use crate::books::Books;
use crate::chain::fee_rates::FeeRates;
use crate::compat::node_features;
use crate::config::{Config, LspConfig};
use crate::events::{EventLoop, replaying};
use crate::hold::{Approvals, HeldPayments};
use crate::hrn::Names;
use crate::intents::Intents;
use crate::lnurl;
use crate::locks::KeyLocks;
use crate::node::channel_settings::ChannelSettings;
use crate::pathfinding::PathFinder;
use crate::payment_requests::PaymentRequests;
use crate::secrets::DerivedSecrets;
use crate::store::{ChannelStep, Store};
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
    lifetime: &Lifetime,
    services: &Services,
    running: &RunningNode,
    derived_secrets: DerivedSecrets,
) -> Result<Arc<App>, StartError> {
    let RunningNode { node, store, gate, .. } = running;
    let (node, store, gate) = (Arc::clone(node), Arc::clone(store), Arc::clone(gate));
    let (config, stopping) = (Arc::clone(&lifetime.config), lifetime.stop.serving().clone());
    let stepping_down = lifetime.stop.stepping_down().clone();
    let (permissions, executor) = (services.permissions.clone(), services.calls.clone());
    let events = Arc::clone(&services.events);
    let assembling = tokio::task::spawn_blocking(move || {
        permissions.runes.load(Arc::clone(&store))?;
        let approvals = config.cln_plugins.as_ref().map(|_| Approvals::new());
        let held = HeldPayments::open(Arc::clone(&node), Arc::clone(&store), approvals)?;
        let held = Arc::new(held);
        let settings = Arc::new(ChannelSettings::new(Arc::clone(&node)));
        let (of_node, of_store) = (Arc::clone(&node), Arc::clone(&store));
        let stop = stopping.clone();
        let spending = Arc::new(Spending::new(of_node, of_store, Arc::clone(&config), stopping));
        let (of_store, calls) = (Arc::clone(&store), executor.clone());
        let webhooks = Arc::new(Webhooks::open(&config.webhooks, of_store, calls, events, stop)?);
        learn_channels(&node, &store);
        Ok::<_, StartError>(Arc::new(App {
            network: config.network,
            executor,
            permissions,
            audit: Arc::new(Audit::new(Arc::clone(&store))),
            fee_rates: FeeRates::new(config.chain_source.clone()),
            splices: Arc::default(),
            books: Arc::new(Books::new(Arc::clone(&node), Arc::clone(&store))),
            derived_secrets,
            channel_settings: settings,
            payment_requests: PaymentRequests::default(),
            intents: Intents::new(Arc::clone(&store)),
            held,
            lsp: liquidity_provider(config.lsps2_client.as_ref()),
            channel_provider: liquidity_provider(config.lsps1_client.as_ref())
                .map(ChannelProvider::new),
            names: Names::new(&config.hrn),
            lnurl: lnurl::Services::new(&config.lnurl)?,
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
            reading_for_waiters: reading_for_waiters(),
            backing_up: backing_up(),
            webhooks,
            stepping_down,
            spending,
            node,
            store,
        }))
    });
    assembling.await?
}

/// The state of the channels that the node has loaded, of which no event will tell.
fn learn_channels(node: &Node, store: &Store) {
    for channel in node.list_channels() {
        let progress = match channel.is_channel_ready {
            true => ChannelProgress::Ready,
            false => ChannelProgress::Pending,
        };
        store.channel_log().learn(channel.user_channel_id, ChannelStep::open(progress));
    }
}

fn liquidity_provider(lsp: Option<&LspConfig>) -> Option<LiquidityProvider> {
    let lsp = lsp?;
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
