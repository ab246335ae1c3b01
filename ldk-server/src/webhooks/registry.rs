//! All webhooks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ldk_node::lightning::io;
use ldk_server_grpc::types;
use prometheus::core::Collector;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::consumer::Source;
use super::delivery::Attempt;
use super::hook::{CONSUMER_PREFIX, Hook, consumer};
use super::message::Message;
use super::metrics::AttemptMetrics;
use super::receivers::{Post as _, Receivers};
use super::record::{NewWebhook, RECORDS, Record};
use super::secret::Secret;
use super::target::{Target, TargetRefused};
use super::worker::{Tools, Worker};
use crate::bulkhead::Bulkhead;
use crate::chain::tls;
use crate::clock::unix_secs;
use crate::config::{ConfigError, WebhooksConfig};
use crate::error::Error;
use crate::events::{JsonEvents, replaying};
use crate::executor::Executor;
use crate::outbound;
use crate::store::{MAX_EVENT_CONSUMERS, Store};

/// Tests at once: each takes until the receiver answers.
const MAX_TESTING: usize = 4;

/// All webhooks. Their tasks run on the runtime that they were opened on.
pub struct Webhooks {
    hooks: Mutex<BTreeMap<String, Arc<Hook>>>,
    /// Held while one is made.
    making: Mutex<()>,
    max_count: usize,
    tools: Tools<Receivers>,
    testing: Bulkhead,
    workers: TaskTracker,
    runtime: Handle,
}

