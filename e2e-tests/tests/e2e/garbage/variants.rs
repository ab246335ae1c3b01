//! A sound request, changed in one place after the other.

use std::ops::RangeInclusive;

use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _};

use crate::garbage::values;

/// Of each request, so many random changes of each kind.
const RANDOM: usize = 48;
const RANDOM_BYTES: RangeInclusive<usize> = 1..=200;
/// A text is cut off in so many places at most.
const CUTS: usize = 200;
const MEBIBYTE: usize = 1024 * 1024;

const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;
const GROUP_START: u32 = 3;
const GROUP_END: u32 = 4;
const FIXED_32: u32 = 5;

/// An encoded message to send.
#[derive(Clone)]
pub(crate) struct Variant {
    /// The field that was changed, with those it is in; of the message as a whole, nothing.
    pub(crate) field: String,
    /// What it was changed to.
    pub(crate) what: String,
    /// The encoded message.
    pub(crate) bytes: Vec<u8>,
    /// Whether chance made it, so that more may be different than what was meant.
    pub(crate) random: bool,
}

/// All the changes of this request.
pub(crate) fn of(sound: &DynamicMessage, random: &mut StdRng) -> Vec<Variant> {
    let encoded = sound.encode_to_vec();
    let mut variants = vec![whole("as it should be", encoded.clone())];
    variants.extend(of_fields(sound).into_iter().map(|(field, what, message)| Variant {
        field,
        what,
        bytes: message.encode_to_vec(),
        random: false,
    }));
    variants.extend(of_encoding(sound, &encoded));
    variants.extend(of_frame(&encoded));
    variants.extend(by_chance(&encoded, random));
    variants
}

/// The name of a field, what it was changed to, and the message with this change.
type Changed = (String, String, DynamicMessage);

fn of_fields(sound: &DynamicMessage) -> Vec<Changed> {
    sound.descriptor().fields().flat_map(|field| of_field(sound, &field)).collect()
}

fn of_field(sound: &DynamicMessage, field: &FieldDescriptor) -> Vec<Changed> {
    let value = sound.has_field(field).then(|| sound.get_field(field));
    let with = |what: String, value| {
        let mut message = sound.clone();
        message.set_field(field, value);
        (field.name().to_owned(), what, message)
    };
    let mut changed: Vec<Changed> = values::of(field, value.as_deref())
        .into_iter()
        .map(|(what, value)| with(what, value))
        .collect();
    if value.is_some() {
        let mut without = sound.clone();
        without.clear_field(field);
        changed.push((field.name().to_owned(), "missing".to_owned(), without));
    }
    if let Kind::Message(descriptor) = field.kind() {
        let first = value.as_deref().and_then(|value| match value {
            Value::List(list) => list.first()?.as_message().cloned(),
            value => value.as_message().cloned(),
        });
        let inner = first.unwrap_or_else(|| DynamicMessage::new(descriptor));
        changed.extend(of_fields(&inner).into_iter().map(|(name, what, inner)| {
            let inner = Value::Message(inner);
            let value = if field.is_list() { Value::List(vec![inner]) } else { inner };
            let (_, what, message) = with(what, value);
            (format!("{}.{name}", field.name()), what, message)
        }));
    }
    changed
}

/// What no message can express: each field in forms that are not its own, after the sound request.
fn of_encoding(sound: &DynamicMessage, encoded: &[u8]) -> Vec<Variant> {
    let mut variants = Vec::new();
    for (path, field) in fields_within(sound, &[]) {
        let names: Vec<&str> = path.iter().chain([&field]).map(FieldDescriptor::name).collect();
        for (what, raw) in badly_encoded(&field) {
            let appended = path.iter().rev().fold(raw, |inner, outer| {
                [tag(outer.number(), LENGTH_DELIMITED), varint(inner.len() as u64), inner].concat()
            });
            variants.push(Variant {
                field: names.join("."),
                what: what.to_owned(),
                bytes: [encoded, &appended].concat(),
                random: false,
            });
        }
    }
    for field in sound.descriptor().fields().filter(|field| sound.has_field(field)) {
        let mut alone = DynamicMessage::new(sound.descriptor());
        alone.set_field(&field, sound.get_field(&field).into_owned());
        variants.push(Variant {
            field: field.name().to_owned(),
            what: "given twice".to_owned(),
            bytes: [encoded, &alone.encode_to_vec()].concat(),
            random: false,
        });
    }
    variants
}

