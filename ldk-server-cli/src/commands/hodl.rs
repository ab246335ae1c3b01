//! Invoices whose payments are held until they are claimed or failed by hand.

use clap::Args;
use ldk_server_grpc::api::{
    Bolt11ClaimForHashRequest, Bolt11FailForHashRequest, Bolt11ReceiveForHashRequest,
};

use crate::amount::Amount;
use crate::args::{DescriptionArgs, NoteArgs, Notes};
use crate::failure::Failure;

unary_commands!(Commands {
    Bolt11ReceiveForHash => bolt11_receive_for_hash shows invoice,
    Bolt11ClaimForHash => bolt11_claim_for_hash,
    Bolt11FailForHash => bolt11_fail_for_hash,
});

/// Create an invoice for a payment hash whose preimage the node does not know
///
/// The node holds the payment until bolt11-claim-for-hash or bolt11-fail-for-hash. The event
/// payment_claimable reports that the payment has arrived, and the block before which it must be
/// claimed.
#[derive(Debug, Args)]
pub(crate) struct Bolt11ReceiveForHash {
    /// SHA-256 of the preimage, as hex. Use each hash only once
    payment_hash: String,

    /// Amount with its unit (sat or msat); without it the payer chooses
    amount: Option<Amount>,

    #[command(flatten)]
    description: DescriptionArgs,

    #[command(flatten)]
    pub(crate) notes: NoteArgs,
}

impl TryFrom<Bolt11ReceiveForHash> for Bolt11ReceiveForHashRequest {
    type Error = Failure;

    fn try_from(command: Bolt11ReceiveForHash) -> Result<Self, Failure> {
        let Notes { label, external_id, metadata } = command.notes.notes();
        Ok(Self {
            payment_hash: command.payment_hash,
            amount_msat: command.amount.map(Amount::msat),
            expiry_secs: command.description.expiry_secs,
            description: command.description.description()?,
            label,
            external_id,
            metadata,
        })
    }
}

/// Claim a held payment with its preimage
#[derive(Debug, Args)]
pub(crate) struct Bolt11ClaimForHash {
    /// Preimage as hex. Other users of this machine can see it while the command runs, and shells
    /// keep it in their history
    preimage: String,

    /// Do not claim if the invoice asks for more than this amount, with its unit (sat or msat)
    #[arg(short, long, value_name = "AMOUNT")]
    claimable_amount: Option<Amount>,

    /// Payment hash as hex [default: SHA-256 of the preimage]
    #[arg(short, long, value_name = "HEX")]
    payment_hash: Option<String>,
}

impl From<Bolt11ClaimForHash> for Bolt11ClaimForHashRequest {
    fn from(command: Bolt11ClaimForHash) -> Self {
        Self {
            payment_hash: command.payment_hash,
            claimable_amount_msat: command.claimable_amount.map(Amount::msat),
            preimage: command.preimage,
        }
    }
}

/// Fail a held payment back to its payer
#[derive(Debug, Args)]
pub(crate) struct Bolt11FailForHash {
    /// Payment hash as hex
    payment_hash: String,
}

impl From<Bolt11FailForHash> for Bolt11FailForHashRequest {
    fn from(command: Bolt11FailForHash) -> Self {
        Self { payment_hash: command.payment_hash }
    }
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::types::Bolt11InvoiceDescription;
    use ldk_server_grpc::types::bolt11_invoice_description::Kind;

    use super::*;
    use crate::commands::testing::request;

    #[test]
    fn an_invoice_is_made_for_a_hash() {
        let request = request::<Bolt11ReceiveForHash, Bolt11ReceiveForHashRequest>;
        let payment_hash = || "00ff".to_owned();
        assert_eq!(
            request("00ff"),
            Ok(Bolt11ReceiveForHashRequest {
                amount_msat: None,
                description: None,
                expiry_secs: 86_400,
                payment_hash: payment_hash(),
                ..Default::default()
            })
        );
        let tea = Bolt11InvoiceDescription { kind: Some(Kind::Direct("tea".to_owned())) };
        assert_eq!(
            request("00ff 2sat -d tea -e 60"),
            Ok(Bolt11ReceiveForHashRequest {
                amount_msat: Some(2_000),
                description: Some(tea),
                expiry_secs: 60,
                payment_hash: payment_hash(),
                ..Default::default()
            })
        );
        let both = request("00ff -d tea --description-hash 00ff").unwrap_err();
        assert!(both.starts_with("Error (Invalid Request): "), "{both}");
    }

    #[test]
    fn a_held_payment_is_claimed_by_its_preimage() {
        let request = request::<Bolt11ClaimForHash, Bolt11ClaimForHashRequest>;
        let claim = Bolt11ClaimForHashRequest {
            payment_hash: None,
            claimable_amount_msat: None,
            preimage: "aa".to_owned(),
        };
        assert_eq!(request("aa"), Ok(claim.clone()));
        let checked = Bolt11ClaimForHashRequest {
            payment_hash: Some("00ff".to_owned()),
            claimable_amount_msat: Some(5_000),
            ..claim
        };
        assert_eq!(request("aa -c 5sat -p 00ff"), Ok(checked.clone()));
        assert_eq!(request("aa --claimable-amount 5sat --payment-hash 00ff"), Ok(checked));
    }

    #[test]
    fn a_held_payment_is_failed_by_its_hash() {
        assert_eq!(
            request::<Bolt11FailForHash, _>("00ff"),
            Ok(Bolt11FailForHashRequest { payment_hash: "00ff".to_owned() })
        );
    }
}
