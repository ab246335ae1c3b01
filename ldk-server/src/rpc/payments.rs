//! Payments that were made, received or are under way.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::api::{GetPaymentDetailsRequest, GetPaymentDetailsResponse};

use super::{App, fields};
use crate::error::Error;
use crate::wire;

pub(super) fn get(
    app: &App,
    GetPaymentDetailsRequest { payment_id }: GetPaymentDetailsRequest,
) -> Result<GetPaymentDetailsResponse, Error> {
    let id = PaymentId(fields::hex("payment_id", &payment_id)?);
    Ok(GetPaymentDetailsResponse { payment: app.node.payment(&id).map(wire::payment::payment) })
}
