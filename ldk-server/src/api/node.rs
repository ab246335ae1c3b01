//! The node itself.

use ldk_node::NodeStatus;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_server_grpc::api::{
    GetBalancesRequest, GetBalancesResponse, GetNodeInfoRequest, GetNodeInfoResponse,
};

use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::wire;

pub(super) fn get_node_info(
    app: &App,
    _: &Caller,
    GetNodeInfoRequest {}: GetNodeInfoRequest,
) -> Result<GetNodeInfoResponse, Error> {
    let NodeStatus {
        is_running: _,
        current_best_block,
        latest_lightning_wallet_sync_timestamp,
        latest_onchain_wallet_sync_timestamp,
        latest_fee_rate_cache_update_timestamp,
        latest_rgs_snapshot_timestamp,
        latest_node_announcement_broadcast_timestamp,
        // The API has no field for these.
        latest_pathfinding_scores_sync_timestamp: _,
        latest_channel_monitor_archival_height: _,
    } = app.node.status();
    let node_id = app.node.node_id().to_string();
    let listening_addresses = texts(app.gate.listening_addresses());
    let announcement_addresses = texts(app.gate.announcement_addresses());
    let node_uris = announcement_addresses.iter().map(|addr| format!("{node_id}@{addr}")).collect();
    Ok(GetNodeInfoResponse {
        node_id,
        current_best_block: Some(wire::node::best_block(current_best_block)),
        latest_lightning_wallet_sync_timestamp,
        latest_onchain_wallet_sync_timestamp,
        latest_fee_rate_cache_update_timestamp,
        latest_rgs_snapshot_timestamp,
        latest_node_announcement_broadcast_timestamp,
        listening_addresses,
        announcement_addresses,
        node_alias: app.node.node_alias().as_ref().map(wire::text::alias),
        node_uris,
        network: wire::node::network(app.network).into(),
        features: wire::features::of_node(&app.features),
    })
}

fn texts(addresses: &[SocketAddress]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

pub(super) fn get_balances(
    app: &App,
    _: &Caller,
    GetBalancesRequest {}: GetBalancesRequest,
) -> Result<GetBalancesResponse, Error> {
    // Taken first, so that nothing is left out that is not in the balance of the wallet yet.
    let height = app.node.status().current_best_block.height;
    Ok(wire::balances::balances(app.node.list_balances(), height))
}
