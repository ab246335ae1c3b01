//! Notifications of what the node has no events for, as long as somebody has subscribed: invoices that are
//! made, of which one who waits is told, and what is looked at once a second, together for all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::Topic;
use crate::access::Grant;
use crate::app::App;
use crate::caller::{Caller, Identity};
use crate::cln::Cln;
use crate::cln::error::RpcError;
use crate::cln::methods::address;
use crate::ops;

const INTERVAL: Duration = Duration::from_secs(1);
/// How old what was seen may be, so that of all who look at the same time one does.
const MAX_AGE: Duration = Duration::from_millis(500);
/// The newest invoices that are kept for those who have not been told of them.
const KEPT: usize = 256;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cln) enum Watched {
    /// The tip of the chain. Of blocks that come within a second the last one is told.
    Block,
    /// Peers that were not connected.
    Connect,
    /// Peers that were.
    Disconnect,
    /// Invoices that are made.
    InvoiceCreation,
}

/// All that is notified of and there are no events for, in the order in which it is told: a peer that has
/// connected anew was gone before.
pub(in crate::cln) const WATCHED: [Watched; 4] =
    [Watched::Block, Watched::Disconnect, Watched::Connect, Watched::InvoiceCreation];

impl Watched {
    fn topic(self) -> Topic {
        match self {
            Self::Block => Topic::BlockAdded,
            Self::Connect => Topic::Connect,
            Self::Disconnect => Topic::Disconnect,
            Self::InvoiceCreation => Topic::InvoiceCreation,
        }
    }
}

/// What all who watch share.
#[derive(Default)]
pub(in crate::cln) struct Sights {
    seen: Mutex<Option<(Instant, Arc<Sight>)>>,
    made: Mutex<Made>,
}

/// A notification for each key.
type Seen = BTreeMap<String, Json>;

/// What was seen at once.
struct Sight {
    block: Seen,
    peers: Seen,
}

/// The newest invoices, by their numbers.
#[derive(Default)]
struct Made {
    last: u64,
    invoices: VecDeque<(u64, Json)>,
}

impl Sight {
    fn of(app: &App) -> Self {
        let tip = app.node.status().current_best_block;
        let hash = tip.block_hash.to_string();
        let block = json!({ "hash": hash, "height": tip.height });
        let peers = ops::peers::list(app).into_iter().filter_map(|peer| {
            let direction = if peer.is_inbound { "in" } else { "out" };
            let id = peer.node_id.to_string();
            let address = address::json(&peer.connected_address?.to_string());
            let notice = json!({ "id": id, "direction": direction, "address": address });
            Some((id, notice))
        });
        Self { block: Seen::from([(hash, block)]), peers: peers.collect() }
    }

    /// What is to be told, when this was seen before and that is seen now.
    fn news(watched: Watched, before: &Self, now: &Self) -> Vec<Json> {
        // A peer with another address has connected anew in between.
        let new = |of: &Seen, unless: &Seen| -> Vec<Json> {
            let new = of.iter().filter(|(key, notice)| unless.get(*key) != Some(notice));
            new.map(|(_, notice)| notice.clone()).collect()
        };
        match watched {
            Watched::Block => new(&now.block, &before.block),
            Watched::Connect => new(&now.peers, &before.peers),
            Watched::Disconnect => {
                let gone = new(&before.peers, &now.peers);
                gone.into_iter().map(|peer| json!({ "id": peer["id"] })).collect()
            },
            Watched::InvoiceCreation => Vec::new(),
        }
    }
}

/// One who watches.
pub(in crate::cln) struct Watch {
    cln: Cln,
    watched: &'static [Watched],
    before: Option<Arc<Sight>>,
    /// The last invoice that was told, or was there before.
    last: Option<u64>,
    next: Instant,
    new: VecDeque<(Topic, Json)>,
}

impl Watch {
    /// Who may watch this was asked before.
    pub(in crate::cln) fn new(cln: Cln, watched: &'static [Watched]) -> Self {
        let (before, last, new) = (None, None, VecDeque::new());
        Self { cln, watched, before, last, next: Instant::now(), new }
    }

