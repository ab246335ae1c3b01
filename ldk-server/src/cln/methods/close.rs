//! `close`.

use std::time::Duration;

use ldk_node::bitcoin::OutPoint;
use ldk_server_grpc::api::{
    CloseChannelRequest, ForceCloseChannelRequest, WaitChannelRequest, WaitChannelResponse,
};
use ldk_server_grpc::events::{ChannelStateChangeReason, ChannelStateChangeReasonKind as Reason};
use ldk_server_grpc::types::ChannelProgress;
use serde::Serialize;
use tokio::time::Instant;

use super::open_channels::{ChannelName, OpenChannel, open_channels};
use super::{Method, wallet};
use crate::api::{MAX_WAIT_SECS, rpc};
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::error::Error;

/// Core Lightning's default: after two days the channel is closed without the peer.
const DEFAULT_TIMEOUT_SECS: u64 = 48 * 60 * 60;
/// How long a closure without the peer may take to be begun.
const FORCE_CLOSE_SECS: u32 = 60;

/// `close`: closes a channel together with its peer, or after a time without it.
pub(super) struct Close {
    name: ChannelName,
    /// `None` to wait for the peer for ever.
    timeout: Option<Duration>,
}

#[derive(Serialize)]
pub(super) struct Closed {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    txs: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txids: Option<Vec<String>>,
}

impl Method for Close {
    const NAME: &'static str = "close";
    const USAGE: &'static str = "id [unilateraltimeout] [destination] [fee_negotiation_step] \
                                 [wrong_funding] [force_lease_closed] [feerange]";
    type Answer = Closed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let fixed = ["destination", "fee_negotiation_step", "wrong_funding", "feerange"];
        args.refuse(&fixed, "the node library decides on it; funds go to its wallet")?;
        // There are no leases, so that none need be respected.
        args.optional::<bool>("force_lease_closed")?;
        let timeout_secs = args.optional::<u32>("unilateraltimeout")?;
        let timeout_secs = timeout_secs.map_or(DEFAULT_TIMEOUT_SECS, u64::from);
        let timeout = (timeout_secs > 0).then(|| Duration::from_secs(timeout_secs));
        Ok(Self { name: args.required("id")?, timeout })
    }

    async fn run(self, call: Call) -> Result<Closed, RpcError> {
        let channel = self.name.only("id", open_channels(&call).await?)?;
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let end = match together(&call, &channel, deadline).await? {
            Some(end) => end,
            None => alone(&call, &channel).await?,
        };
        let kind = kind(&channel, &end);
        let funding = channel.details.funding_txo.filter(|_| kind == "mutual");
        // The wallet does not see what pays nothing to it, nor a commitment transaction.
        let shown = match funding {
            Some(OutPoint { txid, vout }) => {
                let found = wallet::spending(&call, OutPoint { txid, vout }).await;
                found.unwrap_or_default()
            },
            None => None,
        };
        Ok(Closed {
            kind,
            txs: shown.as_ref().map(|shown| vec![shown.hex()]),
            txids: shown.map(|shown| vec![shown.txid()]),
        })
    }
}

