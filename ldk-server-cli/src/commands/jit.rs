//! Invoices that are paid through a channel which a liquidity provider opens for the payment.

use clap::Args;
use ldk_server_grpc::api::{
    Bolt11ReceiveVariableAmountViaJitChannelRequest, Bolt11ReceiveViaJitChannelRequest,
};

use crate::amount::Amount;
use crate::args::{DescriptionArgs, NoteArgs, Notes};
use crate::failure::Failure;

unary_commands!(Commands {
    Bolt11ReceiveViaJitChannel => bolt11_receive_via_jit_channel shows invoice,
    Bolt11ReceiveVariableAmountViaJitChannel =>
        bolt11_receive_variable_amount_via_jit_channel shows invoice,
});

/// Create an invoice that is paid through a new channel from the liquidity provider
#[derive(Debug, Args)]
pub(crate) struct Bolt11ReceiveViaJitChannel {
    /// Amount with its unit (sat or msat). The node receives it less the provider's fee
    amount: Amount,

    #[command(flatten)]
    description: DescriptionArgs,

    /// Maximum fee of the provider, with its unit (sat or msat) [default: no limit]
    #[arg(long, value_name = "AMOUNT")]
    max_total_lsp_fee_limit: Option<Amount>,

    #[command(flatten)]
    pub(crate) notes: NoteArgs,
}

impl TryFrom<Bolt11ReceiveViaJitChannel> for Bolt11ReceiveViaJitChannelRequest {
    type Error = Failure;

    fn try_from(command: Bolt11ReceiveViaJitChannel) -> Result<Self, Failure> {
        let Notes { label, external_id, metadata } = command.notes.notes();
        Ok(Self {
            amount_msat: command.amount.msat(),
            expiry_secs: command.description.expiry_secs,
            description: command.description.description()?,
            max_total_lsp_fee_limit_msat: command.max_total_lsp_fee_limit.map(Amount::msat),
            label,
            external_id,
            metadata,
        })
    }
}

/// Create an invoice without amount that is paid through a new channel from the liquidity provider
#[derive(Debug, Args)]
pub(crate) struct Bolt11ReceiveVariableAmountViaJitChannel {
    #[command(flatten)]
    description: DescriptionArgs,

    /// Maximum fee of the provider, in msat per million msat paid [default: no limit]
    #[arg(long, value_name = "MILLIONTHS")]
    max_proportional_lsp_fee_limit_ppm_msat: Option<u64>,

    #[command(flatten)]
    pub(crate) notes: NoteArgs,
}

impl TryFrom<Bolt11ReceiveVariableAmountViaJitChannel>
    for Bolt11ReceiveVariableAmountViaJitChannelRequest
{
    type Error = Failure;

    fn try_from(command: Bolt11ReceiveVariableAmountViaJitChannel) -> Result<Self, Failure> {
        let Notes { label, external_id, metadata } = command.notes.notes();
        Ok(Self {
            expiry_secs: command.description.expiry_secs,
            description: command.description.description()?,
            max_proportional_lsp_fee_limit_ppm_msat: command
                .max_proportional_lsp_fee_limit_ppm_msat,
            label,
            external_id,
            metadata,
        })
    }
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::types::Bolt11InvoiceDescription;
    use ldk_server_grpc::types::bolt11_invoice_description::Kind;

    use super::*;
    use crate::commands::testing::request;

    #[test]
    fn a_fixed_amount_has_a_limit_on_the_whole_fee() {
        let request = request::<Bolt11ReceiveViaJitChannel, Bolt11ReceiveViaJitChannelRequest>;
        let plain = Bolt11ReceiveViaJitChannelRequest {
            amount_msat: 7_000,
            description: None,
            expiry_secs: 86_400,
            max_total_lsp_fee_limit_msat: None,
            ..Default::default()
        };
        assert_eq!(request("7sat"), Ok(plain.clone()));
        assert_eq!(
            request("7sat -e 9 --max-total-lsp-fee-limit 1500msat"),
            Ok(Bolt11ReceiveViaJitChannelRequest {
                expiry_secs: 9,
                max_total_lsp_fee_limit_msat: Some(1_500),
                ..plain
            })
        );
    }

    #[test]
    fn a_variable_amount_has_a_limit_in_millionths() {
        let hash = Bolt11InvoiceDescription { kind: Some(Kind::Hash("00ff".to_owned())) };
        assert_eq!(
            request::<Bolt11ReceiveVariableAmountViaJitChannel, _>(
                "--description-hash 00ff --max-proportional-lsp-fee-limit-ppm-msat 20000"
            ),
            Ok(Bolt11ReceiveVariableAmountViaJitChannelRequest {
                description: Some(hash),
                expiry_secs: 86_400,
                max_proportional_lsp_fee_limit_ppm_msat: Some(20_000),
                ..Default::default()
            })
        );
    }
}
