//! Groups of options that several commands share.
//!
//! The groups have no doc comments: clap would take them for the description of the command.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use ldk_server_client::Error;
use ldk_server_grpc::types::bolt11_invoice_description::Kind;
use ldk_server_grpc::types::{Bolt11InvoiceDescription, ChannelConfig, RouteParametersConfig};

use crate::amount::Amount;
use crate::failure::Failure;

/// One call waits no longer; the command makes another.
const LONGEST_CALL: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct RouteArgs {
    /// Limit on routing fees, with its unit (sat or msat) [default: the server's, which is 1% of the
    /// amount plus 50 sat unless it is configured]
    #[arg(long, value_name = "AMOUNT")]
    max_total_routing_fee: Option<Amount>,

    /// The same limit as a share of the amount, in parts per million: 10000 is 1%. With both, the
    /// lower one applies
    #[arg(long, value_name = "PPM", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    max_total_routing_fee_ppm: Option<u32>,

    /// Maximum total time lock of the route, in blocks
    #[arg(long, value_name = "BLOCKS", default_value_t = 1_008)]
    max_total_cltv_expiry_delta: u32,

    /// Maximum number of paths to split the payment over
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    max_path_count: u32,

    /// Maximum share of a channel's capacity to use, as a power of one half: 0 all, 1 half,
    /// 2 a quarter
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    max_channel_saturation_power_of_half: u32,
}

