//! Invoices that are paid through a channel which a liquidity provider (LSP) opens when the payment
//! comes (LSPS2).

use ldk_server_grpc::api::{
    Bolt11ReceiveVariableAmountViaJitChannelRequest,
    Bolt11ReceiveVariableAmountViaJitChannelResponse, Bolt11ReceiveViaJitChannelRequest,
    Bolt11ReceiveViaJitChannelResponse,
};

use super::dispatcher::Call;
use super::{bolt11, notes};
use crate::error::Error;
use crate::ops;
use crate::ops::jit::{Order, Price};
use crate::ops::terms::Terms;

pub(super) async fn receive(
    call: Call,
    mut request: Bolt11ReceiveViaJitChannelRequest,
) -> Result<Bolt11ReceiveViaJitChannelResponse, Error> {
    let noted = notes::take(&mut request)?;
    let Bolt11ReceiveViaJitChannelRequest {
        amount_msat,
        description,
        expiry_secs,
        max_total_lsp_fee_limit_msat: max_fee_msat,
        ..
    } = request;
    let Terms { amount_msat: _, description, expiry_secs } =
        bolt11::parse_terms(Some(amount_msat), description, expiry_secs)?;
    let price = Price::Fixed { amount_msat, max_fee_msat };
    let order = Order { price, description, expiry_secs, noted };
    let invoice = ops::jit::receive(&call.app()?, order).await?;
    Ok(Bolt11ReceiveViaJitChannelResponse { invoice })
}

pub(super) async fn receive_variable_amount(
    call: Call,
    mut request: Bolt11ReceiveVariableAmountViaJitChannelRequest,
) -> Result<Bolt11ReceiveVariableAmountViaJitChannelResponse, Error> {
    let noted = notes::take(&mut request)?;
    let Bolt11ReceiveVariableAmountViaJitChannelRequest {
        description,
        expiry_secs,
        max_proportional_lsp_fee_limit_ppm_msat: max_fee_ppm,
        ..
    } = request;
    let Terms { amount_msat: _, description, expiry_secs } =
        bolt11::parse_terms(None, description, expiry_secs)?;
    let order = Order { price: Price::Variable { max_fee_ppm }, description, expiry_secs, noted };
    let invoice = ops::jit::receive(&call.app()?, order).await?;
    Ok(Bolt11ReceiveVariableAmountViaJitChannelResponse { invoice })
}
