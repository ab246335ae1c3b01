//! Starts a plugin, and starts it again when it ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::hooks::Hook;
use super::link::Link;
use super::manifest::Manifest;
use super::process::Process;
use super::{Plugin, PluginError, Plugins};
use crate::cln::Cln;
use crate::config::PluginsConfig;

/// How long a plugin may take to say what it offers, and to get ready.
const HANDSHAKE: Duration = Duration::from_secs(60);
/// A plugin that has run so long is started again at once when it ends.
const STEADY: Duration = Duration::from_secs(60);
/// How long a plugin may take to end that was told to, or that has closed its output.
const LAST_WORDS: Duration = Duration::from_secs(3);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// Keeps one plugin running.
pub(super) struct Keeper {
    pub(super) cln: Cln,
    pub(super) config: PluginsConfig,
    /// Its place in the configuration.
    pub(super) place: usize,
    pub(super) path: PathBuf,
    pub(super) plugins: Plugins,
}

/// Whether a plugin is to be started again.
enum Outcome {
    /// The server stops, and the plugin may have been told.
    Stopped {
        is_told: bool,
    },
    Disabled(String),
    Failed(PluginError),
}

impl Keeper {
    pub(super) async fn run(self, stop: CancellationToken) {
        let plugin = self.path.display().to_string();
        let pauses = || {
            let pauses = ExponentialBuilder::default().with_max_delay(LAST_PAUSE);
            pauses.without_max_times().build()
        };
        let mut pause = pauses();
        while !stop.is_cancelled() {
            let begun = Instant::now();
            match self.run_once(&stop).await {
                Outcome::Stopped { .. } => return,
                Outcome::Disabled(reason) => {
                    self.plugins.disable(self.place);
                    tracing::info!(plugin, reason, "a plugin does not want to run");
                    return;
                },
                Outcome::Failed(error) if error.is_lasting() => {
                    self.plugins.leave_out(self.place);
                    tracing::error!(plugin, %error, "a plugin is left out");
                    return;
                },
                Outcome::Failed(error) => {
                    if begun.elapsed() > STEADY {
                        pause = pauses();
                    }
                    let wait = pause.next().unwrap_or(LAST_PAUSE);
                    tracing::error!(plugin, %error, pause_secs = wait.as_secs(), "starting a plugin again");
                    stop.run_until_cancelled(sleep(wait)).await;
                },
            }
        }
    }

    async fn run_once(&self, stop: &CancellationToken) -> Outcome {
        let (mut process, pipes) = match Process::start(&self.path) {
            Ok(started) => started,
            Err(error) => return Outcome::Failed(PluginError::Start(error)),
        };
        self.plugins.set_group(self.place, process.group());
        let (link, unread) = Link::new();
        let link = Arc::new(link);
        let notified = |topic: &str, params: &Value| self.notified(topic, params);
        let mut carrying = Box::pin(pipes.carry(&link, unread, notified));
        let outcome = tokio::select! {
            outcome = self.serve(&link, stop) => outcome,
            error = &mut carrying => Outcome::Failed(match timeout(LAST_WORDS, process.ended()).await {
                Ok(Ok(status)) => PluginError::Ended(status),
                _ => error,
            }),
        };
        if let Outcome::Stopped { is_told: true } = outcome {
            // It ends by itself when it has done what it has to do.
            let _ = timeout(LAST_WORDS, &mut carrying).await;
        }
        drop(carrying);
        link.close();
        process.end().await;
        self.plugins.set_group(self.place, None);
        outcome
    }

