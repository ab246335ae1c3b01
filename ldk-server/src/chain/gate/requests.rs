//! Finds JSON-RPC requests that broadcast a transaction.

use std::borrow::Cow;

use ldk_node::bitcoin::Transaction;
use ldk_node::bitcoin::consensus::encode::deserialize_hex;
use serde::Deserialize;
use serde_json::Value;

/// A request, as far as it is needed.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    method: Cow<'a, str>,
}

/// Whether a request, or one in an array of requests, calls one of these methods. Unreadable JSON
/// counts as such a request, because the server may read it differently.
pub(super) fn ask_for(methods: &[&str], json: &[u8]) -> bool {
    let is_one = |request: &Request<'_>| methods.contains(&request.method.as_ref());
    if json.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<Vec<Request<'_>>>(json)
            .map_or(true, |requests| requests.iter().any(is_one))
    } else {
        serde_json::from_slice(json).map_or(true, |request| is_one(&request))
    }
}

/// The transactions in the parameters of requests with one of these methods; none in unreadable JSON.
pub(super) fn transactions(methods: &[&str], json: &[u8]) -> Vec<Transaction> {
    let requests = match serde_json::from_slice(json) {
        Ok(Value::Array(requests)) => requests,
        Ok(request) => vec![request],
        Err(_) => Vec::new(),
    };
    let is_one =
        |request: &&Value| request["method"].as_str().is_some_and(|m| methods.contains(&m));
    requests.iter().filter(is_one).flat_map(|request| in_value(&request["params"])).collect()
}

/// The transactions in a body: one in hexadecimal digits, or an array.
pub(super) fn transactions_in_body(body: &[u8]) -> Vec<Transaction> {
    let text = String::from_utf8_lossy(body);
    match serde_json::from_slice(body) {
        Ok(several @ Value::Array(_)) => in_value(&several),
        _ => deserialize_hex(text.trim()).into_iter().collect(),
    }
}

fn in_value(value: &Value) -> Vec<Transaction> {
    match value {
        Value::String(digits) => deserialize_hex(digits).into_iter().collect(),
        Value::Array(values) => values.iter().flat_map(in_value).collect(),
        Value::Object(values) => values.values().flat_map(in_value).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::gate::tests::TRANSACTION;

    #[test]
    fn the_transactions_of_a_broadcast_are_read() {
        let of = |json: &str| transactions(&["send", "package"], json.as_bytes()).len();
        let request = |method: &str, params: &str| {
            format!(r#"{{"id":1,"method":"{method}","params":{params}}}"#)
        };
        let one = format!(r#"["{TRANSACTION}",0.1]"#);
        let two = format!(r#"[["{TRANSACTION}","{TRANSACTION}","00"]]"#);
        let named = format!(r#"{{"hexstring":"{TRANSACTION}"}}"#);
        assert_eq!(of(&request("send", &one)), 1);
        assert_eq!(of(&request("send", &named)), 1);
        assert_eq!(of(&request("package", &two)), 2);
        assert_eq!(of(&request("test", &one)), 0);
        let several = [request("send", &one), request("test", &one), request("package", &two)];
        assert_eq!(of(&format!("[{}]", several.join(","))), 3);
        for nothing in ["", "[]", "7", "garbage", &request("send", r#"["00"]"#)] {
            assert_eq!(of(nothing), 0, "{nothing}");
        }
        let in_body = |body: &str| transactions_in_body(body.as_bytes()).len();
        assert_eq!(in_body(&format!("{TRANSACTION}\n")), 1);
        assert_eq!(in_body(&format!(r#"["{TRANSACTION}","{TRANSACTION}"]"#)), 2);
        assert_eq!((in_body("00"), in_body("")), (0, 0));
    }

    #[test]
    fn requests_are_told_by_their_method_alone() {
        let asks = |json: &str| ask_for(&["sendrawtransaction", "submitpackage"], json.as_bytes());
        for json in [
            r#"{"method":"sendrawtransaction","params":["00"],"id":1}"#,
            r#" { "id": 1, "params": [["00"]], "method": "submitpackage" } "#,
            r#"{"method":"sendraw\u0074ransaction"}"#,
            r#"[{"method":"getblockcount"},{"method":"sendrawtransaction"}]"#,
            // The server may take the first of the two, or the second.
            r#"{"method":"getblockcount","method":"sendrawtransaction"}"#,
            r#"{"method":"sendrawtransaction","method":"getblockcount"}"#,
            r#"{"method":["sendrawtransaction"]}"#,
            r#"{"method":"getblockcount"} {"method":"sendrawtransaction"}"#,
            "[{}",
            "[1]",
            "",
            "garbage",
        ] {
            assert!(asks(json), "{json}");
        }
        for json in [
            r#"{"method":"getblockcount","params":["sendrawtransaction"]}"#,
            r#"{"method":"getrawtransaction","params":[{"method":"sendrawtransaction"}]}"#,
            r#"{"method":"sendrawtransaction2"}"#,
            r#"[{"method":"getblockcount"},{"method":"getblockhash","params":[1]}]"#,
            r#"{"id":1}"#,
            "[]",
        ] {
            assert!(!asks(json), "{json}");
        }
        assert!(ask_for(&["a"], b"\xff\xfe"));
    }
}
