//! The plugins of the configuration, and what is known of each.
//!
//! What a plugin wants to be asked about is known as soon as it has said it, and stays known while the
//! plugin does not run. Before, it might want to be asked about everything, so that nothing is decided
//! until it has said it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::hooks::{self, Hook, Registered};
use super::manifest::Manifest;
use super::{Plugin, PluginError, PluginMethod};

/// The plugins of the configuration, in its order. Clones share them.
#[derive(Clone)]
pub(in crate::cln) struct Plugins(Arc<watch::Sender<Vec<Place>>>);

/// One of them.
struct Place {
    /// The name of its file, by which other plugins know it.
    name: String,
    /// What it wants to be asked about, once it has said so.
    hooks: Option<Vec<Registered>>,
    /// The names of its options.
    options: Vec<String>,
    /// The process group of its process.
    group: Option<i32>,
    stage: Stage,
}

enum Stage {
    /// It is being started, or is to be started again.
    Starting,
    Runs(Arc<Plugin>),
    /// It is not started again as long as this process lives.
    LeftOut,
}

/// What is asked next.
pub(super) enum Next {
    /// This plugin.
    Ask(usize, Arc<Plugin>),
    /// Nobody any more.
    Nobody,
    /// A plugin that is not there, and will not be.
    LeftOut(String),
}

impl Plugins {
    /// Those with these paths.
    pub(in crate::cln) fn new(paths: &[PathBuf]) -> Self {
        let place = |path: &PathBuf| Place {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            hooks: None,
            options: Vec::new(),
            group: None,
            stage: Stage::Starting,
        };
        Self(Arc::new(watch::Sender::new(paths.iter().map(place).collect())))
    }

    /// The method of this name, if a plugin has it.
    pub(in crate::cln) fn method(&self, name: &str) -> Option<PluginMethod> {
        self.methods().into_iter().find(|method| method.name == name)
    }

    /// The methods of all plugins.
    pub(in crate::cln) fn methods(&self) -> Vec<PluginMethod> {
        let running = self.running();
        running.iter().flat_map(PluginMethod::all).collect()
    }

    /// Those that run.
    pub(super) fn running(&self) -> Vec<Arc<Plugin>> {
        self.0.borrow().iter().filter_map(Place::plugin).cloned().collect()
    }

    /// The one at this place, if it runs.
    pub(super) fn at(&self, place: usize) -> Option<Arc<Plugin>> {
        self.0.borrow().get(place).and_then(Place::plugin).cloned()
    }

    /// The name of the one at this place.
    pub(super) fn name(&self, place: usize) -> String {
        self.0.borrow().get(place).map(|place| place.name.clone()).unwrap_or_default()
    }

    fn change<T>(&self, place: usize, change: impl FnOnce(&mut Place) -> T) -> Option<T> {
        let mut changed = None;
        self.0.send_modify(|places| changed = places.get_mut(place).map(change));
        changed
    }

    /// The process of a plugin, or none any more, is in this group.
    pub(super) fn set_group(&self, place: usize, group: Option<i32>) {
        self.change(place, |place| place.group = group);
    }

    /// Whether the processes of this group are a plugin's.
    pub(in crate::cln) fn has_group(&self, group: i32) -> bool {
        self.0.borrow().iter().any(|place| place.group == Some(group))
    }

    /// A plugin has said what it offers. Returns the options of all when it was the last to say it for the
    /// first time.
    pub(super) fn learn(&self, place: usize, manifest: &Manifest) -> Option<Vec<String>> {
        let is_first = self.change(place, |place| {
            place.options = manifest.option_names();
            place.hooks.replace(manifest.hooks.clone()).is_none()
        });
        let places = self.0.borrow();
        let are_all_known = places.iter().all(|place| place.hooks.is_some());
        (is_first == Some(true) && are_all_known)
            .then(|| places.iter().flat_map(|place| place.options.clone()).collect())
    }

