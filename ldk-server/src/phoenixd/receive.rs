//! `createinvoice`, `createoffer` and `getoffer`.

use std::collections::BTreeMap;

use ldk_server_grpc::api::{Bolt11ReceiveRequest, Bolt12ReceiveRequest};
use ldk_server_grpc::types::Bolt11InvoiceDescription;
use ldk_server_grpc::types::bolt11_invoice_description::Kind;
use serde::Serialize;

use super::Call;
use super::answer::{Answer, Refusal};
use super::params::{Params, hex32};
use super::webhooks;
use crate::api::rpc;

const MAX_DESCRIPTION_CHARS: usize = 128;
/// The label of the offer that `getoffer` tells, each time the same.
const OFFER_LABEL: &str = "phoenixd-getoffer";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GeneratedInvoice {
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_sat: Option<u64>,
    payment_hash: String,
    serialized: String,
}

pub(super) async fn create_invoice(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let amount_msat = params.amount_msat()?;
    let expiry_secs = params.number("expirySeconds")?.unwrap_or_default();
    let expiry_secs =
        u32::try_from(expiry_secs).map_err(|_| Refusal::invalid("expirySeconds", "integer"))?;
    let request = Bolt11ReceiveRequest {
        amount_msat,
        description: Some(Bolt11InvoiceDescription { kind: Some(description(params)?) }),
        expiry_secs,
        external_id: params.text("externalId").unwrap_or_default().to_owned(),
        metadata: metadata(params)?,
        ..Default::default()
    };
    let made = call.ask(rpc::Bolt11Receive, request).await?;
    Answer::json(&GeneratedInvoice {
        amount_sat: amount_msat.map(|msat| msat / 1_000),
        payment_hash: made.payment_hash,
        serialized: made.invoice,
    })
}

/// What the invoice is for, which one of two parameters tells.
fn description(params: &Params) -> Result<Kind, Refusal> {
    match (described(params)?, params.text("descriptionHash")) {
        (Some(text), None) => Ok(Kind::Direct(text.to_owned())),
        (None, Some(hash)) => hex32("descriptionHash", hash).map(Kind::Hash),
        (Some(_), Some(_)) | (None, None) => {
            let reason = "Must provide either a description or descriptionHash";
            Err(Refusal::BadRequest(reason.to_owned()))
        },
    }
}

fn described(params: &Params) -> Result<Option<&str>, Refusal> {
    let text = params.text("description");
    // Java counts characters so.
    if text.is_some_and(|text| text.encode_utf16().count() > MAX_DESCRIPTION_CHARS) {
        return Err(Refusal::BadRequest(format!(
            "Request parameter description is too long (max {MAX_DESCRIPTION_CHARS} characters)"
        )));
    }
    Ok(text)
}

/// What is kept with the invoice: where it is told that it was paid.
fn metadata(params: &Params) -> Result<BTreeMap<String, String>, Refusal> {
    let url = params.text("webhookUrl").map(|url| {
        webhooks::check_url(url)?;
        Ok::<_, Refusal>((webhooks::URL_KEY.to_owned(), url.to_owned()))
    });
    Ok(url.transpose()?.into_iter().collect())
}

pub(super) async fn create_offer(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let (amount_msat, description) = (params.amount_msat()?, described(params)?);
    if amount_msat.is_some() && description.is_none() {
        let reason = "Must provide a description if an amount is specified";
        return Err(Refusal::BadRequest(reason.to_owned()));
    }
    let description = description.unwrap_or_default().to_owned();
    let request = Bolt12ReceiveRequest { amount_msat, description, ..Default::default() };
    Ok(Answer::Text(call.ask(rpc::Bolt12Receive, request).await?.offer))
}

pub(super) async fn get_offer(call: &Call) -> Result<Answer, Refusal> {
    let request = Bolt12ReceiveRequest { label: OFFER_LABEL.to_owned(), ..Default::default() };
    Ok(Answer::Text(call.ask(rpc::Bolt12Receive, request).await?.offer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T>(read: Result<T, Refusal>) -> String {
        read.err().map(|refusal| refusal.text()).unwrap_or_default()
    }

    #[test]
    fn an_invoice_has_a_description_or_the_hash_of_one() {
        let read = |form: String| description(&Params::read(form.as_bytes()));
        let hash = "AB".repeat(32);
        assert_eq!(read("description=".to_owned()).unwrap(), Kind::Direct(String::new()));
        let hashed = read(format!("descriptionHash={hash}")).unwrap();
        assert_eq!(hashed, Kind::Hash("ab".repeat(32)));
        for form in [String::new(), format!("description=a&descriptionHash={hash}")] {
            assert!(refusal(read(form)).starts_with("Must provide either"));
        }
        assert!(refusal(read("descriptionHash=aa".to_owned())).contains("hex32"));
        assert!(read(format!("description={}", "a".repeat(128))).is_ok());
        assert!(refusal(read(format!("description={}", "a".repeat(129)))).contains("max 128"));
    }

    #[test]
    fn a_webhook_must_be_a_url() {
        let read = |form: &str| metadata(&Params::read(form.as_bytes()));
        assert!(read("").unwrap().is_empty());
        let kept = read("webhookUrl=https%3A%2F%2Fshop.example%2Fpaid").unwrap();
        assert_eq!(kept[webhooks::URL_KEY], "https://shop.example/paid");
        let long = format!("webhookUrl=https://a.example/{}", "a".repeat(512));
        for wrong in ["webhookUrl=", "webhookUrl=shop", "webhookUrl=ftp://a.example/", &long] {
            assert!(refusal(read(wrong)).contains("webhookUrl"), "{wrong}");
        }
    }
}
