//! The runes that were made: which ids there are, which are revoked, and what the others are used for.
//! The runes themselves are kept nowhere: whoever presents one proves it with its code.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ldk_node::lightning::io;
use ldk_server_grpc::rune::{MasterSecret, Restriction, Rune, RuneError, UniqueId};
use ldk_server_grpc::types::RuneRecord;
use prost::Message as _;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::{Ticks, unix_secs};
use crate::error::Error;
use crate::store::Store;

/// The kind of the store's records that runes are kept as.
const RECORDS: &str = "rune";

/// How often the uses of runes are written down: they are for people, and a crash may lose the last ones.
const WRITE_INTERVAL: Duration = Duration::from_secs(60);

/// How many runes there can be that are not revoked.
const MAX_VALID: usize = 10_000;

/// All runes. Clones are the same ones.
#[derive(Clone)]
pub struct Runes(Arc<Shared>);

struct Shared {
    secret: MasterSecret,
    /// Read once the store is open.
    kept: OnceLock<Kept>,
}

struct Kept {
    store: Arc<Store>,
    records: Mutex<BTreeMap<u64, Entry>>,
}

struct Entry {
    record: RuneRecord,
    /// Whether it was used since it was written down.
    is_used: bool,
}

/// Why a rune does not make anybody a caller.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The runes are not read yet.
    #[error("starting: the runes are not read yet")]
    Starting,
    /// This server did not make it, or it is not whole.
    #[error("the rune is not of this server")]
    Forged,
    /// It was revoked.
    #[error("rune {0} is revoked")]
    Revoked(u64),
}

/// A rune that this server made, or that was made of one by restricting it.
pub struct Genuine {
    /// The rune.
    pub rune: Rune,
    /// Its id.
    pub id: u64,
    /// What it is for.
    pub label: String,
}

impl Runes {
    /// Those that are made with this secret. None is known before [`Self::load`].
    pub fn new(secret: &[u8; 32]) -> Result<Self, RuneError> {
        Ok(Self(Arc::new(Shared { secret: MasterSecret::new(secret)?, kept: OnceLock::new() })))
    }

    /// Reads what the store keeps of them.
    pub fn load(&self, store: Arc<Store>) -> io::Result<()> {
        let mut records = BTreeMap::new();
        for key in store.keys(RECORDS)? {
            let record = RuneRecord::decode(store.get(RECORDS, &key)?.as_slice())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            records.insert(record.id, Entry { record, is_used: false });
        }
        // Read once; a second time it is the same.
        let _ = self.0.kept.set(Kept { store, records: Mutex::new(records) });
        Ok(())
    }

    /// Reads a rune, and says whether it is as good as when it was made.
    pub fn verify(&self, text: &str) -> Result<Genuine, Refusal> {
        let rune = Rune::parse(text).map_err(|_| Refusal::Forged)?;
        if !self.0.secret.is_issuer_of(&rune) {
            return Err(Refusal::Forged);
        }
        let id = rune.unique_id().and_then(UniqueId::number).ok_or(Refusal::Forged)?;
        let kept = self.0.kept.get().ok_or(Refusal::Starting)?;
        let records = kept.records();
        let Entry { record, .. } = records.get(&id).ok_or(Refusal::Forged)?;
        if record.revoked_at.is_some() {
            return Err(Refusal::Revoked(id));
        }
        Ok(Genuine { label: record.label.clone(), rune, id })
    }

    /// The rune that was made when this was recorded. The secret makes the same of the same restrictions.
    pub fn recorded(&self, record: &RuneRecord) -> Result<Rune, RuneError> {
        let restrictions = record.restrictions.iter().map(|text| text.parse());
        self.0.secret.issue(record.id, restrictions.collect::<Result<_, _>>()?)
    }

