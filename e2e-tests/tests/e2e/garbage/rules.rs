//! What a field may be without the request being a bad one, and what it must not be, lest the call
//! succeed.

use std::net::SocketAddr;

use crate::garbage::bases::{FORTUNE_MSAT, FORTUNE_SATS};
use crate::garbage::judge::Difference;

const MAX_MONEY_SATS: u64 = 2_100_000_000_000_000;
const MAX_DESCRIPTION_BYTES: usize = 639;

pub(crate) fn positive(difference: &Difference) -> bool {
    difference.number().is_some_and(|number| number > 0)
}

/// A variant of an enumeration whose last one is this, or none.
pub(crate) fn variant(difference: &Difference, last: i32) -> bool {
    let number = difference.value.as_ref().map(prost_reflect::Value::as_enum_number);
    number.is_none_or(|number| number.is_some_and(|number| (0..=last).contains(&number)))
}

/// The first page.
pub(crate) fn no_token(difference: &Difference) -> bool {
    difference.field == "page_token" && difference.value.is_none()
}

/// The first page, or a place in a list whose items have numbers.
pub(crate) fn numbered_place(difference: &Difference) -> bool {
    place(difference, 16)
}

/// The first page, or a place in a list whose items have ids of 32 bytes.
pub(crate) fn place_by_id(difference: &Difference) -> bool {
    place(difference, 64)
}

fn place(difference: &Difference, digits: usize) -> bool {
    match difference.field.as_str() {
        "page_token.token" => {
            difference.text().is_some_and(|text| text.len() == digits && is_hex(text))
        },
        "page_token.index" => difference
            .value
            .as_ref()
            .is_none_or(|index| index.as_i64().is_some_and(|index| index >= 0)),
        _ => no_token(difference),
    }
}

pub(crate) fn money(difference: &Difference) -> bool {
    difference.number().is_some_and(|msat| (1..=MAX_MONEY_SATS * 1000).contains(&msat))
}

pub(crate) fn absent_or_money(difference: &Difference) -> bool {
    difference.value.is_none() || money(difference)
}

/// No text at all is a description, too.
pub(crate) fn described(difference: &Difference) -> bool {
    match difference.field.as_str() {
        "description.direct" => shorter_than(difference, MAX_DESCRIPTION_BYTES),
        "description.hash" => difference.value.is_none() || hash(difference),
        _ => true,
    }
}

pub(crate) fn shorter_than(difference: &Difference, limit: usize) -> bool {
    difference.value.is_none() || difference.text().is_some_and(|text| text.len() <= limit)
}

/// Any word, or none.
pub(crate) fn idempotency_key(difference: &Difference) -> bool {
    let is_word = |text: &str| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    difference.value.is_none() || difference.text().is_some_and(is_word)
}

/// 32 bytes; which, is up to the caller.
pub(crate) fn hash(difference: &Difference) -> bool {
    difference.text().is_some_and(|text| text.len() == 64 && is_hex(text))
}

/// What may be the name of a consumer of events, or of none.
pub(crate) fn absent_or_consumer(difference: &Difference) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    difference.value.is_none()
        || difference.text().is_some_and(|name| name.len() <= 64 && name.bytes().all(is_plain))
}

/// What may be the name of an API key.
pub(crate) fn key_name(difference: &Difference) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    difference
        .text()
        .is_some_and(|name| (1..=32).contains(&name.len()) && name.bytes().all(is_plain))
}

/// What a backup can be encrypted with.
pub(crate) fn passphrase(difference: &Difference) -> bool {
    difference.text().is_some_and(|text| (12..=1024).contains(&text.chars().count()))
}

/// What may be the key of another node.
pub(crate) fn key(difference: &Difference) -> bool {
    difference.text().is_some_and(|text| {
        let (parity, x) = text.split_at_checked(2).unwrap_or_default();
        ["02", "03"].contains(&parity) && x.len() == 64 && is_hex(x)
    })
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Offers have no checksum, so that one with a mistake in it can be another offer.
pub(crate) fn offer(difference: &Difference) -> bool {
    begins_with("lno1", difference)
}

/// Refunds have no checksum either.
pub(crate) fn refund(difference: &Difference) -> bool {
    begins_with("lnr1", difference)
}

/// What may be a Lightning address.
pub(crate) fn address_at(difference: &Difference) -> bool {
    difference.text().is_some_and(|text| text.contains('@'))
}

fn begins_with(prefix: &str, difference: &Difference) -> bool {
    difference.text().is_some_and(|text| {
        let text = text.to_ascii_lowercase();
        text.starts_with(prefix) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Invoices and hex may be written in capital letters.
pub(crate) fn same_text(difference: &Difference) -> bool {
    difference
        .was_text()
        .zip(difference.text())
        .is_some_and(|(was, is)| was.eq_ignore_ascii_case(is))
}

pub(crate) fn same_number(difference: &Difference) -> bool {
    let number = |text: &str| text.parse::<u128>().ok();
    let (was, is) = (difference.was_text(), difference.text());
    was.zip(is).is_some_and(|(was, is)| number(was) == number(is) && !is.starts_with('+'))
}

pub(crate) fn at_least_a_fortune(difference: &Difference) -> bool {
    money(difference) && difference.number() >= Some(FORTUNE_MSAT)
}

pub(crate) fn affordable(difference: &Difference) -> bool {
    difference.number().is_some_and(|sats| (1..FORTUNE_SATS).contains(&sats))
}

/// A host is looked up, which is not for a test to do.
pub(crate) fn names_a_host(difference: &Difference) -> bool {
    difference.text().is_some_and(|text| text.contains(':') && text.parse::<SocketAddr>().is_err())
}

pub(crate) fn routable(difference: &Difference) -> bool {
    match difference.field.as_str() {
        "route_parameters.max_path_count"
        | "route_parameters.max_channel_saturation_power_of_half" => {
            difference.number().is_none_or(|number| number <= 255)
        },
        "route_parameters.max_total_routing_fee_ppm" => {
            difference.number().is_none_or(|ppm| ppm <= 1_000_000)
        },
        _ => true,
    }
}

pub(crate) fn configurable(difference: &Difference) -> bool {
    match difference.field.as_str() {
        // It is what is to be changed.
        "channel_config" => difference.value.is_some(),
        "channel_config.cltv_expiry_delta" => {
            difference.number().is_none_or(|blocks| (48..=65_535).contains(&blocks))
        },
        "channel_config.force_close_avoidance_max_fee_satoshis" => {
            difference.number().is_none_or(|sats| sats <= MAX_MONEY_SATS)
        },
        "channel_config.fixed_limit_msat" => {
            difference.number().is_none_or(|msat| msat <= MAX_MONEY_SATS * 1000)
        },
        _ => true,
    }
}
