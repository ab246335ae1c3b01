//! LNURL services and Lightning addresses.

use ldk_node::bitcoin::Network;
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_server_grpc::api::resolve_lnurl_response::Offer;
use ldk_server_grpc::api::{
    LnurlPayRequest, LnurlPayResponse, LnurlWithdrawRequest, LnurlWithdrawResponse,
    ResolveLnurlRequest, ResolveLnurlResponse,
};
use ldk_server_grpc::types;
use ldk_server_grpc::types::bolt11_invoice_description::Kind;
use ldk_server_grpc::types::lnurl_success_action::Action;
use prost::Message as _;

use super::dispatcher::Call;
use super::{bolt11, bolt12, fields, notes, pasted, route};
use crate::app::App;
use crate::error::Error;
use crate::lnurl::{Asked, Link, Offered, PayTerms, SuccessAction, WithdrawTerms};
use crate::ops;
use crate::ops::lnurl::{Withdrawn, amount_within};

/// So long a description may be in an invoice, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 639;

pub(super) async fn resolve(
    call: Call,
    ResolveLnurlRequest { lnurl }: ResolveLnurlRequest,
) -> Result<ResolveLnurlResponse, Error> {
    let app = call.app()?;
    let link = link(&app, &lnurl)?;
    let _place = app.lnurl.enter()?;
    let offer = match ops::lnurl::resolve(&app, &link).await? {
        Offered::Pay(terms) => Offer::Pay(pay_terms(terms)),
        Offered::Withdraw(terms) => Offer::Withdraw(types::LnurlWithdrawTerms {
            min_amount_msat: terms.min_msat,
            max_amount_msat: terms.max_msat,
            description: terms.description,
        }),
    };
    let (url, domain) = (link.url().to_string(), link.domain().to_owned());
    Ok(ResolveLnurlResponse { url, domain, offer: Some(offer) })
}

/// An LNURL may be a secret, and so is not quoted.
fn link(app: &App, text: &str) -> Result<Link, Error> {
    let refused = |error: crate::lnurl::LinkRefused| Error::invalid("lnurl", error.to_string());
    let text = pasted::lightning(text);
    if let Some(reason) = pasted::instead_of("lnurl", text) {
        return Err(Error::invalid("lnurl", reason));
    }
    app.lnurl.link(text).map_err(refused)
}

fn pay_terms(terms: PayTerms) -> types::LnurlPayTerms {
    let description_hash = terms.metadata.hash().to_string();
    types::LnurlPayTerms {
        min_amount_msat: terms.min_msat,
        max_amount_msat: terms.max_msat,
        description: terms.metadata.description,
        long_description: terms.metadata.long_description,
        identifier: terms.metadata.identifier,
        max_comment_chars: terms.max_comment_chars,
        metadata: terms.metadata.text,
        description_hash,
    }
}

pub(super) async fn pay(call: Call, request: LnurlPayRequest) -> Result<LnurlPayResponse, Error> {
    let app = call.app()?;
    let LnurlPayRequest {
        lnurl,
        amount_msat,
        comment,
        route_parameters,
        idempotency_key: _,
        label,
        metadata,
    } = request;
    let notes = notes::of_payment(label, metadata)?;
    let amount_msat = checked_amount(amount_msat)?;
    let limits = route::limits(app.route_defaults, route_parameters)?;
    let link = link(&app, &lnurl)?;
    let place = app.lnurl.enter()?;
    let terms = ops::lnurl::pay_terms(&app, &link).await?;
    let amount_msat = amount_within(amount_msat, terms.min_msat, terms.max_msat)?;
    let asked = ops::lnurl::invoice(&app, &terms, amount_msat, comment.as_deref()).await?;
    drop(place);
    let invoice = invoice(&asked, app.network)?;
    // The service takes its time: the server may be stopping by now.
    let app = call.app()?;
    let answer = LnurlPayResponse {
        amount_msat,
        invoice: asked.invoice,
        description: terms.metadata.description.clone(),
        success_action: asked.success_action.map(success_action),
        ..Default::default()
    };
    if let Some(intent) = call.caller.intent() {
        intent.answers_with(answer.encode_to_vec());
    }
    let payment = ops::lnurl::Payment { invoice, amount_msat, limits, notes };
    let id = ops::lnurl::pay(&app, call.caller, &terms, payment).await?;
    Ok(LnurlPayResponse { payment_id: hex::encode(id.0), ..answer })
}

fn checked_amount(amount_msat: Option<u64>) -> Result<Option<u64>, Error> {
    amount_msat.map(|amount| fields::amount_msat("amount_msat", amount)).transpose()
}

/// What is wrong with the invoice is not what the caller has asked for.
fn invoice(asked: &Asked, network: Network) -> Result<Bolt11Invoice, Error> {
    fields::invoice("invoice", &asked.invoice, network).map_err(|error| {
        Error::FailedPrecondition(format!("the LNURL service has sent no invoice to pay: {error}"))
    })
}

fn success_action(action: SuccessAction) -> types::LnurlSuccessAction {
    let action = match action {
        SuccessAction::Message { message } => Action::Message(message),
        SuccessAction::Url { description, url } => {
            Action::Url(types::LnurlLink { description, url })
        },
        SuccessAction::Aes { description, ciphertext, iv } => {
            Action::Aes(types::LnurlCiphertext { description, ciphertext, iv })
        },
    };
    types::LnurlSuccessAction { action: Some(action) }
}

pub(super) async fn withdraw(
    call: Call,
    request: LnurlWithdrawRequest,
) -> Result<LnurlWithdrawResponse, Error> {
    let app = call.app()?;
    let LnurlWithdrawRequest { lnurl, amount_msat, description, expiry_secs } = request;
    let amount_msat = checked_amount(amount_msat)?;
    if let Some(description) = &description {
        bolt12::at_most_bytes("description", description, MAX_DESCRIPTION_BYTES)?;
    }
    let link = link(&app, &lnurl)?;
    let _place = app.lnurl.enter()?;
    let terms = ops::lnurl::withdraw_terms(&app, &link).await?;
    let amount_msat = amount_msat.unwrap_or(terms.max_msat);
    let amount_msat = amount_within(Some(amount_msat), terms.min_msat, terms.max_msat)?;
    let description = description.unwrap_or_else(|| shortened(&terms).to_owned());
    let invoice_terms = bolt11::parse_terms(
        Some(amount_msat),
        Some(types::Bolt11InvoiceDescription { kind: Some(Kind::Direct(description)) }),
        expiry_secs,
    )?;
    let app = call.app()?;
    let Withdrawn { id, invoice, unconfirmed_reason } =
        ops::lnurl::withdraw(&app, &terms, invoice_terms).await?;
    Ok(LnurlWithdrawResponse {
        payment_id: hex::encode(id.0),
        amount_msat,
        invoice,
        unconfirmed_reason,
    })
}

/// As much of what the service suggests as fits an invoice.
fn shortened(terms: &WithdrawTerms) -> &str {
    let text = &terms.description;
    text.get(..text.floor_char_boundary(MAX_DESCRIPTION_BYTES)).unwrap_or_default()
}
