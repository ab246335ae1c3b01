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
mod notices;
mod onchain_args;
mod plugins;
mod request;
mod runes;
mod socket;
mod understood;

use std::path::PathBuf;
use std::sync::Arc;

use ldk_node::bitcoin::Network;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) use error::{RpcError, code};
pub(crate) use grpc::{ClnService, name_at as grpc_call_at};
pub(crate) use methods::usages;
pub(crate) use notices::notifications;
pub(crate) use runes::holder;
pub(crate) use socket::ClnSocket;
pub(crate) use understood::Understood;

use self::methods::FeesCollected;
use self::notices::Sights;
use self::plugins::{Hook, PluginMethod, Plugins};
use self::understood::{Target, asked_call};
use crate::access::{ForeignCall, Grant};
use crate::api::{Dispatcher, Rpc};
use crate::app::App;
use crate::bulkhead::Bulkhead;
use crate::caller::{Caller, Identity};
use crate::config::PluginsConfig;
use crate::error::Error;

/// How many read long lists at once; others wait.
const MAX_READING: usize = 2;
/// How many have a database for their query at once; others wait.
const MAX_QUERYING: usize = 2;

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
    /// The bound of those who query.
    querying: Bulkhead,
    /// What is watched for subscribers.
    sights: Sights,
    /// The plugins.
    plugins: Plugins,
}

/// Who is at the other side of the socket.
#[derive(Clone)]
struct LocalClient {
    identity: Identity,
    is_plugin: bool,
}

/// A call of a method.
struct Call {
    cln: Cln,
    caller: Caller,
}

impl Cln {
    /// Methods that call through this dispatcher.
    pub(crate) fn new(
        dispatcher: Dispatcher,
        network: Network,
        network_dir: PathBuf,
        plugins: Option<&PluginsConfig>,
    ) -> Self {
        let fees_collected = FeesCollected::default();
        let reading = Bulkhead::new(MAX_READING, "too much is being read");
        let querying = Bulkhead::new(MAX_QUERYING, "too much is being queried");
        Self(Arc::new(Shared {
            dispatcher,
            network,
            network_dir,
            fees_collected,
            reading,
            querying,
            sights: Sights::default(),
            plugins: Plugins::new(plugins.map_or(&[], |plugins| &plugins.paths)),
        }))
    }

    /// Answers a call of somebody on the socket, who may do everything. What has not been begun when this is
    /// dropped is not begun any more.
    async fn answer(
        &self,
        client: LocalClient,
        (id, method, params): (&Value, &str, Option<Value>),
        filter: Option<&Value>,
    ) -> Result<Value, RpcError> {
        // Two plugins that ask each other would wait for ever.
        let has_to_be_asked = !client.is_plugin && self.0.plugins.may_ask(Hook::RpcCommand);
        let asked = has_to_be_asked.then(|| asked_call(Some(id), method, params.as_ref()));
        let target = self.target(method, params)?;
        let caller = Caller::known(client.identity, Grant::Everything);
        Understood { cln: self.clone(), caller, target, asked }.answer(filter).await
    }

    /// Lets somebody call a method, if that is allowed with these parameters, and plugins agree. The calls
    /// of the API that the method makes must be allowed, too.
    pub(crate) fn admit(
        &self,
        caller: Caller,
        name: &str,
        params: Option<Value>,
    ) -> Result<Understood, RpcError> {
        let has_to_be_asked = self.0.plugins.may_ask(Hook::RpcCommand);
        let asked = has_to_be_asked.then(|| asked_call(None, name, params.as_ref()));
        Ok(Understood { asked, ..self.permit(caller, name, params)? })
    }

    /// The same, without asking plugins.
    fn permit(
        &self,
        caller: Caller,
        name: &str,
        params: Option<Value>,
    ) -> Result<Understood, RpcError> {
        let target = self.target(name, params);
        let call = |parameters| ForeignCall::new(name.to_owned(), parameters);
        let (method, call) = match &target {
            Ok(Target::Own(method, args)) => (method.name, call(args.facts(method.usage))),
            // What it does is for the plugin to decide, which may do everything.
            Ok(Target::Plugin(_, params)) => {
                ("(plugin)", call(args::facts_of_another(params.as_ref())).of_any_group())
            },
            // Whether it is allowed is told before what is wrong with it.
            Err(_) => ("(unknown)", call(Vec::new())),
        };
        let caller = caller.with_foreign_call(call);
        let caller = self.0.dispatcher.admit_foreign(method, caller)?;
        Ok(Understood { cln: self.clone(), caller, target: target?, asked: None })
    }

