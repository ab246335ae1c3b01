//! Amounts as Core Lightning takes them: millisatoshis, or a number with its unit.

/// Millisatoshis of `123`, `123msat`, `1sat`, `1.000sat`, `0.1btc` and `0.00000000001btc`.
pub(super) fn parse_msat(text: &str) -> Option<u64> {
    if let Some(number) = text.strip_suffix("msat") {
        return whole(number);
    }
    if let Some(number) = text.strip_suffix("sat") {
        return decimal(number, 3, &[3]);
    }
    if let Some(number) = text.strip_suffix("btc") {
        return decimal(number, 11, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    }
    whole(text)
}

/// A number of digits and nothing else, so without a sign.
fn whole(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// A number times ten to this power, with so many digits after its point, if it has one.
fn decimal(text: &str, power: u32, digits: &[usize]) -> Option<u64> {
    let unit = 10_u64.checked_pow(power)?;
    let Some((integer, fraction)) = text.split_once('.') else {
        return whole(text)?.checked_mul(unit);
    };
    if !digits.contains(&fraction.len()) {
        return None;
    }
    let left = power.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let below = whole(fraction)?.checked_mul(10_u64.checked_pow(left)?)?;
    whole(integer)?.checked_mul(unit)?.checked_add(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        for (text, msat) in [
            ("0", 0),
            ("123", 123),
            ("123msat", 123),
            ("1sat", 1_000),
            ("1.234sat", 1_234),
            ("0.1btc", 10_000_000_000),
            ("2btc", 200_000_000_000),
            ("0.00000001btc", 1_000),
            ("0.00000000001btc", 1),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_msat(text), Some(msat), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_amount() {
        for text in [
            "",
            "abc",
            "any",
            "msat",
            "-1",
            "+1",
            "1.5",
            "1.0msat",
            "1.5sat",
            "1.btc",
            ".1btc",
            "0.000000000001btc",
            "1 sat",
            "1SAT",
            "1e3",
            "18446744073709551616",
            "18446744073709551615sat",
            "999999999btc",
        ] {
            assert_eq!(parse_msat(text), None, "{text}");
        }
    }
}
