//! Notifications of what the node has no events for: it is looked at once a second, as long as somebody
//! has subscribed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use ldk_server_grpc::api::{GetNodeInfoRequest, ListPeersRequest};
use serde_json::{Value as Json, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::Events;
use crate::api::rpc;
use crate::caller::Caller;
use crate::cln::Cln;
use crate::cln::methods::address;
use crate::error::Error;
use crate::ops;

const INTERVAL: Duration = Duration::from_secs(1);

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polled {
    /// The tip of the chain. Of blocks that come within a second the last one is told.
    Block,
    /// Peers that were not connected.
    Connect,
    /// Peers that were.
    Disconnect,
}

/// A subscriber who looks.
pub(super) struct Watch {
    cln: Cln,
    caller: Caller,
    polled: Polled,
    _place: OwnedSemaphorePermit,
}

/// What was seen: a notification for each key.
type Seen = BTreeMap<String, Json>;

impl Watch {
    pub(super) fn new(
        cln: Cln,
        caller: Caller,
        polled: Polled,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { cln, caller, polled, _place: place }
    }

    /// The notifications from now on, until the subscription ends.
    pub(super) async fn notices(
        self,
        events: Events,
    ) -> Result<BoxStream<'static, Result<Json, Status>>, Status> {
        let seen = self.look().await?;
        let state = (self, events, seen, VecDeque::new());
        let notices = stream::unfold(state, |(watch, mut events, mut seen, mut new)| async move {
            loop {
                if let Some(notice) = new.pop_front() {
                    return Some((Ok(notice), (watch, events, seen, new)));
                }
                if let Some(end) = ended(&mut events).await? {
                    return Some((Err(end.into()), (watch, events, seen, new)));
                }
                let now = match watch.look().await {
                    Ok(now) => now,
                    Err(error) => return Some((Err(error.into()), (watch, events, seen, new))),
                };
                new.extend(watch.polled.news(&seen, &now));
                seen = now;
            }
        });
        Ok(notices.boxed())
    }

    async fn look(&self) -> Result<Seen, Error> {
        let (dispatcher, caller) = (&self.cln.0.dispatcher, self.caller.clone());
        if self.polled == Polled::Block {
            let node = dispatcher.call(rpc::GetNodeInfo, caller, GetNodeInfoRequest {}).await?;
            let block = node.current_best_block.into_iter();
            let seen = block.map(|block| {
                let notice = json!({ "hash": block.block_hash, "height": block.height });
                (block.block_hash, notice)
            });
            return Ok(seen.collect());
        }
        // So that only those see peers who may.
        dispatcher.call(rpc::ListPeers, caller, ListPeersRequest {}).await?;
        let peers = ops::peers::list(&*dispatcher.app()?);
        let connected = peers.into_iter().filter_map(|peer| {
            let direction = if peer.is_inbound { "in" } else { "out" };
            let id = peer.node_id.to_string();
            let address = address::json(&peer.connected_address?.to_string());
            let notice = json!({ "id": id, "direction": direction, "address": address });
            Some((id, notice))
        });
        Ok(connected.collect())
    }
}

impl Polled {
    /// What is to be told, when this was seen before and that is seen now.
    fn news(self, before: &Seen, now: &Seen) -> Vec<Json> {
        let (of, unless) = match self {
            Self::Block | Self::Connect => (now, before),
            Self::Disconnect => (before, now),
        };
        let new = of.iter().filter(|(key, _)| !unless.contains_key(*key));
        new.map(|(_, notice)| notice.clone()).collect()
    }
}

/// Waits for the next look, or for the end of the subscription; `None` if it has ended.
async fn ended(events: &mut Events) -> Option<Option<Error>> {
    let next = Instant::now() + INTERVAL;
    loop {
        tokio::select! {
            () = sleep_until(next) => return Some(None),
            event = events.next() => {
                if let Err(end) = event? {
                    return Some(Some(end));
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_told() {
        let seen = |ids: &[&str]| -> Seen {
            ids.iter().map(|id| ((*id).to_owned(), json!({ "id": id }))).collect()
        };
        let (before, now) = (seen(&["a", "b"]), seen(&["b", "c"]));
        assert_eq!(Polled::Connect.news(&before, &now), [json!({ "id": "c" })]);
        assert_eq!(Polled::Disconnect.news(&before, &now), [json!({ "id": "a" })]);
        assert_eq!(Polled::Block.news(&seen(&["x"]), &seen(&["y"])), [json!({ "id": "y" })]);
        assert!(Polled::Block.news(&now, &now).is_empty());
    }
}