/// Every field, with the fields it is in.
fn fields_within(
    sound: &DynamicMessage,
    path: &[FieldDescriptor],
) -> Vec<(Vec<FieldDescriptor>, FieldDescriptor)> {
    let mut found = Vec::new();
    for field in sound.descriptor().fields() {
        if let Kind::Message(descriptor) = field.kind() {
            let inner = [path, std::slice::from_ref(&field)].concat();
            found.extend(fields_within(&DynamicMessage::new(descriptor), &inner));
        }
        found.push((path.to_vec(), field));
    }
    found
}

fn badly_encoded(field: &FieldDescriptor) -> Vec<(&'static str, Vec<u8>)> {
    let number = field.number();
    let after_tag = |wire_type, rest: &[u8]| [&tag(number, wire_type), rest].concat();
    vec![
        ("a number", after_tag(VARINT, &[1])),
        ("eight bytes", after_tag(FIXED_64, &[1; 8])),
        ("four bytes", after_tag(FIXED_32, &[1; 4])),
        ("bytes that are no UTF-8", after_tag(LENGTH_DELIMITED, &[3, 0xc3, 0x28, 0xff])),
        ("a group", [tag(number, GROUP_START), tag(number, GROUP_END)].concat()),
        ("a group that does not end", tag(number, GROUP_START)),
        ("a group that did not begin", tag(number, GROUP_END)),
        ("a wire type that does not exist", after_tag(7, &[1])),
        ("only its tag", tag(number, LENGTH_DELIMITED)),
        ("one byte of nine", after_tag(LENGTH_DELIMITED, &[9, b'a'])),
        ("the longest length", after_tag(LENGTH_DELIMITED, &varint(u64::MAX))),
        ("a number without an end", after_tag(VARINT, &[0xff; 10])),
        ("a number too long", after_tag(VARINT, &[&[0x80; 10][..], &[1]].concat())),
    ]
}

/// What is wrong with the message, not with one of its fields.
fn of_frame(encoded: &[u8]) -> Vec<Variant> {
    let unknown = 99_999;
    let after = |appended: Vec<u8>| [encoded, &appended].concat();
    let long = [tag(unknown, LENGTH_DELIMITED), varint(MEBIBYTE as u64), vec![0; MEBIBYTE]];
    let deep =
        |depth| [tag(unknown, GROUP_START).repeat(depth), tag(unknown, GROUP_END).repeat(depth)];
    let mut variants = vec![
        whole("nothing", vec![]),
        whole("an unknown number", after([tag(unknown, VARINT), varint(7)].concat())),
        whole("an unknown text", after([tag(unknown, LENGTH_DELIMITED), vec![1, b'a']].concat())),
        whole("an unknown mebibyte", after(long.concat())),
        whole(
            "10000 unknown numbers",
            after([tag(unknown, VARINT), vec![7]].concat().repeat(10_000)),
        ),
        whole("the last field number", after([tag((1 << 29) - 1, VARINT), vec![7]].concat())),
        whole("the field number 0", after(vec![0, 7])),
        whole("50 groups in each other", after(deep(50).concat())),
        whole("100000 groups in each other", after(deep(100_000).concat())),
        whole("a mebibyte of zeros", vec![0; MEBIBYTE]),
        whole("a mebibyte of ones", vec![0xff; MEBIBYTE]),
        whole("twice", encoded.repeat(2)),
        whole("JSON", br#"{"invoice": "lnbcrt1", "amount_msat": 1}"#.to_vec()),
    ];
    let cuts = (0..encoded.len()).take(CUTS);
    variants
        .extend(cuts.map(|end| whole(&format!("its first {end} bytes"), encoded[..end].to_vec())));
    variants
}

fn by_chance(encoded: &[u8], random: &mut StdRng) -> Vec<Variant> {
    let mut variants = Vec::new();
    for number in 0..RANDOM {
        let mut noise = vec![0; random.random_range(RANDOM_BYTES)];
        random.fill_bytes(&mut noise);
        let tail = [encoded, &noise].concat();
        variants.push((format!("noise {number}"), noise));
        variants.push((format!("with noise {number} at its end"), tail));
        if !encoded.is_empty() {
            let mut flipped = encoded.to_vec();
            let at = random.random_range(0..flipped.len());
            flipped[at] ^= 1 << random.random_range(0..8);
            variants.push((format!("with bit flip {number}, in byte {at}"), flipped));
        }
    }
    let by_chance = |(what, bytes): (String, _)| Variant { random: true, ..whole(&what, bytes) };
    variants.into_iter().map(by_chance).collect()
}

fn whole(what: &str, bytes: Vec<u8>) -> Variant {
    Variant { field: String::new(), what: what.to_owned(), bytes, random: false }
}

fn tag(number: u32, wire_type: u32) -> Vec<u8> {
    varint(u64::from(number << 3 | wire_type))
}

fn varint(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value, &mut bytes);
    bytes
}
