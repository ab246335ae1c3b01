//! Core Lightning's interface: its methods over the calls of the API, and its Unix socket.
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
mod methods;
mod onchain_args;
mod request;
mod socket;

use std::path::PathBuf;
use std::sync::Arc;

use ldk_node::bitcoin::Network;
use serde_json::Value;
use tonic::Status;

pub(crate) use socket::ClnSocket;

use self::error::RpcError;
use self::methods::FeesCollected;
use crate::access::Grant;
use crate::api::{Dispatcher, Rpc};
use crate::app::App;
use crate::bulkhead::Bulkhead;
use crate::caller::{Caller, Identity};
use crate::error::Error;

/// How many read long lists at once; others wait.
const MAX_READING: usize = 2;

/// What methods work with. Clones share their state.
#[derive(Clone)]
pub(crate) struct Cln(Arc<Shared>);

/// What clones share.
struct Shared {
    dispatcher: Dispatcher,
    network: Network,
    network_dir: PathBuf,
    fees_collected: FeesCollected,
    /// The bound of those who read what is long.
    reading: Bulkhead,
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
        let reading = Bulkhead::new(MAX_READING, "too much is being read");
        Self(Arc::new(Shared { dispatcher, network, network_dir, fees_collected, reading }))
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
        let method = methods::find(method)?;
        let args = methods::arguments(method, params)?;
        let caller = Caller::known(identity, Grant::Everything);
        let call = Call { cln: self.clone(), caller: caller.clone() };
        let work = async { Ok::<_, Status>((method.run)(call, args).await) };
        let answered = caller.answer(work).await;
        let answer = answered.map_err(|status| RpcError::generic(status.message()))??;
        Ok(match filter {
            Some(filter) => filter::apply(filter, answer),
            None => answer,
        })
    }
}

impl Call {
    /// Reads what the API does not tell, on a blocking thread, bounded with all who read long lists. The
    /// API must have been asked first whether the caller may know of it.
    async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        read: impl FnOnce(&App) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let app = self.cln.0.dispatcher.app()?;
        let place = self.cln.0.reading.enter().await?;
        let working = Arc::clone(&app);
        let work = move || {
            let _place = place;
            read(&working)
        };
        app.executor.run(name, work).await
    }

    /// Makes a call of the API for whoever has called the method.
    async fn ask<R: Rpc>(&self, rpc: R, request: R::Request) -> Result<R::Reply, Error> {
        self.cln.0.dispatcher.call(rpc, self.caller.clone(), request).await
    }

    /// Works with what the server keeps for these methods only, and no call of the API tells or changes.
    async fn work<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&App) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, RpcError> {
        let app = self.cln.0.dispatcher.app()?;
        let working = Arc::clone(&app);
        Ok(app.executor.run(name, move || work(&working)).await?)
    }
}
