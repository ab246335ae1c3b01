//! One JSON-RPC request, and its answer as bytes.

use serde::Serialize;
use serde_json::{Value, json};

use super::error::{RpcError, code};

/// Replies end with this, which is nowhere else in them.
const END: &[u8] = b"\n\n";

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Option<Value>,
    /// The parts of the answer that are wanted.
    pub(super) filter: Option<Value>,
}

/// A request that cannot be answered otherwise, and its id, if it has one.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) id: Value,
    pub(super) error: RpcError,
    /// Whether what follows cannot be trusted to be requests.
    pub(super) is_last: bool,
}

impl Request {
    /// Reads a request that begins and ends with a brace.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Box<Malformed>> {
        let refused = |id, reason: &str, is_last| {
            let error = RpcError::new(code::INVALID_REQUEST, reason);
            Box::new(Malformed { id, error, is_last })
        };
        let Ok(Value::Object(mut members)) = serde_json::from_slice(text) else {
            return Err(refused(Value::Null, "Invalid token in json input", true));
        };
        let id = match members.remove("id") {
            Some(id @ (Value::String(_) | Value::Number(_))) => id,
            Some(_) => return Err(refused(Value::Null, "Expected string/number id", false)),
            None => return Err(refused(Value::Null, "No id", false)),
        };
        let method = match members.remove("method") {
            Some(Value::String(method)) => method,
            Some(_) => return Err(refused(id, "Expected string for method", false)),
            None => return Err(refused(id, "No method", false)),
        };
        let filter = members.remove("filter").filter(|filter| !filter.is_null());
        Ok(Self { id, method, params: members.remove("params"), filter })
    }
}

/// An answer as it is sent.
pub(super) fn reply(id: &Value, result: Result<Value, RpcError>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    enum Outcome {
        Result(Value),
        Error(RpcError),
    }
    #[derive(Serialize)]
    struct Reply<'a> {
        jsonrpc: &'static str,
        id: &'a Value,
        #[serde(flatten)]
        outcome: Outcome,
    }
    let outcome = result.map_or_else(Outcome::Error, Outcome::Result);
    let reply = Reply { jsonrpc: "2.0", id, outcome };
    let mut text = serde_json::to_vec(&reply).unwrap_or_else(|error| {
        let error = RpcError::internal(&error);
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": error.code, "message": error.message}})
            .to_string()
            .into_bytes()
    });
    text.extend_from_slice(END);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_an_id_and_a_method() {
        let request = Request::parse(br#"{"id":"a:b#1","method":"getinfo","params":[]}"#).unwrap();
        assert_eq!((request.id, request.method.as_str()), (json!("a:b#1"), "getinfo"));
        assert!(request.filter.is_none());
        for (text, id, is_last) in [
            (r#"{"id":1}"#, json!(1), false),
            (r#"{"id":1,"method":5}"#, json!(1), false),
            (r#"{"method":"getinfo"}"#, Value::Null, false),
            (r#"{"method":"getinfo","id":{}}"#, Value::Null, false),
            ("{]", Value::Null, true),
            ("{\"a\" 1}", Value::Null, true),
        ] {
            let malformed = Request::parse(text.as_bytes()).unwrap_err();
            assert_eq!((malformed.id, malformed.is_last), (id, is_last), "{text}");
            assert_eq!(malformed.error.code, code::INVALID_REQUEST);
        }
    }

    #[test]
    fn a_reply_has_either_a_result_or_an_error() {
        let text = reply(&json!(7), Ok(json!({"a": "\n\n"})));
        assert_eq!(text, b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":\"\\n\\n\"}}\n\n");
        let text = reply(&json!("x"), Err(RpcError::params("no")));
        let expected =
            "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\":{\"code\":-32602,\"message\":\"no\"}}\n\n";
        assert_eq!(text, expected.as_bytes());
    }
}