    /// Lets the methods of a plugin be called, unless one of them is another plugin's.
    pub(super) fn add(&self, place: usize, plugin: &Arc<Plugin>) -> Result<(), PluginError> {
        let mut added = Ok(());
        self.0.send_modify(|places| {
            let running = || places.iter().filter_map(Place::plugin);
            let others = || running().flat_map(|other| &other.manifest.rpcmethods);
            added = plugin.manifest.check(|name| {
                crate::cln::methods::is_known(name) || others().any(|method| method.name == name)
            });
            if let (Ok(()), Some(place)) = (&added, places.get_mut(place)) {
                place.stage = Stage::Runs(Arc::clone(plugin));
            }
        });
        added
    }

    /// A plugin does not run any more.
    pub(super) fn remove(&self, place: usize) {
        self.change(place, |place| place.stage = Stage::Starting);
    }

    /// A plugin does not want to run, and so to be asked.
    pub(super) fn disable(&self, place: usize) {
        self.change(place, |place| {
            place.hooks = Some(Vec::new());
            place.stage = Stage::LeftOut;
        });
    }

    /// A plugin is not started any more.
    pub(super) fn leave_out(&self, place: usize) {
        self.change(place, |place| place.stage = Stage::LeftOut);
    }

    /// Whether some plugin wants to be asked about this, as far as is known.
    pub(in crate::cln) fn may_ask(&self, hook: Hook) -> bool {
        self.0.borrow().iter().any(|place| place.hook(hook).is_none_or(|hook| hook.is_some()))
    }

    /// Tells when something has changed.
    pub(super) fn changes(&self) -> watch::Receiver<impl Sized + use<>> {
        self.0.subscribe()
    }

