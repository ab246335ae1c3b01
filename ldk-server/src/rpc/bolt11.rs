//! BOLT 11 invoices.

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_node::lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescription, Description, Sha256};
use ldk_node::payment::{PaymentDirection, PaymentStatus};
use ldk_server_grpc::api::{
    Bolt11ReceiveRequest, Bolt11ReceiveResponse, Bolt11SendRequest, Bolt11SendResponse,
    Bolt11SendUnderpayingRequest, Bolt11SendUnderpayingResponse,
};
use ldk_server_grpc::types;
use ldk_server_grpc::types::bolt11_invoice_description::Kind;

use super::{App, fields};
use crate::error::Error;

pub(super) fn receive(
    app: &App,
    request: Bolt11ReceiveRequest,
) -> Result<Bolt11ReceiveResponse, Error> {
    let Bolt11ReceiveRequest { amount_msat, description, expiry_secs } = request;
    let Terms { amount_msat, description, expiry_secs } =
        parse_terms(amount_msat, description, expiry_secs)?;
    let bolt11 = app.node.bolt11_payment();
    let invoice = match amount_msat {
        Some(amount_msat) => bolt11.receive(amount_msat, &description, expiry_secs)?,
        None => bolt11.receive_variable_amount(&description, expiry_secs)?,
    };
    Ok(Bolt11ReceiveResponse {
        payment_hash: hex::encode(invoice.payment_hash().to_byte_array()),
        payment_secret: hex::encode(invoice.payment_secret().0),
        invoice: invoice.to_string(),
    })
}

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
    let amount_msat =
        amount_msat.map(|amount| fields::amount_msat("amount_msat", amount)).transpose()?;
    let description = parse_description(description)?;
    if expiry_secs == 0 {
        return Err(Error::invalid("expiry_secs", "must be greater than 0"));
    }
    Ok(Terms { amount_msat, description, expiry_secs })
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
    let Bolt11SendRequest { invoice, amount_msat, route_parameters } = request;
    let invoice = fields::invoice("invoice", &invoice, app.network)?;
    let amount_msat = amount_to_send(&invoice, amount_msat)?;
    let route_parameters = route_parameters.map(parse_route_parameters).transpose()?;
    let id = PaymentId(invoice.payment_hash().to_byte_array());
    refuse_duplicate(app, &id)?;
    if invoice.is_expired() {
        return Err(Error::FailedPrecondition("the invoice has expired".to_owned()));
    }
    let bolt11 = app.node.bolt11_payment();
    let id = match amount_msat {
        Some(amount_msat) => bolt11.send_using_amount(&invoice, amount_msat, route_parameters)?,
        None => bolt11.send(&invoice, route_parameters)?,
    };
    Ok(Bolt11SendResponse { payment_id: hex::encode(id.0) })
}

/// The amount to name to the library: none where the invoice's own is paid.
fn amount_to_send(invoice: &Bolt11Invoice, amount_msat: Option<u64>) -> Result<Option<u64>, Error> {
    const FIELD: &str = "amount_msat";
    match (invoice.amount_milli_satoshis(), amount_msat) {
        (None, None) => Err(Error::invalid(FIELD, "must be set: the invoice names no amount")),
        (Some(_), None) => Ok(None),
        (Some(least), Some(amount)) if amount < least => {
            Err(Error::invalid(FIELD, format!("{amount} is less than the invoice's {least}")))
        },
        (_, Some(amount)) => fields::amount_msat(FIELD, amount).map(Some),
    }
}

/// An invoice may be paid again only after its payment has failed.
fn refuse_duplicate(app: &App, id: &PaymentId) -> Result<(), Error> {
    let Some(payment) = app.node.payment(id) else { return Ok(()) };
    let state = match (payment.direction, payment.status) {
        (PaymentDirection::Inbound, _) => "the invoice is this node's own",
        (PaymentDirection::Outbound, PaymentStatus::Pending) => {
            "the invoice is being paid: its payment is pending"
        },
        (PaymentDirection::Outbound, PaymentStatus::Succeeded) => {
            "the invoice was paid: its payment succeeded"
        },
        (PaymentDirection::Outbound, PaymentStatus::Failed) => return Ok(()),
    };
    Err(Error::FailedPrecondition(state.to_owned()))
}

/// Limits that are 0, which on the wire is the same as not set, are the library's safe ones.
fn parse_route_parameters(
    parameters: types::RouteParametersConfig,
) -> Result<RouteParametersConfig, Error> {
    let types::RouteParametersConfig {
        max_total_routing_fee_msat,
        max_total_cltv_expiry_delta,
        max_path_count,
        max_channel_saturation_power_of_half,
    } = parameters;
    let defaults = RouteParametersConfig::default();
    let byte = |field, value: u32, default: u8| match value {
        0 => Ok(default),
        value => u8::try_from(value).map_err(|_| {
            Error::invalid(field, format!("{value} is too large; at most {}", u8::MAX))
        }),
    };
    Ok(RouteParametersConfig {
        max_total_routing_fee_msat,
        max_total_cltv_expiry_delta: match max_total_cltv_expiry_delta {
            0 => defaults.max_total_cltv_expiry_delta,
            blocks => blocks,
        },
        max_path_count: byte(
            "route_parameters.max_path_count",
            max_path_count,
            defaults.max_path_count,
        )?,
        max_channel_saturation_power_of_half: byte(
            "route_parameters.max_channel_saturation_power_of_half",
            max_channel_saturation_power_of_half,
            defaults.max_channel_saturation_power_of_half,
        )?,
    })
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
    fn descriptions_are_text_or_a_hash() {
        assert!(described(Kind::Direct("é".repeat(319))).is_ok());
        assert!(described(Kind::Hash("ab".repeat(32))).is_ok());
        let long = described(Kind::Direct("é".repeat(320))).unwrap_err().to_string();
        assert!(long.contains("has 640 bytes; at most 639"), "{long}");
        let short = described(Kind::Hash("ab".to_owned())).unwrap_err().to_string();
        assert!(short.contains("64 hex digits"), "{short}");
    }

    #[test]
    fn unset_route_limits_are_the_safe_ones() {
        let parsed = parse_route_parameters(types::RouteParametersConfig::default()).unwrap();
        assert_eq!(parsed.max_total_routing_fee_msat, None);
        assert_eq!(parsed.max_channel_saturation_power_of_half, 2);
        assert_eq!(parsed.max_path_count, 10);
        assert_eq!(parsed.max_total_cltv_expiry_delta, 1008);
    }

    #[test]
    fn route_limits_must_fit() {
        let parameters = types::RouteParametersConfig { max_path_count: 256, ..Default::default() };
        let error = parse_route_parameters(parameters).unwrap_err().to_string();
        assert!(error.contains("route_parameters.max_path_count: 256"), "{error}");
    }
}
