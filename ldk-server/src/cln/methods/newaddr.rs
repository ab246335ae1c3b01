//! `newaddr`.

use ldk_server_grpc::api::OnchainReceiveRequest;
use serde::Serialize;

use super::Method;
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;

/// `newaddr`: a new address of the wallet, which has addresses of one kind.
pub(super) struct NewAddr;

#[derive(Serialize)]
pub(super) struct Made {
    bech32: String,
}

impl Method for NewAddr {
    const NAME: &'static str = "newaddr";
    const USAGE: &'static str = "[addresstype]";
    type Answer = Made;

    fn read(args: &Args) -> Result<Self, RpcError> {
        match args.optional::<String>("addresstype")?.as_deref() {
            None | Some("bech32" | "all") => Ok(Self),
            Some("p2tr") => Err(RpcError::params(
                "addresstype: p2tr is not supported: the wallet of the node library has bech32 only",
            )),
            Some(_) => Err(RpcError::params("addresstype: should be 'bech32' or 'all'")),
        }
    }

    async fn run(self, call: Call) -> Result<Made, RpcError> {
        let made = call.ask(rpc::OnchainReceive, OnchainReceiveRequest {}).await?;
        Ok(Made { bech32: made.address })
    }
}