impl From<RouteArgs> for RouteParametersConfig {
    fn from(args: RouteArgs) -> Self {
        Self {
            max_total_routing_fee_msat: args.max_total_routing_fee.map(Amount::msat),
            max_total_cltv_expiry_delta: args.max_total_cltv_expiry_delta,
            max_path_count: args.max_path_count,
            max_channel_saturation_power_of_half: args.max_channel_saturation_power_of_half,
            max_total_routing_fee_ppm: args.max_total_routing_fee_ppm,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct OnceArgs {
    /// Key with which the command can be repeated without doing it twice: at most 64 characters
    /// without spaces. With auto, a random key is used, and printed on standard error before the call
    #[arg(long, value_name = "KEY|auto")]
    idempotency_key: Option<String>,
}

impl OnceArgs {
    /// The key; empty if there is none.
    pub(crate) fn key(self) -> String {
        match self.idempotency_key {
            Some(key) if key == "auto" => {
                let key = hex::encode(rand::random::<[u8; 16]>());
                // Before the call, so that it is known whatever becomes of that.
                eprintln!("idempotency key: {key}");
                key
            },
            key => key.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Wait for the outcome of the payment, for so many seconds at most [default with --wait: 60].
    /// What has come of it is in `outcome`; a payment that is not over by then goes on. On a terminal, a
    /// line shows how far it has come
    #[arg(
        long,
        value_name = "SECS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60",
        value_parser = clap::value_parser!(u32).range(1..=110)
    )]
    wait: Option<u32>,
}

impl WaitArgs {
    /// How long to wait, in seconds, which whoever takes it does. The call then waits for nothing.
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.wait.take()
    }

    /// How long to wait, in seconds.
    pub(crate) fn secs(self) -> Option<u32> {
        self.wait
    }
}

#[derive(Debug, Args)]
pub(crate) struct Timeout {
    /// How long to wait, in seconds; then the answer has timed_out [default: as long as it takes]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
}

impl Timeout {
    /// Makes calls, each with the seconds that it may wait, until one has not timed out or there is no time
    /// left. They return their answer, and whether it timed out.
    pub(crate) async fn wait<A>(
        &self,
        mut call: impl AsyncFnMut(Option<u32>) -> Result<(A, bool), Error>,
    ) -> Result<A, Error> {
        let begun = Instant::now();
        loop {
            let (timeout_secs, is_last) = self.of_next_call(begun);
            let (answer, timed_out) = call(timeout_secs).await?;
            if is_last || !timed_out {
                return Ok(answer);
            }
        }
    }

    /// How long the next call may wait, in seconds, and whether it is the last.
    fn of_next_call(&self, begun: Instant) -> (Option<u32>, bool) {
        let left = self
            .timeout
            .map(|secs| Duration::from_secs(secs.into()).saturating_sub(begun.elapsed()));
        let is_last = left.is_some_and(|left| left <= LONGEST_CALL);
        let wait = left.unwrap_or(LONGEST_CALL).min(LONGEST_CALL);
        // Rather a moment longer than less.
        (Some(wait.as_secs_f64().ceil() as u32), is_last)
    }
}

#[derive(Debug, Args)]
pub(crate) struct DescriptionArgs {
    /// Text that the payer is shown
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    description: Option<String>,

    /// SHA-256 of a longer description, as hex, in place of the description
    #[arg(long, value_name = "HEX")]
    description_hash: Option<String>,

    /// How long the invoice can be paid, in seconds
    #[arg(short, long, value_name = "SECONDS", default_value_t = 86_400)]
    pub(crate) expiry_secs: u32,
}

impl DescriptionArgs {
    pub(crate) fn description(self) -> Result<Option<Bolt11InvoiceDescription>, Failure> {
        let kind = match (self.description, self.description_hash) {
            (None, None) => return Ok(None),
            (Some(text), None) => Kind::Direct(text),
            (None, Some(hash)) => Kind::Hash(hash),
            (Some(_), Some(_)) => {
                return Err(Failure::InvalidRequest(
                    "--description and --description-hash exclude each other".to_owned(),
                ));
            },
        };
        Ok(Some(Bolt11InvoiceDescription { kind: Some(kind) }))
    }
}

#[derive(Debug, Args)]
pub(crate) struct NoteArgs {
    /// Label that no other invoice has. The same command with the same label prints the same invoice
    /// again
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,

    /// Your own name for what is sold; several invoices may have the same
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,

    /// Anything to keep with it; can be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    metadata: Vec<(String, String)>,

    /// Show it as a QR code, too, on standard error
    #[arg(long)]
    pub(crate) qr: bool,
}

/// What is noted: the label, the external id and the metadata.
pub(crate) struct Notes {
    pub(crate) label: String,
    pub(crate) external_id: String,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl NoteArgs {
    pub(crate) fn notes(self) -> Notes {
        let Self { label, external_id, metadata, qr: _ } = self;
        Notes {
            label: label.unwrap_or_default(),
            external_id: external_id.unwrap_or_default(),
            metadata: metadata.into_iter().collect(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PaymentNoteArgs {
    /// Your own name for the payment; several may have the same
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,

    /// Anything to keep with the payment; can be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    metadata: Vec<(String, String)>,
}

impl PaymentNoteArgs {
    /// The label, if one is given, and the metadata.
    pub(crate) fn notes(self) -> (Option<String>, BTreeMap<String, String>) {
        (self.label, self.metadata.into_iter().collect())
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct ChannelConfigArgs {
    /// Fee for forwarding over the channel, in msat per million msat forwarded
    #[arg(long, value_name = "MILLIONTHS")]
    forwarding_fee_proportional_millionths: Option<u32>,

    /// Fee for each payment forwarded over the channel, in msat
    #[arg(long, value_name = "MSAT")]
    forwarding_fee_base_msat: Option<u32>,

    /// Time lock added to payments forwarded over the channel, in blocks
    #[arg(long, value_name = "BLOCKS")]
    cltv_expiry_delta: Option<u32>,
}

impl From<ChannelConfigArgs> for ChannelConfig {
    fn from(args: ChannelConfigArgs) -> Self {
        Self {
            forwarding_fee_proportional_millionths: args.forwarding_fee_proportional_millionths,
            forwarding_fee_base_msat: args.forwarding_fee_base_msat,
            cltv_expiry_delta: args.cltv_expiry_delta,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_is_made_of_several_calls() {
        let now = Instant::now();
        assert_eq!(Timeout { timeout: None }.of_next_call(now), (Some(60), false));
        assert_eq!(Timeout { timeout: Some(300) }.of_next_call(now), (Some(60), false));
        assert_eq!(Timeout { timeout: Some(5) }.of_next_call(now), (Some(5), true));
        assert_eq!(Timeout { timeout: Some(0) }.of_next_call(now), (Some(0), true));
    }
}
