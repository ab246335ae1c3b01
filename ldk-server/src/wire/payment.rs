//! Payments.

use std::collections::BTreeMap;

use ldk_node::bitcoin::Txid;
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use ldk_node::payment::{
    ConfirmationStatus, LSPFeeLimits, PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus,
};
use ldk_server_grpc::types::confirmation_status::Status;
use ldk_server_grpc::types::payment_kind::Kind;
use ldk_server_grpc::types::{self, PaymentMethod, PaymentOutcomeStatus};

use super::failure;

/// A payment as the API shows it. `created_at` is in Unix seconds; one that is `put_away` is an
/// invoice that expired unpaid.
pub fn payment(details: PaymentDetails, created_at: u64, put_away: bool) -> types::Payment {
    let PaymentDetails {
        id,
        kind,
        amount_msat,
        fee_paid_msat,
        direction,
        status,
        latest_update_timestamp,
    } = details;
    types::Payment {
        id: hex::encode(id.0),
        kind: Some(types::PaymentKind { kind: Some(payment_kind(kind)) }),
        amount_msat,
        direction: payment_direction(direction).into(),
        status: if put_away { types::PaymentStatus::Failed } else { payment_status(status) }.into(),
        latest_update_timestamp,
        fee_paid_msat,
        created_at,
        expired: put_away,
        outcome_unknown: false,
        failure_reason: None,
        label: String::new(),
        metadata: BTreeMap::new(),
    }
}

fn payment_kind(kind: PaymentKind) -> Kind {
    match kind {
        PaymentKind::Onchain { txid, status } => Kind::Onchain(onchain(txid, status)),
        PaymentKind::Bolt11 { hash, preimage, secret } => Kind::Bolt11(types::Bolt11 {
            hash: hex::encode(hash.0),
            preimage: preimage.map(preimage_hex),
            secret: secret.map(|secret| secret.0.to_vec()),
            // The library keeps this fee for just-in-time channels only.
            counterparty_skimmed_fee_msat: None,
        }),
        PaymentKind::Bolt11Jit {
            hash,
            preimage,
            secret,
            counterparty_skimmed_fee_msat,
            lsp_fee_limits,
        } => Kind::Bolt11Jit(types::Bolt11Jit {
            hash: hex::encode(hash.0),
            preimage: preimage.map(preimage_hex),
            secret: secret.map(|secret| secret.0.to_vec()),
            lsp_fee_limits: Some(fee_limits(lsp_fee_limits)),
            counterparty_skimmed_fee_msat,
        }),
        PaymentKind::Bolt12Offer { hash, preimage, secret, offer_id, payer_note, quantity } => {
            Kind::Bolt12Offer(types::Bolt12Offer {
                hash: hash.map(|hash| hex::encode(hash.0)),
                preimage: preimage.map(preimage_hex),
                secret: secret.map(|secret| secret.0.to_vec()),
                offer_id: hex::encode(offer_id.0),
                payer_note: payer_note.map(|note| note.0),
                quantity,
            })
        },
        PaymentKind::Bolt12Refund { hash, preimage, secret, payer_note, quantity } => {
            Kind::Bolt12Refund(types::Bolt12Refund {
                hash: hash.map(|hash| hex::encode(hash.0)),
                preimage: preimage.map(preimage_hex),
                secret: secret.map(|secret| secret.0.to_vec()),
                payer_note: payer_note.map(|note| note.0),
                quantity,
            })
        },
        PaymentKind::Spontaneous { hash, preimage } => Kind::Spontaneous(types::Spontaneous {
            hash: hex::encode(hash.0),
            preimage: preimage.map(preimage_hex),
        }),
    }
}

fn onchain(txid: Txid, status: ConfirmationStatus) -> types::Onchain {
    let status = match status {
        ConfirmationStatus::Confirmed { block_hash, height, timestamp } => {
            let block_hash = block_hash.to_string();
            Status::Confirmed(types::Confirmed { block_hash, height, timestamp })
        },
        ConfirmationStatus::Unconfirmed => Status::Unconfirmed(types::Unconfirmed {}),
    };
    types::Onchain {
        txid: txid.to_string(),
        status: Some(types::ConfirmationStatus { status: Some(status) }),
    }
}

fn fee_limits(limits: LSPFeeLimits) -> types::LspFeeLimits {
    let LSPFeeLimits { max_total_opening_fee_msat, max_proportional_opening_fee_ppm_msat } = limits;
    types::LspFeeLimits { max_total_opening_fee_msat, max_proportional_opening_fee_ppm_msat }
}

fn preimage_hex(preimage: PaymentPreimage) -> String {
    hex::encode(preimage.0)
}

