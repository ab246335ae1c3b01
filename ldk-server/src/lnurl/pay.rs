//! Services that are paid (LUD-06), with a comment (LUD-12) and something to show afterwards (LUD-09).

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_node::lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescriptionRef};
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Answer, Failed};
use super::link::Link;

/// The longest text to show after the payment (LUD-09).
const MAX_SHOWN_CHARS: usize = 144;
/// The longest ciphertext in base64 (LUD-10).
const MAX_CIPHERTEXT_CHARS: usize = 4_096;

/// What a service that is paid offers.
#[derive(Clone, Debug)]
pub struct PayTerms {
    pub(super) callback: Link,
    /// The least that it takes, in millisatoshis.
    pub min_msat: u64,
    /// The most that it takes, in millisatoshis.
    pub max_msat: u64,
    /// How many characters a comment may have.
    pub max_comment_chars: u64,
    /// What the payment is for.
    pub metadata: Metadata,
}

/// What a payment is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// As the service has sent it.
    pub text: String,
    /// In one line.
    pub description: String,
    /// In more.
    pub long_description: Option<String>,
    /// The address of the payee.
    pub identifier: Option<String>,
}

/// What a service has answered to the request for an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The invoice.
    pub invoice: String,
    /// What to show once it is paid.
    pub success_action: Option<SuccessAction>,
}

