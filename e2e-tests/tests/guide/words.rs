//! The words in capitals, which stand for what an earlier command has printed.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The values of all fields that were printed so far, by the field's name in capitals: alone for the
/// latest of all answers, and after the name of a node for the latest of that node.
#[derive(Default)]
pub(crate) struct Words(HashMap<String, String>);

impl Words {
    /// Learns the fields of an answer. Of several with one name the first counts.
    pub(crate) fn learn(&mut self, node: &str, answer: &Value) {
        let mut fields = HashMap::new();
        collect(answer, &mut fields);
        for (name, value) in fields {
            let name = name.to_uppercase();
            self.0.insert(format!("{}_{name}", node.to_uppercase()), value.clone());
            self.0.insert(name, value);
        }
    }

    /// The text with every word in capitals replaced by its value.
    pub(crate) fn fill_in(&self, text: &str) -> Result<String> {
        let mut filled = String::new();
        let mut word = String::new();
        for letter in text.chars().chain(['\n']) {
            if letter.is_ascii_uppercase()
                || letter == '_'
                || (!word.is_empty() && letter.is_ascii_digit())
            {
                word.push(letter);
                continue;
            }
            // A single capital is no such word, nor is one that begins in the middle of another.
            if word.len() > 2 && !letter.is_ascii_lowercase() {
                let value = self.0.get(&word);
                filled.push_str(value.with_context(|| format!("nothing printed is {word}"))?);
            } else {
                filled.push_str(&word);
            }
            word.clear();
            filled.push(letter);
        }
        filled.pop();
        Ok(filled)
    }
}

fn collect(value: &Value, fields: &mut HashMap<String, String>) {
    let Value::Object(object) = value else { return };
    for (name, value) in object {
        let mut insert = |name: &str, text: &str| {
            fields.entry(name.to_owned()).or_insert_with(|| text.to_owned());
        };
        match value {
            Value::String(text) => insert(name, text),
            Value::Number(number) => insert(name, &number.to_string()),
            Value::Array(values) => match values.first() {
                // Of a list of texts the first, under the name of one.
                Some(Value::String(text)) => {
                    let one = name.strip_suffix("sses").map(|stem| format!("{stem}ss"));
                    insert(one.as_deref().unwrap_or(name.trim_end_matches('s')), text);
                },
                Some(Value::Number(number)) => {
                    insert(name.trim_end_matches('s'), &number.to_string());
                },
                Some(first) => collect(first, fields),
                None => {},
            },
            Value::Object(_) => collect(value, fields),
            Value::Null | Value::Bool(_) => {},
        }
    }
}
