//! Payments without an invoice.

use ldk_node::CustomTlvRecord;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};

use super::route::{self, RouteLimits};
use super::send::{self, ExistingPayment, SendError};
use super::{budgets, liquidity};
use crate::app::App;
use crate::caller::Caller;
use crate::compat::blocks::KEYSEND_FINAL_CLTV_DELTA;
use crate::error::Error;

/// A payment that nobody has asked for.
pub struct Payment {
    /// Who is paid.
    pub node_id: PublicKey,
    /// How much.
    pub amount_msat: u64,
    /// What the payee is told beside.
    pub records: Vec<CustomTlvRecord>,
    /// The preimage, if it is not to be a random one.
    pub preimage: Option<PaymentPreimage>,
    /// The limits of the route.
    pub limits: RouteLimits,
}

/// Refuses limits that no route can be within.
pub fn check_limits(limits: RouteLimits) -> Result<(), Error> {
    route::leave_blocks(limits, KEYSEND_FINAL_CLTV_DELTA.into())
}

/// Begins to pay.
pub fn send(app: &App, caller: &Caller, payment: Payment) -> Result<PaymentId, SendError> {
    let Payment { node_id, amount_msat, records, preimage, limits } = payment;
    check_limits(limits)?;
    let limits = limits.for_amount(amount_msat);
    let limits = route::with_fee_limit(limits, node_id, KEYSEND_FINAL_CLTV_DELTA, amount_msat);
    let cost_msat = budgets::lightning_cost_msat(amount_msat, &limits);
    let limits = Some(limits);
    let spontaneous = app.node.spontaneous_payment();
    let begun = match preimage {
        Some(preimage) => {
            refuse_known(app, preimage)?;
            let id = PaymentId(PaymentHash::from(preimage).0);
            let reserved = budgets::reserve(app, caller, cost_msat, Some(id))?;
            send::hand_over_again(app, caller, id, reserved, || {
                spontaneous.send_with_preimage_and_custom_tlvs(
                    amount_msat,
                    node_id,
                    records.clone(),
                    preimage,
                    limits,
                )
            })
        },
        None => {
            let reserved = budgets::reserve(app, caller, cost_msat, None)?;
            send::hand_over(app, caller, None, reserved, || {
                spontaneous.send_with_custom_tlvs(amount_msat, node_id, limits, records)
            })
        },
    };
    begun.map_err(|error| {
        let otherwise = "no route to the node is known within the limits that has room for the \
                         TLVs and takes the amount as a whole";
        SendError::of_library(error, &liquidity::no_way(app, amount_msat, otherwise))
    })
}

/// Who knows a preimage can take any later payment with it.
fn refuse_known(app: &App, preimage: PaymentPreimage) -> Result<(), SendError> {
    let Some(earlier) = ExistingPayment::find(app, PaymentId(PaymentHash::from(preimage).0))?
    else {
        return Ok(());
    };
    Err(ExistingPayment::refused(match earlier {
        ExistingPayment::Own => "the preimage belongs to a payment to this node",
        ExistingPayment::Pending => "the preimage is being used: its payment is pending",
        ExistingPayment::Succeeded => "the preimage was used: its payment succeeded",
    }))
}
