//! Payments without invoice.

use std::ffi::OsStr;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};
use ldk_server_grpc::api::SpontaneousSendRequest;
use ldk_server_grpc::types::CustomTlvRecord;

use crate::amount::Amount;
use crate::args::{OnceArgs, PaymentNoteArgs, RouteArgs, WaitArgs};

unary_commands!(Commands {
    SpontaneousSend => spontaneous_send as waiting,
});

/// Smaller types belong to the protocol.
const FIRST_CUSTOM_TYPE: u64 = 65_536;
const PREIMAGE_DIGITS: usize = 64;

/// Pay a node without an invoice (keysend)
///
/// Prints the payment's id as soon as the payment is sent. `get-payment-details` and `events` show the
/// outcome.
#[derive(Debug, Args)]
pub(crate) struct SpontaneousSend {
    /// Public key of the node to pay, as hex
    node_id: String,

    /// Amount with its unit (sat or msat)
    amount: Amount,

    /// Custom TLV record to send with the payment: its type, at least 65536, and its value as hex.
    /// Nodes refuse even types that they do not know. Can be repeated
    #[arg(long = "custom-tlv", value_name = "TYPE:HEX")]
    custom_tlvs: Vec<CustomTlv>,

    /// Preimage as 64 hex digits [default: a random one, which is safer]. Any node on the route that
    /// knows it can take the payment. Other users of this machine can see it while the command runs,
    /// and shells keep it in their history
    #[arg(long, value_name = "HEX", value_parser = PreimageParser)]
    preimage: Option<String>,

    #[command(flatten)]
    route: RouteArgs,

    #[command(flatten)]
    once: OnceArgs,

    #[command(flatten)]
    wait: WaitArgs,

    #[command(flatten)]
    notes: PaymentNoteArgs,
}

impl From<SpontaneousSend> for SpontaneousSendRequest {
    fn from(command: SpontaneousSend) -> Self {
        let (label, metadata) = command.notes.notes();
        Self {
            amount_msat: command.amount.msat(),
            node_id: command.node_id,
            route_parameters: Some(command.route.into()),
            custom_tlvs: command.custom_tlvs.into_iter().map(|record| record.0).collect(),
            preimage: command.preimage,
            idempotency_key: command.once.key(),
            wait_timeout_secs: command.wait.secs(),
            label: label.unwrap_or_default(),
            metadata,
        }
    }
}

/// `<type>:<content in hex>`.
#[derive(Clone, Debug, PartialEq)]
struct CustomTlv(CustomTlvRecord);

impl FromStr for CustomTlv {
    type Err = CustomTlvError;

    fn from_str(text: &str) -> Result<Self, CustomTlvError> {
        let (type_num, value) = text.split_once(':').ok_or(CustomTlvError::Form)?;
        let type_num: u64 = type_num.parse().map_err(|_| CustomTlvError::Form)?;
        if type_num < FIRST_CUSTOM_TYPE {
            return Err(CustomTlvError::Type);
        }
        let value = hex::decode(value).map_err(|_| CustomTlvError::Content)?;
        Ok(Self(CustomTlvRecord { type_num, value }))
    }
}

/// Why a text is not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum CustomTlvError {
    #[error("a record is the number of its type and its content as hex, as in 65537:00ff")]
    Form,
    #[error("the type of a record is at least {FIRST_CUSTOM_TYPE}")]
    Type,
    #[error("the content of a record is hex, two digits a byte")]
    Content,
}

/// Takes a preimage, and does not repeat it in errors as clap would.
#[derive(Clone)]
struct PreimageParser;

impl TypedValueParser for PreimageParser {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let is_preimage = |text: &&str| {
            text.len() == PREIMAGE_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        value.to_str().filter(is_preimage).map(ToOwned::to_owned).ok_or_else(|| {
            let text = format!("the value of --preimage must be {PREIMAGE_DIGITS} hex digits\n");
            clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{default_route, request, usage_error};

    const PREIMAGE: &str = "aAbB000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn a_node_is_paid_with_records_and_a_preimage() {
        let request = request::<SpontaneousSend, SpontaneousSendRequest>;
        let plain = SpontaneousSendRequest {
            amount_msat: 1_000,
            node_id: "02aa".to_owned(),
            route_parameters: Some(default_route()),
            custom_tlvs: Vec::new(),
            preimage: None,
            ..Default::default()
        };
        assert_eq!(request("02aa 1sat"), Ok(plain.clone()));
        let record = |type_num, value: &[u8]| CustomTlvRecord { type_num, value: value.to_vec() };
        assert_eq!(
            request(&format!(
                "02aa 1sat --custom-tlv 65537:00fF --custom-tlv 18446744073709551615: \
                 --preimage {PREIMAGE}"
            )),
            Ok(SpontaneousSendRequest {
                custom_tlvs: vec![record(65_537, &[0, 255]), record(u64::MAX, &[])],
                preimage: Some(PREIMAGE.to_owned()),
                ..plain
            })
        );
    }

    #[test]
    fn records_must_be_well_formed() {
        for (text, reason) in [
            ("", CustomTlvError::Form),
            ("65537", CustomTlvError::Form),
            (":00", CustomTlvError::Form),
            ("-1:00", CustomTlvError::Form),
            ("18446744073709551616:00", CustomTlvError::Form),
            ("65535:00", CustomTlvError::Type),
            ("65536:0", CustomTlvError::Content),
            ("65536:zz", CustomTlvError::Content),
            ("65536:00:11", CustomTlvError::Content),
        ] {
            assert_eq!(text.parse::<CustomTlv>(), Err(reason), "{text}");
            let line = format!("02aa 1sat --custom-tlv={text}");
            let error = usage_error::<SpontaneousSend>(&line);
            assert!(error.contains(&reason.to_string()), "{error}");
        }
    }

    #[test]
    fn a_wrong_preimage_is_refused_and_not_repeated() {
        for text in ["", "aabb", &PREIMAGE[1..], &format!("{PREIMAGE}0"), &"zz".repeat(32)] {
            let error = usage_error::<SpontaneousSend>(&format!("02aa 1sat --preimage={text}"));
            assert!(error.contains("--preimage must be 64 hex digits"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
