//! `pay`, `xpay` and `renepay`.

use serde::Serialize;
use serde_json::Value;

use super::limits::{FeeLimit, Limits};
use super::order::{Done, Order, Repeated, Text};
use super::{Method, payment};
use crate::cln::Call;
use crate::cln::args::{Args, Label, Msat, Param};
use crate::cln::error::RpcError;

/// A parameter that is read so that it may be given, and that the library has no use for.
pub(super) struct Unused;

impl Param for Unused {
    const EXPECTED: &'static str = "a value";

    fn read(_: &Value) -> Option<Self> {
        Some(Self)
    }
}

const ONE_NODE_PAYS: &str = "the node library pays an invoice as a whole";
pub(super) const FINDS_ROUTES: &str = "the node library finds routes by itself";

fn label(args: &Args) -> Result<Option<String>, RpcError> {
    Ok(args.optional::<Label>("label")?.map(|label| label.0))
}

fn amount_msat(args: &Args) -> Result<Option<u64>, RpcError> {
    Ok(args.optional::<Msat>("amount_msat")?.map(|msat| msat.0))
}

/// `pay`.
pub(super) struct Pay(Order);

#[derive(Serialize)]
pub(super) struct PayAnswer {
    payment_preimage: String,
    status: &'static str,
    amount_msat: u64,
    amount_sent_msat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    payment_hash: String,
    created_at: u64,
    parts: u32,
}

impl PayAnswer {
    fn of(done: Done) -> (Self, Text) {
        let Done { paid, amount_msat, destination, text } = done;
        let answer = Self {
            status: "complete",
            amount_msat,
            amount_sent_msat: payment::sent_msat(&paid.payment),
            created_at: paid.payment.created_at,
            payment_preimage: paid.preimage,
            destination,
            payment_hash: paid.payment_hash,
            // How many there were is not known.
            parts: 1,
        };
        (answer, text)
    }
}

impl Method for Pay {
    const NAME: &'static str = "pay";
    const USAGE: &'static str = "bolt11 [amount_msat] [label] [riskfactor] [maxfeepercent] [retry_for] \
                                 [maxdelay] [exemptfee] [localinvreqid] [exclude] [maxfee] \
                                 [description] [partial_msat]";
    type Answer = PayAnswer;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["partial_msat"], ONE_NODE_PAYS)?;
        args.refuse(&["exclude", "localinvreqid"], FINDS_ROUTES)?;
        args.optional::<Unused>("riskfactor")?;
        Ok(Self(Order {
            invstring: args.required("bolt11")?,
            amount_msat: amount_msat(args)?,
            limits: Limits::read(args, FeeLimit::of_pay(args)?)?,
            label: label(args)?,
            description: args.optional("description")?,
            payer_note: None,
        }))
    }

    async fn run(self, call: Call) -> Result<PayAnswer, RpcError> {
        let done = self.0.pay(&call, Repeated::AnsweredAgain).await?;
        Ok(PayAnswer::of(done).0)
    }
}

/// `renepay`, which is `pay` with other parameters.
pub(super) struct Renepay(Order);

#[derive(Serialize)]
pub(super) struct RenepayAnswer {
    #[serde(flatten)]
    paid: PayAnswer,
    #[serde(skip_serializing_if = "Option::is_none")]
    bolt11: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bolt12: Option<String>,
}

impl Method for Renepay {
    const NAME: &'static str = "renepay";
    const USAGE: &'static str = "invstring [amount_msat] [maxfee] [maxdelay] [retry_for] [description] \
                                 [label] [exclude] [dev_use_shadow]";
    type Answer = RenepayAnswer;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["exclude"], FINDS_ROUTES)?;
        args.refuse(&["dev_use_shadow"], "it is for the developers of Core Lightning")?;
        Ok(Self(Order {
            invstring: args.required("invstring")?,
            amount_msat: amount_msat(args)?,
            limits: Limits::read(args, FeeLimit::of_pay(args)?)?,
            label: label(args)?,
            description: args.optional("description")?,
            payer_note: None,
        }))
    }

    async fn run(self, call: Call) -> Result<RenepayAnswer, RpcError> {
        let done = self.0.pay(&call, Repeated::AnsweredAgain).await?;
        let (paid, text) = PayAnswer::of(done);
        let (bolt11, bolt12) = match text {
            Text::Bolt11(text) => (Some(text), None),
            Text::Bolt12(text) => (None, Some(text)),
        };
        Ok(RenepayAnswer { paid, bolt11, bolt12 })
    }
}

