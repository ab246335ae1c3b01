//! What the calls of a node that runs work with, put together.

use std::sync::Arc;

use ldk_node::config::AsyncPaymentsRole;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::backup::Backups;
use crate::compat::node_features;
use crate::config::Config;
use crate::node::channel_settings::ChannelSettings;
use crate::node::holding;
use crate::node::spending::Spending;
use crate::node::splices::Splices;
use crate::node::startup::Started;
use crate::rpc::{App, Bills, Lsp, Names};
use crate::store::Holds;

/// What the calls of a node that runs work with.
pub(super) async fn assemble(
    config: &Arc<Config>,
    started: &Started,
    stopping: &CancellationToken,
) -> Result<Arc<App>, StartError> {
    let Started { node, store, gate, .. } = started;
    let (node, store, gate) = (Arc::clone(node), Arc::clone(store), Arc::clone(gate));
    let (config, stopping) = (Arc::clone(config), stopping.clone());
    let lsp = config
        .lsps2_client
        .as_ref()
        .map(|lsp| Lsp { node_id: lsp.node_id, address: lsp.address.clone() });
    let is_async_server = matches!(config.async_payments_role, Some(AsyncPaymentsRole::Server));
    let assembling = tokio::task::spawn_blocking(move || {
        let app = Arc::new(App {
            network: config.network,
            splices: Splices::default(),
            channel_settings: Arc::new(ChannelSettings::new(Arc::clone(&node))),
            bills: Bills::default(),
            holds: Holds::open(Arc::clone(&store))?,
            lsp,
            names: Names::new(&config.hrn),
            features: node_features::announced(is_async_server),
            gate,
            backups: Backups {
                storage_dir: config.storage_dir.clone(),
                network_dir: config.network_dir(),
                network: config.network,
                allow_keys: config.allow_keys_in_backups,
            },
            route_defaults: config.routing,
            channel_defaults: config.channels.opened,
            spending: Spending::new(Arc::clone(&node), Arc::clone(&store), config, stopping),
            node,
            store,
        });
        holding::resume(&app).map_err(StartError::Holds)?;
        Ok(app)
    });
    assembling.await?
}
