//! What is no call of the API: streams of events in the forms of browsers, webhooks, and pages.

use prost_reflect::MessageDescriptor;
use serde_json::{Map, Value, json};

use super::schema::{Direction, Schemas};
use super::{errors, security};
use crate::access::Access;
use crate::{api, json};

/// The call that the streams of events are.
const STREAM: &str = "SubscribeEvents";
/// The call that makes webhooks.
const WEBHOOK: &str = "CreateWebhook";

const WEBSOCKET: &str = "What SubscribeEvents streams, one event in JSON a message. The client sends \
    `{\"subscribe\":{\"after\":41}}` or `{\"subscribe\":{\"consumer\":\"shop\"}}`, either with \
    `\"kinds\":[\"payment_received\"]` beside it or without, and for a consumer `{\"ack\":42}`. One that cannot \
    set a header, such as a browser, sends `{\"rune\":\"...\"}` first.";

/// The paths that belong to no call.
pub(super) fn paths(schemas: &mut Schemas<'_>) -> Map<String, Value> {
    let mut paths = Map::new();
    if let Some(method) = json::method(STREAM) {
        let event = schemas.message(&method.response, Direction::Answer);
        let parameters = parameters(&method.response);
        paths.insert("/v1/events".to_owned(), json!({ "get": sse(&parameters, &event) }));
        paths.insert("/v1/ws".to_owned(), json!({ "get": websocket() }));
    }
    let health =
        [("/livez", "Whether the process answers"), ("/readyz", "Whether the node is ready")];
    for (path, summary) in health {
        paths.insert(path.to_owned(), json!({ "get": health_page(path, summary) }));
    }
    paths
}

fn sse(parameters: &Value, event: &Value) -> Value {
    let answer = json!({
        "description": "Server-sent events. Each has the `event_index` as its id, and a message as its data. \
                        A comment comes every 15 seconds when there is no event.",
        "content": { "text/event-stream": { "schema": { "type": "string" }, "x-message": event } },
    });
    let mut responses = Map::from_iter([("200".to_owned(), answer)]);
    responses.extend(errors::answers(
        "INVALID_ARGUMENT for a parameter that cannot be; OUT_OF_RANGE when events after the place to begin \
         at are no longer kept, or it lies in the future.",
    ));
    json!({
        "operationId": "StreamEvents",
        "tags": [Access::Events.name()],
        "summary": "Streams events as server-sent events",
        "description": format!("What SubscribeEvents streams, in the form that browsers read and resume by \
                                themselves. Permission: the group `{}`.", Access::Events.name()),
        "security": security::needed(Access::Events),
        "parameters": parameters,
        "responses": responses,
    })
}

fn parameters(event: &MessageDescriptor) -> Value {
    let index = json!({ "type": "integer", "minimum": 0 });
    let oneofs = event.oneofs().filter(|oneof| !oneof.is_synthetic());
    let kinds: Vec<_> = oneofs
        .flat_map(|oneof| oneof.fields().map(|field| field.name().to_owned()).collect::<Vec<_>>())
        .collect();
    json!([
        {
            "name": "after", "in": "query", "schema": index, "example": 41,
            "description": "The `event_index` of the last event received; 0 for all events. Absent means from \
                            now, or from where `consumer` is.",
        },
        {
            "name": "consumer", "in": "query", "schema": { "type": "string" }, "example": "shop",
            "description": "The name of a consumer whose place the server remembers; AckEvents moves it.",
        },
        {
            "name": "kinds", "in": "query", "style": "form", "explode": false,
            "schema": { "type": "array", "items": { "type": "string", "enum": kinds } },
            "example": ["payment_received"],
            "description": "The kinds of events to send. Absent means all.",
        },
        {
            "name": "Last-Event-ID", "in": "header", "schema": index, "example": 41,
            "description": "As `after`, which it overrides: browsers send it when they connect again.",
        },
    ])
}

fn websocket() -> Value {
    let mut responses = errors::answers("");
    let switched = json!({ "description": "The connection is a WebSocket from now on." });
    responses.insert("101".to_owned(), switched);
    json!({
        "operationId": "OpenWebSocket",
        "tags": [Access::Events.name()],
        "summary": "Streams events over a WebSocket",
        "description": WEBSOCKET,
        "security": security::needed(Access::Events),
        "responses": responses,
    })
}

fn health_page(path: &str, summary: &str) -> Value {
    let text = json!({ "text/plain": { "schema": { "type": "string" }, "example": "ok\n" } });
    let mut responses = json!({ "200": { "description": "Yes.", "content": text } });
    if path == "/readyz" {
        let reasons = "No; a line for each reason.";
        responses["503"] = json!({ "description": reasons, "content": text });
    }
    json!({
        "operationId": if path == "/readyz" { "Readiness" } else { "Liveness" },
        "tags": [Access::Info.name()],
        "summary": summary,
        "security": [],
        "responses": responses,
    })
}

/// What the server posts to the URL of a webhook.
pub(super) fn webhooks(schemas: &mut Schemas<'_>) -> Value {
    let method = json::method(STREAM).filter(|_| api::group_of(WEBHOOK).is_some());
    let Some(method) = method else { return json!({}) };
    let event = schemas.message(&method.response, Direction::Answer);
    let header = |name: &str, description: &str, example: &str| {
        json!({ "name": name, "in": "header", "required": true, "schema": { "type": "string" },
            "description": description, "example": example })
    };
    json!({ "event": { "post": {
        "operationId": "DeliverEvent",
        "summary": "An event, posted to the URL of a webhook",
        "description": "Signed as Standard Webhooks define. Events come in their order, each at least once.",
        "security": [],
        "parameters": [
            header("webhook-id", "The same for each attempt to deliver this event.",
                "msg_01_7_1800000000"),
            header("webhook-timestamp", "When the attempt was made, in Unix seconds.", "1800000000"),
            header("webhook-signature", "`v1,` and an HMAC-SHA256 in base64 over id, timestamp and body, \
                joined by full stops.", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
        ],
        "requestBody": { "content": { "application/json": { "schema": event } } },
        "responses": { "2XX": { "description": "The event is taken. Any other answer means that it \
            is sent again." } },
    } } })
}
