//! BOLT 11 invoices.

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_node::lightning_invoice::{Bolt11InvoiceDescription, Description, Sha256};
use ldk_node::lightning_types::payment::PaymentPreimage;
use ldk_server_grpc::api::{
    Bolt11ReceiveRequest, Bolt11ReceiveResponse, Bolt11SendRequest, Bolt11SendResponse,
    Bolt11SendUnderpayingRequest, Bolt11SendUnderpayingResponse,
};
use ldk_server_grpc::types;
use ldk_server_grpc::types::bolt11_invoice_description::Kind;

use super::canonical::DEFAULT_EXPIRY_SECS;
use super::{amount, fields, notes, route};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::ops::terms::Terms;
use crate::store::with_notes;

pub(super) fn receive(
    app: &App,
    _: &Caller,
    mut request: Bolt11ReceiveRequest,
) -> Result<Bolt11ReceiveResponse, Error> {
    let noted = notes::take(&mut request)?;
    let Bolt11ReceiveRequest { amount_msat, description, expiry_secs, preimage, .. } = request;
    let terms = parse_terms(amount_msat, description, expiry_secs)?;
    let invoice = match preimage.as_str() {
        "" => ops::bolt11::receive(app, &terms, noted)?,
        preimage => {
            let preimage = PaymentPreimage(fields::secret("preimage", preimage)?);
            ops::bolt11::receive_with_preimage(app, &terms, noted, preimage)?
        },
    };
    Ok(Bolt11ReceiveResponse {
        payment_hash: hex::encode(invoice.payment_hash().to_byte_array()),
        payment_secret: hex::encode(invoice.payment_secret().0),
        invoice: invoice.to_string(),
    })
}

pub(super) fn parse_terms(
    amount_msat: Option<u64>,
    description: Option<types::Bolt11InvoiceDescription>,
    expiry_secs: u32,
) -> Result<Terms, Error> {
    let amount_msat = amount_msat.map(parse_amount).transpose()?;
    let description = parse_description(description)?;
    let expiry_secs = if expiry_secs == 0 { DEFAULT_EXPIRY_SECS } else { expiry_secs };
    Ok(Terms { amount_msat, description, expiry_secs })
}

fn parse_amount(amount_msat: u64) -> Result<u64, Error> {
    const FIELD: &str = "amount_msat";
    // Invoices are written in tenths of millisatoshis, of which a u64 holds no more.
    let limit = u64::MAX / 10;
    let amount_msat = fields::amount_msat(FIELD, amount_msat)?;
    if amount_msat > limit {
        let reason = format!("{amount_msat} is too large for an invoice; at most {limit}");
        return Err(Error::invalid(FIELD, reason));
    }
    Ok(amount_msat)
}

fn parse_description(
    description: Option<types::Bolt11InvoiceDescription>,
) -> Result<Bolt11InvoiceDescription, Error> {
    match description.and_then(|description| description.kind) {
        None => Ok(Bolt11InvoiceDescription::Direct(Description::empty())),
        Some(Kind::Direct(text)) => {
            let bytes = text.len();
            Description::new(text).map(Bolt11InvoiceDescription::Direct).map_err(|_| {
                Error::invalid("description.direct", format!("has {bytes} bytes; at most 639"))
            })
        },
        Some(Kind::Hash(text)) => {
            let hash = fields::hex("description.hash", &text)?;
            Ok(Bolt11InvoiceDescription::Hash(Sha256(sha256::Hash::from_byte_array(hash))))
        },
    }
}

pub(super) fn send(
    app: &App,
    caller: &Caller,
    request: Bolt11SendRequest,
) -> Result<Bolt11SendResponse, Error> {
    let Bolt11SendRequest {
        invoice,
        amount_msat,
        route_parameters,
        allow_overpayment,
        idempotency_key: _,
        wait_timeout_secs: _,
        label,
        metadata,
    } = request;
    let notes = notes::of_payment(label, metadata)?;
    let invoice = fields::invoice("invoice", &invoice, app.network)?;
    let amount = amount::parse(amount_msat, allow_overpayment)?;
    let limits = route::limits(app.route_defaults, route_parameters)?;
    let send = || ops::bolt11::send(app, caller, &invoice, amount, limits);
    let id = with_notes(&notes, send)?;
    Ok(Bolt11SendResponse { payment_id: hex::encode(id.0), ..Default::default() })
}

pub(super) fn send_underpaying(
    _: &App,
    _: &Caller,
    _: Bolt11SendUnderpayingRequest,
) -> Result<Bolt11SendUnderpayingResponse, Error> {
    Err(Error::Unimplemented(
        "LDK Node 0.7.1 refuses to pay less than an invoice asks for; use Bolt11Send",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(kind: Kind) -> Result<Bolt11InvoiceDescription, Error> {
        parse_description(Some(types::Bolt11InvoiceDescription { kind: Some(kind) }))
    }

    #[test]
    fn an_amount_must_fit_an_invoice() {
        let terms = |amount_msat| parse_terms(Some(amount_msat), None, 60);
        assert!(terms(u64::MAX / 10).is_ok());
        let error = terms(u64::MAX / 10 + 1).err().unwrap().to_string();
        assert!(error.starts_with("amount_msat: 1844674407370955162 is too large"), "{error}");
    }

    #[test]
    fn an_expiry_that_is_left_out_is_a_day() {
        assert_eq!(parse_terms(None, None, 0).unwrap().expiry_secs, 86_400);
        assert_eq!(parse_terms(None, None, 1).unwrap().expiry_secs, 1);
    }

    #[test]
    fn descriptions_are_text_or_a_hash() {
        assert!(described(Kind::Direct("é".repeat(319))).is_ok());
        assert!(described(Kind::Hash("ab".repeat(32))).is_ok());
        let long = described(Kind::Direct("é".repeat(320))).unwrap_err().to_string();
        assert!(long.contains("has 640 bytes; at most 639"), "{long}");
        let short = described(Kind::Hash("ab".to_owned())).unwrap_err().to_string();
        assert!(short.contains("64 hex digits"), "{short}");
    }
}