/// What to show once an invoice is paid.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "tag", rename_all = "lowercase")]
pub enum SuccessAction {
    /// A text.
    Message {
        /// The text.
        message: String,
    },
    /// A link.
    Url {
        /// What it is.
        description: String,
        /// Where it leads.
        url: String,
    },
    /// A text that is encrypted with the preimage (LUD-10).
    Aes {
        /// What it is.
        description: String,
        /// The text, in base64.
        ciphertext: String,
        /// The initialization vector, in base64.
        iv: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PayRequest {
    callback: String,
    min_sendable: u64,
    max_sendable: u64,
    metadata: String,
    comment_allowed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invoice {
    pr: String,
    success_action: Option<SuccessAction>,
}

impl PayTerms {
    pub(super) fn read(answer: Answer, from: &Link) -> Result<Self, Failed> {
        let request: PayRequest = answer.into()?;
        if request.min_sendable > request.max_sendable || request.max_sendable == 0 {
            return Err(Failed::unusable("it takes no amount"));
        }
        Ok(Self {
            callback: from.next(&request.callback).map_err(Failed::unusable)?,
            min_msat: request.min_sendable.max(1),
            max_msat: request.max_sendable,
            max_comment_chars: request.comment_allowed.unwrap_or_default(),
            metadata: Metadata::read(request.metadata)?,
        })
    }

    /// What is to be asked for an invoice.
    pub(super) fn request(&self, amount_msat: u64, comment: Option<&str>) -> Link {
        let link = self.callback.clone().with("amount", &amount_msat.to_string());
        match comment {
            Some(comment) => link.with("comment", comment),
            None => link,
        }
    }

    /// Reads what was answered to that.
    pub(super) fn asked(&self, answer: Answer) -> Result<Asked, Failed> {
        let Invoice { pr, success_action } = answer.into()?;
        if let Some(action) = &success_action {
            action.check(self.callback.domain())?;
        }
        Ok(Asked { invoice: pr, success_action })
    }

    /// Says what is wrong with an invoice of this service, if it is not what was asked for.
    pub fn fault_of(&self, invoice: &Bolt11Invoice, amount_msat: u64) -> Option<String> {
        let found = invoice.amount_milli_satoshis();
        if found != Some(amount_msat) {
            let found = found.map_or("no amount".to_owned(), |found| format!("{found} msat"));
            return Some(format!(
                "its invoice is for {found}, not the {amount_msat} msat asked for"
            ));
        }
        let is_described = match invoice.description() {
            Bolt11InvoiceDescriptionRef::Hash(hash) => hash.0 == self.metadata.hash(),
            Bolt11InvoiceDescriptionRef::Direct(_) => false,
        };
        let reason = "its invoice does not have the hash of what the service says it is for";
        (!is_described).then(|| reason.to_owned())
    }
}

impl Metadata {
    fn read(text: String) -> Result<Self, Failed> {
        let entries: Vec<Vec<Value>> = serde_json::from_str(&text).map_err(Failed::unusable)?;
        let find = |kind: &str| {
            let is_it = |entry: &&Vec<Value>| entry.first().and_then(Value::as_str) == Some(kind);
            entries.iter().find(is_it)?.get(1)?.as_str().map(str::to_owned)
        };
        Ok(Self {
            description: find("text/plain")
                .ok_or_else(|| Failed::unusable("its metadata has no text/plain"))?,
            long_description: find("text/long-desc"),
            identifier: find("text/identifier").or_else(|| find("text/email")),
            text,
        })
    }

    /// Its hash, which an invoice must have.
    pub fn hash(&self) -> sha256::Hash {
        sha256::Hash::hash(self.text.as_bytes())
    }
}

impl SuccessAction {
    /// Before anything is paid: who has paid cannot do without what it is paid for.
    fn check(&self, domain: &str) -> Result<(), Failed> {
        let is_short = |text: &str| text.chars().count() <= MAX_SHOWN_CHARS;
        let is_good = match self {
            Self::Message { message } => is_short(message),
            Self::Url { description, url } => {
                let url = reqwest::Url::parse(url).ok();
                let host = url.as_ref().and_then(reqwest::Url::host_str);
                is_short(description)
                    && host.is_some_and(|host| host.trim_matches(['[', ']']) == domain)
            },
            Self::Aes { description, ciphertext, iv } => {
                is_short(description) && ciphertext.len() <= MAX_CIPHERTEXT_CHARS && iv.len() == 24
            },
        };
        if is_good {
            Ok(())
        } else {
            Err(Failed::unusable("its successAction breaks a rule of LUD-09"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn link() -> Link {
        Link::parse("lnurlp://service.com/pay", false).unwrap()
    }

    fn answer(value: &Value) -> Answer {
        Answer::read(200, value.to_string().as_bytes()).unwrap()
    }

    fn offer() -> Value {
        json!({
            "tag": "payRequest",
            "callback": "https://service.com/callback?id=1",
            "minSendable": 1_000,
            "maxSendable": 5_000,
            "metadata": r#"[["text/plain","tea"],["text/long-desc","green"],["image/png;base64","AA"],["text/identifier","a@b"]]"#,
            "commentAllowed": 10,
        })
    }

    fn with(name: &str, value: Value) -> Result<PayTerms, Failed> {
        let mut offer = offer();
        offer[name] = value;
        PayTerms::read(answer(&offer), &link())
    }

    #[test]
    fn an_offer_says_what_is_paid_for_and_asked_for() {
        let terms = PayTerms::read(answer(&offer()), &link()).unwrap();
        assert_eq!((terms.min_msat, terms.max_msat, terms.max_comment_chars), (1_000, 5_000, 10));
        assert_eq!(terms.metadata.description, "tea");
        assert_eq!(terms.metadata.long_description.as_deref(), Some("green"));
        assert_eq!(terms.metadata.identifier.as_deref(), Some("a@b"));
        let request = terms.request(2_000, Some("a & b"));
        assert_eq!(
            request.url().as_str(),
            "https://service.com/callback?id=1&amount=2000&comment=a+%26+b"
        );
        assert!(!terms.request(2_000, None).url().as_str().contains("comment"));
    }

    #[test]
    fn an_offer_that_makes_no_sense_is_refused() {
        assert_eq!(with("minSendable", json!(0)).unwrap().min_msat, 1);
        assert_eq!(with("commentAllowed", json!(null)).unwrap().max_comment_chars, 0);
        for (name, value) in [
            ("minSendable", json!(5_001)),
            ("maxSendable", json!(0)),
            ("maxSendable", json!(-1)),
            ("maxSendable", json!("5000")),
            ("metadata", json!("tea")),
            ("metadata", json!(r#"[["text/plain"]]"#)),
            ("metadata", json!(r#"[["text/html","tea"]]"#)),
            ("callback", json!("http://service.com/")),
            ("callback", json!("https://127.0.0.1/")),
            ("callback", json!(null)),
        ] {
            assert!(matches!(with(name, value.clone()), Err(Failed::Unknown(_))), "{name} {value}");
        }
    }

    #[test]
    fn what_is_shown_after_a_payment_is_checked_before_it() {
        let terms = PayTerms::read(answer(&offer()), &link()).unwrap();
        let asked = |action: Value| {
            terms.asked(answer(&json!({ "pr": "lnbc1", "routes": [], "successAction": action })))
        };
        assert_eq!(asked(json!(null)).unwrap().success_action, None);
        for good in [
            json!({ "tag": "message", "message": "a".repeat(144) }),
            json!({ "tag": "url", "description": "ticket", "url": "https://service.com/ticket" }),
            json!({ "tag": "aes", "description": "code", "ciphertext": "AA==", "iv": "a".repeat(24) }),
        ] {
            assert!(asked(good.clone()).unwrap().success_action.is_some(), "{good}");
        }
        for bad in [
            json!({ "tag": "message", "message": "a".repeat(145) }),
            json!({ "tag": "message" }),
            json!({ "tag": "script", "message": "rm" }),
            json!({ "tag": "url", "description": "ticket", "url": "https://evil.com/" }),
            json!({ "tag": "url", "description": "ticket", "url": "javascript:alert(1)" }),
            json!({ "tag": "aes", "description": "code", "ciphertext": "AA==", "iv": "" }),
        ] {
            assert!(asked(bad.clone()).is_err(), "{bad}");
        }
        assert!(terms.asked(answer(&json!({ "routes": [] }))).is_err());
    }
}
