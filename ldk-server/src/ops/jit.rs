//! Invoices that are paid through a channel which a liquidity provider (LSP) opens when the payment
//! comes (LSPS2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::NodeError;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescription};
use ldk_node::lightning_types::payment::PaymentPreimage;
use ldk_node::payment::{PaymentDetails, PaymentKind};
use ldk_server_grpc::types::InvoiceKind;

use super::hold;
use super::labels::{self, Made, Noted, make_once};
use super::peers::{self, PeerAddress};
use crate::app::{App, LiquidityProvider};
use crate::error::Error;
use crate::executor::joined;
use crate::store::making_wanted_invoice;

/// How long the library waits for each of the two answers of the LSP.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Below this amount, a channel is not worth opening: 1,000 sat.
const LEAST_USEFUL_MSAT: u64 = 1_000_000;
const PPM: u64 = 1_000_000;

/// An order for an invoice and its channel.
pub struct Order {
    /// The amount of the invoice, and the limit on the fee of the channel.
    pub price: Price,
    /// The description of the invoice.
    pub description: Bolt11InvoiceDescription,
    /// The expiry of the invoice, in seconds.
    pub expiry_secs: u32,
    /// What the caller notes with it.
    pub noted: Noted,
}

/// The amount of an invoice, and the limit on the fee of its channel.
pub enum Price {
    /// An amount, and a fee in millisatoshis.
    Fixed {
        /// The amount of the invoice.
        amount_msat: u64,
        /// The maximum fee, if there is a limit.
        max_fee_msat: Option<u64>,
    },
    /// Any amount, and a fee in millionths of it.
    Variable {
        /// The maximum fee, if there is a limit.
        max_fee_ppm: Option<u64>,
    },
}

/// Orders a just-in-time channel, and returns the invoice that is paid through it, unless the same
/// request has made one with its label.
pub async fn receive(app: &Arc<App>, order: Order) -> Result<String, Error> {
    let (order, made) = made_before(app, order).await?;
    if let Some(invoice) = made {
        return Ok(invoice);
    }
    let LiquidityProvider { node_id, address, ordering } =
        app.lsp.as_ref().ok_or_else(none_configured)?;
    let place = ordering.try_enter()?;
    // The library remembers it by itself once there is an invoice.
    let peer = PeerAddress { node_id: *node_id, address: address.clone(), persist: false };
    peers::connect(app, peer).await.map_err(unreachable)?;
    let working = Arc::clone(app);
    let work = app.executor.spawn("order_channel", move || {
        let _place = place;
        order_channel(&working, order)
    });
    joined("order_channel", work).await
}

/// An invoice that is there already needs no provider.
async fn made_before(app: &Arc<App>, order: Order) -> Result<(Order, Option<String>), Error> {
    let of_work = Arc::clone(app);
    let work = move || {
        let made = labels::made_before(&of_work, &order.noted)?;
        Ok((order, made))
    };
    app.executor.run("order_channel", work).await
}

fn none_configured() -> Error {
    Error::FailedPrecondition(
        "no liquidity provider is configured; set liquidity.lsps2_client.node_pubkey and \
         liquidity.lsps2_client.address"
            .to_owned(),
    )
}

/// The caller did not choose the LSP, so an unreachable one is not the caller's fault.
pub(super) fn unreachable(error: Error) -> Error {
    match error {
        Error::InvalidArgument { reason, .. } | Error::FailedPrecondition(reason) => {
            Error::Unavailable(format!("liquidity provider: {reason}"))
        },
        other => other,
    }
}

/// Makes the invoice, on terms that the LSP is asked for. Blocks until it has answered twice.
fn order_channel(app: &App, order: Order) -> Result<String, Error> {
    let Order { price, description, expiry_secs, noted } = order;
    make_once(app, noted, || {
        // The library claims what it has chosen the preimage of, and asks nobody.
        let preimage = app.held.is_approval_wanted().then(hold::new_preimage);
        let invoice = make(app, &price, (&description, expiry_secs), preimage.as_ref())?;
        let made = Made::invoice(&invoice, InvoiceKind::Bolt11Jit);
        Ok(match preimage {
            Some(preimage) => made.claimed_with(preimage),
            None => made,
        })
    })
}

