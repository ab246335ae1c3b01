//! `keysend` and `xkeysend`: payments that nobody has asked for.

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_server_grpc::api::SpontaneousSendRequest;
use ldk_server_grpc::types::CustomTlvRecord;
use serde::Serialize;
use serde_json::Value;

use super::limits::{FeeLimit, Limits};
use super::pay::{FINDS_ROUTES, XpayAnswer};
use super::sending::{Attempts, Paid, forget_order, keep_order, no_route, outcome};
use super::{Method, payment};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Label, Msat, NodeId, Param};
use crate::cln::error::RpcError;
use crate::error::Error;
use crate::store::PayOrder;

/// Records beside the payment, by their types.
struct ExtraTlvs(Vec<CustomTlvRecord>);

impl Param for ExtraTlvs {
    const EXPECTED: &'static str = "an object with types as names and hex as values";

    fn read(value: &Value) -> Option<Self> {
        let records = value.as_object()?.iter().map(|(type_num, value)| {
            let (type_num, value) = (type_num.parse().ok()?, hex::decode(value.as_str()?).ok()?);
            Some(CustomTlvRecord { type_num, value })
        });
        let mut records = records.collect::<Option<Vec<_>>>()?;
        records.sort_by_key(|record| record.type_num);
        Some(Self(records))
    }
}

/// What is to be paid to whom.
struct Gift {
    destination: String,
    amount_msat: u64,
    label: Option<String>,
    limits: Limits,
    records: Vec<CustomTlvRecord>,
}

impl Gift {
    fn read(args: &Args, fee: FeeLimit) -> Result<Self, RpcError> {
        let records = args.optional::<ExtraTlvs>("extratlvs")?;
        Ok(Self {
            destination: args.required::<NodeId>("destination")?.0,
            amount_msat: args.required::<Msat>("amount_msat")?.0,
            label: args.optional::<Label>("label")?.map(|label| label.0),
            limits: Limits::read(args, fee)?,
            records: records.map(|records| records.0).unwrap_or_default(),
        })
    }

    async fn send(&self, call: &Call) -> Result<Paid, RpcError> {
        let attempts = Attempts::within(self.limits.retry_for);
        loop {
            let id = self.begin(call).await?;
            match outcome(call, id).await {
                Ok(paid) => return Ok(paid),
                Err(not_paid) if attempts.go_on(&not_paid) => {},
                Err(not_paid) => return Err(not_paid.into()),
            }
        }
    }

    /// Sends once, and returns the id of the payment. The preimage is made here, so that the id is known
    /// before anything is sent.
    async fn begin(&self, call: &Call) -> Result<String, RpcError> {
        let preimage: [u8; 32] = rand::random();
        let payment_hash = sha256::Hash::hash(&preimage).to_string();
        let order = PayOrder {
            label: self.label.clone(),
            destination: Some(self.destination.clone()),
            ..Default::default()
        };
        keep_order(call, &payment_hash, order).await?;
        let request = SpontaneousSendRequest {
            amount_msat: self.amount_msat,
            node_id: self.destination.clone(),
            route_parameters: Some(self.limits.route(self.amount_msat)),
            custom_tlvs: self.records.clone(),
            preimage: Some(hex::encode(preimage)),
            ..Default::default()
        };
        let refused = match call.ask(rpc::SpontaneousSend, request).await {
            Ok(begun) => return Ok(begun.payment_id),
            Err(refused) => refused,
        };
        if matches!(refused, Error::FailedPrecondition(_) | Error::InvalidArgument { .. }) {
            forget_order(call, &payment_hash).await?;
        }
        Err(match refused {
            Error::FailedPrecondition(reason) => no_route(&reason),
            other => in_their_words(other).into(),
        })
    }
}

/// The names of the parameters here for those of the API.
fn in_their_words(error: Error) -> Error {
    match error {
        Error::InvalidArgument { field: "node_id", reason } => {
            Error::InvalidArgument { field: "destination", reason }
        },
        Error::InvalidArgument { field: "custom_tlvs", reason } => {
            Error::InvalidArgument { field: "extratlvs", reason }
        },
        other => other,
    }
}