    /// The notifications of what happens from now on. They end with an error.
    pub(in crate::cln) fn notices(self) -> BoxStream<'static, Result<(Topic, Json), RpcError>> {
        let notices = stream::try_unfold(self, async |mut watch| {
            loop {
                if let Some(notice) = watch.new.pop_front() {
                    return Ok(Some((notice, watch)));
                }
                watch.wait().await?;
            }
        });
        notices.boxed()
    }

    /// Notes what is here already. What comes later is told.
    pub(in crate::cln) async fn begin(&mut self) -> Result<(), RpcError> {
        if self.before.is_none() {
            self.before = Some(self.look().await?);
        }
        if self.last.is_none() {
            self.last = Some(self.cln.0.dispatcher.app()?.store.invoice_log().last_number());
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), RpcError> {
        self.begin().await?;
        let app = self.cln.0.dispatcher.app()?;
        let (last, wants_invoices) =
            (self.last.unwrap_or_default(), self.watched.contains(&Watched::InvoiceCreation));
        let log = app.store.invoice_log();
        tokio::select! {
            is_made = log.until_number(last.saturating_add(1), self.next), if wants_invoices => {
                if is_made {
                    return self.tell_of_invoices(last).await;
                }
            },
            () = sleep_until(self.next), if !wants_invoices => {},
        }
        self.next = Instant::now() + INTERVAL;
        let now = self.look().await?;
        if let Some(before) = self.before.replace(Arc::clone(&now)) {
            for watched in self.watched {
                let news = Sight::news(*watched, &before, &now);
                self.new.extend(news.into_iter().map(|notice| (watched.topic(), notice)));
            }
        }
        Ok(())
    }

    async fn look(&self) -> Result<Arc<Sight>, RpcError> {
        let app = self.cln.0.dispatcher.app()?;
        let mut seen = self.cln.0.sights.seen.lock().await;
        if let Some((at, sight)) = &*seen
            && at.elapsed() < MAX_AGE
        {
            return Ok(Arc::clone(sight));
        }
        let sight = Arc::new(Sight::of(&app));
        *seen = Some((Instant::now(), Arc::clone(&sight)));
        Ok(sight)
    }

    /// Of all who are to be told, one reads.
    async fn tell_of_invoices(&mut self, told: u64) -> Result<(), RpcError> {
        let newest = self.cln.0.dispatcher.app()?.store.invoice_log().last_number();
        let mut made = self.cln.0.sights.made.lock().await;
        if made.last < newest {
            let start = made.last.max(told).saturating_add(1);
            made.add(newest, self.made_since(start).await?);
        }
        let new = made.invoices.iter().filter(|(number, _)| *number > told && *number <= newest);
        self.new.extend(new.map(|(_, notice)| (Topic::InvoiceCreation, notice.clone())));
        self.last = Some(newest);
        Ok(())
    }

    async fn made_since(&self, start: u64) -> Result<Vec<(u64, Json)>, RpcError> {
        let caller = Caller::known(Identity::Unknown, Grant::Everything);
        let filter = json!({ "index": "created", "start": start, "limit": KEPT });
        let mut answer = self.cln.run(caller, "listinvoices", Some(filter)).await?;
        let rows = match answer["invoices"].take() {
            Json::Array(rows) => rows,
            _ => Vec::new(),
        };
        Ok(rows.into_iter().filter_map(creation).collect())
    }
}

impl Made {
    fn add(&mut self, last: u64, invoices: Vec<(u64, Json)>) {
        self.last = last;
        self.invoices.extend(invoices);
        let over = self.invoices.len().saturating_sub(KEPT);
        self.invoices.drain(..over);
    }
}

/// The notification of an invoice. Its preimage is not told: whoever knows it before the invoice is paid can
/// take the payment on its way.
fn creation(mut row: Json) -> Option<(u64, Json)> {
    let number = row["created_index"].as_u64()?;
    let mut notice = json!({ "label": row["label"].take() });
    if let Some(amount) = row.get_mut("amount_msat") {
        notice["msat"] = amount.take();
    }
    Some((number, notice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_told() {
        let seen = |ids: &[&str]| -> Seen {
            ids.iter()
                .map(|id| ((*id).to_owned(), json!({ "id": id, "direction": "in" })))
                .collect()
        };
        let before = Sight { block: seen(&["x"]), peers: seen(&["a", "b"]) };
        let now = Sight { block: seen(&["y"]), peers: seen(&["b", "c"]) };
        let news = |watched| Sight::news(watched, &before, &now);
        assert_eq!(news(Watched::Connect), [json!({ "id": "c", "direction": "in" })]);
        assert_eq!(news(Watched::Disconnect), [json!({ "id": "a" })]);
        assert_eq!(news(Watched::Block), [json!({ "id": "y", "direction": "in" })]);
        assert!(Sight::news(Watched::Block, &now, &now).is_empty());
    }

    #[test]
    fn a_peer_that_has_connected_anew_between_two_looks_was_gone() {
        let seen = |port: u16| Sight {
            block: Seen::new(),
            peers: Seen::from([(
                "a".to_owned(),
                json!({ "id": "a", "address": { "port": port } }),
            )]),
        };
        let told = WATCHED.iter().flat_map(|watched| {
            let news = Sight::news(*watched, &seen(1), &seen(2));
            news.into_iter().map(|notice| (watched.topic(), notice["id"].clone()))
        });
        let expected = [(Topic::Disconnect, json!("a")), (Topic::Connect, json!("a"))];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        assert!(WATCHED.iter().all(|it| Sight::news(*it, &seen(1), &seen(1)).is_empty()));
    }

    #[test]
    fn an_invoice_is_told_without_its_preimage() {
        let row =
            json!({"created_index": 7, "label": "a", "amount_msat": 5, "payment_preimage": "00"});
        assert_eq!(creation(row), Some((7, json!({"label": "a", "msat": 5}))));
        let any = json!({"created_index": 8, "label": "b"});
        assert_eq!(creation(any), Some((8, json!({"label": "b"}))));
    }

    #[test]
    fn the_newest_invoices_are_kept() {
        let mut made = Made::default();
        for number in 1..=300 {
            made.add(number, vec![(number, Json::Null)]);
        }
        let first = made.invoices.front().map(|(number, _)| *number);
        assert_eq!((made.last, made.invoices.len(), first), (300, KEPT, Some(45)));
    }
}
