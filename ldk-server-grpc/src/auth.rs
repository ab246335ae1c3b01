//! The `x-auth` request header: proof that the caller holds the API key.
//!
//! The header has one of three forms. Each is an HMAC-SHA256 keyed with the ASCII bytes of the API key's
//! hex text; they differ in what is signed:
//!
//! | form | value | signed |
//! |--|--|--|
//! | *timestamp only* | `HMAC <unix_secs>:<mac>` | the time as 8 big-endian bytes |
//! | *body-bound* | `HMAC <unix_secs>:<mac>` | the same, then the raw request body with its 5-byte gRPC frame header |
//! | *request-bound* | `HMAC2 <unix_secs>:<nonce>:<mac>` | `HMAC2`, the time as 8 big-endian bytes, the 16 bytes of the nonce, the length of the path as 4 big-endian bytes, the path, the raw request body |
//!
//! `<mac>` is 64 hex digits, `<nonce>` 32, made anew for each request. Whoever sees a header of the first
//! form can use it for any other request as long as it is fresh, and one of the second for another method
//! that takes the same message, or again. One of the third is good for one request, once. Our own clients
//! send that.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The name of the header.
pub const HEADER: &str = "x-auth";

/// The name of the header that names the API key a request was signed with, where that is not the first.
/// Without it the server tries all keys, unless the request is large.
pub const KEY_NAME_HEADER: &str = "x-auth-key";

/// How far the caller's clock may be from the server's, in seconds, in either direction.
pub const MAX_CLOCK_SKEW_SECS: u64 = 60;

/// What the request-bound form begins with, in the header and in what is signed.
const REQUEST_BOUND: &str = "HMAC2";

/// A number that is used for one request only.
pub type Nonce = [u8; 16];

/// Which of the forms a header was signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Only the time is signed.
    TimestampOnly,
    /// The time and the request body are signed.
    BodyBound,
    /// The time, a nonce, the path and the request body are signed.
    RequestBound,
}

/// Why a header was refused. The text is for the server's log, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header is of none of the forms.
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
    /// In the request-bound form only.
    nonce: Option<Nonce>,
    mac: [u8; 32],
}

impl Credential {
    /// Parses a header value, refusing one that is malformed or not fresh at `now_secs`.
    pub fn parse(value: &str, now_secs: u64) -> Result<Self, Refusal> {
        let (scheme, rest) = value.split_once(' ').ok_or(Refusal::Malformed)?;
        let (timestamp, rest) = rest.split_once(':').ok_or(Refusal::Malformed)?;
        let (nonce, mac) = match scheme {
            "HMAC" => (None, digits(rest)?),
            REQUEST_BOUND => {
                let (nonce, mac) = rest.split_once(':').ok_or(Refusal::Malformed)?;
                (Some(digits(nonce)?), digits(mac)?)
            },
            _ => return Err(Refusal::Malformed),
        };
        // `u64::from_str` accepts a leading `+`, which no client sends.
        if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::Malformed);
        }
        let timestamp_secs: u64 = timestamp.parse().map_err(|_| Refusal::Malformed)?;
        if timestamp_secs.abs_diff(now_secs) > MAX_CLOCK_SKEW_SECS {
            return Err(Refusal::Stale);
        }
        Ok(Self { timestamp_secs, nonce, mac })
    }

    /// Checks the signature of a request to `path` with this body, in constant time, and says in which
    /// form it was made.
    pub fn verify(&self, api_key: &str, path: &str, body: &[u8]) -> Result<Form, Refusal> {
        let is = |mac: Hmac<Sha256>| mac.verify(&self.mac.into()).is_ok();
        if let Some(nonce) = &self.nonce {
            let bound = request_mac(api_key, self.timestamp_secs, nonce, path, body);
            return if is(bound) { Ok(Form::RequestBound) } else { Err(Refusal::Mismatch) };
        }
        if is(mac(api_key, self.timestamp_secs, body)) {
            Ok(Form::BodyBound)
        } else if is(mac(api_key, self.timestamp_secs, &[])) {
            Ok(Form::TimestampOnly)
        } else {
            Err(Refusal::Mismatch)
        }
    }

    /// When the request was signed, in Unix seconds of the caller's clock.
    pub fn timestamp_secs(&self) -> u64 {
        self.timestamp_secs
    }

    /// The signature, which two different requests never share.
    pub fn mac(&self) -> &[u8; 32] {
        &self.mac
    }
}

fn digits<const N: usize>(text: &str) -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| Refusal::Malformed)?;
    Ok(bytes)
}

/// The header value for a request to `path` sent at `timestamp_secs`, in the request-bound form. The
/// `nonce` must be one that was not used before, such as a random one.
///
/// `path` is the `:path` of the HTTP request, such as `/api.LightningNode/GetNodeInfo`; `body` is the
/// HTTP body as it goes on the wire, with its 5-byte gRPC frame header.
pub fn sign_request(
    api_key: &str,
    timestamp_secs: u64,
    nonce: &Nonce,
    path: &str,
    body: &[u8],
) -> String {
    let mac = request_mac(api_key, timestamp_secs, nonce, path, body).finalize().into_bytes();
    let (nonce, mac) = (hex::encode(nonce), hex::encode(mac));
    format!("{REQUEST_BOUND} {timestamp_secs}:{nonce}:{mac}")
}

