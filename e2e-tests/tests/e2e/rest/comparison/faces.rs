//! The ways to make a call, and what must be the same on all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Node, RawAnswer, RawConnection, grpc_frame, grpc_request, until};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::request;
use ldk_server::json::{Method, method};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use crate::rest::{code, json, post_json, snake};

const PATIENCE: Duration = Duration::from_secs(30);
/// How a body of frames or of envelopes is divided: a byte of flags, and four of length.
const HEAD_BYTES: usize = 5;

/// A way to make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Grpc,
    /// A short path.
    Rest,
    Connect,
}

pub(super) const FACES: [Face; 3] = [Face::Grpc, Face::Rest, Face::Connect];

/// A field of answers that is another each time, with the reason.
pub(super) type Volatile = (&'static str, &'static str);

/// What makes calls of a node in every way.
pub(super) struct Faces<'a> {
    node: &'a Node,
    rune: String,
    compared: BTreeSet<&'static str>,
}

impl<'a> Faces<'a> {
    pub(super) fn new(node: &'a Node, rune: String) -> Self {
        Self { node, rune, compared: BTreeSet::new() }
    }

    pub(super) fn rune(&self) -> &str {
        &self.rune
    }

    /// The calls whose answers were compared.
    pub(super) fn compared(&self) -> &BTreeSet<&'static str> {
        &self.compared
    }

    pub(super) fn has_compared(&mut self, name: &'static str) {
        self.compared.insert(name);
    }

    /// Makes a call that changes nothing in every way, and returns the answer. What happens in between makes
    /// a difference, but not again and again.
    pub(super) async fn read(
        &mut self,
        name: &'static str,
        request: Value,
        volatile: &[Volatile],
    ) -> Result<Value> {
        self.compared.insert(name);
        until(&format!("{name} is answered the same"), PATIENCE, async || {
            let [first, ..] = self.asked(name, |_| request.clone(), volatile).await?;
            Ok(first)
        })
        .await
    }

    /// Makes a call once in every way, each with a request of its own, and returns the answers.
    pub(super) async fn each(
        &mut self,
        name: &'static str,
        request: impl Fn(usize) -> Value,
        volatile: &[Volatile],
    ) -> Result<[Value; 3]> {
        self.compared.insert(name);
        self.asked(name, request, volatile).await
    }

    async fn asked(
        &self,
        name: &str,
        request: impl Fn(usize) -> Value,
        volatile: &[Volatile],
    ) -> Result<[Value; 3]> {
        let [grpc, rest, connect] = [
            self.ask(Face::Grpc, name, &request(0)).await?,
            self.ask(Face::Rest, name, &request(1)).await?,
            self.ask(Face::Connect, name, &request(2)).await?,
        ];
        ensure_alike(name, &grpc, &rest, volatile)?;
        ensure_alike(name, &grpc, &connect, volatile)?;
        Ok([grpc, rest, connect])
    }

    /// Makes a call that is refused for the same reason in every way.
    pub(super) async fn refused(&mut self, name: &'static str, request: Value) -> Result<()> {
        self.compared.insert(name);
        let mut reasons = Vec::new();
        for face in FACES {
            let answer = self.answer(face, name, &request).await?;
            reasons.push(match face {
                Face::Grpc => (snake(answer.grpc_code()?), answer.grpc_message()?),
                Face::Rest | Face::Connect => {
                    (code(&answer)?, json(&answer)?["message"].as_str().unwrap_or("").to_owned())
                },
            });
        }
        ensure!(reasons.iter().all(|reason| *reason == reasons[0]), "{name}: {reasons:?}");
        Ok(())
    }

    /// The answer to a call, with all of its fields.
    pub(super) async fn ask(&self, face: Face, name: &str, request: &Value) -> Result<Value> {
        let answer = self.answer(face, name, request).await?;
        let response = &of(name)?.response;
        match face {
            Face::Grpc => from_binary(response, answer.message()?),
            Face::Rest | Face::Connect => {
                ensure!(answer.status == 200, "{name}: {answer:?}");
                from_json(response, &answer.body)
            },
        }
    }

    async fn answer(&self, face: Face, name: &str, request: &Value) -> Result<RawAnswer> {
        let method = of(name)?;
        let (head, body) = match face {
            Face::Grpc => (self.grpc(name), grpc_frame(&to_binary(&method.request, request)?)),
            Face::Rest => (self.post(&format!("/v1/{}", method.kebab)), text(request)),
            Face::Connect => {
                let head = self.post(&format!("/api.LightningNode/{name}"));
                (head.header("connect-protocol-version", "1"), text(request))
            },
        };
        self.send(head, body).await
    }

    /// What a call whose answer is a stream sends until it ends, or until the time is over.
    pub(super) async fn stream(
        &self,
        face: Face,
        name: &str,
        request: &Value,
        millis: u64,
    ) -> Result<Vec<Value>> {
        let method = of(name)?;
        let (head, content) = match face {
            Face::Grpc => {
                let head = self.grpc(name).header("grpc-timeout", format!("{millis}m"));
                (head, to_binary(&method.request, request)?)
            },
            Face::Connect => {
                let path = format!("https://{}/api.LightningNode/{name}", self.address());
                let head = request::Builder::new().method("POST").uri(path);
                let head = head.header("content-type", "application/connect+json");
                (head.header("connect-timeout-ms", millis), text(request))
            },
            Face::Rest => bail!("streams have no short paths"),
        };
        let head = if face == Face::Connect { head.header("rune", &self.rune) } else { head };
        let answer = self.send(head, grpc_frame(&content)).await?;
        let divided = divided(&answer.body)?;
        // Of Connect the last envelope tells how the stream ended.
        let messages = divided.into_iter().filter(|(flags, _)| flags & 2 == 0);
        messages
            .map(|(_, content)| match face {
                Face::Grpc => from_binary(&method.response, content),
                Face::Rest | Face::Connect => from_json(&method.response, content),
            })
            .collect()
    }

    fn address(&self) -> String {
        self.node.config().grpc.address()
    }

    fn grpc(&self, name: &str) -> request::Builder {
        grpc_request(self.node.config(), name).header("rune", &self.rune)
    }

    fn post(&self, path: &str) -> request::Builder {
        post_json(self.node.config(), path, &self.rune)
    }

    async fn send(&self, head: request::Builder, body: Vec<u8>) -> Result<RawAnswer> {
        let mut connection = RawConnection::open(self.node.config()).await?;
        connection.send(head.body(Full::new(Bytes::from(body)))?).await
    }
}

