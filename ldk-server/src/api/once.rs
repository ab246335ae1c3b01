//! Calls that are carried out once for each idempotency key, and answered the same each time; and those
//! that wait for their payment.

use std::time::Duration;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::api::unified_send_response::PaymentResult;
use ldk_server_grpc::api::{
    Bolt11SendRequest, Bolt11SendResponse, Bolt12SendRequest, Bolt12SendResponse,
    CreateRefundRequest, CreateRefundResponse, LnurlPayRequest, LnurlPayResponse,
    OnchainSendRequest, OnchainSendResponse, OpenChannelRequest, OpenChannelResponse,
    SpliceInRequest, SpliceInResponse, SpliceOutRequest, SpliceOutResponse, SpontaneousSendRequest,
    SpontaneousSendResponse, UnifiedSendRequest, UnifiedSendResponse,
};
use ldk_server_grpc::types::{PaymentMethod, PaymentOutcome};
use prost::Message;
use sha2::{Digest as _, Sha256};

use super::canonical::{CanonicalSpend, Defaults};
use super::fields;
use crate::clock::unix_secs;
use crate::error::{Error, quoted};
use crate::store::{self, AnswerDraft, Intent, IntentOutcome};

const KEY: &str = "idempotency_key";
const MAX_KEY_CHARS: usize = 64;

/// The request of such a call.
pub(super) trait Once: Message + Clone + CanonicalSpend {
    /// What is answered.
    type Reply: OnceReply;
    /// The key; empty if there is none.
    fn key(&self) -> &str;
    /// The request without what does not tell it apart from others.
    fn bare(self) -> Self;
    /// How long to wait for what comes of the payment.
    fn wait_timeout_secs(&self) -> Option<u32> {
        None
    }
}

/// The answer of such a call.
pub(super) trait OnceReply: Message + Default {
    /// The answer to a call that has led to this.
    fn of(outcome: &IntentOutcome, draft: &AnswerDraft) -> Self;
    /// The same, told again.
    fn repeated(self) -> Self;
    /// The payment that it names.
    fn payment(&self) -> Option<PaymentId> {
        None
    }
    /// The same, with what has come of the payment.
    fn with_outcome(self, _: PaymentOutcome) -> Self {
        self
    }
}

macro_rules! once {
    (@request waits) => {
        fn wait_timeout_secs(&self) -> Option<u32> {
            self.wait_timeout_secs
        }

        fn bare(mut self) -> Self {
            self.idempotency_key.clear();
            self.wait_timeout_secs = None;
            self
        }
    };
    (@request at_once) => {
        fn bare(mut self) -> Self {
            self.idempotency_key.clear();
            self
        }
    };
    (@reply at_once) => {};
    (@reply waits) => {
        fn payment(&self) -> Option<PaymentId> {
            self.names_payment()
        }

        fn with_outcome(mut self, outcome: PaymentOutcome) -> Self {
            self.outcome = Some(outcome);
            self
        }
    };
    ($($request:ident -> $reply:ident $waits:ident { $of:expr })*) => {$(
        impl Once for $request {
            type Reply = $reply;

            fn key(&self) -> &str {
                &self.idempotency_key
            }

            once!(@request $waits);
        }

        impl OnceReply for $reply {
            fn of(outcome: &IntentOutcome, draft: &AnswerDraft) -> Self {
                let of: fn(&IntentOutcome, &AnswerDraft) -> Self = $of;
                of(outcome, draft)
            }

            fn repeated(mut self) -> Self {
                self.repeated = true;
                self
            }

            once!(@reply $waits);
        }
    )*};
}

once! {
    Bolt11SendRequest -> Bolt11SendResponse waits {
        |outcome, _| Self { payment_id: payment_id(outcome), ..Self::default() }
    }
    Bolt12SendRequest -> Bolt12SendResponse waits {
        |outcome, _| Self { payment_id: payment_id(outcome), ..Self::default() }
    }
    SpontaneousSendRequest -> SpontaneousSendResponse waits {
        |outcome, _| Self { payment_id: payment_id(outcome), ..Self::default() }
    }
    CreateRefundRequest -> CreateRefundResponse at_once {
        |outcome, _| Self {
            refund: refund(outcome),
            payment_id: payment_id(outcome),
            repeated: false,
        }
    }
    LnurlPayRequest -> LnurlPayResponse at_once {
        |outcome, draft| Self {
            payment_id: payment_id(outcome),
            ..Self::decode(&*draft.rest).unwrap_or_default()
        }
    }
    OnchainSendRequest -> OnchainSendResponse at_once {
        |outcome, _| Self { txid: txid(outcome), repeated: false }
    }
    UnifiedSendRequest -> UnifiedSendResponse waits {
        |outcome, draft| Self {
            payment_result: payment_result(outcome),
            left_out: draft.left_out.clone(),
            ..Self::default()
        }
    }
    OpenChannelRequest -> OpenChannelResponse at_once {
        |outcome, _| Self { user_channel_id: user_channel_id(outcome), repeated: false }
    }
    SpliceInRequest -> SpliceInResponse at_once { |_, _| Self { repeated: false } }
    SpliceOutRequest -> SpliceOutResponse at_once {
        |outcome, _| Self { address: address(outcome), repeated: false }
    }
}

