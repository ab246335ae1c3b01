//! BOLT 11 invoices.

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_node::lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescription, Description, Sha256};
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_server_grpc::api::{
    Bolt11ReceiveRequest, Bolt11ReceiveResponse, Bolt11SendRequest, Bolt11SendResponse,
    Bolt11SendUnderpayingRequest, Bolt11SendUnderpayingResponse,
};
use ldk_server_grpc::types::bolt11_invoice_description::Kind;
use ldk_server_grpc::types::{self, PaymentStatus};

use super::amount::{self, Amount};
use super::attempt::{self, Earlier, NotPaid};
use super::bills::PaidBy;
use super::{App, fields, liquidity, route};
use crate::error::Error;
use crate::store::{making_invoice, payment_id};

pub(super) fn receive(
    app: &App,
    request: Bolt11ReceiveRequest,
) -> Result<Bolt11ReceiveResponse, Error> {
    let Bolt11ReceiveRequest { amount_msat, description, expiry_secs } = request;
    let Terms { amount_msat, description, expiry_secs } =
        parse_terms(amount_msat, description, expiry_secs)?;
    let bolt11 = app.node.bolt11_payment();
    let invoice = making_invoice(expiry_secs, || match amount_msat {
        Some(amount_msat) => bolt11.receive(amount_msat, &description, expiry_secs),
        None => bolt11.receive_variable_amount(&description, expiry_secs),
    })
    .map_err(Error::internal)??;
    Ok(Bolt11ReceiveResponse {
        payment_hash: hex::encode(invoice.payment_hash().to_byte_array()),
        payment_secret: hex::encode(invoice.payment_secret().0),
        invoice: invoice.to_string(),
    })
}

/// What a request means that leaves the expiry out, and so has 0: a day.
const DEFAULT_EXPIRY_SECS: u32 = 86_400;

/// What an invoice says, whichever call makes it.
pub(super) struct Terms {
    pub(super) amount_msat: Option<u64>,
    pub(super) description: Bolt11InvoiceDescription,
    pub(super) expiry_secs: u32,
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

pub(super) fn send(app: &App, request: Bolt11SendRequest) -> Result<Bolt11SendResponse, Error> {
    let Bolt11SendRequest { invoice, amount_msat, route_parameters, allow_overpayment } = request;
    let invoice = fields::invoice("invoice", &invoice, app.network)?;
    let amount = Amount::parse(amount_msat, allow_overpayment)?;
    let limits = route::limits(app.route_defaults, route_parameters)?;
    let id = pay(app, &invoice, amount, limits)?;
    Ok(Bolt11SendResponse { payment_id: hex::encode(id.0) })
}

/// Begins to pay an invoice of this network.
pub(super) fn pay(
    app: &App,
    invoice: &Bolt11Invoice,
    amount: Amount,
    limits: RouteParametersConfig,
) -> Result<PaymentId, NotPaid> {
    let amount_msat = amount_to_send(invoice, amount)?;
    route::leave_blocks(limits, invoice.min_final_cltv_expiry_delta())?;
    let id = PaymentId(invoice.payment_hash().to_byte_array());
    check_unpaid(app, PaymentHash(id.0))?;
    if invoice.is_expired() {
        return Err(Error::FailedPrecondition("the invoice has expired".to_owned()).into());
    }
    let bolt11 = app.node.bolt11_payment();
    let begun = attempt::hand_over_again(app, id, || match amount_msat {
        Some(amount_msat) => bolt11.send_using_amount(invoice, amount_msat, Some(limits)),
        None => bolt11.send(invoice, Some(limits)),
    });
    begun.map_err(|error| {
        let amount_msat = amount_msat.or(invoice.amount_milli_satoshis()).unwrap_or_default();
        let otherwise = "no route to the payee is known within the limits";
        NotPaid::of(error, &liquidity::no_way(app, amount_msat, otherwise))
    })
}

/// Refuses an invoice that is paid or being paid, also by another part of its URI, or is this node's
/// own.
pub(super) fn check_unpaid(app: &App, hash: PaymentHash) -> Result<(), NotPaid> {
    let shown = hex::encode(hash.0);
    if let Some(earlier) = Earlier::find(app, PaymentId(hash.0))? {
        return Err(Earlier::refused(match earlier {
            Earlier::Own => format!("the invoice is this node's own, {shown}"),
            Earlier::Pending => format!("the invoice is being paid: payment {shown} is pending"),
            Earlier::Succeeded => format!("the invoice was paid: payment {shown} succeeded"),
        }));
    }
    match app.bills.paid_by(hash) {
        Some(paid_by) if !has_failed(app, paid_by)? => Err(Earlier::refused(format!(
            "the uri that invoice {shown} was part of was paid, or is being paid, by {paid_by}"
        ))),
        _ => Ok(()),
    }
}

fn has_failed(app: &App, paid_by: PaidBy) -> Result<bool, Error> {
    let id = match paid_by {
        PaidBy::Payment(id) => id,
        PaidBy::Transaction(txid) => payment_id(&txid),
    };
    let payment = app.store.payment(id).map_err(Error::internal)?;
    Ok(payment.is_some_and(|payment| payment.status() == PaymentStatus::Failed))
}

/// The amount to name to the library: none where the invoice's own is paid.
fn amount_to_send(invoice: &Bolt11Invoice, amount: Amount) -> Result<Option<u64>, Error> {
    match (invoice.amount_milli_satoshis(), amount.msat) {
        (None, None) => {
            Err(Error::invalid(amount::FIELD, "must be set: the invoice names no amount"))
        },
        (Some(_), None) => Ok(None),
        (None, chosen_msat) => Ok(chosen_msat),
        (Some(asked_msat), Some(_)) => amount.to_pay("invoice", asked_msat).map(Some),
    }
}

pub(super) fn send_underpaying(
    _: &App,
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
