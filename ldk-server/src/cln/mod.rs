//! Core Lightning's interface: its methods over the calls of the API, its Unix socket,
//! and its gRPC service.
//!
//! A method reads its parameters, makes calls through the dispatcher, so that permissions, limits and the
//! audit hold as for every other caller, and answers in Core Lightning's form. It knows nothing of
//! connections.

mod amount;
mod args;
mod connection;
mod error;
mod filter;
mod framing;
mod grpc;
mod methods;
mod request;
mod socket;

use std::path::PathBuf;
use std::sync::Arc;

use ldk_node::bitcoin::Network;
use serde_json::Value;
use tonic::Status;

pub(crate) use grpc::{ClnService, name_at as grpc_call_at};
pub(crate) use socket::ClnSocket;

use self::error::RpcError;
use self::methods::FeesCollected;
use crate::access::Grant;
use crate::api::{Dispatcher, Rpc};
use crate::caller::{Caller, Identity};
use crate::error::Error;

/// What methods work with. Clones share their state.
#[derive(Clone)]
pub(crate) struct Cln(Arc<Shared>);

/// What clones share.
struct Shared {
    dispatcher: Dispatcher,
    network: Network,
    network_dir: PathBuf,
    fees_collected: FeesCollected,
}

/// A call of a method.
struct Call {
    cln: Cln,
    caller: Caller,
}

impl Cln {
    /// Methods that call through this dispatcher.
    pub(crate) fn new(dispatcher: Dispatcher, network: Network, network_dir: PathBuf) -> Self {
        let fees_collected = FeesCollected::default();
        Self(Arc::new(Shared { dispatcher, network, network_dir, fees_collected }))
    }

    /// Answers a call of somebody who may do everything. What has not been begun when this is dropped is
    /// not begun any more.
    async fn answer(
        &self,
        identity: Identity,
        method: &str,
        params: Option<Value>,
        filter: Option<&Value>,
    ) -> Result<Value, RpcError> {
        let caller = Caller::known(identity, Grant::Everything);
        let work = async { Ok::<_, Status>(self.run(caller.clone(), method, params).await) };
        let answered = caller.answer(work).await;
        let answer = answered.map_err(|status| RpcError::generic(status.message()))??;
        Ok(match filter {
            Some(filter) => filter::apply(filter, answer),
            None => answer,
        })
    }

    /// Runs a method for a caller who is answered elsewhere.
    async fn run(
        &self,
        caller: Caller,
        method: &str,
        params: Option<Value>,
    ) -> Result<Value, RpcError> {
        let method = methods::find(method)?;
        let args = methods::arguments(method, params)?;
        (method.run)(Call { cln: self.clone(), caller }, args).await
    }
}

impl Call {
    /// Makes a call of the API for whoever has called the method.
    async fn ask<R: Rpc>(&self, rpc: R, request: R::Request) -> Result<R::Reply, Error> {
        self.cln.0.dispatcher.call(rpc, self.caller.clone(), request).await
    }
}
