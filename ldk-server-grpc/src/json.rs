//! How fields are printed as JSON where serde's default is not the contract's.

use serde::Serializer;

use crate::api::UnifiedSendResponse;
use crate::api::unified_send_response::PaymentResult;

pub(crate) fn hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

pub(crate) fn optional_hex<S: Serializer>(
    bytes: &Option<Vec<u8>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => hex(bytes, serializer),
        None => serializer.serialize_none(),
    }
}

/// An enum by its name in the proto file; a number this build does not know stays a number.
pub(crate) fn enum_name<E, S>(value: &i32, serializer: S) -> Result<S::Ok, S::Error>
where
    E: TryFrom<i32> + ProtoName,
    S: Serializer,
{
    match E::try_from(*value) {
        Ok(known) => serializer.serialize_str(known.proto_name()),
        Err(_) => serializer.serialize_i32(*value),
    }
}

pub(crate) fn optional_enum_name<E, S>(
    value: &Option<i32>,
    serializer: S,
) -> Result<S::Ok, S::Error>
where
    E: TryFrom<i32> + ProtoName,
    S: Serializer,
{
    match value {
        Some(value) => enum_name::<E, S>(value, serializer),
        None => serializer.serialize_none(),
    }
}

/// The name of an enum value in the proto file.
pub(crate) trait ProtoName {
    fn proto_name(&self) -> &'static str;
}

macro_rules! proto_names {
    ($($name:path),+ $(,)?) => {
        $(impl ProtoName for $name {
            fn proto_name(&self) -> &'static str {
                self.as_str_name()
            }
        })+
    };
}

proto_names!(
    crate::error::ErrorCode,
    crate::events::ChannelClosureInitiator,
    crate::events::ChannelState,
    crate::events::ChannelStateChangeReasonKind,
    crate::events::PaymentFailedBackReason,
    crate::events::SpliceState,
    crate::types::BalanceSource,
    crate::types::BooksAccount,
    crate::types::BooksEntryKind,
    crate::types::ChannelDirection,
    crate::types::ChannelProgress,
    crate::types::InboundChannelOrderState,
    crate::types::InboundChannelPaymentState,
    crate::types::InvoiceKind,
    crate::types::InvoiceState,
    crate::types::Network,
    crate::types::PaymentDirection,
    crate::types::PaymentMethod,
    crate::types::PaymentStatus,
    crate::types::PaymentOutcomeStatus,
    crate::types::PaymentFailureReason,
);

/// [`UnifiedSendResponse`], with the result of the payment in the message itself.
#[derive(serde::Serialize)]
pub(crate) struct UnifiedSend {
    #[serde(flatten)]
    payment_result: Option<PaymentResult>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<crate::types::PaymentOutcome>,
}

impl From<UnifiedSendResponse> for UnifiedSend {
    fn from(response: UnifiedSendResponse) -> Self {
        let UnifiedSendResponse { payment_result, left_out, repeated, outcome } = response;
        Self { payment_result, left_out, repeated, outcome }
    }
}
