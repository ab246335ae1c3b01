//! `checkmessage`.

use ldk_node::lightning::util::message_signing;
use ldk_server_grpc::api::{GetNodeInfoRequest, GraphGetNodeRequest};
use serde::Serialize;
use serde_json::json;

use super::Method;
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, NodeId};
use crate::cln::error::{RpcError, code};
use crate::error::Error;

/// `checkmessage`: whose signature of a text this is.
pub(super) struct CheckMessage {
    message: String,
    zbase: String,
    pubkey: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Checked {
    pubkey: String,
    verified: bool,
}

impl Method for CheckMessage {
    const NAME: &'static str = "checkmessage";
    const USAGE: &'static str = "message zbase [pubkey]";
    type Answer = Checked;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self {
            message: args.required("message")?,
            zbase: args.required("zbase")?,
            pubkey: args.optional::<NodeId>("pubkey")?.map(|id| id.0),
        })
    }

    async fn run(self, call: Call) -> Result<Checked, RpcError> {
        let signer = message_signing::recover_pk(self.message.as_bytes(), &self.zbase);
        let signer = signer.map_err(|_| RpcError::params("zbase is not valid zbase32"))?;
        let signer = signer.to_string();
        if let Some(pubkey) = self.pubkey {
            return Ok(Checked { verified: pubkey == signer, pubkey });
        }
        if !is_known(&call, &signer).await? {
            let data = json!({"claimed_key": signer});
            let reason = "pubkey not found in the graph";
            return Err(RpcError::new(code::SIGNMESSAGE_PUBKEY_NOT_FOUND, reason).with_data(data));
        }
        Ok(Checked { pubkey: signer, verified: true })
    }
}

/// Whether this is the key of a node that everybody knows, or of this one: any signature is that of some
/// key.
async fn is_known(call: &Call, key: &str) -> Result<bool, Error> {
    if call.ask(rpc::GetNodeInfo, GetNodeInfoRequest {}).await?.node_id == key {
        return Ok(true);
    }
    let request = GraphGetNodeRequest { node_id: key.to_owned() };
    match call.ask(rpc::GraphGetNode, request).await {
        Ok(found) => Ok(found.node.is_some()),
        Err(Error::NotFound(_) | Error::InvalidArgument { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