fn of(name: &str) -> Result<&'static Method> {
    method(name).with_context(|| format!("there is no call {name}"))
}

fn text(request: &Value) -> Vec<u8> {
    request.to_string().into_bytes()
}

/// The message in binary, as another library than the server's own codec makes it of JSON.
fn to_binary(message: &MessageDescriptor, json: &Value) -> Result<Vec<u8>> {
    Ok(DynamicMessage::deserialize(message.clone(), json)?.encode_to_vec())
}

fn from_binary(message: &MessageDescriptor, binary: &[u8]) -> Result<Value> {
    shown(&DynamicMessage::decode(message.clone(), binary)?)
}

/// The message in this JSON, as another library than the server's own codec reads it.
fn from_json(message: &MessageDescriptor, json: &[u8]) -> Result<Value> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    let read = DynamicMessage::deserialize(message.clone(), &mut parser);
    let read = read.with_context(|| String::from_utf8_lossy(json).into_owned())?;
    parser.end()?;
    shown(&read)
}

/// The fields of a message, also those that have their defaults.
fn shown(message: &DynamicMessage) -> Result<Value> {
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// The flags and the content of each frame or envelope.
fn divided(mut body: &[u8]) -> Result<Vec<(u8, &[u8])>> {
    let mut parts = Vec::new();
    while !body.is_empty() {
        let (head, rest) = body.split_at_checked(HEAD_BYTES).context("half a head")?;
        let length = u32::from_be_bytes(head[1..].try_into()?);
        let (content, rest) = rest.split_at_checked(length.try_into()?).context("half a part")?;
        parts.push((head[0], content));
        body = rest;
    }
    Ok(parts)
}

/// Fails if two answers differ in a field that is not volatile, or if a volatile one is in neither.
pub(super) fn ensure_alike(
    name: &str,
    one: &Value,
    other: &Value,
    volatile: &[Volatile],
) -> Result<()> {
    let mut met = BTreeSet::new();
    let [first, second] = [one, other].map(|answer| without(volatile, answer.clone(), &mut met));
    ensure!(first == second, "{name}: {first} in gRPC, {second} in JSON");
    let unmet = volatile.iter().find(|(field, _)| !met.contains(field));
    ensure!(unmet.is_none(), "{name}: no answer has the volatile field {unmet:?}: {one}");
    Ok(())
}

/// The answer with the kind of each volatile field in place of its value.
fn without(volatile: &[Volatile], answer: Value, met: &mut BTreeSet<&'static str>) -> Value {
    match answer {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let found = volatile.iter().find(|(field, _)| *field == name);
                let value = match found {
                    Some((field, _)) => {
                        met.insert(*field);
                        Value::from(kind(&value))
                    },
                    None => without(volatile, value, met),
                };
                (name, value)
            });
            fields.collect()
        },
        Value::Array(values) => {
            values.into_iter().map(|value| without(volatile, value, met)).collect()
        },
        plain => plain,
    }
}

/// What kind of value it is; an empty one is another.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(text) if text.is_empty() => "no text",
        Value::String(_) => "text",
        Value::Array(values) if values.is_empty() => "nothing",
        Value::Array(_) => "values",
        Value::Object(_) => "a message",
        Value::Number(_) => "a number",
        Value::Bool(_) | Value::Null => "another",
    }
}

/// The text of a field of an answer.
pub(super) fn text_of(answer: &Value, field: &str) -> Result<String> {
    Ok(answer[field].as_str().with_context(|| format!("no {field}: {answer}"))?.to_owned())
}

#[test]
fn a_difference_is_noticed() {
    let one = serde_json::json!({ "a": [{ "id": "x", "b": 1 }], "c": 1 });
    let mut other = one.clone();
    let volatile = [("id", "made up each time")];
    assert!(ensure_alike("A", &one, &other, &volatile).is_ok());
    other["a"][0]["id"] = "y".into();
    assert!(ensure_alike("A", &one, &other, &volatile).is_ok());
    assert!(ensure_alike("A", &one, &other, &[]).is_err());
    assert!(ensure_alike("A", &one, &other, &[volatile[0], ("gone", "")]).is_err());
    other["a"][0]["id"] = "".into();
    assert!(ensure_alike("A", &one, &other, &volatile).is_err());
    other["a"][0]["id"] = "y".into();
    other["a"][0]["b"] = 2.into();
    assert!(ensure_alike("A", &one, &other, &volatile).is_err());
}