    /// Waits until it is known which plugin is to be asked after these, and until it runs.
    pub(super) async fn next(&self, hook: Hook, asked: &[usize]) -> Next {
        let mut changes = self.0.subscribe();
        loop {
            if let Some(next) = next(&changes.borrow_and_update(), hook, asked) {
                return next;
            }
            // The sender lives as long as this.
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whom [`Self::next`] waits for.
    pub(super) fn awaited(&self, hook: Hook, asked: &[usize]) -> String {
        let places = self.0.borrow();
        let unknown = places.iter().find(|place| place.hooks.is_none());
        let next = || chain(&places, hook).into_iter().find(|place| !asked.contains(place));
        let awaited = unknown.or_else(|| places.get(next()?));
        awaited.map(|place| place.name.clone()).unwrap_or_default()
    }
}

impl Place {
    fn plugin(&self) -> Option<&Arc<Plugin>> {
        match &self.stage {
            Stage::Runs(plugin) => Some(plugin),
            Stage::Starting | Stage::LeftOut => None,
        }
    }

    /// Whether it has this hook, once that is known.
    fn hook(&self, hook: Hook) -> Option<Option<&Registered>> {
        let hooks = self.hooks.as_ref()?;
        Some(hooks.iter().find(|registered| registered.is(hook)))
    }
}

/// The places of those that have this hook, in the order in which they are asked.
fn chain(places: &[Place], hook: Hook) -> Vec<usize> {
    let registered = places.iter().enumerate().filter_map(|(number, place)| {
        let registered = place.hook(hook)??;
        Some((number, (place.name.as_str(), registered)))
    });
    let (numbers, candidates): (Vec<_>, Vec<_>) = registered.unzip();
    hooks::order(&candidates).into_iter().filter_map(|one| numbers.get(one).copied()).collect()
}

/// Who is asked after these, unless that is not known yet, or whoever it is does not run.
fn next(places: &[Place], hook: Hook, asked: &[usize]) -> Option<Next> {
    if places.iter().any(|place| place.hooks.is_none()) {
        return None;
    }
    let Some(number) = chain(places, hook).into_iter().find(|place| !asked.contains(place)) else {
        return Some(Next::Nobody);
    };
    let place = places.get(number)?;
    match &place.stage {
        Stage::Runs(plugin) => Some(Next::Ask(number, Arc::clone(plugin))),
        Stage::LeftOut => Some(Next::LeftOut(place.name.clone())),
        Stage::Starting => None,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::cln::plugins::link::Link;

    fn plugins(number: usize) -> Plugins {
        let path = |number| PathBuf::from(format!("/plugins/{number}.py"));
        Plugins::new(&(0..number).map(path).collect::<Vec<_>>())
    }

    fn manifest(hooks: Value) -> Manifest {
        let manifest = json!({"hooks": hooks, "options": [{"name": "greeting"}]});
        serde_json::from_value(manifest).unwrap()
    }

    /// What a plugin does that runs.
    fn start(plugins: &Plugins, place: usize, hooks: Value) {
        plugins.learn(place, &manifest(hooks.clone()));
        let (link, _) = Link::new();
        let plugin =
            Plugin { name: plugins.name(place), manifest: manifest(hooks), link: Arc::new(link) };
        plugins.add(place, &Arc::new(plugin)).unwrap();
    }

    fn asked(plugins: &Plugins, before: &[usize]) -> Option<String> {
        Some(match plugins.next(Hook::InvoicePayment, before).now_or_never()? {
            Next::Ask(place, plugin) => format!("{place}: {}", plugin.name),
            Next::Nobody => "nobody".to_owned(),
            Next::LeftOut(name) => format!("without {name}"),
        })
    }

    #[test]
    fn nothing_is_decided_before_all_have_said_what_they_want() {
        assert_eq!(asked(&plugins(0), &[]).unwrap(), "nobody");
        let plugins = plugins(2);
        assert!(plugins.may_ask(Hook::InvoicePayment));
        start(&plugins, 0, json!(["invoice_payment"]));
        assert_eq!(asked(&plugins, &[]), None);
        assert_eq!(plugins.awaited(Hook::InvoicePayment, &[]), "1.py");
        start(&plugins, 1, json!([]));
        assert_eq!(asked(&plugins, &[]).unwrap(), "0: 0.py");
        assert_eq!(asked(&plugins, &[0]).unwrap(), "nobody");
        assert!(plugins.may_ask(Hook::InvoicePayment));
        assert!(!plugins.may_ask(Hook::RpcCommand));
    }

    #[test]
    fn one_that_does_not_run_is_waited_for() {
        let plugins = plugins(2);
        start(&plugins, 0, json!([]));
        start(&plugins, 1, json!(["invoice_payment"]));
        plugins.remove(1);
        assert_eq!(asked(&plugins, &[]), None);
        assert_eq!(plugins.awaited(Hook::InvoicePayment, &[]), "1.py");
        start(&plugins, 1, json!(["invoice_payment"]));
        assert_eq!(asked(&plugins, &[]).unwrap(), "1: 1.py");
        plugins.remove(1);
        plugins.leave_out(1);
        assert_eq!(asked(&plugins, &[]).unwrap(), "without 1.py");
    }

    #[test]
    fn one_that_does_not_want_to_run_is_not_asked() {
        let plugins = plugins(1);
        plugins.learn(0, &manifest(json!(["invoice_payment"])));
        plugins.disable(0);
        assert_eq!(asked(&plugins, &[]).unwrap(), "nobody");
    }

    #[tokio::test]
    async fn who_waits_is_told() {
        let plugins = plugins(1);
        let waiting = async { matches!(plugins.next(Hook::RpcCommand, &[]).await, Next::Ask(..)) };
        let starting = async { start(&plugins, 0, json!([{"name": "rpc_command"}])) };
        assert_eq!(tokio::join!(waiting, starting), (true, ()));
    }

    #[test]
    fn options_are_told_once_when_all_are_known() {
        let plugins = plugins(2);
        assert_eq!(plugins.learn(1, &manifest(json!([]))), None);
        assert_eq!(plugins.learn(1, &manifest(json!([]))), None);
        let all = plugins.learn(0, &manifest(json!([]))).unwrap();
        assert_eq!(all, ["greeting", "greeting"]);
        assert_eq!(plugins.learn(0, &manifest(json!([]))), None);
    }

    #[test]
    fn processes_are_known_by_their_groups() {
        let plugins = plugins(1);
        plugins.set_group(0, Some(77));
        assert!(plugins.has_group(77) && !plugins.has_group(78));
        plugins.set_group(0, None);
        assert!(!plugins.has_group(77));
    }
}