/// Closes the channel together with the peer, for which it waits until the deadline.
async fn together(
    call: &Call,
    channel: &OpenChannel,
    deadline: Option<Instant>,
) -> Result<Option<WaitChannelResponse>, RpcError> {
    let mut is_begun = false;
    loop {
        let request = CloseChannelRequest {
            user_channel_id: channel.user_channel_id(),
            counterparty_node_id: channel.peer_id(),
        };
        if !is_begun {
            is_begun = match call.ask(rpc::CloseChannel, request).await {
                // It is refused like this if the channel was closed a moment ago.
                Ok(_) | Err(Error::InvalidArgument { .. }) => true,
                // The peer is away, or it has begun by itself.
                Err(Error::FailedPrecondition(_)) => false,
                Err(error) => return Err(error.into()),
            };
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left_secs =
            left.map_or(u64::MAX, |left| left.as_secs() + u64::from(left.subsec_nanos() > 0));
        let most_secs = if is_begun { MAX_WAIT_SECS } else { 1 };
        let secs = u32::try_from(left_secs).unwrap_or(u32::MAX).min(most_secs);
        let waited = closed(call, channel, secs).await?;
        if !waited.timed_out {
            return Ok(Some(waited));
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(None);
        }
    }
}

/// Closes the channel without the peer.
async fn alone(call: &Call, channel: &OpenChannel) -> Result<WaitChannelResponse, RpcError> {
    let request = ForceCloseChannelRequest {
        user_channel_id: channel.user_channel_id(),
        counterparty_node_id: channel.peer_id(),
        force_close_reason: None,
    };
    match call.ask(rpc::ForceCloseChannel, request).await {
        // It was closed meanwhile.
        Ok(_) | Err(Error::FailedPrecondition(_) | Error::InvalidArgument { .. }) => {},
        Err(error) => return Err(error.into()),
    }
    let waited = closed(call, channel, FORCE_CLOSE_SECS).await?;
    if waited.timed_out {
        return Err(RpcError::generic("The channel is being closed; see listclosedchannels"));
    }
    Ok(waited)
}

async fn closed(
    call: &Call,
    channel: &OpenChannel,
    timeout_secs: u32,
) -> Result<WaitChannelResponse, RpcError> {
    let request = WaitChannelRequest {
        user_channel_id: channel.user_channel_id(),
        state: ChannelProgress::Closed.into(),
        timeout_secs: Some(timeout_secs),
    };
    Ok(call.ask(rpc::WaitChannel, request).await?)
}

fn kind(channel: &OpenChannel, end: &WaitChannelResponse) -> &'static str {
    let reason = end.end.as_ref().and_then(|end| end.reason.as_ref());
    if channel.details.funding_txo.is_none() || end.state() == ChannelProgress::OpenFailed {
        return "unopened";
    }
    of_reason(reason)
}

fn of_reason(reason: Option<&ChannelStateChangeReason>) -> &'static str {
    match reason.map(ChannelStateChangeReason::kind) {
        Some(
            Reason::LegacyCooperativeClosure
            | Reason::CounterpartyInitiatedCooperativeClosure
            | Reason::LocallyInitiatedCooperativeClosure,
        ) => "mutual",
        Some(
            Reason::FundingTimedOut
            | Reason::DisconnectedPeer
            | Reason::FundingBatchClosure
            | Reason::CounterpartyCoopClosedUnfundedChannel
            | Reason::LocallyCoopClosedUnfundedChannel,
        ) => "unopened",
        _ => "unilateral",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(params: Value) -> Result<Close, RpcError> {
        Close::read(&Args::of(Close::USAGE, Some(params))?)
    }

    #[test]
    fn without_a_time_the_peer_has_two_days() {
        let timeout = |params| read(params).unwrap().timeout.map(|timeout| timeout.as_secs());
        assert_eq!(timeout(json!(["1x1x1"])), Some(172_800));
        assert_eq!(timeout(json!(["1x1x1", 1])), Some(1));
        assert_eq!(timeout(json!(["1x1x1", 0])), None);
        let refused = read(json!(["zz"])).err().unwrap();
        let expected = "id: should be a channel ID or short channel ID: invalid token '\"zz\"'";
        assert_eq!((refused.code, &*refused.message), (-32602, expected));
        assert!(read(json!(["1x1x1", null, "bcrt1"])).is_err());
    }

    #[test]
    fn closures_have_core_lightnings_types() {
        let kind = |kind: Reason| {
            of_reason(Some(&ChannelStateChangeReason { kind: kind.into(), ..Default::default() }))
        };
        assert_eq!(kind(Reason::LocallyInitiatedCooperativeClosure), "mutual");
        assert_eq!(kind(Reason::HolderForceClosed), "unilateral");
        assert_eq!(kind(Reason::CommitmentTxConfirmed), "unilateral");
        assert_eq!(kind(Reason::FundingTimedOut), "unopened");
        assert_eq!(of_reason(None), "unilateral");
    }
}
