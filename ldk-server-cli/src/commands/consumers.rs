//! The consumers of events whose place the server remembers.

use clap::Args;
use ldk_server_grpc::api::{
    AckEventsRequest, DeleteEventConsumerRequest, ListEventConsumersRequest,
};

unary_commands!(Commands {
    AckEvents => ack_events,
    ListEventConsumers => list_event_consumers,
    DeleteEventConsumer => delete_event_consumer,
});

/// Acknowledge all events up to one on behalf of a consumer
#[derive(Debug, Args)]
pub(crate) struct AckEvents {
    /// Name of the consumer
    consumer: String,
    /// Number (event_index) of the last event that the consumer has processed
    event_index: u64,
}

impl From<AckEvents> for AckEventsRequest {
    fn from(AckEvents { consumer, event_index }: AckEvents) -> Self {
        Self { consumer, event_index }
    }
}

/// List the event consumers and the last event that each has acknowledged
#[derive(Debug, Args)]
pub(crate) struct ListEventConsumers;

impl From<ListEventConsumers> for ListEventConsumersRequest {
    fn from(_: ListEventConsumers) -> Self {
        Self {}
    }
}

/// Delete an event consumer and its position
#[derive(Debug, Args)]
pub(crate) struct DeleteEventConsumer {
    /// Name of the consumer
    consumer: String,
}

impl From<DeleteEventConsumer> for DeleteEventConsumerRequest {
    fn from(DeleteEventConsumer { consumer }: DeleteEventConsumer) -> Self {
        Self { consumer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{request, usage_error};

    #[test]
    fn a_consumer_is_named_first_and_then_the_event() {
        let consumer = || "shop.1".to_owned();
        assert_eq!(
            request::<AckEvents, _>("shop.1 18446744073709551615"),
            Ok(AckEventsRequest { consumer: consumer(), event_index: u64::MAX })
        );
        assert_eq!(
            request::<DeleteEventConsumer, _>("shop.1"),
            Ok(DeleteEventConsumerRequest { consumer: consumer() })
        );
        assert_eq!(request::<ListEventConsumers, _>(""), Ok(ListEventConsumersRequest {}));
    }

    #[test]
    fn nothing_is_acknowledged_by_default() {
        assert!(usage_error::<AckEvents>("shop").contains("EVENT_INDEX"));
        assert!(usage_error::<AckEvents>("shop -1").contains("-1"));
        assert!(usage_error::<AckEvents>("7 shop").contains("EVENT_INDEX"));
        assert!(usage_error::<DeleteEventConsumer>("").contains("CONSUMER"));
    }
}
