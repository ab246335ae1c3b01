//! Numbers, text, bytes, names: what a field contains that is no message.

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{EnumDescriptor, Kind, Value};

/// Up to here a double holds every whole number.
const LAST_EXACT: f64 = 9_007_199_254_740_991.0;

/// A JSON value that contains no other.
pub(super) enum Token<'a> {
    Bool(bool),
    Number(i128),
    /// A number with a point, an exponent, or too many digits.
    Fraction(f64),
    Text(&'a str),
}

/// The value of this kind that a token stands for.
pub(super) fn value(kind: &Kind, token: &Token<'_>) -> Option<Value> {
    Some(match kind {
        Kind::Bool => match token {
            Token::Bool(value) => Value::Bool(*value),
            _ => return None,
        },
        Kind::String => match token {
            Token::Text(text) => Value::String((*text).to_owned()),
            _ => return None,
        },
        Kind::Bytes => match token {
            Token::Text(text) => Value::Bytes(bytes(text)?.into()),
            _ => return None,
        },
        Kind::Enum(descriptor) => Value::EnumNumber(enum_number(descriptor, token)?),
        Kind::Double => Value::F64(fraction(token)?),
        Kind::Float => Value::F32(fraction(token)? as f32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(whole(token)?.try_into().ok()?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(whole(token)?.try_into().ok()?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(whole(token)?.try_into().ok()?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(whole(token)?.try_into().ok()?),
        Kind::Message(_) => return None,
    })
}

/// What can stand for a value of this kind.
pub(super) fn accepted(kind: &Kind) -> String {
    let range = |least: &dyn ToString, most: &dyn ToString| {
        format!("a whole number from {} to {}", least.to_string(), most.to_string())
    };
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::String => "text".to_owned(),
        Kind::Bytes => "bytes in base64".to_owned(),
        Kind::Enum(descriptor) => format!("one of {}", names(descriptor)),
        Kind::Double | Kind::Float => "a number".to_owned(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => range(&i32::MIN, &i32::MAX),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => range(&i64::MIN, &i64::MAX),
        Kind::Uint32 | Kind::Fixed32 => range(&u32::MIN, &u32::MAX),
        Kind::Uint64 | Kind::Fixed64 => range(&u64::MIN, &u64::MAX),
        Kind::Message(_) => "an object".to_owned(),
    }
}

fn names(descriptor: &EnumDescriptor) -> String {
    let names: Vec<_> = descriptor.values().map(|value| value.name().to_owned()).collect();
    names.join(", ")
}

/// A whole number; `1e3` is one, and so is its decimal text.
fn whole(token: &Token<'_>) -> Option<i128> {
    match token {
        Token::Number(value) => Some(*value),
        Token::Fraction(value) if value.fract() == 0.0 && value.abs() <= LAST_EXACT => {
            Some(*value as i128)
        },
        Token::Text(text) => decimal(text),
        Token::Fraction(_) | Token::Bool(_) => None,
    }
}

/// Digits, with nothing but a minus before them.
fn decimal(text: &str) -> Option<i128> {
    text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()).then_some(())?;
    text.parse().ok()
}

fn fraction(token: &Token<'_>) -> Option<f64> {
    match token {
        Token::Number(value) => Some(*value as f64),
        Token::Fraction(value) => Some(*value),
        Token::Text(_) | Token::Bool(_) => None,
    }
}

/// The number of a value that is given by its name, or by its number.
fn enum_number(descriptor: &EnumDescriptor, token: &Token<'_>) -> Option<i32> {
    let value = match token {
        Token::Text(text) => descriptor.get_value_by_name(text),
        token => descriptor.get_value(whole(token)?.try_into().ok()?),
    };
    value.map(|value| value.number())
}

/// Bytes in base64, in either alphabet, padded or not.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let is_url_safe = text.contains(['-', '_']);
    let alphabet = if is_url_safe { &URL_SAFE } else { &STANDARD };
    engine(alphabet).decode(text).ok()
}

fn engine(alphabet: &Alphabet) -> GeneralPurpose {
    let padding = DecodePaddingMode::Indifferent;
    GeneralPurpose::new(alphabet, GeneralPurposeConfig::new().with_decode_padding_mode(padding))
}
