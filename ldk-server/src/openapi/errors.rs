//! The errors of a call: those of all calls, and those that its comment names.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A code of gRPC: its name in comments, that in JSON, the HTTP status, and what it says of any call;
/// nothing if only some calls have it.
struct Code {
    grpc: &'static str,
    json: &'static str,
    http: &'static str,
    general: &'static str,
}

const fn code(
    grpc: &'static str,
    json: &'static str,
    http: &'static str,
    general: &'static str,
) -> Code {
    Code { grpc, json, http, general }
}

/// The codes that the server answers with, by HTTP status.
const CODES: [Code; 14] = [
    code(
        "INVALID_ARGUMENT",
        "invalid_argument",
        "400",
        "A field cannot be read or has a value that is not accepted. The message names the field.",
    ),
    code("FAILED_PRECONDITION", "failed_precondition", "400", ""),
    code("OUT_OF_RANGE", "out_of_range", "400", ""),
    code(
        "UNAUTHENTICATED",
        "unauthenticated",
        "401",
        "There is no credential, or one that is wrong, outdated or revoked.",
    ),
    code(
        "PERMISSION_DENIED",
        "permission_denied",
        "403",
        "The credential does not allow this call. The message names the condition that does not hold.",
    ),
    code("NOT_FOUND", "not_found", "404", ""),
    code("ALREADY_EXISTS", "already_exists", "409", ""),
    code("ABORTED", "aborted", "409", ""),
    code(
        "RESOURCE_EXHAUSTED",
        "resource_exhausted",
        "429",
        "Too many calls are under way or were made lately, or a rate or a budget is used up.",
    ),
    code("CANCELLED", "canceled", "499", ""),
    code(
        "INTERNAL",
        "internal",
        "500",
        "The server, its storage or its chain source failed. What was begun may still happen.",
    ),
    code("UNIMPLEMENTED", "unimplemented", "501", ""),
    code("UNAVAILABLE", "unavailable", "503", "The server starts or stops."),
    code(
        "DEADLINE_EXCEEDED",
        "deadline_exceeded",
        "504",
        "The deadline of the caller passed. What the call began may still go on.",
    ),
];

/// The answers to a call that fails, by HTTP status. `comment` is the one on the call.
pub(super) fn answers(comment: &str) -> Map<String, Value> {
    let mut by_status: BTreeMap<&str, Vec<(&Code, Vec<String>)>> = BTreeMap::new();
    for code in &CODES {
        let reasons = reasons(comment, code.grpc);
        if !code.general.is_empty() || !reasons.is_empty() {
            by_status.entry(code.http).or_default().push((code, reasons));
        }
    }
    let answers = by_status.into_iter().map(|(status, codes)| (status.to_owned(), answer(&codes)));
    answers.collect()
}

/// The answer with these codes: a shared one if the comment says nothing of them.
fn answer(codes: &[(&Code, Vec<String>)]) -> Value {
    match codes {
        [(code, reasons)] if reasons.is_empty() => {
            json!({ "$ref": format!("#/components/responses/{}", code.json) })
        },
        codes => full(codes),
    }
}

/// The answers that calls share, by the name of their code.
pub(super) fn shared() -> Map<String, Value> {
    let general = CODES.iter().filter(|code| !code.general.is_empty());
    general.map(|code| (code.json.to_owned(), full(&[(code, Vec::new())]))).collect()
}

fn full(codes: &[(&Code, Vec<String>)]) -> Value {
    let descriptions = codes.iter().map(|(code, reasons)| description(code, reasons));
    let names: Vec<_> = codes.iter().map(|(code, _)| code.json).collect();
    json!({
        "description": descriptions.collect::<Vec<_>>().join("\n"),
        "content": { "application/json": {
            "example": { "code": names[0], "message": "what was wrong", "details": [] },
            "schema": {
                "$ref": "#/components/schemas/Error",
                "properties": { "code": { "enum": names } },
            },
        } },
    })
}

fn description(code: &Code, reasons: &[String]) -> String {
    let general = (!code.general.is_empty()).then(|| code.general.to_owned());
    let reasons = reasons.iter().map(|reason| format!("{reason}."));
    let sentences: Vec<_> = general.into_iter().chain(reasons).collect();
    format!("- `{}`: {}", code.json, sentences.join(" "))
}

/// What a comment says after each mention of a code: `NOT_FOUND for an unknown one` has the reason `For an
/// unknown one`.
fn reasons(comment: &str, grpc: &str) -> Vec<String> {
    let mentions = comment.match_indices(grpc).map(|(at, name)| &comment[at + name.len()..]);
    mentions.map(reason).collect()
}

fn reason(rest: &str) -> String {
    let codes = CODES.iter().filter_map(|code| rest.find(code.grpc));
    let ends = [". ", "\n"].iter().filter_map(|end| rest.find(end)).chain(codes);
    let clause = &rest[..ends.min().unwrap_or(rest.len())];
    let clause = clause.trim().trim_end_matches(" and").trim_matches([',', ';', '.', ' ']);
    let mut letters = clause.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => "See the description".to_owned(),
    }
}

/// The schema of every error.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "description": "Why a call failed.",
        "required": ["code", "message", "details"],
        "properties": {
            "code": {
                "type": "string",
                "description": "The code, for programs: it does not change.",
                "enum": CODES.iter().map(|code| code.json).collect::<Vec<_>>(),
                "examples": ["invalid_argument"],
            },
            "message": {
                "type": "string",
                "description": "What was wrong, for people: the wording may change.",
                "examples": ["payment_id: \"ab\" must be 64 hex digits"],
            },
            "details": {
                "type": "array",
                "description": "Nothing, for now.",
                "items": { "type": "object" },
                "examples": [[]],
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMENT: &str = "Pays. INVALID_ARGUMENT for an amount out of range; FAILED_PRECONDITION when \
                           no route is found, and NOT_FOUND for an unknown one. It goes on.\n\n\
                           OUT_OF_RANGE when that is 1.5 or more";

    #[test]
    fn reasons_are_read_from_the_comment() {
        assert_eq!(reasons(COMMENT, "INVALID_ARGUMENT"), ["For an amount out of range"]);
        assert_eq!(reasons(COMMENT, "FAILED_PRECONDITION"), ["When no route is found"]);
        assert_eq!(reasons(COMMENT, "NOT_FOUND"), ["For an unknown one"]);
        assert_eq!(reasons(COMMENT, "OUT_OF_RANGE"), ["When that is 1.5 or more"]);
        assert_eq!(reasons("UNAVAILABLE.", "UNAVAILABLE"), ["See the description"]);
        assert!(reasons(COMMENT, "ABORTED").is_empty());
    }

    #[test]
    fn codes_with_one_http_status_share_an_answer() {
        let answers = answers(COMMENT);
        let statuses: Vec<_> = answers.keys().collect();
        assert_eq!(statuses, ["400", "401", "403", "404", "429", "500", "503", "504"]);
        let schema = &answers["400"]["content"]["application/json"]["schema"];
        let codes = &schema["properties"]["code"]["enum"];
        assert_eq!(*codes, json!(["invalid_argument", "failed_precondition", "out_of_range"]));
        let description = answers["404"]["description"].as_str().unwrap();
        assert_eq!(description, "- `not_found`: For an unknown one.");
        assert_eq!(answers["401"]["$ref"], "#/components/responses/unauthenticated");
        assert!(shared()["unauthenticated"].is_object());
    }
}
