//! The consumers of events whose position the server remembers.

use ldk_server_grpc::api::{
    AckEventsRequest, AckEventsResponse, DeleteEventConsumerRequest, DeleteEventConsumerResponse,
    ListEventConsumersRequest, ListEventConsumersResponse,
};

use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, quoted};
use crate::events::out_of_range;
use crate::ops;
use crate::store::{Ack, EventBounds};

const CONSUMER: &str = "consumer";
const MAX_NAME_CHARS: usize = 64;

pub(super) fn ack(
    app: &App,
    _: &Caller,
    AckEventsRequest { consumer, event_index }: AckEventsRequest,
) -> Result<AckEventsResponse, Error> {
    let consumer = name(consumer)?;
    match ops::consumers::ack(app, consumer.clone(), event_index)? {
        Ack::UpTo(acknowledged_index) => Ok(AckEventsResponse { acknowledged_index }),
        Ack::UnknownConsumer => Err(unknown(&consumer)),
        Ack::UnknownEvent(bounds) => {
            Err(out_of_range(&format!("event_index: {event_index} is no event yet"), bounds))
        },
    }
}

pub(super) fn list(
    app: &App,
    _: &Caller,
    ListEventConsumersRequest {}: ListEventConsumersRequest,
) -> Result<ListEventConsumersResponse, Error> {
    let (consumers, bounds) = ops::consumers::list(app)?;
    let EventBounds { oldest_index, head_index } = bounds;
    Ok(ListEventConsumersResponse { consumers, head_index, oldest_index })
}

pub(super) fn delete(
    app: &App,
    _: &Caller,
    DeleteEventConsumerRequest { consumer }: DeleteEventConsumerRequest,
) -> Result<DeleteEventConsumerResponse, Error> {
    let consumer = name(consumer)?;
    if ops::consumers::delete(app, consumer.clone())? {
        Ok(DeleteEventConsumerResponse {})
    } else {
        Err(unknown(&consumer))
    }
}

/// Checks the name of a consumer.
pub(super) fn name(text: String) -> Result<String, Error> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=MAX_NAME_CHARS).contains(&text.len()) && text.bytes().all(is_allowed) {
        return Ok(text);
    }
    let accepted = format!("1 to {MAX_NAME_CHARS} letters, digits, dots, underscores or hyphens");
    Err(Error::invalid(CONSUMER, format!("{} must be {accepted}", quoted(&text))))
}

fn unknown(consumer: &str) -> Error {
    Error::NotFound(format!("there is no consumer {consumer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for text in ["a", "shop-1", "A.b_c", &"x".repeat(64)] {
            assert!(name(text.to_owned()).is_ok(), "{text}");
        }
        for text in ["", " ", "a b", "a/b", "é", "a\n", "a\0", &"x".repeat(65)] {
            let error = name(text.to_owned()).err().unwrap().to_string();
            assert!(error.starts_with("consumer: ") && error.contains("1 to 64"), "{error}");
        }
    }
}