/// `xpay`.
pub(super) struct Xpay(Order);

/// What `xpay` and `xkeysend` answer.
#[derive(Serialize)]
pub(super) struct XpayAnswer {
    pub(super) payment_preimage: String,
    pub(super) amount_msat: u64,
    pub(super) amount_sent_msat: u64,
    /// Of those that failed nothing is known.
    pub(super) failed_parts: u32,
    pub(super) successful_parts: u32,
}

impl Method for Xpay {
    const NAME: &'static str = "xpay";
    const USAGE: &'static str = "invstring [amount_msat] [maxfee] [layers] [retry_for] [partial_msat] \
                                 [maxdelay] [payer_note] [label] [localinvreqid] [dev_use_shadow]";
    type Answer = XpayAnswer;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["partial_msat"], ONE_NODE_PAYS)?;
        args.refuse(&["layers", "localinvreqid"], FINDS_ROUTES)?;
        args.refuse(&["dev_use_shadow"], "it is for the developers of Core Lightning")?;
        Ok(Self(Order {
            invstring: args.required("invstring")?,
            amount_msat: amount_msat(args)?,
            limits: Limits::read(args, FeeLimit::of_xpay(args)?)?,
            label: label(args)?,
            description: None,
            payer_note: args.optional("payer_note")?,
        }))
    }

    async fn run(self, call: Call) -> Result<XpayAnswer, RpcError> {
        let Done { paid, amount_msat, .. } = self.0.pay(&call, Repeated::Refused).await?;
        Ok(XpayAnswer {
            amount_msat,
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
    use crate::cln::error::code;

    fn pay(params: Value) -> Result<Pay, RpcError> {
        Pay::read(&Args::of(Pay::USAGE, Some(params))?)
    }

    #[test]
    fn fees_are_limited_as_core_lightning_limits_them() {
        let limit = |params, amount_msat| pay(params).unwrap().0.limits.fee.msat(amount_msat);
        assert_eq!(limit(json!(["lnbc"]), 1_000), 5_000);
        assert_eq!(limit(json!(["lnbc"]), 100_000_000), 500_000);
        assert_eq!(limit(json!({"bolt11": "lnbc", "maxfeepercent": "1", "exemptfee": 0}), 100), 1);
        assert_eq!(limit(json!({"bolt11": "lnbc", "maxfee": "1sat"}), 100), 1_000);
        let xpay = Xpay::read(&Args::of(Xpay::USAGE, Some(json!(["lnbc"]))).unwrap()).unwrap();
        assert_eq!(xpay.0.limits.fee.msat(10_000_000), 100_000);
    }

    #[test]
    fn what_would_be_passed_over_is_refused() {
        for params in [
            json!({"bolt11": "lnbc", "partial_msat": 1}),
            json!({"bolt11": "lnbc", "exclude": []}),
            json!({"bolt11": "lnbc", "maxfee": 1, "exemptfee": 1}),
            json!({"bolt11": "lnbc", "retry_for": "soon"}),
        ] {
            assert_eq!(pay(params).err().unwrap().code, code::INVALID_PARAMS);
        }
    }

    #[test]
    fn what_the_caller_says_is_read() {
        let Pay(order) =
            pay(json!({"bolt11": "lnbc", "retry_for": 5, "label": 7, "description": "d"})).unwrap();
        assert_eq!((order.label.as_deref(), order.description.as_deref()), (Some("7"), Some("d")));
        assert_eq!(order.limits.retry_for.as_secs(), 5);
        assert_eq!(pay(json!(["lnbc"])).unwrap().0.limits.retry_for.as_secs(), 60);
        let positions = json!(["lno", 1, 2, 3, null, 4, "shop", "late", "a"]);
        let args = Args::of(Renepay::USAGE, Some(positions)).unwrap();
        assert!(Renepay::read(&args).is_err());
        let args = Args::of(Renepay::USAGE, Some(json!(["lno", 1, "2msat", 3, 4, "d", "l"])));
        let Renepay(order) = Renepay::read(&args.unwrap()).unwrap();
        assert_eq!((order.amount_msat, order.limits.fee.msat(0)), (Some(1), 2));
        assert_eq!(order.label.as_deref(), Some("l"));
    }
}
