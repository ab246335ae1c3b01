//! The calls that spend, each ready to be made again and again under one key.

use ldk_server_client::api::unified_send_response::PaymentResult;
use ldk_server_client::api::{
    Bolt11SendRequest, Bolt12SendRequest, OnchainSendRequest, OpenChannelRequest, SpliceInRequest,
    SpliceOutRequest, SpontaneousSendRequest, UnifiedSendRequest,
};
use ldk_server_client::{Client, Error};

/// One of the calls that spend, with all but its key.
#[derive(Clone, Debug)]
pub enum Spend {
    /// Pays an invoice.
    Bolt11(Bolt11SendRequest),
    /// Pays an offer.
    Bolt12(Bolt12SendRequest),
    /// Pays a node.
    Spontaneous(SpontaneousSendRequest),
    /// Pays an address.
    Onchain(OnchainSendRequest),
    /// Pays a URI.
    Unified(UnifiedSendRequest),
    /// Opens a channel.
    Open(OpenChannelRequest),
    /// Splices into a channel.
    SpliceIn(SpliceInRequest),
    /// Splices out of a channel.
    SpliceOut(SpliceOutRequest),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The payment, transaction, channel or address that the answer names.
    pub outcome: String,
    /// Whether an earlier call has done it.
    pub repeated: bool,
}

macro_rules! make {
    ($client:ident.$method:ident($request:ident, $key:ident), |$answer:ident| $outcome:expr) => {{
        let mut request = $request.clone();
        request.idempotency_key = $key.to_owned();
        let $answer = $client.$method(request).await?;
        Ok(Spent { repeated: $answer.repeated, outcome: $outcome })
    }};
}

impl Spend {
    /// Makes the call under this key.
    pub async fn make(&self, client: &Client, key: &str) -> Result<Spent, Error> {
        match self {
            Self::Bolt11(request) => {
                make!(client.bolt11_send(request, key), |answer| answer.payment_id)
            },
            Self::Bolt12(request) => {
                make!(client.bolt12_send(request, key), |answer| answer.payment_id)
            },
            Self::Spontaneous(request) => {
                make!(client.spontaneous_send(request, key), |answer| answer.payment_id)
            },
            Self::Onchain(request) => {
                make!(client.onchain_send(request, key), |answer| answer.txid)
            },
            Self::Unified(request) => make!(client.unified_send(request, key), |answer| {
                answer.payment_result.map(result).unwrap_or_default()
            }),
            Self::Open(request) => {
                make!(client.open_channel(request, key), |answer| answer.user_channel_id)
            },
            Self::SpliceIn(request) => {
                make!(client.splice_in(request, key), |answer| String::new())
            },
            Self::SpliceOut(request) => {
                make!(client.splice_out(request, key), |answer| answer.address)
            },
        }
    }

    /// The same call for another amount, so that it is another request.
    #[must_use]
    pub fn changed(&self) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Bolt11(request) => request.allow_overpayment = !request.allow_overpayment,
            Self::Bolt12(request) => request.allow_overpayment = !request.allow_overpayment,
            Self::Spontaneous(request) => request.amount_msat += 1,
            Self::Onchain(request) => request.fee_rate_sat_per_vb = Some(2),
            Self::Unified(request) => request.allow_overpayment = !request.allow_overpayment,
            Self::Open(request) => request.announce_channel = !request.announce_channel,
            Self::SpliceIn(request) => request.user_channel_id.push('0'),
            Self::SpliceOut(request) => request.splice_amount_sats += 1,
        }
        other
    }
}

fn result(result: PaymentResult) -> String {
    match result {
        PaymentResult::Txid(id)
        | PaymentResult::Bolt11PaymentId(id)
        | PaymentResult::Bolt12PaymentId(id) => id,
    }
}
