//! Programs that speak Core Lightning's plugin protocol over their standard input and output.
//!
//! A plugin is started with the node, asked what it offers, and told of what it subscribes to; its methods
//! are answered on every door, and it may want to be asked about payments and calls. It has the node's Unix
//! socket, where it may do everything. What it is slow to answer or to read holds up nobody but who has
//! called it, and what it decides on.

mod calls;
mod hooks;
mod keeper;
mod link;
mod manifest;
mod notifier;
mod payments;
mod places;
mod process;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(super) use self::calls::AskedCall;
pub(super) use self::hooks::{CallAnswer, Hook};
use self::keeper::Keeper;
use self::link::Link;
use self::manifest::Manifest;
pub(super) use self::places::Plugins;
pub(super) use self::process::group_of;
use super::Cln;
use super::error::RpcError;
use crate::app::App;
use crate::config::PluginsConfig;

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

impl PluginMethod {
    /// The methods of a plugin.
    fn all(plugin: &Arc<Plugin>) -> impl Iterator<Item = Self> {
        plugin.manifest.rpcmethods.iter().map(|method| Self {
            plugin: Arc::clone(plugin),
            name: method.name.clone(),
            // What follows may be a description.
            usage: method.usage.lines().next().unwrap_or_default().trim().to_owned(),
        })
    }

    /// Lets the plugin answer, however long it takes.
    pub(super) async fn call(&self, params: Option<Value>) -> Result<Value, RpcError> {
        let params = params.filter(|params| !params.is_null()).unwrap_or_else(|| json!({}));
        self.plugin.link.ask(&self.name, &params).await
    }
}

impl Plugins {
    /// Tells all who subscribe to this topic.
    fn tell(&self, topic: &str, payload: &Value) {
        for plugin in self.running() {
            if plugin.manifest.subscribes(topic) {
                plugin.link.tell(topic, payload);
            }
        }
    }
}

/// Runs the plugins until `stop` is cancelled, starts those again that end, and asks them what they want to
/// be asked.
pub(super) async fn run(cln: Cln, app: Arc<App>, config: PluginsConfig, stop: CancellationToken) {
    let plugins = cln.0.plugins.clone();
    let keep = |(place, path): (usize, &PathBuf)| {
        let (cln, config, path) = (cln.clone(), config.clone(), path.clone());
        Keeper { cln, config, place, path, plugins: plugins.clone() }.run(stop.clone())
    };
    let keeping = join_all(config.paths.iter().enumerate().map(keep));
    let notifying = stop.run_until_cancelled(notifier::run(cln.clone(), plugins.clone()));
    let asking = payments::run(app, plugins.clone(), config.paths.len(), stop.clone());
    tokio::join!(keeping, notifying, asking);
}