/// What has come of a payment. If it is `timed_out`, it is waited for no longer.
pub fn outcome(payment: &types::Payment, timed_out: bool) -> types::PaymentOutcome {
    let status = match payment.status() {
        _ if payment.outcome_unknown => PaymentOutcomeStatus::Unknown,
        types::PaymentStatus::Pending => PaymentOutcomeStatus::Pending,
        types::PaymentStatus::Succeeded => PaymentOutcomeStatus::Succeeded,
        types::PaymentStatus::Failed => PaymentOutcomeStatus::Failed,
    };
    let has_succeeded = status == PaymentOutcomeStatus::Succeeded;
    let reason = payment.failure_reason.and_then(|reason| reason.try_into().ok());
    let has_failed = status == PaymentOutcomeStatus::Failed;
    types::PaymentOutcome {
        status: status.into(),
        preimage: preimage(payment).filter(|_| has_succeeded),
        fee_paid_msat: payment.fee_paid_msat,
        failure_reason: payment.failure_reason.filter(|_| has_failed),
        failure_text: if has_failed { failure::text(reason).to_owned() } else { String::new() },
        timed_out,
    }
}

/// The hash of a Lightning payment, once it is known.
pub fn hash(payment: &types::Payment) -> Option<String> {
    match payment.kind.as_ref()?.kind.as_ref()? {
        Kind::Onchain(_) => None,
        Kind::Bolt11(kind) => Some(kind.hash.clone()),
        Kind::Bolt11Jit(kind) => Some(kind.hash.clone()),
        Kind::Bolt12Offer(kind) => kind.hash.clone(),
        Kind::Bolt12Refund(kind) => kind.hash.clone(),
        Kind::Spontaneous(kind) => Some(kind.hash.clone()),
    }
}

/// The preimage of a Lightning payment, as far as it is known.
pub fn preimage(payment: &types::Payment) -> Option<String> {
    match payment.kind.as_ref()?.kind.as_ref()? {
        Kind::Onchain(_) => None,
        Kind::Bolt11(kind) => kind.preimage.clone(),
        Kind::Bolt11Jit(kind) => kind.preimage.clone(),
        Kind::Bolt12Offer(kind) => kind.preimage.clone(),
        Kind::Bolt12Refund(kind) => kind.preimage.clone(),
        Kind::Spontaneous(kind) => kind.preimage.clone(),
    }
}

/// The way a payment is made, as a filter has it.
pub fn payment_method(kind: &PaymentKind) -> PaymentMethod {
    match kind {
        PaymentKind::Onchain { .. } => PaymentMethod::Onchain,
        PaymentKind::Bolt11 { .. } => PaymentMethod::Bolt11,
        PaymentKind::Bolt11Jit { .. } => PaymentMethod::Bolt11Jit,
        PaymentKind::Bolt12Offer { .. } => PaymentMethod::Bolt12Offer,
        PaymentKind::Bolt12Refund { .. } => PaymentMethod::Bolt12Refund,
        PaymentKind::Spontaneous { .. } => PaymentMethod::Spontaneous,
    }
}

/// The hash that a payment goes by on Lightning, once it is known.
pub fn payment_hash(kind: &PaymentKind) -> Option<PaymentHash> {
    match kind {
        PaymentKind::Onchain { .. } => None,
        PaymentKind::Bolt11 { hash, .. }
        | PaymentKind::Bolt11Jit { hash, .. }
        | PaymentKind::Spontaneous { hash, .. } => Some(*hash),
        PaymentKind::Bolt12Offer { hash, .. } | PaymentKind::Bolt12Refund { hash, .. } => *hash,
    }
}

/// Whether a payment is to us or from us.
pub fn payment_direction(direction: PaymentDirection) -> types::PaymentDirection {
    match direction {
        PaymentDirection::Inbound => types::PaymentDirection::Inbound,
        PaymentDirection::Outbound => types::PaymentDirection::Outbound,
    }
}

