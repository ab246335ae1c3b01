//! Consistent cuts: what the library writes is answered at once, and committed where the states of its
//! channels fit each other. For that the store has to understand a little of what the library writes;
//! if it does not, everything is as it was before: each write is durable when it is answered, and a
//! crash between a monitor and the manager closes the channel.

mod unsent;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ldk_node::lightning::io;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::{
    CHANNEL_MANAGER_PERSISTENCE_KEY, CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE, CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MONITOR_PERSISTENCE_SECONDARY_NAMESPACE,
    CHANNEL_MONITOR_UPDATE_PERSISTENCE_PRIMARY_NAMESPACE, KVStoreSync,
};

use super::change::{Meaning, PaymentEvent, RecordChange};
use super::model::payments::is_on_its_way_out;
use super::model::{CUTS_MADE, Name, SERVER};
use super::writer::{self, Kind, Known, SendPin};
use super::{NeverDurable, Store, monitored_channel};
use crate::compat::channel_state::{self, Id};

/// Whether cuts are made.
#[derive(Default)]
pub(super) struct Cuts {
    begun: AtomicBool,
    /// What the library writes is no longer understood.
    ended: AtomicBool,
    /// The monitors that there are.
    monitors: Mutex<HashSet<String>>,
}

/// Why no cuts can be made.
#[derive(Debug, thiserror::Error)]
pub enum CutsRefused {
    /// The state is not in the format that is known.
    #[error("{0}")]
    Format(String),
    /// The state cannot be read.
    #[error("the state of the channels cannot be read: {0}")]
    Storage(#[from] io::Error),
}

impl Store {
    /// From now on, what the library writes is committed at consistent cuts. Refused if the library's
    /// state of these channels, which are all that it has open, is not as it is known.
    pub fn begin_cuts(&self, channels: &[ChannelId]) -> Result<(), CutsRefused> {
        let monitors = self.monitors()?;
        let manager = self.manager()?;
        let mut updates = HashMap::new();
        for monitor in &monitors {
            let (channel, update) = self.monitor_on_disk(monitor)?;
            updates.insert(channel, update);
        }
        check(manager.as_deref().map(Vec::as_slice), channels, &updates)?;
        self.doubt_unknown_payments()?;
        *self.cuts.monitors.lock().unwrap_or_else(PoisonError::into_inner) = monitors;
        self.writer.begin_cuts(Known { updates, manager });
        self.cuts.begun.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Writes down that no cuts are made, so that a later process does not rely on them.
    pub fn do_without_cuts(&self) -> io::Result<()> {
        self.delete(CUTS_MADE.0, CUTS_MADE.1)
    }

    /// Whether cuts are made.
    pub fn cuts_begun(&self) -> bool {
        self.may_be_ahead() && !self.cuts.ended.load(Ordering::SeqCst)
    }

    /// Whether the library may have been answered before what it wrote was on disk. That stays so
    /// when no cuts are made any more.
    fn may_be_ahead(&self) -> bool {
        self.cuts.begun.load(Ordering::SeqCst)
    }

    /// Waits, on this thread, until everything that was written so far is on disk; for who reads what
    /// the library has written, or lets out what the library says.
    pub fn barrier(&self) -> io::Result<()> {
        if !self.may_be_ahead() {
            return Ok(());
        }
        debug_assert!(
            !writer::is_pinned(),
            "a manager that is held back may be what this waits for"
        );
        let reached = self.durability().barrier();
        reached.map_err(|error| io::Error::new(io::ErrorKind::Other, error))
    }

    /// The same, in a future.
    pub async fn all_durable(&self) -> Result<(), NeverDurable> {
        if !self.may_be_ahead() {
            return Ok(());
        }
        let durability = self.durability();
        durability.reached(durability.accepted()).await
    }

    /// To be held while a payment is handed to the library, so that its record and the manager that
    /// knows of it are committed together. Nothing may wait for the disk meanwhile.
    pub fn pin_send(&self) -> Option<SendPin> {
        self.cuts_begun().then(|| self.writer.pin())
    }

    fn monitors(&self) -> io::Result<HashSet<String>> {
        let (primary, secondary) = (
            CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
            CHANNEL_MONITOR_PERSISTENCE_SECONDARY_NAMESPACE,
        );
        Ok(KVStoreSync::list(self, primary, secondary)?.into_iter().collect())
    }

    /// The manager of the channels, if there is one.
    pub(super) fn manager(&self) -> io::Result<Option<Arc<Vec<u8>>>> {
        let (primary, secondary) = (
            CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
            CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE,
        );
        match KVStoreSync::read(self, primary, secondary, CHANNEL_MANAGER_PERSISTENCE_KEY) {
            Ok(manager) => Ok(Some(Arc::new(manager))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The channel of a monitor, and the update that it is at.
    fn monitor_on_disk(&self, monitor: &str) -> Result<(Id, u64), CutsRefused> {
        let (primary, secondary) = (
            CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
            CHANNEL_MONITOR_PERSISTENCE_SECONDARY_NAMESPACE,
        );
        let whole = KVStoreSync::read(self, primary, secondary, monitor)?;
        let whole = channel_state::monitor_update(&whole);
        let (Some(ChannelId(channel)), Some(whole)) = (monitored_channel(monitor), whole) else {
            return Err(CutsRefused::Format(format!("the monitor {monitor} has another format")));
        };
        let updates = CHANNEL_MONITOR_UPDATE_PERSISTENCE_PRIMARY_NAMESPACE;
        let updates = KVStoreSync::list(self, updates, monitor)?;
        let updates = updates.iter().filter_map(|update| update.parse().ok());
        Ok((channel, updates.chain([whole]).max().unwrap_or(whole)))
    }

    /// Queues what the library writes, if cuts are made and it is understood.
    pub(super) fn submit_in_order(&self, change: RecordChange) -> Result<(), RecordChange> {
        if !self.cuts_begun() {
            return Err(change);
        }
        let Some(kind) = self.kind(&change) else {
            self.end_cuts(&change.name);
            return Err(change);
        };
        self.submit_record(kind, change);
        Ok(())
    }

    /// Changes one of the server's records in the order of all writes. Nobody waits for it.
    pub(crate) fn change_in_order(
        &self,
        kind: &str,
        key: &str,
        record: Option<Vec<u8>>,
    ) -> io::Result<()> {
        self.submit_record(Kind::Plain, self.change(SERVER, kind, key, record)?);
        Ok(())
    }

    fn submit_record(&self, kind: Kind, change: RecordChange) {
        // What cannot be written ends the process.
        self.writer.submit_record(kind, change, Box::new(drop));
    }

    /// What a change is to the cut; `None` if it is a monitor of a format that is not known.
    fn kind(&self, RecordChange { name, value, meaning }: &RecordChange) -> Option<Kind> {
        if let Meaning::Payment(event) = meaning
            && let (id, PaymentEvent::Written(payment)) = &**event
            && is_on_its_way_out(&payment.details)
        {
            return Some(Kind::Outbound(id.0));
        }
        let Some(value) = value else { return Some(Kind::Plain) };
        if name.is_manager() {
            return Some(Kind::Manager(Arc::clone(value)));
        }
        match name.monitor() {
            Some(monitor) => self.kind_of_monitor(name, monitor, value),
            None => Some(Kind::Plain),
        }
    }

    fn kind_of_monitor(&self, name: &Name, monitor: &str, value: &[u8]) -> Option<Kind> {
        let is_whole = name.is_whole_monitor();
        let update =
            if is_whole { channel_state::monitor_update(value) } else { name.key().parse().ok() };
        let (update, ChannelId(channel)) = (update?, monitored_channel(monitor)?);
        let is_first = is_whole && {
            let mut monitors = self.cuts.monitors.lock().unwrap_or_else(PoisonError::into_inner);
            monitors.insert(monitor.to_owned())
        };
        Some(Kind::Monitor { channel, update, is_first })
    }

    /// Makes no cuts any more, because of this monitor. What is queued is written as it is, after it
    /// is written down that no cuts are made.
    fn end_cuts(&self, monitor: &Name) {
        if self.cuts.ended.swap(true, Ordering::SeqCst) {
            return;
        }
        tracing::error!(
            monitor = monitor.monitor().unwrap_or_default(),
            "a channel monitor has an unknown format: no consistent cuts are made from now on, and a \
             crash may close channels"
        );
        match self.change(SERVER, CUTS_MADE.0, CUTS_MADE.1, None) {
            Ok(change) => self.submit_record(Kind::Plain, change),
            Err(error) => tracing::error!(%error, "the end of the cuts was not recorded"),
        }
        self.writer.end_cuts();
    }
}

/// Whether the manager has each of these channels where it is looked for, at the update that its
/// monitor is at, or before updates that it holds back.
fn check(
    manager: Option<&[u8]>,
    channels: &[ChannelId],
    updates: &HashMap<Id, u64>,
) -> Result<(), CutsRefused> {
    let Some(manager) = manager else {
        let reason = || "there are channels and no manager of them".to_owned();
        return if channels.is_empty() { Ok(()) } else { Err(CutsRefused::Format(reason())) };
    };
    if !channel_state::is_known_manager(manager) {
        return Err(CutsRefused::Format("the manager of the channels has another version".into()));
    }
    for channel in channels {
        let known = channel_state::channel_update(manager, &channel.0);
        let at = updates.get(&channel.0).copied();
        if known.zip(at).is_none_or(|(known, at)| known < at) {
            return Err(CutsRefused::Format(format!(
                "channel {channel} is at {known:?} in the manager and at {at:?} in its monitor"
            )));
        }
    }
    Ok(())
}