/// Why there can be no webhooks.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    /// The database cannot be read.
    #[error(transparent)]
    Storage(#[from] io::Error),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The HTTP client cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// A metric cannot be made.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

impl Webhooks {
    /// Reads the webhooks. Nothing is delivered before [`run`](Self::run). Blocks, on a thread of a runtime.
    pub fn open(
        config: &WebhooksConfig,
        store: Arc<Store>,
        executor: Executor,
        events: Arc<JsonEvents>,
        stop: CancellationToken,
    ) -> Result<Self, WebhooksError> {
        let tls = tls::trusting_also("webhooks.ca_cert_path", config.ca_cert_path.as_deref())?;
        let receivers = Receivers::new(tls, config.timeout, config.allow_private)?;
        let hooks = Mutex::new(read(&store)?);
        let source = Source { store, executor, replaying: replaying() };
        let (metrics, pause_after_secs) = (AttemptMetrics::new()?, config.pause_after_secs);
        Ok(Self {
            hooks,
            making: Mutex::default(),
            max_count: config.max_count,
            tools: Tools {
                source,
                events,
                receivers,
                metrics,
                pause_after_secs,
                stop,
                now: unix_secs,
            },
            testing: Bulkhead::new(MAX_TESTING, &format!("{MAX_TESTING} tests are under way")),
            workers: TaskTracker::new(),
            runtime: Handle::current(),
        })
    }

    /// Delivers events until the server stops and what is under way has ended.
    pub async fn run(self: Arc<Self>) {
        self.hooks().values().for_each(|hook| self.spawn(Arc::clone(hook)));
        self.tools.stop.cancelled().await;
        self.workers.close();
        self.workers.wait().await;
    }

    /// Checks a URL, and the addresses that its host has now.
    pub async fn check(&self, url: &str) -> Result<(), TargetRefused> {
        let allow_private = self.tools.receivers.allow_private;
        let target = Target::parse(url, allow_private)?;
        let reach = target.reach(allow_private);
        let refusal = outbound::refusal(target.host(), target.port(), reach).await;
        refusal.map_or(Ok(()), |refused| Err(refused.into()))
    }

    /// Makes a webhook, durably, which begins with the next event. Its URL must have been checked. Blocks.
    pub fn create(&self, new: NewWebhook) -> Result<types::Webhook, Error> {
        let _making = lock(&self.making);
        if self.hooks().len() >= self.max_count {
            let full = format!("webhooks.max_count: there can be {} webhooks", self.max_count);
            return Err(Error::ResourceExhausted(full));
        }
        let (store, record) = (&self.tools.source.store, Record::new(new));
        let head = store.event_bounds().map_err(Error::internal)?.head_index;
        let position = add_consumer(store, &record, head).map_err(Error::internal)?;
        let position = position.ok_or_else(|| {
            let full = format!("there are {MAX_EVENT_CONSUMERS} consumers of events; delete one");
            Error::ResourceExhausted(full)
        })?;
        let encoded = record.encode().map_err(Error::internal)?;
        store.put(RECORDS, &record.id, encoded).map_err(Error::internal)?;
        let hook = Arc::new(Hook::new(Arc::clone(store), record, position));
        self.hooks().insert(hook.id.clone(), Arc::clone(&hook));
        let shown = hook.shown(head);
        self.spawn(hook);
        Ok(shown)
    }

    /// The webhooks, from the oldest. Blocks.
    pub fn list(&self) -> Result<Vec<types::Webhook>, Error> {
        let head = self.head()?;
        let mut shown: Vec<_> = self.hooks().values().map(|hook| hook.shown(head)).collect();
        shown.sort_by_key(|webhook| webhook.created_at);
        Ok(shown)
    }

    /// Sends a message to a webhook, once, and returns how long that took.
    pub async fn test(&self, id: &str) -> Result<(Attempt, Duration), Error> {
        let record = self.hook(id)?.record();
        let _place = self.testing.try_enter()?;
        let (message, begun) = (Message::test(id)?, Instant::now());
        let attempt = self.tools.receivers.post(&record.url, &record.secret, &message).await;
        Ok((attempt, begun.elapsed()))
    }

    /// Changes a webhook, durably. A new URL must have been checked. Blocks.
    pub fn update(
        &self,
        id: &str,
        url: Option<String>,
        secret: Option<Secret>,
        label: Option<String>,
    ) -> Result<types::Webhook, Error> {
        self.change(id, |record| {
            record.url = url.unwrap_or_else(|| record.url.clone());
            record.secret = secret.unwrap_or_else(|| record.secret.clone());
            record.label = label.unwrap_or_else(|| record.label.clone());
        })
    }

    /// Lets a webhook go on, durably. Blocks.
    pub fn resume(&self, id: &str) -> Result<types::Webhook, Error> {
        self.change(id, |record| {
            record.failing_since = None;
            record.paused = None;
        })
    }

    /// Removes a webhook, durably. Blocks.
    pub fn delete(&self, id: &str) -> Result<(), Error> {
        let hook = self.hook(id)?;
        hook.delete().map_err(Error::internal)?;
        self.hooks().remove(id);
        Ok(())
    }

    /// How many webhooks deliver, fail and are paused.
    pub fn states(&self) -> [(&'static str, usize); 3] {
        let hooks = self.hooks();
        let paused = hooks.values().filter(|hook| hook.is_paused()).count();
        let failing = hooks.values().filter(|hook| hook.is_failing() && !hook.is_paused()).count();
        [("active", hooks.len() - paused - failing), ("failing", failing), ("paused", paused)]
    }

    /// What is counted since the start, for a registry.
    pub fn collector(&self) -> Box<dyn Collector> {
        self.tools.metrics.collector()
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Record)) -> Result<types::Webhook, Error> {
        let hook = self.hook(id)?;
        hook.change(change).map_err(Error::internal)?;
        hook.woken.notify_one();
        Ok(hook.shown(self.head()?))
    }

    fn head(&self) -> Result<u64, Error> {
        let bounds = self.tools.source.store.event_bounds().map_err(Error::internal)?;
        Ok(bounds.head_index)
    }

    fn hook(&self, id: &str) -> Result<Arc<Hook>, Error> {
        let found = self.hooks().get(id).map(Arc::clone);
        found.ok_or_else(|| Error::NotFound("there is no webhook with this id".to_owned()))
    }

    fn spawn(&self, hook: Arc<Hook>) {
        let worker = Worker { hook, tools: self.tools.clone() };
        self.workers.spawn_on(worker.run(), &self.runtime);
    }

    fn hooks(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Hook>>> {
        lock(&self.hooks)
    }
}

/// Reads the webhooks, and removes what a crash has left of others.
fn read(store: &Arc<Store>) -> io::Result<BTreeMap<String, Arc<Hook>>> {
    let mut hooks = BTreeMap::new();
    for id in store.keys(RECORDS)? {
        let record = Record::decode(store.get(RECORDS, &id)?)?;
        let head = store.event_bounds()?.head_index;
        let position = add_consumer(store, &record, head)?.unwrap_or(head);
        hooks.insert(id, Arc::new(Hook::new(Arc::clone(store), record, position)));
    }
    for consumer in store.event_consumers()?.0 {
        let of = consumer.name.strip_prefix(CONSUMER_PREFIX);
        if of.is_some_and(|id| !hooks.contains_key(id)) {
            store.delete_event_consumer(consumer.name)?;
        }
    }
    Ok(hooks)
}

/// Makes the consumer of a webhook, unless there is one, and returns its place.
fn add_consumer(store: &Store, record: &Record, head: u64) -> io::Result<Option<u64>> {
    store.add_event_consumer(consumer(&record.id), head)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
