//! The words in capitals, which stand for what an earlier command has printed.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The values of all fields that were printed so far, by the field's name in capitals: alone for the
/// latest of all answers, and after the name of a node for the latest of that node.
#[derive(Default)]
pub(crate) struct Words {
    /// Fields of the answers themselves, which come first.
    outer: HashMap<String, String>,
    /// Fields of what is in them.
    inner: HashMap<String, String>,
}

impl Words {
    /// Learns the fields of an answer. Of several with one name the first counts.
    pub(crate) fn learn(&mut self, node: &str, answer: &Value) {
        let (mut outer, mut inner) = (HashMap::new(), HashMap::new());
        collect(answer, &mut outer, &mut inner);
        for (fields, words) in [(outer, &mut self.outer), (inner, &mut self.inner)] {
            for (name, value) in fields {
                let name = name.to_uppercase();
                words.insert(format!("{}_{name}", node.to_uppercase()), value.clone());
                words.insert(name, value);
            }
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
                let value = self.outer.get(&word).or_else(|| self.inner.get(&word));
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

type Fields = HashMap<String, String>;

fn collect(value: &Value, outer: &mut Fields, inner: &mut Fields) {
    let Value::Object(object) = value else { return };
    let mut deeper = Fields::new();
    for (name, value) in object {
        let mut insert = |name: &str, text: &str| {
            outer.entry(name.to_owned()).or_insert_with(|| text.to_owned());
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
                Some(first) => collect(first, inner, &mut deeper),
                None => {},
            },
            Value::Object(_) => collect(value, inner, &mut deeper),
            Value::Null | Value::Bool(_) => {},
        }
    }
    for (name, value) in deeper {
        inner.entry(name).or_insert(value);
    }
}
