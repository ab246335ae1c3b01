//! The list of methods, as text and as an OpenAPI document.

use axum::response::{Html, IntoResponse};
use http::header;
use serde_json::{Map, Value, json};

use crate::cln::usages;

/// The path of the list as text.
pub(super) const METHODS: &str = "/v1/list-methods";
/// The path of the list as a document.
pub(super) const OPENAPI: &str = "/swagger.json";

/// The line between two methods.
const RULE_DASHES: usize = 203;

/// The methods and their parameters, as text.
pub(super) async fn methods() -> impl IntoResponse {
    let rule = "-".repeat(RULE_DASHES);
    let line = |(name, usage)| format!("Command: {}\n\n{rule}\n\n", with_usage(name, usage));
    Html(usages().map(line).collect::<String>())
}

/// The methods and their parameters, as an OpenAPI document.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], document().to_string())
}

fn with_usage(name: &str, usage: &str) -> String {
    format!("{name} {usage}").trim_end().to_owned()
}

fn document() -> Value {
    let paths: Map<_, _> =
        usages().map(|(name, usage)| (format!("/v1/{name}"), path(name, usage))).collect();
    json!({
        "openapi": "3.0.3",
        "info": {"title": "CLNRest", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {
            "securitySchemes": {"rune": {"type": "apiKey", "in": "header", "name": "rune"}},
        },
        "security": [{"rune": []}],
    })
}

fn path(name: &str, usage: &str) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for word in usage.split_whitespace() {
        let parameter = word.trim_matches(['[', ']']);
        if parameter == word {
            required.push(parameter);
        }
        properties.insert(parameter.to_owned(), json!({}));
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    json!({"post": {
        "operationId": name,
        "summary": with_usage(name, usage),
        "requestBody": {"content": {
            "application/json": {"schema": schema},
            "application/x-www-form-urlencoded": {"schema": schema},
        }},
        "responses": {
            "201": {"description": "What the method answers"},
            "401": {"description": "The rune does not allow the call"},
            "403": {"description": "There is no rune"},
            "404": {"description": "There is no such method"},
            "500": {"description": "The method has failed"},
        },
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_path_with_its_parameters() {
        let document = document();
        assert_eq!(document["paths"].as_object().unwrap().len(), usages().count());
        let invoice = &document["paths"]["/v1/invoice"]["post"]["requestBody"]["content"];
        let schema = &invoice["application/json"]["schema"];
        assert_eq!(schema["required"], json!(["amount_msat", "label", "description"]));
        assert!(schema["properties"].get("deschashonly").is_some());
    }
}