/// The payment that an answer names.
trait NamesPayment {
    fn names_payment(&self) -> Option<PaymentId>;
}

macro_rules! names_payment {
    ($($reply:ident)*) => {$(
        impl NamesPayment for $reply {
            fn names_payment(&self) -> Option<PaymentId> {
                id_in(&self.payment_id)
            }
        }
    )*};
}

names_payment! { Bolt11SendResponse Bolt12SendResponse SpontaneousSendResponse }

impl NamesPayment for UnifiedSendResponse {
    fn names_payment(&self) -> Option<PaymentId> {
        match self.payment_result.as_ref()? {
            PaymentResult::Txid(txid) => txid.parse().ok().map(|txid| store::payment_id(&txid)),
            PaymentResult::Bolt11PaymentId(id) | PaymentResult::Bolt12PaymentId(id) => id_in(id),
        }
    }
}

fn id_in(text: &str) -> Option<PaymentId> {
    let mut id = [0; 32];
    hex::decode_to_slice(text, &mut id).ok()?;
    Some(PaymentId(id))
}

/// How long to wait for what comes of the payment.
pub(super) fn timeout<Q: Once>(request: &Q) -> Result<Option<Duration>, Error> {
    let secs = request.wait_timeout_secs().filter(|secs| *secs > 0);
    secs.map(|secs| fields::secs_to_wait("wait_timeout_secs", secs)).transpose()
}

/// The call with this request, if its key is one.
pub(super) fn intent<Q: Once>(
    method: &'static str,
    request: &Q,
    defaults: &Defaults,
) -> Result<Intent, Error> {
    let key = key(request.key())?;
    let digest = digest(method, request, defaults);
    Ok(Intent::new(key, (method, digest), unix_secs(), encode::<Q::Reply>))
}

/// An answer as it was given before.
pub(super) fn repeated<A: OnceReply>(answer: &[u8]) -> Result<A, Error> {
    A::decode(answer).map(A::repeated).map_err(Error::internal)
}

fn encode<A: OnceReply>(outcome: &IntentOutcome, draft: &AnswerDraft) -> Vec<u8> {
    A::of(outcome, draft).encode_to_vec()
}

fn key(text: &str) -> Result<String, Error> {
    let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_printable && text.len() <= MAX_KEY_CHARS {
        return Ok(text.to_owned());
    }
    let reason = format!(
        "{} must be 1 to {MAX_KEY_CHARS} printable ASCII characters without spaces",
        quoted(text)
    );
    Err(Error::invalid(KEY, reason))
}

/// Equal requests have equal bytes: maps are encoded in the order of their keys. What is noted with the payment
/// is part of the request: a caller who gives the same key another label means another payment, or has made a
/// mistake, and in both cases an answer that names the first would mislead.
///
/// What names a default is the same as what leaves it out.
fn digest<Q: Once>(method: &'static str, request: &Q, defaults: &Defaults) -> [u8; 32] {
    let mut request = request.clone().bare();
    request.leave_out_defaults(defaults);
    let bytes = request.encode_to_vec();
    Sha256::new().chain_update(method).chain_update([0]).chain_update(bytes).finalize().into()
}

fn payment_id(outcome: &IntentOutcome) -> String {
    match outcome {
        IntentOutcome::Payment(PaymentId(id), _) | IntentOutcome::Refund(PaymentId(id), _) => {
            hex::encode(id)
        },
        _ => String::new(),
    }
}

fn refund(outcome: &IntentOutcome) -> String {
    match outcome {
        IntentOutcome::Refund(_, refund) => refund.clone(),
        _ => String::new(),
    }
}

fn txid(outcome: &IntentOutcome) -> String {
    match outcome {
        IntentOutcome::Transaction(txid) => txid.to_string(),
        _ => String::new(),
    }
}

fn payment_result(outcome: &IntentOutcome) -> Option<PaymentResult> {
    match outcome {
        IntentOutcome::Payment(PaymentId(id), PaymentMethod::Bolt12Offer) => {
            Some(PaymentResult::Bolt12PaymentId(hex::encode(id)))
        },
        IntentOutcome::Payment(PaymentId(id), _) => {
            Some(PaymentResult::Bolt11PaymentId(hex::encode(id)))
        },
        IntentOutcome::Transaction(txid) => Some(PaymentResult::Txid(txid.to_string())),
        IntentOutcome::Refund(..) | IntentOutcome::Channel(_) | IntentOutcome::Splice(_) => None,
    }
}

