//! The node itself.

use ldk_node::NodeStatus;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_server_grpc::api::{
    GetBalancesRequest, GetBalancesResponse, GetNodeInfoRequest, GetNodeInfoResponse,
    StepDownRequest, StepDownResponse,
};

use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::ops::node::{Balances, NodeInfo};
use crate::wire;

pub(super) fn get_node_info(
    app: &App,
    _: &Caller,
    GetNodeInfoRequest {}: GetNodeInfoRequest,
) -> Result<GetNodeInfoResponse, Error> {
    Ok(shown(ops::node::info(app)))
}

/// The node as the API shows it.
fn shown(info: NodeInfo) -> GetNodeInfoResponse {
    let NodeInfo {
        node_id,
        alias,
        network,
        features,
        listening_addresses,
        announcement_addresses,
        status,
    } = info;
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
    } = status;
    let uri = |address: &SocketAddress| format!("{node_id}@{address}");
    GetNodeInfoResponse {
        node_id: node_id.to_string(),
        current_best_block: Some(wire::node::best_block(current_best_block)),
        latest_lightning_wallet_sync_timestamp,
        latest_onchain_wallet_sync_timestamp,
        latest_fee_rate_cache_update_timestamp,
        latest_rgs_snapshot_timestamp,
        latest_node_announcement_broadcast_timestamp,
        listening_addresses: texts(&listening_addresses),
        announcement_addresses: texts(&announcement_addresses),
        node_alias: alias.as_ref().map(wire::text::alias),
        node_uris: announcement_addresses.iter().map(uri).collect(),
        network: wire::node::network(network).into(),
        features: wire::features::of_node(&features),
    }
}

fn texts(addresses: &[SocketAddress]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

pub(super) fn get_balances(
    app: &App,
    _: &Caller,
    GetBalancesRequest {}: GetBalancesRequest,
) -> Result<GetBalancesResponse, Error> {
    let Balances { details, height } = ops::node::balances(app);
    Ok(wire::balances::balances(details, height))
}

pub(super) fn step_down(
    app: &App,
    _: &Caller,
    StepDownRequest {}: StepDownRequest,
) -> Result<StepDownResponse, Error> {
    Ok(StepDownResponse { standby: ops::node::step_down(app)? })
}
