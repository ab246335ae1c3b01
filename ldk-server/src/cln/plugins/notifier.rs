//! Tells plugins what happens.

use std::time::Duration;

use futures_util::StreamExt as _;
use ldk_server_grpc::api::SubscribeEventsRequest;
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::Plugins;
use crate::access::Grant;
use crate::api::rpc;
use crate::caller::{Caller, Identity};
use crate::cln::Cln;
use crate::cln::notices::{Notices, Topic, WATCHED, Watch};

/// The pause after a subscription has ended, and between looks for who would be told.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells plugins what happens, for ever.
pub(super) async fn run(cln: Cln, plugins: Plugins) {
    loop {
        if plugins.running().iter().any(|plugin| plugin.manifest.subscribes_to_any()) {
            tell(&cln, &plugins).await;
        }
        sleep(PAUSE).await;
    }
}

/// Tells plugins what happens, until the subscription ends.
async fn tell(cln: &Cln, plugins: &Plugins) {
    let caller = || Caller::known(Identity::Unknown, Grant::Everything);
    let subscribing = SubscribeEventsRequest::default();
    let subscribed = cln.0.dispatcher.call(rpc::SubscribeEvents, caller(), subscribing).await;
    let Ok(mut events) = subscribed.map(|stream| stream.messages) else { return };
    let notices = Notices::new(cln.clone(), caller());
    let mut watched = Watch::new(cln.clone(), &WATCHED).notices();
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(Ok(event)) = event else { return };
                for (topic, payload) in notices.all(&event).await {
                    plugins.tell(topic.name(), &params(topic, payload));
                }
            },
            told = watched.next() => {
                let Some(Ok((topic, payload))) = told else { return };
                plugins.tell(topic.name(), &params(topic, payload));
            },
        }
    }
}

/// The parameters of a notification: the payload by the name of its topic. Those of connections have its
/// members beside it, which plugins take as arguments.
fn params(topic: Topic, payload: Value) -> Value {
    let mut params = match (topic, &payload) {
        (Topic::Connect | Topic::Disconnect, Value::Object(members)) => members.clone(),
        _ => Map::new(),
    };
    params.insert(topic.name().to_owned(), payload);
    Value::Object(params)
}
