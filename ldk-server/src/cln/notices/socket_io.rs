//! Notifications as Socket.IO sends them: objects that have the payload under the name of the topic.

use std::sync::Arc;

use futures_util::StreamExt as _;
use serde_json::{Map, Value as Json};

use super::{Notices, Topic, WATCHED, Watch};
use crate::access::Grant;
use crate::caller::{Caller, Identity};
use crate::cln::Cln;
use crate::feeds::Notifications;

/// What sessions are sent: what events are notified as, and what there are no events for.
pub(crate) fn notifications(cln: Cln) -> Notifications {
    // Who is told may be told everything; this is who looks it up.
    let caller = || Caller::known(Identity::Unknown, Grant::Everything);
    let (events, others) = (cln.clone(), cln);
    Notifications {
        of_event: Arc::new(move |event| {
            let notices = Notices::new(events.clone(), caller());
            Box::pin(async move {
                let told = notices.all(event.envelope()).await;
                told.into_iter().map(|(topic, payload)| named(topic, payload)).collect()
            })
        }),
        others: Arc::new(move || {
            let watching = Watch::new(others.clone(), &WATCHED).notices();
            let told = watching.filter_map(async |told| told.ok());
            told.map(|(topic, payload)| named(topic, payload)).boxed()
        }),
    }
}

fn named(topic: Topic, payload: Json) -> Json {
    Json::Object(Map::from_iter([(topic.name().to_owned(), payload)]))
}
