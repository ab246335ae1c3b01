//! `connect`.

use ldk_server_grpc::api::{ConnectPeerRequest, GraphGetNodeRequest, ListPeersRequest};
use ldk_server_grpc::types::GraphNodeAnnouncement;
use serde::Serialize;

use super::address::Address;
use super::{Method, features};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, NodeId, Param};
use crate::cln::error::{RpcError, code};
use crate::error::Error;

const DEFAULT_PORT: u16 = 9735;

/// `connect`: connects to a peer, at the address that is given or known.
pub(super) struct Connect {
    pub(super) id: String,
    address: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Connected {
    id: String,
    /// As the peer has announced them; the library does not tell those that it has connected with.
    features: String,
    direction: &'static str,
    address: Address,
}

impl Method for Connect {
    const NAME: &'static str = "connect";
    const USAGE: &'static str = "id [host] [port]";
    type Answer = Connected;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let target: String = args.required("id")?;
        Self::to(&target, args.optional("host")?, args.optional("port")?)
    }

    async fn run(self, call: Call) -> Result<Connected, RpcError> {
        let announced = announcement(&call, &self.id).await?;
        let address = self.reach(&call, announced.as_ref()).await?;
        let unreadable = || RpcError::internal(&"an address cannot be read");
        Ok(Connected {
            features: announced.map(|of| features::bits(&of.features)).unwrap_or_default(),
            direction: "out",
            address: Address::parse(&address).ok_or_else(unreadable)?,
            id: self.id,
        })
    }
}

impl Connect {
    /// To a node, whose address may be part of the target or beside it.
    pub(super) fn to(
        target: &str,
        host: Option<String>,
        port: Option<u16>,
    ) -> Result<Self, RpcError> {
        let (id, place) = match target.split_once('@') {
            Some((id, place)) => (id, Some(place.to_owned())),
            None => (target, None),
        };
        let is_id = NodeId::read(&id.into()).map(|id| id.0);
        let id = is_id.ok_or_else(|| RpcError::params("id: should be a node id"))?;
        let address = match (place, host) {
            (Some(_), Some(_)) => {
                return Err(RpcError::params(
                    "Can't specify host as both xxx@yyy and separate argument",
                ));
            },
            (Some(place), None) => Some(with_port(&place, port)),
            (None, Some(host)) => Some(with_port(&host, port)),
            (None, None) if port.is_some() => {
                return Err(RpcError::params("Can't specify port without host"));
            },
            (None, None) => None,
        };
        Ok(Self { id, address })
    }

    /// Connects, and returns the address.
    pub(super) async fn reach(
        &self,
        call: &Call,
        announced: Option<&GraphNodeAnnouncement>,
    ) -> Result<String, RpcError> {
        let addresses = match self.address.clone() {
            Some(address) => vec![address],
            None => self.known_addresses(call, announced).await?,
        };
        if addresses.is_empty() {
            let reason = "Unable to connect, no address known for peer";
            return Err(RpcError::new(code::CONNECT_NO_KNOWN_ADDRESS, reason));
        }
        self.connect(call, addresses).await
    }

    /// Where the peer was, and where it says that it is.
    async fn known_addresses(
        &self,
        call: &Call,
        announced: Option<&GraphNodeAnnouncement>,
    ) -> Result<Vec<String>, RpcError> {
        let peers = call.ask(rpc::ListPeers, ListPeersRequest {}).await?.peers;
        let known = peers.into_iter().filter(|peer| peer.node_id == self.id);
        let known = known.map(|peer| peer.connected_address.unwrap_or(peer.address));
        let announced = announced.into_iter().flat_map(|of| of.addresses.clone());
        Ok(known.chain(announced).filter(|address| !address.is_empty()).collect())
    }

    /// Connects at the first address where that succeeds.
    async fn connect(&self, call: &Call, addresses: Vec<String>) -> Result<String, RpcError> {
        let mut failures = Vec::new();
        for address in addresses {
            let (node_pubkey, persist) = (self.id.clone(), false);
            let request = ConnectPeerRequest { node_pubkey, address: address.clone(), persist };
            match call.ask(rpc::ConnectPeer, request).await {
                Ok(_) => return Ok(address),
                Err(Error::FailedPrecondition(reason)) => {
                    failures.push(format!("{address}: {reason}. "));
                },
                Err(error) => return Err(error.into()),
            }
        }
        let reason = format!("All addresses failed: {}", failures.concat());
        Err(RpcError::new(code::CONNECT_ALL_ADDRESSES_FAILED, reason))
    }
}

/// The address with a port.
fn with_port(host: &str, port: Option<u16>) -> String {
    match port {
        None if Address::parse(host).is_some() && !is_bare_ipv6(host) => host.to_owned(),
        port => {
            let port = port.unwrap_or(DEFAULT_PORT);
            let host = host.trim_start_matches('[').trim_end_matches(']');
            if is_bare_ipv6(host) { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        },
    }
}

fn is_bare_ipv6(host: &str) -> bool {
    host.parse::<std::net::Ipv6Addr>().is_ok()
}

/// What the node has announced of itself, if that is known.
pub(super) async fn announcement(
    call: &Call,
    id: &str,
) -> Result<Option<GraphNodeAnnouncement>, RpcError> {
    let request = GraphGetNodeRequest { node_id: id.to_owned() };
    match call.ask(rpc::GraphGetNode, request).await {
        Ok(found) => Ok(found.node.and_then(|node| node.announcement_info)),
        Err(Error::InvalidArgument { .. } | Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    fn address(params: Value) -> Result<Option<String>, RpcError> {
        Connect::read(&Args::of(Connect::USAGE, Some(params))?).map(|connect| connect.address)
    }

    #[test]
    fn an_address_is_part_of_the_id_or_beside_it() {
        let at = |place: &str| json!([format!("{ID}@{place}")]);
        for (params, expected) in [
            (at("127.0.0.1:1"), Some("127.0.0.1:1")),
            (at("127.0.0.1"), Some("127.0.0.1:9735")),
            (at("[::1]:2"), Some("[::1]:2")),
            (json!([ID, "::1", 3]), Some("[::1]:3")),
            (json!([ID, "node.example"]), Some("node.example:9735")),
            (json!([ID]), None),
        ] {
            assert_eq!(address(params).unwrap().as_deref(), expected);
        }
        for params in [json!(["02ab"]), json!([ID, null, 5]), json!([format!("{ID}@a:1"), "b"])] {
            assert_eq!(address(params).unwrap_err().code, code::INVALID_PARAMS);
        }
    }
}
