//! Which calls of the nodes become examples.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use e2e_tests::Node;
use ldk_server_grpc::events::EventEnvelope;
use prost::Message as _;
use serde_json::Value;

use crate::guide::examples::Examples;
use crate::guide::recorder::Recorder;

/// A recorder for each node, by its name, and the examples so far.
pub(crate) struct Recording {
    recorders: BTreeMap<String, Recorder>,
    examples: Examples,
}

impl Recording {
    pub(crate) async fn start(nodes: &[Arc<Node>]) -> Result<Self> {
        let mut recorders = BTreeMap::new();
        for node in nodes {
            let recorder = Recorder::start(Arc::clone(node)).await?;
            recorders.insert(node.alias().to_owned(), recorder);
        }
        Ok(Self { recorders, examples: Examples::default() })
    }

    /// Where calls of a node are recorded.
    pub(crate) fn address(&self, node: &str) -> &str {
        &self.recorders[node].address
    }

    /// Forgets the unary calls of a node.
    pub(crate) fn forget(&self, node: &str) {
        self.recorders[node].forget();
    }

    /// Adds the last call of a node to the examples.
    pub(crate) fn add_last_call(&mut self, node: &str) -> Result<()> {
        let Some(call) = self.recorders[node].last() else { return Ok(()) };
        let answer = call.messages().pop().unwrap_or_default();
        self.examples.add(&call.method, &call.request(), &answer)
    }

    /// Adds an event of a node, as it was printed, to the examples.
    pub(crate) fn add_event(&mut self, node: &str, printed: &Value) -> Result<()> {
        for stream in self.recorders[node].streams() {
            for message in stream.messages() {
                let event = EventEnvelope::decode(&*message)?;
                if printed["event_index"] == event.event_index {
                    return self.examples.add(&stream.method, &stream.request(), &message);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn into_examples(self) -> Examples {
        self.examples
    }
}