/// The header value for a request sent at `timestamp_secs`, in the body-bound form of other people's
/// clients. With an empty `body` this is the timestamp-only form.
///
/// `body` is the HTTP body as it goes on the wire, with its 5-byte gRPC frame header.
pub fn sign(api_key: &str, timestamp_secs: u64, body: &[u8]) -> String {
    let mac = mac(api_key, timestamp_secs, body).finalize().into_bytes();
    format!("HMAC {timestamp_secs}:{}", hex::encode(mac))
}

fn mac(api_key: &str, timestamp_secs: u64, body: &[u8]) -> Hmac<Sha256> {
    keyed(api_key, &[&timestamp_secs.to_be_bytes(), body])
}

fn request_mac(
    api_key: &str,
    timestamp_secs: u64,
    nonce: &Nonce,
    path: &str,
    body: &[u8],
) -> Hmac<Sha256> {
    // Without its length, the end of a path could be taken for the begin of a body.
    let length = u32::try_from(path.len()).unwrap_or(u32::MAX).to_be_bytes();
    let timestamp = timestamp_secs.to_be_bytes();
    keyed(api_key, &[REQUEST_BOUND.as_bytes(), &timestamp, nonce, &length, path.as_bytes(), body])
}

fn keyed(api_key: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
    #[allow(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(api_key.as_bytes()).expect("any key length");
    for part in parts {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "1f2e3d4c5b6a79880f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978";
    const NOW_SECS: u64 = 1_760_000_000;

    const PATH: &str = "/api.LightningNode/Bolt11Send";
    const NONCE: Nonce = [7; 16];

    fn sign_bound(path: &str, body: &[u8]) -> Credential {
        let value = sign_request(KEY, NOW_SECS, &NONCE, path, body);
        Credential::parse(&value, NOW_SECS).unwrap()
    }

    #[test]
    fn a_request_bound_header_is_for_its_path_and_body() {
        let credential = sign_bound(PATH, b"pay 1");
        assert_eq!(credential.verify(KEY, PATH, b"pay 1"), Ok(Form::RequestBound));
        let other = "/api.LightningNode/DecodeInvoice";
        for (key, path, body) in [
            (KEY, other, &b"pay 1"[..]),
            (KEY, PATH, b"pay 2"),
            (KEY, "/api.LightningNode/Bolt11Sendp", b"ay 1"),
            ("00", PATH, b"pay 1"),
        ] {
            assert_eq!(credential.verify(key, path, body), Err(Refusal::Mismatch), "{path}");
        }
    }

    #[test]
    fn a_header_of_one_form_is_none_of_another() {
        let bound = sign_request(KEY, NOW_SECS, &NONCE, PATH, b"");
        let mac = bound.rsplit(':').next().unwrap();
        let older = Credential::parse(&format!("HMAC {NOW_SECS}:{mac}"), NOW_SECS).unwrap();
        assert_eq!(older.verify(KEY, PATH, b""), Err(Refusal::Mismatch));
        let older = sign(KEY, NOW_SECS, b"");
        let mac = older.rsplit(':').next().unwrap();
        let newer = format!("HMAC2 {NOW_SECS}:{}:{mac}", hex::encode(NONCE));
        let newer = Credential::parse(&newer, NOW_SECS).unwrap();
        assert_eq!(newer.verify(KEY, PATH, b""), Err(Refusal::Mismatch));
    }

    /// For those who write clients in other languages.
    #[test]
    fn the_form_is_as_documented() {
        let expected = "HMAC2 1760000000:07070707070707070707070707070707:\
                        98333372feb49ef9cfa5244b932a0c0c71e139bd8a1bd5870223e82764cc401d";
        let signed = sign_request(KEY, NOW_SECS, &NONCE, PATH, &[0, 0, 0, 0, 2, 8, 1]);
        assert_eq!(signed, expected);
    }

    #[test]
    fn both_older_forms_are_told_apart() {
        let frame = [0, 0, 0, 0, 2, 8, 1];
        let bound = Credential::parse(&sign(KEY, NOW_SECS, &frame), NOW_SECS).unwrap();
        assert_eq!(bound.verify(KEY, PATH, &frame), Ok(Form::BodyBound));
        let unbound = Credential::parse(&sign(KEY, NOW_SECS, &[]), NOW_SECS).unwrap();
        assert_eq!(unbound.verify(KEY, PATH, &frame), Ok(Form::TimestampOnly));
    }

    #[test]
    fn a_changed_body_or_key_does_not_match() {
        let credential = Credential::parse(&sign(KEY, NOW_SECS, b"pay 1"), NOW_SECS).unwrap();
        assert_eq!(credential.verify(KEY, PATH, b"pay 2"), Err(Refusal::Mismatch));
        assert_eq!(credential.verify("00", PATH, b"pay 1"), Err(Refusal::Mismatch));
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
            format!("HMAC {NOW_SECS}:{}:{mac}", "00".repeat(16)),
            format!("HMAC2 {NOW_SECS}:{mac}"),
            format!("HMAC2 {NOW_SECS}:{}:{mac}", "00".repeat(15)),
            format!("HMAC2  {NOW_SECS}:{}:{mac}", "00".repeat(16)),
            format!("HMAC3 {NOW_SECS}:{}:{mac}", "00".repeat(16)),
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
            prop_assert!(credential.verify(&key, PATH, &body).is_ok());
            let bound = sign_request(&key, secs, &NONCE, PATH, &body);
            let credential = Credential::parse(&bound, secs).unwrap();
            prop_assert_eq!(credential.verify(&key, PATH, &body), Ok(Form::RequestBound));
        }
    }
}