/// How far a payment has come.
pub fn payment_status(status: PaymentStatus) -> types::PaymentStatus {
    match status {
        PaymentStatus::Pending => types::PaymentStatus::Pending,
        PaymentStatus::Succeeded => types::PaymentStatus::Succeeded,
        PaymentStatus::Failed => types::PaymentStatus::Failed,
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::hashes::Hash as _;
    use ldk_node::lightning::ln::channelmanager::PaymentId;
    use ldk_node::lightning::offers::offer::OfferId;
    use ldk_node::lightning_types::payment::{PaymentHash, PaymentSecret};
    use ldk_node::lightning_types::string::UntrustedString;

    use super::*;

    #[test]
    fn an_outbound_invoice_payment() {
        let shown = payment(
            PaymentDetails {
                id: PaymentId([1; 32]),
                kind: PaymentKind::Bolt11 {
                    hash: PaymentHash([2; 32]),
                    preimage: Some(PaymentPreimage([3; 32])),
                    secret: Some(PaymentSecret([4; 32])),
                },
                amount_msat: Some(5_000),
                fee_paid_msat: Some(6),
                direction: PaymentDirection::Outbound,
                status: PaymentStatus::Succeeded,
                latest_update_timestamp: 7,
            },
            5,
            false,
        );
        assert_eq!(shown.id, "01".repeat(32));
        assert_eq!(shown.direction(), types::PaymentDirection::Outbound);
        assert_eq!(shown.status(), types::PaymentStatus::Succeeded);
        assert_eq!((shown.amount_msat, shown.fee_paid_msat), (Some(5_000), Some(6)));
        let Some(Kind::Bolt11(bolt11)) = shown.kind.and_then(|kind| kind.kind) else {
            panic!("not BOLT 11")
        };
        assert_eq!(bolt11.hash, "02".repeat(32));
        assert_eq!(bolt11.preimage, Some("03".repeat(32)));
        assert_eq!(bolt11.secret, Some(vec![4; 32]));
    }

    /// What the API shows of a payment of this kind.
    fn shown(kind: PaymentKind) -> Kind {
        let shown = payment(
            PaymentDetails {
                id: PaymentId([1; 32]),
                kind,
                amount_msat: None,
                fee_paid_msat: None,
                direction: PaymentDirection::Inbound,
                status: PaymentStatus::Pending,
                latest_update_timestamp: 7,
            },
            5,
            false,
        );
        shown.kind.and_then(|kind| kind.kind).unwrap()
    }

    #[test]
    fn every_other_kind_of_lightning_payment() {
        let (hash, preimage, secret) =
            (PaymentHash([2; 32]), Some(PaymentPreimage([3; 32])), Some(PaymentSecret([4; 32])));
        let (hash_hex, preimage_hex) = ("02".repeat(32), Some("03".repeat(32)));
        let lsp_fee_limits = LSPFeeLimits {
            max_total_opening_fee_msat: Some(5),
            max_proportional_opening_fee_ppm_msat: Some(6),
        };
        let note = || Some(UntrustedString("for\n\t\u{200d}tea".to_owned()));
        for (kind, expected) in [
            (
                PaymentKind::Bolt11Jit {
                    hash,
                    preimage,
                    secret,
                    counterparty_skimmed_fee_msat: Some(7),
                    lsp_fee_limits,
                },
                Kind::Bolt11Jit(types::Bolt11Jit {
                    hash: hash_hex.clone(),
                    preimage: preimage_hex.clone(),
                    secret: Some(vec![4; 32]),
                    lsp_fee_limits: Some(types::LspFeeLimits {
                        max_total_opening_fee_msat: Some(5),
                        max_proportional_opening_fee_ppm_msat: Some(6),
                    }),
                    counterparty_skimmed_fee_msat: Some(7),
                }),
            ),
            (
                PaymentKind::Bolt12Offer {
                    hash: Some(hash),
                    preimage,
                    secret,
                    offer_id: OfferId([8; 32]),
                    payer_note: note(),
                    quantity: Some(9),
                },
                Kind::Bolt12Offer(types::Bolt12Offer {
                    hash: Some(hash_hex.clone()),
                    preimage: preimage_hex.clone(),
                    secret: Some(vec![4; 32]),
                    offer_id: "08".repeat(32),
                    payer_note: Some("for\n\t\u{200d}tea".to_owned()),
                    quantity: Some(9),
                }),
            ),
            (
                PaymentKind::Bolt12Refund {
                    hash: None,
                    preimage: None,
                    secret: None,
                    payer_note: note(),
                    quantity: None,
                },
                Kind::Bolt12Refund(types::Bolt12Refund {
                    payer_note: Some("for\n\t\u{200d}tea".to_owned()),
                    ..types::Bolt12Refund::default()
                }),
            ),
            (
                PaymentKind::Spontaneous { hash, preimage },
                Kind::Spontaneous(types::Spontaneous { hash: hash_hex, preimage: preimage_hex }),
            ),
        ] {
            assert_eq!(shown(kind), expected);
        }
    }

    #[test]
    fn a_transaction_id_is_shown_in_display_order() {
        let mut bytes = [0; 32];
        bytes[0] = 0xab;
        let shown = onchain(Txid::from_byte_array(bytes), ConfirmationStatus::Unconfirmed);
        assert!(shown.txid.ends_with("ab"), "{}", shown.txid);
    }
}
