//! Masks secrets in log lines. The node library logs preimages at Debug, and whole messages and
//! events at Trace.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem::Finder;

use crate::urls;

/// Ends of names that a secret follows: `preimage`, `PaymentPreimage`, `payment_secret`,
/// `per_commitment_secret`. The purpose of a spontaneous payment is its preimage.
const NAMES: [&str; 3] = ["reimage", "ecret", "SpontaneousPayment"];
/// The member of LSPS requests with the token of a customer.
const TOKEN: &str = "token";
/// Shorter hexadecimal numbers are not keys.
const MIN_HEX_DIGITS: usize = 32;

/// Masks the secrets in a line.
pub(super) struct Redactor {
    names: [Finder<'static>; 3],
    token: Finder<'static>,
}

impl Default for Redactor {
    fn default() -> Self {
        Self { names: NAMES.map(Finder::new), token: Finder::new(TOKEN) }
    }
}

impl Redactor {
    /// Replaces every character of a secret by a star.
    pub(super) fn redact<'a>(&self, line: &'a [u8]) -> Cow<'a, [u8]> {
        let mut public = Cow::Borrowed(line);
        let mut mask = |secret: Option<Range<usize>>| {
            if let Some(secret) = secret {
                public.to_mut()[secret].fill(b'*');
            }
        };
        for name in &self.names {
            let length = name.needle().len();
            name.find_iter(line).for_each(|at| mask(bytes_after(line, at + length)));
        }
        self.token.find_iter(line).for_each(|at| mask(text_after(line, at + TOKEN.len())));
        urls::secrets(line).into_iter().for_each(|secret| mask(Some(secret)));
        public
    }
}

/// The position of the bytes that follow the name that ends at `at`: in hexadecimal, or as a list of
/// numbers.
fn bytes_after(line: &[u8], at: usize) -> Option<Range<usize>> {
    let value_from = |at: usize| at + count(&line[at..], |byte| !byte.is_ascii_alphanumeric());
    let mut begin = value_from(at);
    if line[begin..].starts_with(b"Some(") {
        begin = value_from(begin + b"Some".len());
    }
    let value = &line[begin..];
    let length = if line[..begin].ends_with(b"[") {
        count(value, |byte| byte.is_ascii_digit() || b", ".contains(&byte))
    } else {
        Some(count(value, |byte| byte.is_ascii_hexdigit()))
            .filter(|digits| *digits >= MIN_HEX_DIGITS)?
    };
    Some(begin..begin + length)
}

/// The position of the JSON string that follows the key that ends at `at`. The JSON may be in a
/// string itself, so its quotes may be escaped.
fn text_after(line: &[u8], at: usize) -> Option<Range<usize>> {
    let begin = at + count(&line[at..], |byte| b"\\\": ".contains(&byte));
    let is_text = line[at..begin].contains(&b':') && line[..begin].ends_with(b"\"");
    let length = count(&line[begin..], |byte| !b"\\\"".contains(&byte));
    is_text.then_some(begin..begin + length)
}

/// The number of leading bytes that match.
fn count(bytes: &[u8], is_wanted: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| is_wanted(**byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
    const HASH: &str = "1111111111111111111111111111111111111111111111111111111111111111";

    fn redacted(line: &str) -> String {
        String::from_utf8(Redactor::default().redact(line.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn no_secret_of_the_libraries_is_written() {
        for line in [
            // lightning::ln::channel, Debug
            "Claiming inbound HTLC id 0 with payment hash HASH with preimage HEX",
            // lightning::ln::channelmanager
            "Claiming HTLC with preimage HEX from our monitor",
            "We need to replay the HTLC claim for payment_hash HASH (preimage HEX) but",
            "Completing action: PaymentClaimed { payment_hash: HASH, preimage: Some(HEX) }",
            // lightning::ln::inbound_payment
            "Failing HTLC with payment_hash HASH due to mismatching preimage HEX",
            "Payment hash HASH did not match decoded preimage HEX",
            // lightning::ln::outbound_payment
            "Received duplicative fulfill for HTLC with payment_preimage HEX",
            // Events and messages at Trace
            "purpose: Bolt11InvoicePayment { payment_preimage: Some(HEX), payment_secret: HEX }",
            "payment_preimage: None, payment_secret: HEX, payment_hash: HASH",
            "purpose: SpontaneousPayment(HEX), payment_hash: HASH",
            "Received message UpdateFulfillHTLC(UpdateFulfillHTLC { payment_preimage: HEX })",
            "PaymentPreimage(PaymentPreimage(HEX))",
            // lightning::ln::channel, Trace
            "Enough info to generate a Data Loss Protect with per_commitment_secret HEX for channel",
        ] {
            let line = line.replace("HASH", HASH);
            let expected = line.replace("HEX", &"*".repeat(HEX.len()));
            assert_eq!(redacted(&line.replace("HEX", HEX)), expected);
        }
    }

    #[test]
    fn a_list_of_bytes_is_blotted_out_to_its_end() {
        let line = "RevokeAndACK { per_commitment_secret: [1, 22, 255], next: [3, 4] }";
        let expected = "RevokeAndACK { per_commitment_secret: [**********], next: [3, 4] }";
        assert_eq!(redacted(line), expected);
        assert_eq!(
            redacted("phantom_shared_secret: Some([1, 2])"),
            "phantom_shared_secret: Some([****])"
        );
    }

    #[test]
    fn the_token_of_an_lsp_is_not_written() {
        let line = r#"{"method":"lsps2.get_info","params":{"token":"a secret"},"id":"7"}"#;
        let quoted = format!("RawLSPSMessage {{ payload: {line:?} }}");
        for line in [line, &quoted, &format!("{quoted:?}")] {
            assert_eq!(redacted(line), line.replace("a secret", "********"));
        }
        for line in [r#"{"token":null,"id":"7"}"#, "the client provided an invalid token."] {
            assert_eq!(redacted(line), line);
        }
    }

    #[test]
    fn the_secrets_of_a_url_are_not_written() {
        for (line, expected) in [
            (
                "External scores background syncing enabled from https://a/b?key=hunter2&x=1",
                "External scores background syncing enabled from https://a/b?key=*******&x=*",
            ),
            ("get \"https://me:pw@a/\"", "get \"https://*****@a/\""),
        ] {
            assert_eq!(redacted(line), expected);
        }
    }

    #[test]
    fn all_else_is_left_alone() {
        for line in [
            "HTLC claim tx (1 preimage, 0 timeout, 0 revoked) with txid HASH",
            "Re-claiming HTLCs with payment hash HASH as we've released the preimage to a monitor",
            "Ignoring a payment with hash HASH: no preimage",
            "preimage",
            "preimage: 0011",
            "",
        ] {
            let line = line.replace("HASH", HASH);
            assert!(matches!(Redactor::default().redact(line.as_bytes()), Cow::Borrowed(_)));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_too_strange(line in "(preimage|secret|token|\\[|\"|:|Some\\(|[0-9a-f]{0,40}| |é)*") {
            proptest::prop_assert_eq!(redacted(&line).len(), line.len());
        }
    }
}
