//! Secrets of webhooks, and the signatures that are made with them, as Standard Webhooks define both.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
const MADE_BYTES: usize = 32;

/// What deliveries are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// A text is no secret. It is not quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and 24 to 64 bytes in base64; leave it empty for a new one")]
pub struct SecretRefused;

impl Secret {
    /// Makes one.
    pub fn random() -> Self {
        let bytes = Zeroizing::new(rand::random::<[u8; MADE_BYTES]>());
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, SecretRefused> {
        let digits = text.strip_prefix(PREFIX).ok_or(SecretRefused)?;
        let bytes = Zeroizing::new(BASE64.decode(digits).map_err(|_| SecretRefused)?);
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SecretRefused) }
    }

    /// Its text, to be told or kept.
    pub fn reveal(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(BASE64.encode(self.0.as_slice()));
        Zeroizing::new(format!("{PREFIX}{}", *digits))
    }

    /// The value of `webhook-signature`. HMAC takes keys of any length, so there is always one.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_signed_as_there() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_is_told_and_read_and_not_shown() {
        let secret = Secret::random();
        assert_ne!(secret, Secret::random());
        assert_eq!(Secret::parse(&secret.reveal()).unwrap(), secret);
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_quoted() {
        let short = format!("whsec_{}", BASE64.encode([1; 23]));
        let long = format!("whsec_{}", BASE64.encode([1; 65]));
        for text in ["", "5ec2e7", "whsec_", "whsec_5ec2e7%", &short, &long] {
            let refused = Secret::parse(text).unwrap_err().to_string();
            assert!(!refused.contains("5ec2e7"), "{refused}");
        }
        assert!(Secret::parse(&format!("whsec_{}", BASE64.encode([1; 24]))).is_ok());
        assert!(Secret::parse(&format!("whsec_{}", BASE64.encode([1; 64]))).is_ok());
    }
}
