//! The examples of the OpenAPI document: what the calls of the guide consisted of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use ldk_server::json;
use ldk_server_grpc::RPC_NAMES;
use prost_reflect::{Kind, MessageDescriptor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::guide::likeness;

/// So many of a call that differ in more than values.
const MOST_OF_A_CALL: usize = 3;
const MOST_EVENTS: usize = 16;

/// A request, and a message of its answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Example {
    call: String,
    request: Value,
    answer: Value,
}

/// In the order in which they were played; in the file, in that of the calls.
#[derive(Default)]
pub(crate) struct Examples(Vec<Example>);

impl Examples {
    /// Adds a call, unless there is one that looks like it.
    pub(crate) fn add(&mut self, name: &str, request: &[u8], answer: &[u8]) -> Result<()> {
        let method = json::method(name).with_context(|| format!("there is no {name}"))?;
        let mut request = serde_json::from_slice(&json::encode(&method.request, request)?)?;
        without_defaults(&method.request, &mut request);
        let answer = serde_json::from_slice(&json::encode(&method.response, answer)?)?;
        let example = Example { call: name.to_owned(), request, answer };
        let others = self.0.iter().filter(|other| other.call == name);
        let most = if method.is_stream { MOST_EVENTS } else { MOST_OF_A_CALL };
        if others.clone().count() < most && !others.clone().any(|other| are_alike(other, &example))
        {
            self.0.push(example);
        }
        Ok(())
    }

    /// Writes the file that the daemon is compiled with. It keeps those of calls that had no success this
    /// time, because they came too late.
    pub(crate) fn write(&self) -> Result<()> {
        let mut all: Vec<Example> = serde_json::from_slice(&fs::read(file())?)?;
        let here = by_call(&self.0);
        all.retain(|example| {
            !here.contains_key(&*example.call) && RPC_NAMES.contains(&&*example.call)
        });
        all.extend(self.0.iter().cloned());
        all.sort_by_key(|example| RPC_NAMES.iter().position(|name| *name == example.call));
        let text = serde_json::to_string_pretty(&all)?;
        Ok(fs::write(file(), text + "\n")?)
    }

    /// Checks that the file has examples that look like these.
    pub(crate) fn check(&self) -> Result<()> {
        let committed: Vec<Example> = serde_json::from_slice(&fs::read(file())?)?;
        let (there, here) = (by_call(&committed), by_call(&self.0));
        // A channel that is closed too early is closed again, without the example of a success.
        let missing: Vec<_> = here.keys().filter(|call| !there.contains_key(*call)).collect();
        ensure!(
            missing.is_empty(),
            "examples.json lacks calls of the guide: GUIDE_WRITE=1 writes it: {missing:?}"
        );
        // Which entry of the books comes last depends on when it was confirmed, and whether a node has
        // announced itself on how long the guide has taken.
        let is_comparable = |call: &str| !["ExportPayments", "GraphGetNode"].contains(&call);
        for (call, examples) in here.into_iter().filter(|(call, _)| is_comparable(call)) {
            let are_there = examples
                .iter()
                .all(|example| there[call].iter().any(|committed| are_alike(committed, example)));
            ensure!(are_there, "examples.json has other examples of {call} than {examples:?}");
        }
        Ok(())
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ldk-server/src/openapi/examples.json")
}

fn by_call(examples: &[Example]) -> BTreeMap<&str, Vec<&Example>> {
    let mut by_call: BTreeMap<&str, Vec<&Example>> = BTreeMap::new();
    for example in examples {
        by_call.entry(&example.call).or_default().push(example);
    }
    by_call
}

fn are_alike(one: &Example, other: &Example) -> bool {
    let pairs = [(&one.request, &other.request), (&one.answer, &other.answer)];
    pairs.into_iter().all(|(one, other)| {
        let (one, other) = (without_chance(one), without_chance(other));
        likeness::check(&one, &other).is_ok() && likeness::check(&other, &one).is_ok()
    })
}

/// Without fields that are there or not by chance: when the node last did something.
fn without_chance(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !name.ends_with("_timestamp"));
            kept.map(|(name, value)| (name.clone(), without_chance(value))).collect()
        },
        Value::Array(values) => values.iter().map(without_chance).collect(),
        value => value.clone(),
    }
}

/// Takes out what a request need not have.
fn without_defaults(message: &MessageDescriptor, value: &mut Value) {
    let Some(fields) = value.as_object_mut() else { return };
    for field in message.fields() {
        let is_default = |value: &Value| {
            matches!(value, Value::Bool(false))
                || *value == 0
                || value.as_str().is_some_and(|text| text.is_empty() || text == "0")
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(serde_json::Map::is_empty)
        };
        if !field.supports_presence() && fields.get(field.name()).is_some_and(is_default) {
            fields.shift_remove(field.name());
        }
        let inner = fields.get_mut(field.name());
        if let (Kind::Message(message), Some(inner)) = (field.kind(), inner)
            && !field.is_map()
        {
            match inner {
                Value::Array(values) => {
                    values.iter_mut().for_each(|value| without_defaults(&message, value));
                },
                value => without_defaults(&message, value),
            }
        }
    }
}
