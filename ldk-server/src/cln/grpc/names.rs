//! How names, words and some messages are written in JSON.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value as Json};

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As a number of millisatoshis.
    Amount,
    /// As an amount, or this word.
    AmountOr(&'static str),
    /// As a word, or a number with its unit.
    FeeRate,
    /// As the id of a transaction, a colon, and the number of its output.
    Outpoint,
    /// As the list in this field.
    Items(&'static str),
    /// As an object with values by their numbers.
    Tlvs,
    /// As an object with its fields.
    Object,
}

/// How such a message is written.
pub(super) fn shape(message: &MessageDescriptor) -> Shape {
    match message.name() {
        "Amount" => Shape::Amount,
        "AmountOrAny" => Shape::AmountOr("any"),
        "AmountOrAll" => Shape::AmountOr("all"),
        "Feerate" => Shape::FeeRate,
        "Outpoint" => Shape::Outpoint,
        "RoutehintList" | "DecodeRoutehintList" => Shape::Items("hints"),
        "Routehint" | "DecodeRoutehint" => Shape::Items("hops"),
        "TlvStream" => Shape::Tlvs,
        _ => Shape::Object,
    }
}

/// The name of a field in JSON. Some names are no names in languages that stubs are made for.
pub(super) fn in_json(field: &FieldDescriptor) -> &str {
    match field.name() {
        "item_type" => "type",
        name => name,
    }
}

/// The value of a field, if it is there. In names that have dashes the fields have underscores.
pub(super) fn member<'a>(
    object: &'a Map<String, Json>,
    field: &FieldDescriptor,
) -> Option<&'a Json> {
    let name = in_json(field);
    let dashed = || object.get(&name.replace('_', "-"));
    object.get(name).or_else(dashed).filter(|value| !value.is_null())
}

/// The word for a value.
pub(super) fn word(kind: &Kind, number: i32) -> Option<String> {
    Some(kind.as_enum()?.get_value(number)?.name().to_ascii_lowercase())
}

/// The value for a word. Words have spaces, underscores and slashes that names of values lack.
pub(super) fn value(kind: &Kind, word: &str) -> Option<i32> {
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let wanted = letters(word);
    let kind = kind.as_enum()?;
    kind.values().find(|value| letters(value.name()) == wanted).map(|value| value.number())
}
