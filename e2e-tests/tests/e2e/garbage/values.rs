//! What a field can be set to that it should not.

use std::collections::BTreeSet;

use prost_reflect::{FieldDescriptor, Kind, Value};

const MEBIBYTE: usize = 1024 * 1024;
const MANY: usize = 1000;
/// 21 million bitcoin, in satoshis.
const MAX_MONEY_SATS: u64 = 2_100_000_000_000_000;

/// A value to try, and what is special about it.
pub(crate) type Named = (String, Value);

/// What to set this field to, each alone, in place of the value that it has in a sound request.
pub(crate) fn of(field: &FieldDescriptor, sound: Option<&Value>) -> Vec<Named> {
    if field.is_list() {
        return lists(field, sound);
    }
    match field.kind() {
        Kind::String => texts(sound.and_then(Value::as_str).unwrap_or_default()),
        Kind::Bytes => bytes(),
        Kind::Bool => [true, false].map(|value| named(value, Value::Bool(value))).into(),
        Kind::Uint32 | Kind::Fixed32 => {
            unsigned(u32::MAX.into()).filter_map(|n| narrow(n, Value::U32)).collect()
        },
        Kind::Uint64 | Kind::Fixed64 => {
            unsigned(u64::MAX).map(|number| named(number, Value::U64(number))).collect()
        },
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            signed().filter_map(|number| narrow(number, Value::I32)).collect()
        },
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            signed().map(|number| named(number, Value::I64(number))).collect()
        },
        Kind::Float => floats().map(|number| named(number, Value::F32(number as f32))).collect(),
        Kind::Double => floats().map(|number| named(number, Value::F64(number))).collect(),
        Kind::Enum(values) => [-1, 0, 1, 2, 99, i32::MAX, i32::MIN]
            .map(|number| {
                let name = values.get_value(number).map_or("not a value", |_| "a value");
                (format!("{number}, {name}"), Value::EnumNumber(number))
            })
            .into(),
        // Its own fields are changed one by one.
        Kind::Message(_) => {
            vec![("an empty message".to_owned(), Value::default_value_for_field(field))]
        },
    }
}

fn lists(field: &FieldDescriptor, sound: Option<&Value>) -> Vec<Named> {
    let element = sound
        .and_then(|list| list.as_list()?.first().cloned())
        .unwrap_or_else(|| Value::default_value(&field.kind()));
    [1, 2, MANY]
        .map(|count| (format!("{count} the same"), Value::List(vec![element.clone(); count])))
        .into()
}

fn bytes() -> Vec<Named> {
    [("no bytes", vec![]), ("a zero byte", vec![0]), ("a mebibyte", vec![0xff; MEBIBYTE])]
        .map(|(name, bytes)| (name.to_owned(), Value::Bytes(bytes.into())))
        .into()
}

fn unsigned(max: u64) -> impl Iterator<Item = u64> {
    let limits = [0, 1 << 8, 1 << 16, 1 << 31, 1 << 32, 1 << 53, 1 << 63].into_iter().chain([
        MAX_MONEY_SATS + 1,
        MAX_MONEY_SATS * 1000 + 1,
        u64::MAX / 1000 + 1,
    ]);
    // Each limit, and what is on both of its sides.
    let around = |limit: u64| [limit.wrapping_sub(1), limit, limit.wrapping_add(1)];
    limits.flat_map(around).chain([max - 1, max]).collect::<BTreeSet<u64>>().into_iter()
}

fn signed() -> impl Iterator<Item = i64> {
    let wide = [0, i64::from(i32::MAX), i64::MAX, i64::MIN, i64::from(i32::MIN)];
    let around = |limit: i64| [limit.wrapping_sub(1), limit, limit.wrapping_add(1)];
    wide.into_iter().flat_map(around).collect::<BTreeSet<i64>>().into_iter()
}

fn floats() -> impl Iterator<Item = f64> {
    [0.0, -0.0, 1.0, -1.0, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY].into_iter()
}

/// Texts that mean nothing wherever they stand, and those that are nearly the sound one.
fn texts(sound: &str) -> Vec<Named> {
    let owned = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let mut texts = vec![
        owned("no text", ""),
        owned("a space", " "),
        owned("NUL", "\0"),
        owned("a line break", "\r\n"),
        owned("a word", "coffee"),
        owned("not ASCII", "é€😀"),
        owned("turned around", "\u{202e}abc"),
        owned("a quotation mark", "' OR 1=1; --"),
        owned("a format", "%s%n{}${x}"),
        owned("a path", "../../../etc/passwd"),
        owned("one hex digit", "a"),
        owned("an odd number of hex digits", &"a".repeat(63)),
        owned("31 bytes of hex", &"ab".repeat(31)),
        owned("33 bytes of hex", &"ab".repeat(33)),
        owned("no hex digits", &"zz".repeat(32)),
        owned("a mebibyte of hex", &"a".repeat(MEBIBYTE)),
        owned("a mebibyte of é", &"é".repeat(MEBIBYTE / 2)),
        owned("a mebibyte of NUL", &"\0".repeat(MEBIBYTE)),
    ];
    if !sound.is_empty() && sound.is_ascii() {
        texts.extend(nearly(sound));
        if sound.bytes().all(|byte| byte.is_ascii_digit()) {
            texts.extend(nearly_decimal(sound));
        }
    }
    texts
        .into_iter()
        .filter(|(_, text)| text != sound)
        .map(|(name, text)| (name, Value::String(text)))
        .collect()
}

fn nearly(sound: &str) -> Vec<(String, String)> {
    let (start, last) = sound.split_at(sound.len() - 1);
    let middle = sound.len() / 2;
    let (before, after) = (&sound[..middle], &sound[middle + 1..]);
    [
        ("one digit short", start.to_owned()),
        ("without its first digit", sound[1..].to_owned()),
        ("one digit long", format!("{sound}{last}")),
        ("one byte short", sound[..sound.len().saturating_sub(2)].to_owned()),
        ("one byte long", format!("{sound}00")),
        ("upper case", sound.to_ascii_uppercase()),
        ("space before it", format!(" {sound}")),
        ("space after it", format!("{sound} ")),
        ("line break after it", format!("{sound}\n")),
        ("0x before it", format!("0x{sound}")),
        ("twice", sound.repeat(2)),
        ("many times", sound.repeat(MANY)),
        ("g within", format!("{before}g{after}")),
        ("NUL within", format!("{before}\0{after}")),
        ("é within", format!("{before}é{after}")),
        ("all 0", "0".repeat(sound.len())),
        ("all f", "f".repeat(sound.len())),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into()
}

fn nearly_decimal(sound: &str) -> Vec<(String, String)> {
    [
        ("negative", format!("-{sound}")),
        ("with a sign", format!("+{sound}")),
        ("a fraction", format!("{sound}.0")),
        ("an exponent", "1e9".to_owned()),
        ("2^128 - 1", u128::MAX.to_string()),
        ("2^128", "340282366920938463463374607431768211456".to_owned()),
        ("a thousand digits", "9".repeat(MANY)),
        ("Arabic digits", "٣٤٥".to_owned()),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into()
}

fn named(shown: impl ToString, value: Value) -> Named {
    (shown.to_string(), value)
}

fn narrow<W, N>(number: W, value: impl Fn(N) -> Value) -> Option<Named>
where
    W: ToString + Copy,
    N: TryFrom<W>,
{
    Some(named(number, value(N::try_from(number).ok()?)))
}
