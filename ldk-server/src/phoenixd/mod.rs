//! phoenixd's interface: its endpoints over the calls of the API.
//!
//! An endpoint reads its parameters, makes calls through the dispatcher, so that permissions, limits and the
//! audit hold as for every other caller, and answers in phoenixd's form. It knows nothing of connections.

mod answer;
mod channels;
mod decode;
mod endpoints;
mod event;
mod export;
mod fee;
mod ids;
mod incoming;
mod info;
mod lnurl;
mod logins;
mod onchain;
mod outgoing;
mod params;
mod pay;
mod receive;
mod span;
mod under_way;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;

use ldk_node::bitcoin::Network;
use tokio::sync::Semaphore;

pub(crate) use answer::{Answer, Refusal};
pub(crate) use endpoints::{Endpoint, NoEndpoint};
pub(crate) use event::notifications;
pub(crate) use logins::Logins;
pub(crate) use webhooks::Webhooks;

use self::fee::FeeLimit;
use self::params::Params;
use self::under_way::UnderWay;
use crate::api::{Dispatcher, Rpc};
use crate::app::App;
use crate::caller::Caller;
use crate::config::PhoenixdConfig;
use crate::error::Error;

/// What endpoints work with. Clones share their state.
#[derive(Clone)]
pub(crate) struct Phoenixd(Arc<Shared>);

/// What clones share.
struct Shared {
    dispatcher: Dispatcher,
    network: Network,
    network_dir: PathBuf,
    fee_limit: FeeLimit,
    /// Payments that are being begun, of which there may be no record yet.
    under_way: UnderWay,
    /// The one export at a time.
    exporting: Arc<Semaphore>,
}

/// A request to an endpoint.
#[derive(Clone)]
struct Call {
    phoenixd: Phoenixd,
    caller: Caller,
}

impl Phoenixd {
    /// Endpoints that call through this dispatcher.
    pub(crate) fn new(
        dispatcher: Dispatcher,
        network: Network,
        network_dir: PathBuf,
        config: &PhoenixdConfig,
    ) -> Self {
        Self(Arc::new(Shared {
            dispatcher,
            network,
            network_dir,
            fee_limit: FeeLimit { base_msat: config.max_fee_base_msat, ppm: config.max_fee_ppm },
            under_way: UnderWay::default(),
            exporting: Arc::new(Semaphore::new(1)),
        }))
    }

    /// Answers a request with these parameters.
    pub(crate) async fn answer(
        &self,
        caller: Caller,
        endpoint: Endpoint,
        parameters: &[u8],
    ) -> Result<Answer, Refusal> {
        let params = Params::read(parameters);
        let call = Call { phoenixd: self.clone(), caller: caller.clone() };
        let work = async { Ok::<_, tonic::Status>(endpoint.run(call, params).await) };
        // What has not been begun when this is dropped is not begun any more.
        let answered = caller.answer(work).await;
        answered.unwrap_or_else(|_| Err(Error::DeadlineExceeded.into()))
    }
}

impl Call {
    /// Makes a call of the API for whoever has sent the request.
    async fn ask<R: Rpc>(&self, rpc: R, request: R::Request) -> Result<R::Reply, Error> {
        self.phoenixd.0.dispatcher.call(rpc, self.caller.clone(), request).await
    }

    /// Works with what no call of the API tells or changes. The API must have been asked first whether the
    /// caller may know of it.
    async fn work<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&App) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let app = self.phoenixd.0.dispatcher.app()?;
        let working = Arc::clone(&app);
        app.executor.run(name, move || work(&working)).await
    }

    fn fee_limit(&self) -> FeeLimit {
        self.phoenixd.0.fee_limit
    }
}