fn make(
    app: &App,
    price: &Price,
    (description, expiry_secs): (&Bolt11InvoiceDescription, u32),
    preimage: Option<&PaymentPreimage>,
) -> Result<Bolt11Invoice, Error> {
    let bolt11 = app.node.bolt11_payment();
    let started = Instant::now();
    let hash = preimage.map(hold::hash_of);
    let invoice = making_wanted_invoice(expiry_secs, is_payable, || match (price, hash) {
        (&Price::Fixed { amount_msat, max_fee_msat }, None) => {
            bolt11.receive_via_jit_channel(amount_msat, description, expiry_secs, max_fee_msat)
        },
        (&Price::Fixed { amount_msat, max_fee_msat }, Some(hash)) => bolt11
            .receive_via_jit_channel_for_hash(
                amount_msat,
                description,
                expiry_secs,
                max_fee_msat,
                hash,
            ),
        (&Price::Variable { max_fee_ppm }, None) => {
            bolt11.receive_variable_amount_via_jit_channel(description, expiry_secs, max_fee_ppm)
        },
        (&Price::Variable { max_fee_ppm }, Some(hash)) => bolt11
            .receive_variable_amount_via_jit_channel_for_hash(
                description,
                expiry_secs,
                max_fee_ppm,
                hash,
            ),
    })
    .map_err(Error::internal)?;
    let invoice = invoice.map_err(|error| refusal(error, price, started.elapsed()))?;
    if let Price::Variable { .. } = price {
        check_payable(app, &invoice)?;
    }
    Ok(invoice)
}

/// What a failure of the library means. It has one error for an LSP that is silent and one that has
/// nothing to offer, but only the first takes time.
fn refusal(error: NodeError, price: &Price, took: Duration) -> Error {
    match error {
        NodeError::LiquidityRequestFailed if took >= ANSWER_TIMEOUT => Error::Unavailable(format!(
            "the liquidity provider did not answer within {} s; it may be busy, or not serve \
                 this node",
            ANSWER_TIMEOUT.as_secs()
        )),
        NodeError::LiquidityRequestFailed => Error::FailedPrecondition(match price {
            Price::Fixed { amount_msat, .. } => format!(
                "the liquidity provider opens no channel for a payment of {amount_msat} msat"
            ),
            Price::Variable { .. } => "the liquidity provider has no terms to offer".to_owned(),
        }),
        NodeError::LiquidityFeeTooHigh => Error::FailedPrecondition(match price {
            Price::Fixed { max_fee_msat, .. } => format!(
                "the liquidity provider's fee is above max_total_lsp_fee_limit_msat, {}",
                max_fee_msat.unwrap_or_default()
            ),
            Price::Variable { max_fee_ppm } => format!(
                "the liquidity provider's fee is above max_proportional_lsp_fee_limit_ppm_msat, {}",
                max_fee_ppm.unwrap_or_default()
            ),
        }),
        NodeError::ConnectionFailed | NodeError::InvalidSocketAddress => {
            Error::Unavailable("the connection to the liquidity provider was lost".to_owned())
        },
        NodeError::LiquiditySourceUnavailable => none_configured(),
        other => other.into(),
    }
}

/// Whether the invoice of this payment can be paid with an amount that is of use.
fn is_payable(details: &PaymentDetails) -> bool {
    let limit_msat = fee_ppm(details).and_then(refused_from_msat);
    limit_msat.is_none_or(|limit_msat| limit_msat > LEAST_USEFUL_MSAT)
}

