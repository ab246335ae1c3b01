//! Reads the answers of chain sources to broadcasts. Electrum and Esplora servers wrap the error
//! text of Bitcoin Core in texts of their own.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::store::Answer;

/// Bitcoin Core's errors for a transaction that it has already, or that is confirmed.
const KNOWN: [&str; 5] = [
    "already in block chain",
    "already in utxo set",
    "txn-already-in-mempool",
    "txn-already-known",
    "txn-same-nonwitness-data-in-mempool",
];
/// Its errors for a transaction whose parent is unknown or whose inputs are spent.
const NOTHING_TO_SPEND: [&str; 2] = ["missingorspent", "missing inputs"];
/// What Electrum servers put before Bitcoin Core's errors, and not before their own.
const PASSED_ON: [&str; 3] = ["rejected", "rpc error", "sendrawtransaction"];
/// The code of its errors while it starts.
const STARTING: i64 = -28;

#[derive(Deserialize)]
struct JsonRpc {
    result: Option<Value>,
    error: Option<Value>,
}

/// The answer of Bitcoin Core or of an Esplora server; `None` if it is not about the transaction.
pub(crate) fn by_http(status: StatusCode, body: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(body);
    match serde_json::from_slice::<JsonRpc>(body) {
        Ok(JsonRpc { result: Some(result), error: None }) => of_result(&result),
        Ok(JsonRpc { error: Some(error), .. }) => of_error(&error),
        _ if status.is_success() => of_result(&serde_json::from_slice(body).unwrap_or_default()),
        _ if status == StatusCode::BAD_REQUEST => Some(of_refusal(&text)),
        _ => None,
    }
}

/// The answer of an Electrum server, a line; `None` if it is not about the transaction.
pub(crate) fn by_electrum(line: &[u8]) -> Option<Answer> {
    match serde_json::from_slice(line).ok()? {
        JsonRpc { error: Some(error), .. } => match of_error(&error)? {
            Answer::Refused(words) if !has_any(&words, &PASSED_ON) => None,
            answer => Some(answer),
        },
        JsonRpc { result: Some(result), .. } => of_result(&result),
        JsonRpc { .. } => None,
    }
}

/// The answer to a package counts only if all its transactions were accepted: otherwise they can be
/// broadcast one by one.
fn of_result(result: &Value) -> Option<Answer> {
    let package = result.get("package_msg").and_then(Value::as_str);
    package.is_none_or(|words| words == "success").then_some(Answer::Taken)
}

fn of_error(error: &Value) -> Option<Answer> {
    let says_nothing = error["code"].as_i64() == Some(STARTING) || error.is_null();
    (!says_nothing).then(|| of_refusal(error["message"].as_str().unwrap_or(&error.to_string())))
}

/// The meaning of an error text.
pub(crate) fn of_refusal(words: &str) -> Answer {
    if has_any(words, &KNOWN) {
        Answer::Taken
    } else if has_any(words, &NOTHING_TO_SPEND) {
        Answer::NothingToSpend(words.to_owned())
    } else {
        Answer::Refused(words.to_owned())
    }
}

fn has_any(words: &str, phrases: &[&str]) -> bool {
    let words = words.to_ascii_lowercase();
    phrases.iter().any(|phrase| words.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(status: u16, body: &str) -> Option<Answer> {
        by_http(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    fn refused(words: &str) -> Option<Answer> {
        Some(Answer::Refused(words.to_owned()))
    }

    fn nothing(words: &str) -> Option<Answer> {
        Some(Answer::NothingToSpend(words.to_owned()))
    }

    #[test]
    fn what_bitcoin_core_answers() {
        for (code, words, expected) in [
            (-27, "Transaction outputs already in utxo set", Some(Answer::Taken)),
            (-27, "Transaction already in block chain", Some(Answer::Taken)),
            (-25, "bad-txns-inputs-missingorspent", nothing("bad-txns-inputs-missingorspent")),
            (-26, "min relay fee not met", refused("min relay fee not met")),
            (-28, "Loading block index…", None),
        ] {
            let body =
                format!(r#"{{"result":null,"error":{{"code":{code},"message":"{words}"}}}}"#);
            assert_eq!(http(500, &body), expected, "{words}");
        }
        assert_eq!(http(200, r#"{"result":"ab","error":null,"id":1}"#), Some(Answer::Taken));
        let package = |word| format!(r#"{{"result":{{"package_msg":"{word}"}},"error":null}}"#);
        assert_eq!(http(200, &package("success")), Some(Answer::Taken));
        assert_eq!(http(200, &package("transaction failed")), None);
        assert_eq!(http(401, ""), None);
        assert_eq!(http(503, "Work queue depth exceeded"), None);
    }

    #[test]
    fn what_an_esplora_server_answers() {
        assert_eq!(http(200, &"ab".repeat(32)), Some(Answer::Taken));
        assert_eq!(http(200, r#"{"package_msg":"success"}"#), Some(Answer::Taken));
        assert_eq!(http(200, r#"{"package_msg":"transaction failed"}"#), None);
        let words = r#"sendrawtransaction RPC error: {"code":-25,"message":"bad-txns-inputs-missingorspent"}"#;
        assert_eq!(http(400, words), nothing(words));
        let words = r#"sendrawtransaction RPC error: {"code":-27,"message":"Transaction already in block chain"}"#;
        assert_eq!(http(400, words), Some(Answer::Taken));
        assert_eq!(http(400, "min relay fee not met"), refused("min relay fee not met"));
        assert_eq!((http(502, "Bad Gateway"), http(429, "")), (None, None));
    }

    #[test]
    fn what_an_electrum_server_answers() {
        let answer = |line: &str| by_electrum(line.as_bytes());
        assert_eq!(answer(r#"{"id":1,"result":"ab"}"#), Some(Answer::Taken));
        let words = "sendrawtransaction RPC error -25: bad-txns-inputs-missingorspent";
        let line = format!(r#"{{"id":1,"error":{{"code":1,"message":"{words}"}}}}"#);
        assert_eq!(answer(&line), nothing(words));
        let words = "the transaction was rejected by network rules.\\n\\ndust";
        let line = format!(r#"{{"id":1,"error":{{"code":1,"message":"{words}"}}}}"#);
        assert_eq!(answer(&line), refused(&words.replace("\\n", "\n")));
        assert_eq!(answer(r#"{"id":1,"error":{"code":-101,"message":"excessive use"}}"#), None);
        assert_eq!(answer("garbage"), None);
    }
}