/// `keysend`.
pub(super) struct Keysend(Gift);

#[derive(Serialize)]
pub(super) struct KeysendAnswer {
    destination: String,
    payment_hash: String,
    payment_preimage: String,
    created_at: u64,
    parts: u32,
    amount_msat: u64,
    amount_sent_msat: u64,
    status: &'static str,
}

impl Method for Keysend {
    const NAME: &'static str = "keysend";
    const USAGE: &'static str = "destination amount_msat [label] [maxfeepercent] [retry_for] [maxdelay] \
                                 [exemptfee] [routehints] [extratlvs] [maxfee]";
    type Answer = KeysendAnswer;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["routehints"], FINDS_ROUTES)?;
        Ok(Self(Gift::read(args, FeeLimit::of_pay(args)?)?))
    }

    async fn run(self, call: Call) -> Result<KeysendAnswer, RpcError> {
        let paid = self.0.send(&call).await?;
        Ok(KeysendAnswer {
            destination: self.0.destination,
            created_at: paid.payment.created_at,
            // How many there were is not known.
            parts: 1,
            amount_msat: self.0.amount_msat,
            amount_sent_msat: payment::sent_msat(&paid.payment),
            payment_hash: paid.payment_hash,
            payment_preimage: paid.preimage,
            status: "complete",
        })
    }
}

/// `xkeysend`.
pub(super) struct Xkeysend(Gift);

impl Method for Xkeysend {
    const NAME: &'static str = "xkeysend";
    const USAGE: &'static str = "destination amount_msat [label] [maxfee] [layers] [retry_for] \
                                 [maxdelay] [extratlvs]";
    type Answer = XpayAnswer;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["layers"], FINDS_ROUTES)?;
        Ok(Self(Gift::read(args, FeeLimit::of_xpay(args)?)?))
    }

    async fn run(self, call: Call) -> Result<XpayAnswer, RpcError> {
        let paid = self.0.send(&call).await?;
        Ok(XpayAnswer {
            amount_msat: self.0.amount_msat,
            amount_sent_msat: payment::sent_msat(&paid.payment),
            payment_preimage: paid.preimage,
            failed_parts: 0,
            successful_parts: 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    #[test]
    fn records_are_numbers_and_bytes() {
        let params = json!({"destination": KEY, "amount_msat": "1sat",
                            "extratlvs": {"133773310": "fEed", "65537": ""}});
        let args = Args::of(Keysend::USAGE, Some(params)).unwrap();
        let Keysend(gift) = Keysend::read(&args).unwrap();
        assert_eq!(gift.amount_msat, 1_000);
        let record = |type_num, value: &[u8]| CustomTlvRecord { type_num, value: value.into() };
        assert_eq!(gift.records, [record(65_537, &[]), record(133_773_310, &[0xfe, 0xed])]);
        for extratlvs in [json!([]), json!({"a": "00"}), json!({"1": "0"}), json!({"1": 1})] {
            let params = json!({"destination": KEY, "amount_msat": 1, "extratlvs": extratlvs});
            let args = Args::of(Xkeysend::USAGE, Some(params)).unwrap();
            let refused = Xkeysend::read(&args).err().unwrap();
            assert!(refused.message.starts_with("extratlvs: should be an object"), "{refused:?}");
        }
    }

    #[test]
    fn clients_send_their_parameters_in_order() {
        let args = Args::of(Xkeysend::USAGE, Some(json!([KEY, 1_000, null, 7]))).unwrap();
        let Xkeysend(gift) = Xkeysend::read(&args).unwrap();
        assert_eq!((gift.amount_msat, gift.limits.fee.msat(1)), (1_000, 7));
        let args = Args::of(Keysend::USAGE, Some(json!([KEY, 1_000, "l", 1, 2, 3, 4, [[]]])));
        let refused = Keysend::read(&args.unwrap()).err().unwrap();
        assert!(refused.message.starts_with("routehints: is not supported"), "{refused:?}");
    }
}
