//! `sendtoaddress`.

use ldk_server_grpc::api::OnchainSendRequest;

use super::Call;
use super::answer::{Answer, Refusal};
use super::params::Params;
use crate::api::rpc;

/// Pays from the wallet. phoenixd has none, and takes it out of its channel.
pub(super) async fn send_to_address(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let request = OnchainSendRequest {
        amount_sats: Some(params.required_number("amountSat")?),
        address: params.required("address")?.to_owned(),
        fee_rate_sat_per_vb: Some(params.required_number("feerateSatByte")?),
        ..Default::default()
    };
    Ok(Answer::Text(call.ask(rpc::OnchainSend, request).await?.txid))
}
