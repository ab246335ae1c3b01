//! The units of numbers, which the comments and names of fields tell.

use prost_reflect::{FieldDescriptor, Kind};

/// What a comment says, and the unit. The phrase that comes first in a comment counts.
const PHRASES: &[(&str, &str)] = &[
    ("in millisatoshis", "msat"),
    ("times the feerate in satoshis per 1000 weight units", "msat/(sat/kWU)"),
    ("in satoshis per 1000 weight units", "sat/kWU"),
    ("in satoshis per virtual byte", "sat/vB"),
    ("in satoshis per 1000 virtual bytes", "sat/kvB"),
    ("in satoshis", "sat"),
    ("in the currency's smallest unit", "smallest unit of the currency"),
    ("in Unix seconds", "Unix time in s"),
    ("Unix seconds by custom", "Unix time in s"),
    ("in millionths", "ppm"),
    ("in seconds", "s"),
    ("in milliseconds", "ms"),
    ("how many seconds", "s"),
    ("how many days", "d"),
    ("in virtual bytes", "vB"),
    ("in bytes", "byte"),
    ("How many blocks", "block"),
    ("how many blocks", "block"),
    ("height of the block", "block height"),
    ("block height by which", "block height"),
];

/// How a name ends, and the unit.
const NAMES: &[(&str, &str)] = &[
    ("_msat", "msat"),
    ("_msats", "msat"),
    ("_sats", "sat"),
    ("_satoshis", "sat"),
    ("_sat_per_vb", "sat/vB"),
    ("_sat_per_kw", "sat/kWU"),
    ("_sat_per_kvb", "sat/kvB"),
    ("_secs", "s"),
    ("_timestamp", "Unix time in s"),
    ("_at", "Unix time in s"),
    ("valid_from", "Unix time in s"),
    ("height", "block height"),
    ("_blocks", "block"),
    ("_cltv_expiry_delta", "block"),
];

/// The unit of a field, if it is a number with a unit.
pub(super) fn of(field: &FieldDescriptor, comment: &str) -> Option<&'static str> {
    if !is_number(&field.kind()) {
        return None;
    }
    let phrase = PHRASES.iter().filter_map(|(phrase, unit)| Some((comment.find(phrase)?, unit)));
    let said = phrase.min_by_key(|(at, _)| *at).map(|(_, unit)| *unit);
    let named = || NAMES.iter().find(|(end, _)| field.name().ends_with(end)).map(|(_, unit)| *unit);
    said.or_else(named)
}

pub(super) fn is_number(kind: &Kind) -> bool {
    !matches!(kind, Kind::String | Kind::Bytes | Kind::Bool | Kind::Message(_) | Kind::Enum(_))
}
