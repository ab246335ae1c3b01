//! Services that pay out to an invoice of ours (LUD-03).

use serde::Deserialize;

use super::answer::{Answer, Failed};
use super::link::Link;

/// What a service that pays out offers.
#[derive(Clone, Debug)]
pub struct WithdrawTerms {
    callback: Link,
    /// What it recognises the request by. Whoever has it can withdraw.
    k1: String,
    /// The least that it pays, in millisatoshis.
    pub min_msat: u64,
    /// The most that it pays, in millisatoshis.
    pub max_msat: u64,
    /// What it suggests that the invoice is for.
    pub description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WithdrawRequest {
    callback: String,
    k1: String,
    #[serde(default)]
    default_description: String,
    min_withdrawable: u64,
    max_withdrawable: u64,
}

impl WithdrawTerms {
    pub(super) fn read(answer: Answer, from: &Link) -> Result<Self, Failed> {
        let request: WithdrawRequest = answer.into()?;
        if request.min_withdrawable > request.max_withdrawable || request.max_withdrawable == 0 {
            return Err(Failed::unusable("it pays no amount"));
        }
        Ok(Self {
            callback: from.next(&request.callback).map_err(Failed::unusable)?,
            k1: request.k1,
            min_msat: request.min_withdrawable.max(1),
            max_msat: request.max_withdrawable,
            description: request.default_description,
        })
    }

    /// What is to be asked to pay this invoice.
    pub(super) fn request(&self, invoice: &str) -> Link {
        self.callback.clone().with("k1", &self.k1).with("pr", invoice)
    }

    /// Reads what was answered to that.
    pub(super) fn accepted(answer: &Answer) -> Result<(), Failed> {
        match answer.text("status") {
            Some(status) if status.eq_ignore_ascii_case("ok") => Ok(()),
            _ => Err(Failed::unusable("no status")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(min: u64, max: u64, callback: &str) -> Result<WithdrawTerms, Failed> {
        let offer = json!({
            "tag": "withdrawRequest",
            "callback": callback,
            "k1": "a&b",
            "minWithdrawable": min,
            "maxWithdrawable": max,
        });
        let answer = Answer::read(200, offer.to_string().as_bytes()).unwrap();
        WithdrawTerms::read(answer, &Link::parse("lnurlw://service.com/", false).unwrap())
    }

    #[test]
    fn an_invoice_is_handed_over_with_the_secret_of_the_service() {
        let terms = read(0, 5_000, "https://service.com/callback").unwrap();
        assert_eq!((terms.min_msat, terms.max_msat, &*terms.description), (1, 5_000, ""));
        let request = terms.request("lnbc1");
        assert_eq!(request.url().as_str(), "https://service.com/callback?k1=a%26b&pr=lnbc1");
        for (min, max, callback) in
            [(2, 1, "https://service.com/"), (0, 0, "https://service.com/"), (1, 2, "http://a.b/")]
        {
            assert!(read(min, max, callback).is_err(), "{min} {max} {callback}");
        }
    }

    #[test]
    fn only_what_was_accepted_is() {
        let accepted =
            |body: &str| WithdrawTerms::accepted(&Answer::read(200, body.as_bytes()).unwrap());
        assert_eq!(accepted(r#"{"status":"OK"}"#), Ok(()));
        assert!(matches!(accepted("{}"), Err(Failed::Unknown(_))));
        assert!(matches!(accepted(r#"{"status":"later"}"#), Err(Failed::Unknown(_))));
    }
}
