//! `lnurlpay`, `lnurlwithdraw` and `paylnaddress`.

use ldk_server_grpc::api::resolve_lnurl_response::Offer;
use ldk_server_grpc::api::{
    LnurlPayRequest, LnurlWithdrawRequest, ResolveLnurlRequest, ResolveLnurlResponse,
};
use ldk_server_grpc::types::LnurlPayTerms;
use serde::Serialize;

use super::Call;
use super::answer::{Answer, Refusal};
use super::fee::FeeLimit;
use super::params::Params;
use super::pay::{Of, keep_order, outcome, pay_this_offer};
use crate::api::rpc;
use crate::error::Error;
use crate::store::PayOrder;

/// What was withdrawn. phoenixd tells `k1` as well, which the API does not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Withdrawn {
    url: String,
    min_withdrawable: u64,
    max_withdrawable: u64,
    description: String,
    invoice: String,
    /// phoenixd has no such member: it does not tell what it does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    unconfirmed_reason: Option<String>,
}

/// What a request to pay says.
struct Order<'a> {
    amount_msat: Option<u64>,
    fee_limit: FeeLimit,
    message: Option<&'a str>,
}

impl<'a> Order<'a> {
    fn read(call: &Call, params: &'a Params) -> Result<Self, Refusal> {
        Ok(Self {
            amount_msat: params.amount_msat()?,
            fee_limit: call.fee_limit().or_of(params)?,
            message: params.text("message").filter(|message| !message.is_empty()),
        })
    }

    /// Pays a service on these terms.
    async fn pay(self, call: &Call, lnurl: &str, terms: &LnurlPayTerms) -> Result<Answer, Refusal> {
        let amount_msat = self.amount_msat.unwrap_or(terms.min_amount_msat);
        // phoenixd leaves out what the service does not take.
        let comment = self.message.filter(|_| terms.max_comment_chars > 0);
        let request = LnurlPayRequest {
            lnurl: lnurl.to_owned(),
            amount_msat: Some(amount_msat),
            comment: comment.map(str::to_owned),
            route_parameters: Some(self.fee_limit.route(amount_msat)),
            ..Default::default()
        };
        let begun = call.ask(rpc::LnurlPay, request).await?;
        let order = PayOrder {
            invstring: Some(begun.invoice),
            description: Some(begun.description),
            ..Default::default()
        };
        keep_order(call, &begun.payment_id, order).await?;
        outcome(call, begun.payment_id.clone(), Of::Hash(begun.payment_id)).await
    }
}

async fn resolve(call: &Call, lnurl: &str) -> Result<ResolveLnurlResponse, Error> {
    call.ask(rpc::ResolveLnurl, ResolveLnurlRequest { lnurl: lnurl.to_owned() }).await
}

pub(super) async fn pay(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let (order, lnurl) = (Order::read(call, params)?, params.required("lnurl")?);
    match resolve(call, lnurl).await?.offer {
        Some(Offer::Pay(terms)) => order.pay(call, lnurl, &terms).await,
        Some(Offer::Withdraw(_)) | None => {
            Err(Refusal::BadRequest("this is a withdraw lnurl".to_owned()))
        },
    }
}

pub(super) async fn withdraw(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let lnurl = params.required("lnurl")?;
    let resolved = resolve(call, lnurl).await?;
    let Some(Offer::Withdraw(terms)) = resolved.offer else {
        return Err(Refusal::BadRequest("this is a payment lnurl".to_owned()));
    };
    let request = LnurlWithdrawRequest { lnurl: lnurl.to_owned(), ..Default::default() };
    let handed_over = call.ask(rpc::LnurlWithdraw, request).await?;
    Answer::json(&Withdrawn {
        url: resolved.url,
        min_withdrawable: terms.min_amount_msat,
        max_withdrawable: terms.max_amount_msat,
        description: terms.description,
        invoice: handed_over.invoice,
        unconfirmed_reason: handed_over.unconfirmed_reason,
    })
}

pub(super) async fn pay_address(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let order = Order::read(call, params)?;
    let amount_msat = order.amount_msat.ok_or_else(|| Refusal::missing("amountSat"))?;
    let address = params.text("address").map(|address| address.trim_start_matches('₿'));
    let address = address.filter(|address| is_address(address));
    let address = address.ok_or_else(|| Refusal::invalid("address", "username@domain"))?;
    let unresolved = match resolve(call, address).await {
        Ok(ResolveLnurlResponse { offer: Some(Offer::Pay(terms)), .. }) => {
            return order.pay(call, address, &terms).await;
        },
        Ok(_) => "it leads to an LNURL that pays out".to_owned(),
        Err(Error::FailedPrecondition(reason)) => reason,
        Err(error) => return Err(error.into()),
    };
    match offer_of(call, address).await? {
        Some(offer) => {
            let Order { fee_limit, message, .. } = order;
            pay_this_offer(call, &offer, Some(amount_msat), message, fee_limit).await
        },
        None => Err(Refusal::BadRequest(format!("cannot resolve address: {unresolved}"))),
    }
}

fn is_address(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(user, domain)| {
        // A name without a dot is one of a private network, where services have ports.
        !user.is_empty() && domain.contains(['.', ':']) && !domain.contains('@')
    })
}

/// The offer that is published under a name (BIP 353), if there is one.
async fn offer_of(call: &Call, name: &str) -> Result<Option<String>, Error> {
    let app = call.phoenixd.0.dispatcher.app()?;
    match app.names.resolve(name).await {
        Ok(uri) => Ok(offer_in(&uri)),
        Err(Error::FailedPrecondition(_) | Error::InvalidArgument { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The offer in a URI (BIP 321).
fn offer_in(uri: &str) -> Option<String> {
    let (_, query) = uri.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(name, _)| name.eq_ignore_ascii_case("lno"));
    found.map(|(_, offer)| offer.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_user_and_a_domain() {
        for address in ["a@b.example", "a.b+c@d.example", "a@localhost:8080"] {
            assert!(is_address(address), "{address}");
        }
        for wrong in ["", "a", "a@b", "@b.example", "a@b@c.example", "lnurl1abc"] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }

    #[test]
    fn an_offer_is_found_in_a_uri() {
        assert_eq!(offer_in("bitcoin:?lno=lno1abc").as_deref(), Some("lno1abc"));
        assert_eq!(offer_in("bitcoin:bc1q?label=x&LNO=lno1abc").as_deref(), Some("lno1abc"));
        assert_eq!(offer_in("bitcoin:bc1q?lightning=lnbc1"), None);
        assert_eq!(offer_in("bitcoin:bc1q"), None);
    }
}
