//! Which JSON-RPC requests broadcast a transaction.

use std::borrow::Cow;

use serde::Deserialize;

/// What has to be known of a request.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    method: Cow<'a, str>,
}

/// Whether one of these methods is asked for, by a single request or by one of several in an array.
/// What cannot be read may be read otherwise by the server, and so counts as such.
pub(super) fn ask_for(methods: &[&str], json: &[u8]) -> bool {
    let is_one = |request: &Request<'_>| methods.contains(&request.method.as_ref());
    if json.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<Vec<Request<'_>>>(json)
            .map_or(true, |requests| requests.iter().any(is_one))
    } else {
        serde_json::from_slice(json).map_or(true, |request| is_one(&request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
