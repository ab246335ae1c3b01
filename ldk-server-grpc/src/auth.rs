//! The `x-auth` request header: proof that the caller holds the API key.
//!
//! The value is `HMAC <unix_secs>:<64 hex digits>`, the HMAC-SHA256 keyed with the ASCII bytes of
//! the API key's hex text. Two forms of the signed message are in use:
//!
//! - *timestamp only*: the time as 8 big-endian bytes;
//! - *body-bound*: the same, followed by the raw request body with its 5-byte gRPC frame header.
//!
//! The first can be replayed with another body while it is fresh, so our own clients send the
//! second.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The name of the header.
pub const HEADER: &str = "x-auth";

/// How far the caller's clock may be from the server's, in seconds, in either direction.
pub const MAX_CLOCK_SKEW_SECS: u64 = 60;

/// Which of the two forms a header was signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Only the time is signed.
    TimestampOnly,
    /// The time and the request body are signed.
    BodyBound,
}

/// Why a header was refused. The text is for the server's log, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header is not of the form `HMAC <unix_secs>:<64 hex digits>`.
    #[error("malformed x-auth header")]
    Malformed,
    /// The timestamp is further than [`MAX_CLOCK_SKEW_SECS`] from the server's clock.
    #[error("x-auth timestamp is more than {MAX_CLOCK_SKEW_SECS} s from the server's clock")]
    Stale,
    /// The signature was not made with this key over this request.
    #[error("x-auth signature does not match")]
    Mismatch,
}

/// A parsed header. Parsing and freshness come before the body is read; the signature after.
#[derive(Clone, Copy, Debug)]
pub struct Credential {
    timestamp_secs: u64,
    mac: [u8; 32],
}

impl Credential {
    /// Parses a header value, refusing one that is malformed or not fresh at `now_secs`.
    pub fn parse(value: &str, now_secs: u64) -> Result<Self, Refusal> {
        let (timestamp, mac_hex) = value
            .strip_prefix("HMAC ")
            .and_then(|rest| rest.split_once(':'))
            .ok_or(Refusal::Malformed)?;
        // `u64::from_str` accepts a leading `+`, which no client sends.
        if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::Malformed);
        }
        let timestamp_secs: u64 = timestamp.parse().map_err(|_| Refusal::Malformed)?;
        let mut mac = [0; 32];
        hex::decode_to_slice(mac_hex, &mut mac).map_err(|_| Refusal::Malformed)?;
        if timestamp_secs.abs_diff(now_secs) > MAX_CLOCK_SKEW_SECS {
            return Err(Refusal::Stale);
        }
        Ok(Self { timestamp_secs, mac })
    }

    /// Checks the signature against both forms, in constant time, and says which one it was.
    pub fn verify(&self, api_key: &str, body: &[u8]) -> Result<Form, Refusal> {
        let matches = |body| mac(api_key, self.timestamp_secs, body).verify(&self.mac.into());
        if matches(body).is_ok() {
            Ok(Form::BodyBound)
        } else if matches(&[]).is_ok() {
            Ok(Form::TimestampOnly)
        } else {
            Err(Refusal::Mismatch)
        }
    }
}

/// The header value for a request sent at `timestamp_secs`, in the body-bound form. With an empty
/// `body` this is the timestamp-only form.
///
/// `body` is the HTTP body as it goes on the wire, with its 5-byte gRPC frame header.
pub fn sign(api_key: &str, timestamp_secs: u64, body: &[u8]) -> String {
    let mac = mac(api_key, timestamp_secs, body).finalize().into_bytes();
    format!("HMAC {timestamp_secs}:{}", hex::encode(mac))
}

fn mac(api_key: &str, timestamp_secs: u64, body: &[u8]) -> Hmac<Sha256> {
    #[allow(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(api_key.as_bytes()).expect("any key length");
    mac.update(&timestamp_secs.to_be_bytes());
    mac.update(body);
    mac
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "1f2e3d4c5b6a79880f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978";
    const NOW_SECS: u64 = 1_760_000_000;

    #[test]
    fn both_forms_are_told_apart() {
        let frame = [0, 0, 0, 0, 2, 8, 1];
        let bound = Credential::parse(&sign(KEY, NOW_SECS, &frame), NOW_SECS).unwrap();
        assert_eq!(bound.verify(KEY, &frame), Ok(Form::BodyBound));
        let unbound = Credential::parse(&sign(KEY, NOW_SECS, &[]), NOW_SECS).unwrap();
        assert_eq!(unbound.verify(KEY, &frame), Ok(Form::TimestampOnly));
    }

    #[test]
    fn a_changed_body_or_key_does_not_match() {
        let credential = Credential::parse(&sign(KEY, NOW_SECS, b"pay 1"), NOW_SECS).unwrap();
        assert_eq!(credential.verify(KEY, b"pay 2"), Err(Refusal::Mismatch));
        assert_eq!(credential.verify("00", b"pay 1"), Err(Refusal::Mismatch));
    }

    #[test]
    fn a_minute_of_skew_is_accepted_and_no_more() {
        let at = |secs| Credential::parse(&sign(KEY, secs, &[]), NOW_SECS).err();
        assert_eq!(at(NOW_SECS - MAX_CLOCK_SKEW_SECS), None);
        assert_eq!(at(NOW_SECS + MAX_CLOCK_SKEW_SECS), None);
        assert_eq!(at(NOW_SECS - MAX_CLOCK_SKEW_SECS - 1), Some(Refusal::Stale));
        assert_eq!(at(NOW_SECS + MAX_CLOCK_SKEW_SECS + 1), Some(Refusal::Stale));
    }

    #[test]
    fn malformed_headers_are_refused() {
        let mac = "00".repeat(32);
        for value in [
            String::new(),
            "HMAC".to_owned(),
            format!("Bearer {NOW_SECS}:{mac}"),
            format!("HMAC {NOW_SECS}"),
            format!("HMAC +{NOW_SECS}:{mac}"),
            format!("HMAC :{mac}"),
            format!("HMAC {NOW_SECS}:{}", "00".repeat(31)),
            format!("HMAC {NOW_SECS}:{}", "00".repeat(33)),
            format!("HMAC {NOW_SECS}:{}", "zz".repeat(32)),
            format!("HMAC {}0:{mac}", u64::MAX),
        ] {
            assert_eq!(
                Credential::parse(&value, NOW_SECS).err(),
                Some(Refusal::Malformed),
                "{value}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(value in ".*") {
            let _ = Credential::parse(&value, NOW_SECS);
        }

        #[test]
        fn what_is_signed_verifies(key in ".*", secs: u64, body: Vec<u8>) {
            let credential = Credential::parse(&sign(&key, secs, &body), secs).unwrap();
            prop_assert!(credential.verify(&key, &body).is_ok());
        }
    }
}
