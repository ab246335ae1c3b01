//! What is asked of a running plugin and told to it, and what it answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::cln::error::{RpcError, code};
use crate::clock::LogThrottle;

/// The calls of a plugin's methods at once; more are refused.
const MAX_CALLS: usize = 64;
/// What waits to be read by a plugin; a notification that has no place is left out.
const MAX_UNREAD: usize = 256;

type Answer = Result<Value, RpcError>;

/// What is asked of a running plugin and told to it.
pub(super) struct Link {
    outgoing: mpsc::Sender<Vec<u8>>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    next_id: AtomicU64,
}

/// What a plugin sends.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Answer { id: u64, answer: Answer },
    Notification { method: String, params: Value },
}

/// Forgets a call that nobody waits for any more.
struct Waiting<'a> {
    link: &'a Link,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.link.waiting().remove(&self.id);
    }
}

impl Link {
    /// A link, and what has to be written to the plugin.
    pub(super) fn new() -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (outgoing, unread) = mpsc::channel(MAX_UNREAD);
        let (waiting, next_id) = (Mutex::default(), AtomicU64::new(1));
        (Self { outgoing, waiting, next_id }, unread)
    }

    /// Asks the plugin, and waits as long as it takes.
    pub(super) async fn ask(&self, method: &str, params: &Value) -> Answer {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        {
            let mut waiting = self.waiting();
            if waiting.len() >= MAX_CALLS {
                let reason = format!("the plugin has {MAX_CALLS} calls to answer already");
                return Err(RpcError::new(code::PLUGIN_ERROR, reason));
            }
            waiting.insert(id, tell);
        }
        let _waiting = Waiting { link: self, id };
        let request = json!({
            "jsonrpc": "2.0", "id": format!("ldk-server:{method}#{id}"), "method": method, "params": params,
        });
        self.outgoing.try_send(written(&request)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                RpcError::new(code::PLUGIN_ERROR, "the plugin does not read its calls")
            },
            mpsc::error::TrySendError::Closed(_) => terminated(),
        })?;
        told.await.unwrap_or_else(|_| Err(terminated()))
    }

    /// Tells the plugin something, unless it has too much to read already.
    pub(super) fn tell(&self, method: &str, params: &Value) {
        static LEFT_OUT: LogThrottle = LogThrottle::new();
        let notification = json!({"jsonrpc": "2.0", "method": method, "params": params});
        if let Err(mpsc::error::TrySendError::Full(_)) =
            self.outgoing.try_send(written(&notification))
            && let Some(left_out) = LEFT_OUT.count()
        {
            tracing::warn!(left_out, "plugins do not read; notifications to them are left out");
        }
    }

    /// The plugin has answered.
    pub(super) fn answered(&self, id: u64, answer: Answer) {
        if let Some(waiting) = self.waiting().remove(&id) {
            // Whoever has asked may have gone.
            let _ = waiting.send(answer);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plugin is gone, and answers nobody.
    pub(super) fn close(&self) {
        self.waiting().clear();
    }
}

fn terminated() -> RpcError {
    RpcError::new(code::PLUGIN_TERMINATED, "Plugin terminated before replying to RPC call.")
}

fn written(message: &Value) -> Vec<u8> {
    let mut text = message.to_string().into_bytes();
    text.extend_from_slice(b"\n\n");
    text
}

impl Message {
    /// Reads what a plugin has sent; nothing if it is no message.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Sent {
            id: Option<String>,
            method: Option<String>,
            #[serde(default)]
            params: Value,
            result: Option<Value>,
            error: Option<Value>,
        }
        let sent: Sent = serde_json::from_slice(text).ok()?;
        match (sent.id, sent.method) {
            (None, Some(method)) => Some(Self::Notification { method, params: sent.params }),
            (Some(id), None) => {
                let id = id.rsplit('#').next()?.parse().ok()?;
                let answer = match sent.error {
                    Some(error) => Err(failure(&error)),
                    None => Ok(sent.result.unwrap_or_default()),
                };
                Some(Self::Answer { id, answer })
            },
            _ => None,
        }
    }
}

/// What a plugin has answered in place of a result.
pub(super) fn failure(error: &Value) -> RpcError {
    let code = error["code"].as_i64().unwrap_or(code::PLUGIN_ERROR);
    let message = match error {
        Value::String(message) => message.clone(),
        error => error["message"].as_str().unwrap_or("the plugin has failed").to_owned(),
    };
    let failure = RpcError::new(code, message);
    match error.get("data") {
        Some(data) => failure.with_data(data.clone()),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_is_answered() {
        let (link, mut unread) = Link::new();
        let asking = async { link.ask("hello", &json!(["you"])).await };
        let answering = async {
            let request: Value = serde_json::from_slice(&unread.recv().await.unwrap()).unwrap();
            assert_eq!(
                (&request["method"], &request["params"]),
                (&json!("hello"), &json!(["you"]))
            );
            let answer = json!({"jsonrpc": "2.0", "id": request["id"], "result": "Hello you"});
            let Some(Message::Answer { id, answer }) =
                Message::parse(answer.to_string().as_bytes())
            else {
                panic!("no answer")
            };
            link.answered(id, answer);
        };
        let (answer, ()) = tokio::join!(asking, answering);
        assert_eq!(answer, Ok(json!("Hello you")));
        assert!(link.waiting().is_empty());
    }

    #[tokio::test]
    async fn who_is_gone_answers_nobody() {
        let (link, mut unread) = Link::new();
        let closing = async {
            unread.recv().await.unwrap();
            unread.close();
            link.close();
        };
        let (answer, ()) = tokio::join!(link.ask("hello", &Value::Null), closing);
        assert_eq!(answer.unwrap_err().code, code::PLUGIN_TERMINATED);
        let later = link.ask("hello", &Value::Null).await;
        assert_eq!(later.unwrap_err().code, code::PLUGIN_TERMINATED);
    }

    #[tokio::test]
    async fn calls_and_what_is_unread_are_bounded() {
        let (link, _unread) = Link::new();
        let calls: Vec<_> = (0..MAX_CALLS).map(|_| Box::pin(link.ask("a", &Value::Null))).collect();
        let mut calls = futures_util::future::join_all(calls);
        assert!(futures_util::poll!(&mut calls).is_pending());
        let refused = link.ask("a", &Value::Null).await.unwrap_err();
        assert!(refused.message.contains("64 calls"), "{}", refused.message);
        // A call that nobody waits for leaves its place.
        drop(calls);
        for _ in 0..=MAX_UNREAD {
            link.tell("connect", &Value::Null);
        }
        let refused = link.ask("a", &Value::Null).await.unwrap_err();
        assert!(refused.message.contains("does not read"), "{}", refused.message);
    }

    #[test]
    fn failures_keep_their_numbers() {
        let parse = |text: &str| Message::parse(text.as_bytes());
        let failed =
            parse(r#"{"id":"ldk-server:a#7","error":{"code":-32600,"message":"no","data":1}}"#);
        let failure = RpcError::new(-32600, "no").with_data(json!(1));
        assert_eq!(failed, Some(Message::Answer { id: 7, answer: Err(failure) }));
        let log = parse(r#"{"method":"log","params":{"level":"info","message":"a"}}"#);
        let params = json!({"level": "info", "message": "a"});
        assert_eq!(log, Some(Message::Notification { method: "log".to_owned(), params }));
        for text in ["{}", "[]", r#"{"id":"x","result":1}"#, r#"{"id":"a#1","method":"b"}"#] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
