//! Messages that are written again without being known: only the way to what differs is followed.

use std::collections::HashMap;

use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};

/// Makes an encoded message another.
pub(super) type Change = fn(&[u8]) -> Result<Vec<u8>, DecodeError>;

/// What is in a field.
enum Inner {
    /// A message which differs.
    Changed(Change),
    /// A message which has something in it that differs.
    Holder(String),
}

/// The fields of each message by which one comes to what differs.
pub(super) struct Shapes {
    fields: HashMap<String, HashMap<u32, Inner>>,
}

impl Shapes {
    /// Of messages with these fields that are messages, and of those that differ.
    pub(super) fn new(
        all: &HashMap<String, HashMap<u32, String>>,
        differing: &HashMap<&str, Change>,
    ) -> Self {
        let mut fields: HashMap<String, HashMap<u32, Inner>> = HashMap::new();
        // Until there is no other message that holds one of those that were found.
        loop {
            let found: Vec<_> = all
                .iter()
                .filter(|(name, _)| {
                    !fields.contains_key(*name) && !differing.contains_key(name.as_str())
                })
                .filter(|(_, inner)| {
                    inner.values().any(|held| {
                        differing.contains_key(held.as_str()) || fields.contains_key(held)
                    })
                })
                .map(|(name, _)| name.clone())
                .collect();
            if found.is_empty() {
                break;
            }
            fields.extend(found.into_iter().map(|name| (name, HashMap::new())));
        }
        let holders: Vec<String> = fields.keys().cloned().collect();
        for name in &holders {
            let ways = all.get(name).into_iter().flatten().filter_map(|(number, held)| {
                let inner = differing.get(held.as_str()).map(|change| Inner::Changed(*change));
                let holder = || holders.contains(held).then(|| Inner::Holder(held.clone()));
                Some((*number, inner.or_else(holder)?))
            });
            fields.insert(name.clone(), ways.collect());
        }
        Self { fields }
    }

    /// Whether something in this message differs.
    pub(super) fn differs(&self, message: &str) -> bool {
        self.fields.contains_key(message)
    }

    /// Writes a message of this name again.
    pub(super) fn rewrite(&self, message: &str, encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let Some(fields) = self.fields.get(message) else { return Ok(encoded.to_vec()) };
        let (mut rest, mut written) = (encoded, Vec::with_capacity(encoded.len()));
        while !rest.is_empty() {
            let field = rest;
            let (number, wire_type) = decode_key(&mut rest)?;
            let inner = fields.get(&number).filter(|_| wire_type == WireType::LengthDelimited);
            let Some(inner) = inner else {
                skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
                written.extend_from_slice(&field[..field.len() - rest.len()]);
                continue;
            };
            let held = length_delimited(&mut rest)?;
            let changed = match inner {
                Inner::Changed(change) => change(held)?,
                Inner::Holder(name) => self.rewrite(name, held)?,
            };
            encode_key(number, wire_type, &mut written);
            encode_varint(changed.len() as u64, &mut written);
            written.extend_from_slice(&changed);
        }
        Ok(written)
    }
}

/// The message with this field, where it has its length before it, as another; none if there is no such
/// field.
pub(super) fn renumbered(
    encoded: &[u8],
    from: u32,
    to: u32,
) -> Result<Option<Vec<u8>>, DecodeError> {
    let (mut rest, mut written, mut is_found) = (encoded, Vec::new(), false);
    while !rest.is_empty() {
        let field = rest;
        let (number, wire_type) = decode_key(&mut rest)?;
        let value = rest;
        skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        if number == from && wire_type == WireType::LengthDelimited {
            is_found = true;
            encode_key(to, wire_type, &mut written);
            written.extend_from_slice(&value[..value.len() - rest.len()]);
        } else {
            written.extend_from_slice(&field[..field.len() - rest.len()]);
        }
    }
    Ok(is_found.then_some(written))
}

/// Takes what has its length before it.
pub(super) fn length_delimited<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = usize::try_from(decode_varint(rest)?).unwrap_or(usize::MAX);
    let (held, after) = rest.split_at_checked(length).ok_or_else(truncated)?;
    *rest = after;
    Ok(held)
}

/// The error of prost for what ends too early, which can only be had from itself.
fn truncated() -> DecodeError {
    let missing: Result<u64, DecodeError> = decode_varint(&mut &[][..]);
    missing.err().unwrap_or_else(|| unreachable!())
}
