//! What is kept of a webhook.

use ldk_node::lightning::io;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::secret::Secret;
use crate::clock::unix_secs;

/// The kind of the store's records that webhooks are kept as.
pub(super) const RECORDS: &str = "webhook";

/// What a webhook is made of.
pub struct NewWebhook {
    /// Where it leads.
    pub url: String,
    /// Which events it is for; all if there is none.
    pub kinds: Vec<String>,
    /// What it is for.
    pub label: String,
    /// What its deliveries are signed with.
    pub secret: Secret,
}

/// A webhook as it is on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) kinds: Vec<String>,
    pub(super) label: String,
    #[serde(serialize_with = "reveal", deserialize_with = "read")]
    pub(super) secret: Secret,
    pub(super) created_at: u64,
    /// Since when every attempt has failed.
    pub(super) failing_since: Option<u64>,
    pub(super) paused: Option<Pause>,
    pub(super) lost_events: u64,
}

/// Since when a webhook is paused, and why.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Pause {
    pub(super) at: u64,
    pub(super) reason: String,
}

impl Record {
    /// Of a new webhook.
    pub(super) fn new(NewWebhook { url, kinds, label, secret }: NewWebhook) -> Self {
        Self {
            id: format!("wh_{:016x}", rand::random::<u64>()),
            url,
            kinds,
            label,
            secret,
            created_at: unix_secs(),
            failing_since: None,
            paused: None,
            lost_events: 0,
        }
    }

    /// Whether it is for events of this kind.
    pub(super) fn is_for(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind)
    }

    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(invalid)
    }

    pub(super) fn decode(bytes: Vec<u8>) -> io::Result<Self> {
        let bytes = Zeroizing::new(bytes);
        serde_json::from_slice(&bytes).map_err(invalid)
    }
}

/// The parser's own error could quote the secret.
fn invalid(_: serde_json::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a webhook cannot be read or written")
}

fn reveal<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&secret.reveal())
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    Secret::parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_does_not_show_its_secret() {
        let secret = Secret::random();
        let record = Record::new(NewWebhook {
            url: "https://shop.example.org/".to_owned(),
            kinds: vec!["payment_received".to_owned()],
            label: "shop".to_owned(),
            secret: secret.clone(),
        });
        let read = Record::decode(record.encode().unwrap()).unwrap();
        assert_eq!((&read.id, &read.secret), (&record.id, &secret));
        assert!(read.is_for("payment_received") && !read.is_for("payment_failed"));
        assert!(!format!("{record:?}").contains("whsec_"));
        let broken = String::from_utf8(record.encode().unwrap()).unwrap();
        let broken = broken.replace("whsec_", "5ec2e7");
        assert!(!Record::decode(broken.into_bytes()).unwrap_err().to_string().contains("5ec2e7"));
    }
}
