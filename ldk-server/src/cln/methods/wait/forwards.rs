//! Waiting for forwarded payments, of which those that are settled have numbers.

use futures_util::StreamExt as _;
use ldk_server_grpc::api::{ListForwardedPaymentsRequest, SubscribeEventsRequest};
use ldk_server_grpc::events::event_envelope::Event;

use crate::api::rpc;
use crate::app::App;
use crate::cln::Call;
use crate::cln::error::RpcError;
use crate::error::Error;
use crate::store::ForwardFilter;

/// Waits until the last forward has this number, or a higher one, and returns its number.
pub(super) async fn until_created(call: &Call, next_value: u64) -> Result<u64, RpcError> {
    let latest = last_number(call).await?;
    if latest >= next_value {
        return Ok(latest);
    }
    let subscribed = call.ask(rpc::SubscribeEvents, SubscribeEventsRequest::default()).await?;
    let mut events = subscribed.messages;
    loop {
        // What was forwarded before the subscription began has a number by now.
        let latest = last_number(call).await?;
        if latest >= next_value {
            return Ok(latest);
        }
        loop {
            let ended = || Error::Unavailable("the events have ended".to_owned());
            let event = events.next().await.ok_or_else(ended)??;
            if matches!(event.event, Some(Event::PaymentForwarded(_))) {
                break;
            }
        }
    }
}

/// The number of the last forward; 0 before the first.
async fn last_number(call: &Call) -> Result<u64, RpcError> {
    // The API does not tell the numbers; who may list forwards may be told of them.
    let request = ListForwardedPaymentsRequest { page_size: Some(1), ..Default::default() };
    call.ask(rpc::ListForwardedPayments, request).await?;
    let newest = |app: &App| {
        let page = app.store.forwards(&ForwardFilter::default(), None, 1);
        let page = page.map_err(Error::internal)?;
        let newest = page.and_then(|page| page.rows.into_iter().next());
        Ok(newest.map_or(0, |newest| newest.place.number))
    };
    call.work("last_forward", newest).await
}