    /// Makes a rune. It is known once this returns, and on disk.
    pub fn create(&self, restrictions: Vec<Restriction>, label: String) -> Result<Genuine, Error> {
        let kept = self.kept()?;
        let (rune, record) = {
            let mut records = kept.records();
            if records.values().filter(|entry| entry.record.revoked_at.is_none()).count()
                >= MAX_VALID
            {
                let full = format!("there are {MAX_VALID} runes: revoke some that are not needed");
                return Err(Error::ResourceExhausted(full));
            }
            let id = records.last_key_value().map_or(0, |(last, _)| last + 1);
            let texts = restrictions.iter().map(ToString::to_string).collect();
            let rune = self.0.secret.issue(id, restrictions);
            let rune = rune.map_err(|error| Error::invalid("restrictions", error.to_string()))?;
            let record = RuneRecord {
                id,
                restrictions: texts,
                label,
                created_at: unix_secs(),
                ..RuneRecord::default()
            };
            // Nobody else gets this id, even if it cannot be written.
            records.insert(id, Entry { record: record.clone(), is_used: false });
            (rune, record)
        };
        kept.write(&record).map_err(Error::internal)?;
        Ok(Genuine { rune, id: record.id, label: record.label })
    }

    /// Those after this id, at most `limit`, and whether there are more.
    pub fn list(
        &self,
        after_id: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<RuneRecord>, bool), Error> {
        let records = self.kept()?.records();
        let after = after_id.map_or(0, |id| id.saturating_add(1));
        let mut listed = records.range(after..).map(|(_, entry)| entry.record.clone());
        let page: Vec<_> = listed.by_ref().take(limit).collect();
        Ok((page, listed.next().is_some()))
    }

    /// Revokes those with these ids, on disk once this returns. Tells how many were not before; `None`
    /// if there are none.
    pub fn revoke(&self, ids: RangeInclusive<u64>) -> Result<Option<u64>, Error> {
        let kept = self.kept()?;
        let (found, revoked) = {
            let mut records = kept.records();
            let mut revoked = Vec::new();
            let mut found = false;
            for (_, Entry { record, .. }) in records.range_mut(ids) {
                found = true;
                if record.revoked_at.is_none() {
                    record.revoked_at = Some(unix_secs());
                    revoked.push(record.clone());
                }
            }
            (found, revoked)
        };
        for record in &revoked {
            kept.write(record).map_err(Error::internal)?;
        }
        Ok(found.then_some(revoked.len() as u64))
    }

    /// Whether the rune with this id was revoked.
    pub fn is_revoked(&self, id: u64) -> bool {
        let Some(kept) = self.0.kept.get() else { return false };
        kept.records().get(&id).is_none_or(|entry| entry.record.revoked_at.is_some())
    }

    /// Counts a call.
    pub fn used(&self, id: u64) {
        let Some(kept) = self.0.kept.get() else { return };
        if let Some(Entry { record, is_used }) = kept.records().get_mut(&id) {
            record.uses += 1;
            record.last_used_at = Some(unix_secs());
            *is_used = true;
        }
    }

    /// Writes down the use of those that were used.
    pub fn write_uses(&self) -> io::Result<()> {
        let Some(kept) = self.0.kept.get() else { return Ok(()) };
        let used: Vec<_> = kept
            .records()
            .values_mut()
            .filter_map(|entry| std::mem::take(&mut entry.is_used).then(|| entry.record.clone()))
            .collect();
        used.iter().try_for_each(|record| kept.write(record))
    }

    /// Writes down once a minute, and when `stop` is cancelled, what the runes were used for.
    pub async fn write_uses_periodically(self, stop: CancellationToken) {
        let mut ticks = Ticks::after(WRITE_INTERVAL, WRITE_INTERVAL, stop);
        let mut goes_on = true;
        while goes_on {
            goes_on = ticks.next().await;
            let runes = self.clone();
            let written = spawn_blocking(move || runes.write_uses()).await;
            if let Ok(Err(error)) = written {
                tracing::warn!(%error, "the uses of runes cannot be written");
            }
        }
    }

    fn kept(&self) -> Result<&Kept, Error> {
        self.0.kept.get().ok_or_else(|| Error::Unavailable(Refusal::Starting.to_string()))
    }
}

impl Kept {
    fn records(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, record: &RuneRecord) -> io::Result<()> {
        self.store.put(RECORDS, &record.id.to_string(), record.encode_to_vec())
    }
}
