//! `getroute`.

use ldk_server_grpc::api::{GetNodeInfoRequest, QueryRouteRequest};
use ldk_server_grpc::types::{RouteHop, RouteParametersConfig};
use serde::Serialize;

use super::open_channels::open_channels;
use super::scid::scid;
use super::{Method, SENT_BY_ITSELF};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Msat, NodeId};
use crate::cln::error::{RpcError, code};
use crate::error::Error;

/// Blocks that the payee has to claim a payment, unless it is said.
const DEFAULT_CLTV: u32 = 9;
const DEFAULT_MAX_HOPS: usize = 20;
/// All there is: the method has no limit of fees.
const MAX_FEE_MSAT: u64 = 21_000_000 * 100_000_000 * 1_000;

/// `getroute`: the way that a payment would take.
pub(super) struct GetRoute {
    id: String,
    amount_msat: u64,
    cltv: u32,
    from: Option<String>,
    max_hops: usize,
}

#[derive(Serialize)]
pub(super) struct Route {
    route: Vec<Hop>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Hop {
    id: String,
    channel: String,
    direction: u8,
    amount_msat: u64,
    delay: u32,
    style: &'static str,
}

impl Method for GetRoute {
    const NAME: &'static str = "getroute";
    const USAGE: &'static str =
        "id amount_msat riskfactor [cltv] [fromid] [fuzzpercent] [exclude] [maxhops]";
    type Answer = Route;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["exclude", "fuzzpercent"], SENT_BY_ITSELF)?;
        // The node library weighs risks by itself.
        args.required::<f64>("riskfactor")?;
        let max_hops = args.optional::<u32>("maxhops")?;
        Ok(Self {
            id: args.required::<NodeId>("id")?.0,
            amount_msat: args.required::<Msat>("amount_msat")?.0,
            cltv: args.optional("cltv")?.unwrap_or(DEFAULT_CLTV),
            from: args.optional::<NodeId>("fromid")?.map(|id| id.0),
            max_hops: max_hops.map_or(DEFAULT_MAX_HOPS, |most| most as usize),
        })
    }

    async fn run(self, call: Call) -> Result<Route, RpcError> {
        let own_id = call.ask(rpc::GetNodeInfo, GetNodeInfoRequest {}).await?.node_id;
        if self.from.as_ref().is_some_and(|from| *from != own_id) {
            let reason = "fromid: is not supported: the node library finds routes from this node";
            return Err(RpcError::params(reason));
        }
        let parameters = RouteParametersConfig {
            max_total_routing_fee_msat: Some(MAX_FEE_MSAT),
            max_path_count: 1,
            ..Default::default()
        };
        let request = QueryRouteRequest {
            payee: self.id.clone(),
            amount_msat: Some(self.amount_msat),
            route_parameters: Some(parameters),
        };
        let not_found = |error| match error {
            Error::FailedPrecondition(reason) => {
                let reason = format!("Could not find a route: {reason}");
                RpcError::new(code::PAY_ROUTE_NOT_FOUND, reason)
            },
            other => other.into(),
        };
        let found = call.ask(rpc::QueryRoute, request).await.map_err(not_found)?;
        let path = found.paths.into_iter().next().unwrap_or_default();
        if path.hops.len() > self.max_hops {
            let reason = format!("The route has more than {} hops", self.max_hops);
            return Err(RpcError::new(code::PAY_ROUTE_NOT_FOUND, reason));
        }
        // Our own channels may be named by their aliases.
        let channels = open_channels(&call).await?;
        let number = |alias: u64| {
            let channel = channels.iter().find(|channel| channel.has_number(alias));
            channel.and_then(|channel| channel.details.short_channel_id).unwrap_or(alias)
        };
        Ok(Route { route: hops(&own_id, path.hops, self.cltv, number) })
    }
}

fn hops(own_id: &str, hops: Vec<RouteHop>, cltv: u32, number: impl Fn(u64) -> u64) -> Vec<Hop> {
    let last = hops.last().map_or(0, |hop| hop.total_cltv_expiry_delta);
    let mut from = own_id.to_owned();
    let mut found = Vec::new();
    for hop in hops {
        let direction = u8::from(from > hop.node_id);
        found.push(Hop {
            id: hop.node_id.clone(),
            channel: scid(number(hop.short_channel_id)),
            direction,
            amount_msat: hop.amount_msat,
            delay: hop.total_cltv_expiry_delta.saturating_sub(last).saturating_add(cltv),
            style: "tlv",
        });
        from = hop.node_id;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hop_has_the_delay_of_what_follows() {
        let hop = |node_id: &str, total_cltv_expiry_delta| RouteHop {
            node_id: node_id.to_owned(),
            short_channel_id: 1 << 40,
            amount_msat: 7,
            fee_msat: 0,
            total_cltv_expiry_delta,
        };
        let route = hops("02b", vec![hop("02a", 216), hop("02c", 144)], 9, |number| number);
        let told: Vec<_> = route.iter().map(|hop| (hop.direction, hop.delay)).collect();
        assert_eq!(told, [(1, 81), (0, 9)]);
        assert_eq!(route[0].channel, "1x0x0");
    }
}