    /// The method of this name, and its parameters.
    fn target(&self, name: &str, params: Option<Value>) -> Result<Target, RpcError> {
        if !methods::is_known(name)
            && let Some(method) = self.0.plugins.method(name)
        {
            return Ok(Target::Plugin(method, params));
        }
        let method = methods::find(name)?;
        Ok(Target::Own(method, methods::arguments(method, params)?))
    }

    /// The methods of the plugins that run.
    fn plugin_methods(&self) -> Vec<PluginMethod> {
        self.0.plugins.methods()
    }

    /// Whether a process is a plugin, or was started by one.
    fn is_plugin(&self, pid: Option<i32>) -> bool {
        pid.and_then(plugins::group_of).is_some_and(|group| self.0.plugins.has_group(group))
    }

    /// Runs plugins until `stop` is cancelled.
    pub(crate) async fn run_plugins(
        self,
        app: Arc<App>,
        config: PluginsConfig,
        stop: CancellationToken,
    ) {
        plugins::run(self, app, config, stop).await;
    }

    /// Runs a method for the node itself, or for a subscriber, if that is allowed. Plugins are not asked.
    async fn run(
        &self,
        caller: Caller,
        method: &str,
        params: Option<Value>,
    ) -> Result<Value, RpcError> {
        self.permit(caller, method, params)?.run().await
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

    /// The same for a call that waits, perhaps for long: until the caller may not make it any more.
    async fn ask_while_permitted<R: Rpc>(
        &self,
        rpc: R,
        request: R::Request,
    ) -> Result<R::Reply, Error> {
        tokio::select! {
            biased;
            answered = self.ask(rpc, request) => answered,
            withdrawn = self.caller.permission_withdrawn() => Err(withdrawn),
        }
    }
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::rune::Restriction;
    use serde_json::json;
    use tokio::sync::watch;

    use super::*;
    use crate::api::Phase;
    use crate::executor::Executor;
    use crate::permissions::Permissions;

    fn cln() -> Cln {
        let (_, phase) = watch::channel(Phase::Starting("loading".to_owned()));
        let permissions = Permissions::with_api_key("aa");
        let stopping = CancellationToken::new();
        let dispatcher = Dispatcher::new(phase, Executor::new(1), stopping, permissions);
        Cln::new(dispatcher, Network::Regtest, PathBuf::new(), None)
    }

    #[tokio::test]
    async fn whether_a_call_is_allowed_is_told_before_what_is_wrong_with_it() {
        let cln = cln();
        let code = |restriction: &str, method: &str, params: Value| {
            let restrictions = Restriction::parse_list(restriction).unwrap();
            let grant = Grant::named("shop".to_owned(), restrictions);
            let caller = Caller::known(Identity::ApiKey("shop".into()), grant);
            cln.admit(caller, method, Some(params)).err().map(|refusal| refusal.code)
        };
        let invoice = || json!({"amount_msat": 1000, "label": "a", "description": "b"});
        for (restriction, method, params, expected) in [
            ("method=invoice", "invoice", invoice(), None),
            ("method=invoice&parr0<1001", "invoice", json!(["1000", "a", "b"]), None),
            ("method=invoice&pnum=3", "invoice", invoice(), None),
            ("method=pay", "invoice", invoice(), Some(code::RUNE_NOT_PERMITTED)),
            ("method=pay", "invoice", json!({}), Some(code::RUNE_NOT_PERMITTED)),
            ("method=pay", "nosuch", json!({}), Some(code::RUNE_NOT_PERMITTED)),
            ("method^no", "nosuch", json!({}), Some(code::METHOD_NOT_FOUND)),
            ("method=invoice", "invoice", json!({}), Some(code::INVALID_PARAMS)),
        ] {
            assert_eq!(code(restriction, method, params), expected, "{restriction} {method}");
        }
    }
}