    /// Greets a plugin, and lets it be called until `stop` is cancelled.
    async fn serve(&self, link: &Arc<Link>, stop: &CancellationToken) -> Outcome {
        let manifest = match stop.run_until_cancelled(self.greet(link)).await {
            None => return Outcome::Stopped { is_told: false },
            Some(Err(error)) => return Outcome::Failed(error),
            Some(Ok(Manifest { disable: Some(reason), .. })) => return Outcome::Disabled(reason),
            Some(Ok(manifest)) => manifest,
        };
        let plugin = Arc::new(Plugin { name: self.name(), manifest, link: Arc::clone(link) });
        if let Err(error) = self.plugins.add(self.place, &plugin) {
            return Outcome::Failed(error);
        }
        // Whatever ends this, its methods end with it.
        let _methods = Methods(self);
        let methods: Vec<_> =
            plugin.manifest.rpcmethods.iter().map(|method| &method.name).collect();
        tracing::info!(plugin = plugin.name, ?methods, "a plugin runs");
        if plugin.manifest.has_hook(Hook::InvoicePayment) {
            tracing::warn!(
                plugin = plugin.name,
                "a plugin decides on payments of BOLT 11 invoices; the node library claims those of BOLT 12, of \
                 keysend, and of invoices with the library's own preimage, made before, without asking anybody"
            );
        }
        stop.cancelled().await;
        let is_told = plugin.manifest.subscribes("shutdown");
        if is_told {
            link.tell("shutdown", &json!({}));
        }
        Outcome::Stopped { is_told }
    }

    /// Asks a plugin what it offers, and tells it where it is.
    async fn greet(&self, link: &Link) -> Result<Manifest, PluginError> {
        let asked = ask(link, "getmanifest", json!({"allow-deprecated-apis": false})).await?;
        let mut manifest: Manifest =
            serde_json::from_value(asked).map_err(|_| PluginError::Garbage)?;
        if manifest.disable.is_some() {
            manifest.hooks.clear();
        }
        if let Some(known) = self.plugins.learn(self.place, &manifest) {
            warn_of_unknown_options(&known, &self.config.options);
        }
        if manifest.disable.is_some() {
            return Ok(manifest);
        }
        manifest.check(crate::cln::methods::is_known)?;
        let options = manifest.options(&self.config.options)?;
        let configuration = json!({
            "lightning-dir": self.config.rpc_file.parent(),
            "rpc-file": self.config.rpc_file.file_name().map(|name| name.to_string_lossy()),
            "startup": true,
            "network": self.cln.0.network.to_string(),
            "feature_set": {"init": "", "node": "", "channel": "", "invoice": ""},
        });
        let params = json!({"options": options, "configuration": configuration});
        let answer = ask(link, "init", params).await?;
        manifest.disable = answer["disable"].as_str().map(str::to_owned);
        Ok(manifest)
    }

    fn name(&self) -> String {
        self.plugins.name(self.place)
    }

    /// A plugin has sent a notification.
    fn notified(&self, topic: &str, params: &Value) {
        let plugin = self.name();
        match topic {
            "log" => log(&plugin, params),
            // Of calls under way: who calls here is told when there is an answer.
            "message" | "progress" => {},
            _ => {
                let own = self.plugins.at(self.place);
                if own.is_some_and(|own| own.manifest.notifies(topic)) {
                    self.plugins.tell(topic, params);
                }
            },
        }
    }
}

/// The methods of a plugin, as long as it can be called.
struct Methods<'a>(&'a Keeper);

impl Drop for Methods<'_> {
    fn drop(&mut self) {
        self.0.plugins.remove(self.0.place);
    }
}

async fn ask(link: &Link, method: &'static str, params: Value) -> Result<Value, PluginError> {
    match timeout(HANDSHAKE, link.ask(method, &params)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(refusal)) => {
            Err(PluginError::Refused { method, reason: refusal.message().to_owned() })
        },
        Err(_) => Err(PluginError::Late(method)),
    }
}

/// Names the options that no plugin has; their values may be secret.
fn warn_of_unknown_options(known: &[String], configured: &[(String, String)]) {
    let unknown = configured.iter().filter(|(name, _)| !known.contains(name));
    for (option, _) in unknown {
        tracing::warn!(option, "cln.plugin_options: no plugin has this option");
    }
}

/// A line for the log.
fn log(plugin: &str, params: &Value) {
    let message = params["message"].as_str().unwrap_or_default();
    match params["level"].as_str() {
        Some("error" | "broken") => tracing::error!(plugin, "{message}"),
        Some("warn" | "unusual") => tracing::warn!(plugin, "{message}"),
        Some("debug") => tracing::debug!(plugin, "{message}"),
        Some("trace" | "io") => tracing::trace!(plugin, "{message}"),
        _ => tracing::info!(plugin, "{message}"),
    }
}