fn fee_ppm(details: &PaymentDetails) -> Option<u64> {
    match &details.kind {
        PaymentKind::Bolt11Jit { lsp_fee_limits, .. } => {
            lsp_fee_limits.max_proportional_opening_fee_ppm_msat
        },
        _ => None,
    }
}

/// Takes an invoice back that nobody could pay. The library limits the fee of an invoice without an
/// amount to a share of what arrives, but the LSP takes its share of what was sent, which is more
/// once the fee of the fee comes to a millisatoshi. The library then refuses the payment.
fn check_payable(app: &App, invoice: &Bolt11Invoice) -> Result<(), Error> {
    let id = PaymentId(invoice.payment_hash().to_byte_array());
    let Some(payment) = app.node.payment(&id) else { return Ok(()) };
    let fee_ppm = fee_ppm(&payment).unwrap_or(0);
    let Some(limit_msat) = refused_from_msat(fee_ppm) else { return Ok(()) };
    if is_payable(&payment) {
        tracing::warn!(
            payment_id = %hex::encode(id.0), limit_msat, fee_ppm,
            "LDK Node 0.7.1 will refuse payments of limit_msat or more to this invoice"
        );
        return Ok(());
    }
    app.node.remove_payment(&id)?;
    Err(Error::FailedPrecondition(format!(
        "the liquidity provider's fee is {fee_ppm} ppm, and LDK Node 0.7.1 refuses payments of \
         {limit_msat} msat or more to an invoice without an amount at that fee; use \
         Bolt11ReceiveViaJitChannel"
    )))
}

/// From where on the library refuses every payment that this share was taken from: where the share
/// of the share is 1 msat.
fn refused_from_msat(fee_ppm: u64) -> Option<u64> {
    let share_of_share = fee_ppm.saturating_mul(fee_ppm);
    (PPM * PPM).checked_div(share_of_share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: Price = Price::Fixed { amount_msat: 7_000, max_fee_msat: Some(3) };
    const VARIABLE: Price = Price::Variable { max_fee_ppm: Some(5) };

    #[test]
    fn a_silent_provider_is_told_from_one_that_offers_nothing() {
        let failed = |price, took| refusal(NodeError::LiquidityRequestFailed, price, took);
        for price in [&FIXED, &VARIABLE] {
            assert!(matches!(failed(price, ANSWER_TIMEOUT), Error::Unavailable(_)));
            let at_once = failed(price, Duration::from_millis(4_999));
            assert!(matches!(at_once, Error::FailedPrecondition(_)));
        }
        assert!(failed(&FIXED, Duration::ZERO).to_string().contains("7000 msat"));
    }

    #[test]
    fn a_fee_that_is_too_high_names_the_limit() {
        let refused = |price| refusal(NodeError::LiquidityFeeTooHigh, price, Duration::ZERO);
        let fixed = refused(&FIXED).to_string();
        assert!(fixed.contains("max_total_lsp_fee_limit_msat, 3"), "{fixed}");
        let variable = refused(&VARIABLE).to_string();
        assert!(variable.contains("max_proportional_lsp_fee_limit_ppm_msat, 5"), "{variable}");
    }

    #[test]
    fn what_is_wrong_with_the_provider_is_not_the_callers_fault() {
        for error in [
            Error::invalid("address", "cannot be resolved"),
            Error::FailedPrecondition("does not answer".to_owned()),
        ] {
            assert!(matches!(unreachable(error), Error::Unavailable(_)));
        }
        let busy = unreachable(Error::ResourceExhausted("busy".to_owned()));
        assert!(matches!(busy, Error::ResourceExhausted(_)));
    }

    #[test]
    fn the_fee_of_the_fee_limits_what_can_be_paid() {
        assert_eq!(refused_from_msat(0), None);
        assert_eq!(refused_from_msat(100), Some(100_000_000));
        assert_eq!(refused_from_msat(1_000), Some(1_000_000));
        assert_eq!(refused_from_msat(u64::MAX), Some(0));
    }
}
