//! What happened to a channel, and why it closed.

use ldk_node::lightning::events::ClosureReason;
use ldk_server_grpc::events::channel_state_change_reason::Details;
use ldk_server_grpc::events::{
    ChannelClosureInitiator as Initiator, ChannelState, ChannelStateChangeReason,
    ChannelStateChangeReasonKind as Kind, CounterpartyForceClosedDetails, HolderForceClosedDetails,
    HtlcsTimedOutDetails, PeerFeerateTooLowDetails, ProcessingErrorDetails,
};

use super::text;

/// The state a channel is in after closing for `reason`: one that was never funded has not closed,
/// its opening has failed.
pub fn state_after(reason: Option<&ClosureReason>) -> ChannelState {
    match reason {
        Some(
            ClosureReason::FundingTimedOut
            | ClosureReason::DisconnectedPeer
            | ClosureReason::FundingBatchClosure
            | ClosureReason::CounterpartyCoopClosedUnfundedChannel
            | ClosureReason::LocallyCoopClosedUnfundedChannel,
        ) => ChannelState::OpenFailed,
        _ => ChannelState::Closed,
    }
}

/// Who ended the channel, as far as the reason tells.
pub fn initiator(reason: Option<&ClosureReason>) -> Initiator {
    match reason {
        Some(
            ClosureReason::HolderForceClosed { .. }
            | ClosureReason::LocallyInitiatedCooperativeClosure
            | ClosureReason::FundingTimedOut
            | ClosureReason::ProcessingError { .. }
            | ClosureReason::OutdatedChannelManager
            | ClosureReason::LocallyCoopClosedUnfundedChannel
            | ClosureReason::FundingBatchClosure
            | ClosureReason::HTLCsTimedOut { .. }
            | ClosureReason::PeerFeerateTooLow { .. },
        ) => Initiator::Local,
        Some(
            ClosureReason::CounterpartyForceClosed { .. }
            | ClosureReason::CounterpartyInitiatedCooperativeClosure
            | ClosureReason::CounterpartyCoopClosedUnfundedChannel,
        ) => Initiator::Remote,
        Some(
            ClosureReason::LegacyCooperativeClosure
            | ClosureReason::CommitmentTxConfirmed
            | ClosureReason::DisconnectedPeer,
        )
        | None => Initiator::Unknown,
    }
}

/// The reason in full.
pub fn reason(reason: ClosureReason) -> ChannelStateChangeReason {
    let message = text::closure(&reason);
    let (kind, details) = kind_and_details(reason);
    ChannelStateChangeReason { kind: kind.into(), message, details }
}

fn kind_and_details(reason: ClosureReason) -> (Kind, Option<Details>) {
    match reason {
        ClosureReason::CounterpartyForceClosed { peer_msg } => (
            Kind::CounterpartyForceClosed,
            Some(Details::CounterpartyForceClosed(CounterpartyForceClosedDetails {
                peer_msg: peer_msg.0,
            })),
        ),
        ClosureReason::HolderForceClosed { broadcasted_latest_txn, message } => (
            Kind::HolderForceClosed,
            Some(Details::HolderForceClosed(HolderForceClosedDetails {
                broadcasted_latest_txn,
                message,
            })),
        ),
        ClosureReason::ProcessingError { err } => {
            (Kind::ProcessingError, Some(Details::ProcessingError(ProcessingErrorDetails { err })))
        },
        ClosureReason::HTLCsTimedOut { payment_hash } => (
            Kind::HtlcsTimedOut,
            Some(Details::HtlcsTimedOut(HtlcsTimedOutDetails {
                payment_hash: payment_hash.map(|hash| hex::encode(hash.0)),
            })),
        ),
        ClosureReason::PeerFeerateTooLow {
            peer_feerate_sat_per_kw,
            required_feerate_sat_per_kw,
        } => (
            Kind::PeerFeerateTooLow,
            Some(Details::PeerFeerateTooLow(PeerFeerateTooLowDetails {
                peer_feerate_sat_per_kw,
                required_feerate_sat_per_kw,
            })),
        ),
        ClosureReason::LegacyCooperativeClosure => (Kind::LegacyCooperativeClosure, None),
        ClosureReason::CounterpartyInitiatedCooperativeClosure => {
            (Kind::CounterpartyInitiatedCooperativeClosure, None)
        },
        ClosureReason::LocallyInitiatedCooperativeClosure => {
            (Kind::LocallyInitiatedCooperativeClosure, None)
        },
        ClosureReason::CommitmentTxConfirmed => (Kind::CommitmentTxConfirmed, None),
        ClosureReason::FundingTimedOut => (Kind::FundingTimedOut, None),
        ClosureReason::DisconnectedPeer => (Kind::DisconnectedPeer, None),
        ClosureReason::OutdatedChannelManager => (Kind::OutdatedChannelManager, None),
        ClosureReason::CounterpartyCoopClosedUnfundedChannel => {
            (Kind::CounterpartyCoopClosedUnfundedChannel, None)
        },
        ClosureReason::LocallyCoopClosedUnfundedChannel => {
            (Kind::LocallyCoopClosedUnfundedChannel, None)
        },
        ClosureReason::FundingBatchClosure => (Kind::FundingBatchClosure, None),
    }
}
