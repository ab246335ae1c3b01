//! `listclosedchannels`.

use ldk_server_grpc::api::ListChannelAccountsRequest;
use ldk_server_grpc::events::{
    ChannelClosureInitiator as Initiator, ChannelStateChangeReason,
    ChannelStateChangeReasonKind as Reason,
};
use serde::Serialize;

use super::Method;
use super::scid::scid;
use crate::api::rpc;
use crate::books::{ChannelOnChain, ChannelRecord};
use crate::cln::Call;
use crate::cln::args::{Args, NodeId};
use crate::cln::error::RpcError;
use crate::ops;

const MSAT: u64 = 1_000;

/// `listclosedchannels`: the channels that are closed.
pub(super) struct ListClosedChannels {
    id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Listed {
    closedchannels: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    peer_id: String,
    channel_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_channel_id: Option<String>,
    opener: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    closer: Option<&'static str>,
    /// Not known of channels of before this was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<bool>,
    /// These three are not known. Clients need a number.
    total_local_commitments: u64,
    total_remote_commitments: u64,
    total_htlcs_sent: u64,
    funding_txid: String,
    funding_outnum: u32,
    funding_withheld: bool,
    leased: bool,
    total_msat: u64,
    final_to_us_msat: u64,
    /// Of the beginning and the end.
    min_to_us_msat: u64,
    max_to_us_msat: u64,
    close_cause: &'static str,
}

impl Method for ListClosedChannels {
    const NAME: &'static str = "listclosedchannels";
    const USAGE: &'static str = "[id]";
    const IS_LONG: bool = true;
    type Answer = Listed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { id: args.optional::<NodeId>("id")?.map(|id| id.0) })
    }

    async fn run(self, call: Call) -> Result<Listed, RpcError> {
        let request = ListChannelAccountsRequest {
            page_size: Some(1),
            closed_only: true,
            // The forwards of none.
            before: Some(0),
            ..Default::default()
        };
        call.ask(rpc::ListChannelAccounts, request).await?;
        let closed = call.read("list_closed_channels", ops::books::closed_channels);
        let closed = closed.await?;
        let rows = closed.iter().filter_map(|(id, record, on_chain)| Row::of(id, record, on_chain));
        let wants = |row: &Row| self.id.as_ref().is_none_or(|id| *id == row.peer_id);
        Ok(Listed { closedchannels: rows.filter(wants).collect() })
    }
}

impl Row {
    fn of(id: &str, record: &ChannelRecord, on_chain: &ChannelOnChain) -> Option<Self> {
        let closing = record.closing.as_ref().filter(|closing| !closing.failed_to_open)?;
        let (funding_txid, funding_outnum) = record.funding.split_once(':')?;
        let final_sats = on_chain.final_balance_sats.or(closing.balance_sats);
        let final_sats = final_sats.or(closing.claimable_sats).unwrap_or(on_chain.returned_sats);
        let began_sats = record.opening_balance_sats.unwrap_or(final_sats);
        Some(Self {
            peer_id: record.counterparty_node_id.clone(),
            channel_id: id.to_owned(),
            short_channel_id: record.short_channel_id.map(scid),
            opener: if record.is_outbound { "local" } else { "remote" },
            closer: closer(closing.initiator),
            private: record.is_announced.map(|is_announced| !is_announced),
            total_local_commitments: 0,
            total_remote_commitments: 0,
            total_htlcs_sent: 0,
            funding_txid: funding_txid.to_owned(),
            funding_outnum: funding_outnum.parse().ok()?,
            funding_withheld: false,
            leased: false,
            total_msat: record.current_value_sats().unwrap_or_default().saturating_mul(MSAT),
            final_to_us_msat: final_sats.saturating_mul(MSAT),
            min_to_us_msat: final_sats.min(began_sats).saturating_mul(MSAT),
            max_to_us_msat: final_sats.max(began_sats).saturating_mul(MSAT),
            close_cause: cause(closing.reason.as_ref()),
        })
    }
}

fn closer(initiator: i32) -> Option<&'static str> {
    match Initiator::try_from(initiator) {
        Ok(Initiator::Local) => Some("local"),
        Ok(Initiator::Remote) => Some("remote"),
        Ok(Initiator::Unspecified | Initiator::Unknown) | Err(_) => None,
    }
}

fn cause(reason: Option<&ChannelStateChangeReason>) -> &'static str {
    match reason.map(ChannelStateChangeReason::kind) {
        Some(Reason::LocallyInitiatedCooperativeClosure | Reason::HolderForceClosed) => "user",
        Some(Reason::CounterpartyInitiatedCooperativeClosure | Reason::CounterpartyForceClosed) => {
            "remote"
        },
        Some(Reason::CommitmentTxConfirmed) => "onchain",
        Some(Reason::ProcessingError) => "protocol",
        Some(
            Reason::HtlcsTimedOut | Reason::PeerFeerateTooLow | Reason::OutdatedChannelManager,
        ) => "local",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::Closing;

    #[test]
    fn a_closed_channel_has_what_is_known_of_it() {
        let reason = ChannelStateChangeReason {
            kind: Reason::LocallyInitiatedCooperativeClosure.into(),
            ..Default::default()
        };
        let closing = Closing {
            reason: Some(reason),
            initiator: Initiator::Local.into(),
            balance_sats: Some(60),
            ..Default::default()
        };
        let record = ChannelRecord {
            funding: format!("{}:3", "ab".repeat(32)),
            is_outbound: true,
            is_announced: Some(false),
            short_channel_id: Some(7 << 40),
            value_sats: Some(100),
            opening_balance_sats: Some(90),
            closing: Some(closing.clone()),
            ..Default::default()
        };
        let on_chain = ChannelOnChain::default();
        let row = Row::of("cd", &record, &on_chain).unwrap();
        assert_eq!((row.opener, row.closer, row.close_cause), ("local", Some("local"), "user"));
        assert_eq!((row.total_msat, row.final_to_us_msat), (100_000, 60_000));
        assert_eq!((row.min_to_us_msat, row.max_to_us_msat), (60_000, 90_000));
        assert_eq!((row.private, row.funding_outnum), (Some(true), 3));
        assert_eq!(row.short_channel_id.as_deref(), Some("7x0x0"));
        let failed = Closing { failed_to_open: true, ..closing };
        assert!(
            Row::of("cd", &ChannelRecord { closing: Some(failed), ..record }, &on_chain).is_none()
        );
    }
}
