//! The calls as operations.

use prost_reflect::MethodDescriptor;
use serde_json::{Map, Value, json};

use super::comments::{Comments, first_sentence};
use super::examples::{Examples, Recorded};
use super::schema::{Direction, Schemas};
use super::{errors, security};
use crate::api::{Impact, Kind, RpcSpec};
use crate::json::Method;

const JSON: &str = "application/json";
/// Messages in envelopes, as the Connect protocol has them.
const ENVELOPES: &str = "application/connect+json";

/// The path of a call.
pub(super) fn path(method: &Method) -> String {
    format!("/v1/{}", method.kebab)
}

/// The call of this line of the table.
pub(super) fn of(
    spec: &RpcSpec,
    method: &MethodDescriptor,
    comments: &Comments,
    examples: &Examples,
    schemas: &mut Schemas<'_>,
) -> Value {
    let comment = comments.on(&method.parent_file(), method.path());
    let request = schemas.message(&method.input(), Direction::Request);
    let answer = schemas.message(&method.output(), Direction::Answer);
    let mut responses = Map::new();
    responses.insert("200".to_owned(), success(spec, answer, examples));
    responses.extend(errors::answers(comment));
    json!({
        "operationId": spec.name,
        "tags": [spec.access.name()],
        "summary": first_sentence(comment),
        "description": format!("{comment}\n\n{}", facts(spec)),
        "security": security::needed(spec.access),
        "x-permission": spec.access.name(),
        "x-impact": impact(spec.impact),
        "requestBody": body(spec, request, examples),
        "responses": responses,
    })
}

fn facts(spec: &RpcSpec) -> String {
    let effect = match spec.impact {
        Impact::Reads => "changes nothing",
        Impact::Signs => "signs with the key of the node",
        Impact::Changes => "changes the state of the node or the server",
        Impact::Spends => "spends or locks money of the node",
    };
    let group = spec.access.name();
    let stream = match spec.kind {
        Kind::Stream => {
            " The answer is a stream: request and answer are enveloped as the Connect protocol \
             says, each message after a byte of flags and its length in four bytes, big-endian."
        },
        Kind::Blocking | Kind::Async => "",
    };
    format!("Permission: the group `{group}`. The call {effect}.{stream}")
}

fn impact(impact: Impact) -> &'static str {
    match impact {
        Impact::Reads => "reads",
        Impact::Signs => "signs",
        Impact::Changes => "changes",
        Impact::Spends => "spends",
    }
}

fn body(spec: &RpcSpec, schema: Value, examples: &Examples) -> Value {
    let recorded = examples.of_call(spec.name).map(|call| (call, &call.request));
    let content = content(spec, schema, recorded);
    json!({
        "description": "May be left out where no field is needed.",
        "content": content,
    })
}

fn success(spec: &RpcSpec, schema: Value, examples: &Examples) -> Value {
    let recorded = examples.of_call(spec.name).map(|call| (call, &call.answer));
    let schema = match spec.kind {
        Kind::Stream => {
            json!({ "anyOf": [schema, { "$ref": "#/components/schemas/EndOfStream" }] })
        },
        Kind::Blocking | Kind::Async => schema,
    };
    json!({ "description": "The call was carried out.", "content": content(spec, schema, recorded) })
}

/// The schema of the last envelope of a stream.
pub(super) fn end_of_stream() -> Value {
    json!({
        "type": "object",
        "description": "What the last envelope of a stream has, the one whose flags are 2.",
        "properties": {
            "error": { "$ref": "#/components/schemas/Error", "description": "Why the stream \
                ended. Absent if it is complete." },
            "metadata": { "type": "object", "description": "Nothing, for now.", "examples": [{}] },
        },
    })
}

fn content<'a>(
    spec: &RpcSpec,
    schema: Value,
    recorded: impl Iterator<Item = (&'a Recorded, &'a Value)>,
) -> Value {
    let media_type = match spec.kind {
        Kind::Stream => ENVELOPES,
        Kind::Blocking | Kind::Async => JSON,
    };
    let mut content = json!({ "schema": schema });
    let examples: Map<_, _> = recorded
        .enumerate()
        .map(|(index, (_, value))| ((index + 1).to_string(), json!({ "value": value })))
        .collect();
    if !examples.is_empty() {
        content["examples"] = examples.into();
    }
    json!({ media_type: content })
}
