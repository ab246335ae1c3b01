//! Programs that speak Core Lightning's plugin protocol over their standard input and output.
//!
//! A plugin is started with the node, asked what it offers, and told of what it subscribes to; its methods
//! are answered on every door. It has the node's Unix socket, where it may do everything. What it is slow to
//! answer or to read holds up nobody but who has called it.

mod keeper;
mod link;
mod manifest;
mod notifier;
mod process;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::keeper::Keeper;
use self::link::Link;
use self::manifest::Manifest;
use super::Cln;
use super::error::RpcError;
use crate::config::PluginsConfig;

/// The plugins that run. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Plugins(Arc<RwLock<Vec<Arc<Plugin>>>>);

/// A plugin that runs.
struct Plugin {
    name: String,
    manifest: Manifest,
    link: Arc<Link>,
}

/// A method that a plugin answers.
pub(super) struct PluginMethod {
    plugin: Arc<Plugin>,
    pub(super) name: String,
    pub(super) usage: String,
}

/// Why a plugin does not run, or not any more.
#[derive(Debug, thiserror::Error)]
enum PluginError {
    #[error("it cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("it has closed its standard input or output: {0}")]
    Closed(#[source] io::Error),
    #[error("it has ended: {0}")]
    Ended(std::process::ExitStatus),
    #[error("it has sent what is no message of the protocol, or one that is too long")]
    Garbage,
    #[error("it has not answered {0} in time")]
    Late(&'static str),
    #[error("it has refused {method}: {reason}")]
    Refused { method: &'static str, reason: String },
    #[error(
        "it wants to be asked by the hook {0}, which this node does not have; it is not started, because \
         what it is to decide would be done without it"
    )]
    Hook(String),
    #[error("its method {0} is one of the node's, or of another plugin")]
    Taken(String),
    #[error("the value of its option {name} in cln.plugin_options must be of type {kind}")]
    Option { name: String, kind: String },
}

impl PluginError {
    /// Whether another start would fail in the same way.
    fn is_lasting(&self) -> bool {
        matches!(self, Self::Hook(_) | Self::Taken(_) | Self::Option { .. })
    }
}

impl Plugins {
    /// The method of this name, if a plugin has it.
    pub(super) fn method(&self, name: &str) -> Option<PluginMethod> {
        self.methods().into_iter().find(|method| method.name == name)
    }

    /// The methods of all plugins.
    pub(super) fn methods(&self) -> Vec<PluginMethod> {
        let mut methods = Vec::new();
        for plugin in self.running() {
            methods.extend(plugin.manifest.rpcmethods.iter().map(|method| PluginMethod {
                plugin: Arc::clone(&plugin),
                name: method.name.clone(),
                // What follows may be a description.
                usage: method.usage.lines().next().unwrap_or_default().trim().to_owned(),
            }));
        }
        methods
    }

    fn running(&self) -> Vec<Arc<Plugin>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the methods of a plugin be called, unless one of them is another plugin's.
    fn add(&self, plugin: Arc<Plugin>) -> Result<(), PluginError> {
        let mut running = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let others = || running.iter().flat_map(|other| &other.manifest.rpcmethods);
        plugin.manifest.check(|name| {
            super::methods::is_known(name) || others().any(|method| method.name == name)
        })?;
        running.push(plugin);
        Ok(())
    }

    fn remove(&self, plugin: &Arc<Plugin>) {
        let mut running = self.0.write().unwrap_or_else(PoisonError::into_inner);
        running.retain(|other| !Arc::ptr_eq(other, plugin));
    }

    /// Tells all who subscribe to this topic.
    fn tell(&self, topic: &str, payload: &Value) {
        for plugin in self.running() {
            if plugin.manifest.subscribes(topic) {
                plugin.link.tell(topic, payload);
            }
        }
    }
}

impl PluginMethod {
    /// Lets the plugin answer, however long it takes.
    pub(super) async fn call(&self, params: Option<Value>) -> Result<Value, RpcError> {
        let params = params.filter(|params| !params.is_null()).unwrap_or_else(|| json!({}));
        self.plugin.link.ask(&self.name, &params).await
    }
}

/// Runs the plugins until `stop` is cancelled, and starts those again that end.
pub(super) async fn run(cln: Cln, config: PluginsConfig, stop: CancellationToken) {
    let plugins = cln.0.plugins.clone();
    let keep = |path: PathBuf| {
        let (cln, config) = (cln.clone(), config.clone());
        Keeper { cln, config, path, plugins: plugins.clone() }.run(stop.clone())
    };
    let keeping = join_all(config.paths.iter().cloned().map(keep));
    let notifying = stop.run_until_cancelled(notifier::run(cln.clone(), plugins.clone()));
    tokio::join!(keeping, notifying);
}