fn user_channel_id(outcome: &IntentOutcome) -> String {
    match outcome {
        IntentOutcome::Channel(id) => id.0.to_string(),
        _ => String::new(),
    }
}

fn address(outcome: &IntentOutcome) -> String {
    match outcome {
        IntentOutcome::Splice(Some(address)) => address.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::Txid;
    use ldk_node::bitcoin::hashes::Hash as _;
    use ldk_server_grpc::types::RouteParametersConfig;
    use proptest::prelude::*;

    use super::*;
    use crate::api::canonical::tests::defaults;

    fn request(invoice: &str, amount_msat: Option<u64>, key: &str) -> Bolt11SendRequest {
        let (invoice, idempotency_key) = (invoice.to_owned(), key.to_owned());
        Bolt11SendRequest { invoice, amount_msat, idempotency_key, ..Default::default() }
    }

    #[test]
    fn a_key_is_short_and_printable() {
        for good in ["a", "order-17/retry:2", &"x".repeat(64), "~!"] {
            assert_eq!(key(good).unwrap(), good);
        }
        for bad in ["a b", " a", "a\n", "é", &*"x".repeat(65)] {
            let refused = key(bad).unwrap_err().to_string();
            assert!(refused.starts_with("idempotency_key: "), "{refused}");
        }
    }

    #[test]
    fn a_request_that_only_names_defaults_is_the_same() {
        let digest = |method, request: &_| digest(method, request, &defaults());
        let bare = request("lnbc1", None, "k");
        let limited = |max_path_count| {
            let route_parameters =
                Some(RouteParametersConfig { max_path_count, ..Default::default() });
            Bolt11SendRequest { route_parameters, ..bare.clone() }
        };
        for same in [limited(0), limited(10)] {
            assert_eq!(digest("Bolt11Send", &bare), digest("Bolt11Send", &same));
        }
        assert_ne!(digest("Bolt11Send", &bare), digest("Bolt11Send", &limited(9)));
        assert_ne!(digest("Bolt11Send", &bare), digest("Bolt12Send", &bare), "another call");
    }

    #[test]
    fn an_answer_is_told_again_as_it_was() {
        let id = PaymentId([7; 32]);
        let left_out = ["by offer: it has expired".to_owned()];
        let paid = IntentOutcome::Payment(id, PaymentMethod::Bolt12Offer);
        let draft = AnswerDraft { left_out: left_out.to_vec(), ..AnswerDraft::default() };
        let told: UnifiedSendResponse =
            repeated(&encode::<UnifiedSendResponse>(&paid, &draft)).unwrap();
        assert_eq!(told.payment_result, Some(PaymentResult::Bolt12PaymentId("07".repeat(32))));
        assert_eq!((told.left_out, told.repeated), (left_out.to_vec(), true));
        let txid = Txid::from_byte_array([8; 32]);
        let sent = encode::<OnchainSendResponse>(
            &IntentOutcome::Transaction(txid),
            &AnswerDraft::default(),
        );
        let told: OnchainSendResponse = repeated(&sent).unwrap();
        assert_eq!((told.txid, told.repeated), (txid.to_string(), true));
        let asked = LnurlPayResponse { amount_msat: 5, ..Default::default() };
        let draft = AnswerDraft { rest: asked.encode_to_vec(), ..AnswerDraft::default() };
        let told: LnurlPayResponse = repeated(&encode::<LnurlPayResponse>(&paid, &draft)).unwrap();
        assert_eq!((told.payment_id, told.amount_msat), ("07".repeat(32), 5));
        let made = IntentOutcome::Refund(id, "lnr1".to_owned());
        let made = encode::<CreateRefundResponse>(&made, &AnswerDraft::default());
        let told: CreateRefundResponse = repeated(&made).unwrap();
        assert_eq!((&*told.refund, told.payment_id), ("lnr1", "07".repeat(32)));
    }

    proptest! {
        #[test]
        fn the_key_does_not_tell_requests_apart_and_all_else_does(
            invoices in [".{0,20}", ".{0,20}"],
            amounts: [Option<u64>; 2],
            keys in ["[!-~]{0,64}", "[!-~]{0,64}"],
        ) {
            let digest_of = |at: usize| {
                let request = request(&invoices[at], amounts[at], &keys[at]);
                digest("Bolt11Send", &request, &defaults())
            };
            let is_same = invoices[0] == invoices[1] && amounts[0] == amounts[1];
            prop_assert_eq!(digest_of(0) == digest_of(1), is_same);
            let again = request(&invoices[0], amounts[0], &keys[1]);
            prop_assert_eq!(digest_of(0), digest("Bolt11Send", &again, &defaults()));
        }
    }
}
