//! `fundchannel`.

use ldk_node::bitcoin::Txid;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_server_grpc::api::open_channel_request::Amount;
use ldk_server_grpc::api::{AllFunds, OpenChannelRequest, WaitChannelRequest, WaitChannelResponse};
use ldk_server_grpc::types::ChannelProgress;
use serde::Serialize;
use serde_json::json;

use super::connect::{Connect, announcement};
use super::withdraw::{NO_CHOICE, check_minconf};
use super::{Method, feerates, wallet};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Msat};
use crate::cln::error::{RpcError, code};
use crate::cln::onchain_args::{FeeRate, SatOrAll};
use crate::compat::monitor;
use crate::error::Error;

/// The rate of the library.
const ESTIMATED: FeeRate = FeeRate::Blocks(12);
/// How long the peer may take to agree.
const NEGOTIATION_SECS: u32 = 60;

/// `fundchannel`: opens a channel, and answers when its transaction is sent.
pub(super) struct FundChannel {
    peer: Connect,
    sats: Option<u64>,
    push_msat: Option<u64>,
    announce: bool,
    /// The most that the fee rate may be, if something is said of it.
    feerate: Option<FeeRate>,
}

#[derive(Serialize)]
pub(super) struct Funded {
    #[serde(skip_serializing_if = "Option::is_none")]
    tx: Option<String>,
    txid: String,
    outnum: u32,
    channel_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_type: Option<ChannelType>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ChannelType {
    bits: Vec<u32>,
    names: Vec<String>,
}

impl Method for FundChannel {
    const NAME: &'static str = "fundchannel";
    const USAGE: &'static str = "id amount [feerate] [announce] [minconf] [push_msat] [close_to] \
                                 [request_amt] [compact_lease] [utxos] [mindepth] [reserve] \
                                 [channel_type]";
    type Answer = Funded;

    fn read(args: &Args) -> Result<Self, RpcError> {
        check_minconf(args)?;
        args.refuse(&["utxos"], NO_CHOICE)?;
        args.refuse(&["request_amt", "compact_lease"], "the node library has no dual funding")?;
        let fixed = ["close_to", "mindepth", "reserve", "channel_type"];
        args.refuse(&fixed, "the node library decides on it")?;
        Ok(Self {
            peer: Connect::to(&args.required::<String>("id")?, None, None)?,
            sats: args.required::<SatOrAll>("amount")?.0,
            push_msat: args.optional::<Msat>("push_msat")?.map(|msat| msat.0),
            announce: args.optional("announce")?.unwrap_or(true),
            feerate: args.optional("feerate")?.filter(|rate| *rate != ESTIMATED),
        })
    }

    async fn run(self, call: Call) -> Result<Funded, RpcError> {
        self.check_rate(&call).await?;
        let announced = announcement(&call, &self.peer.id).await?;
        let reached = self.peer.reach(&call, announced.as_ref()).await;
        let data = json!({"id": self.peer.id, "method": "connect"});
        let address = reached.map_err(|error| error.with_data(data))?;
        self.check_affordable(&call).await?;
        let id = self.open(&call, address).await?;
        let waited = pending(&call, id).await?;
        let channel = waited.channel.filter(|channel| channel.funding_txo.is_some());
        let Some(channel) = channel else {
            let reason = match waited.end.and_then(|end| end.reason) {
                Some(reason) => format!("The channel was not opened: {}", reason.message),
                None if waited.timed_out => {
                    "The peer has not agreed yet; see listpeerchannels".to_owned()
                },
                None => "The channel was not opened; the node's log may say why".to_owned(),
            };
            return Err(RpcError::generic(reason));
        };
        let funding = channel.funding_txo.unwrap_or_default();
        Ok(Funded {
            tx: transaction(&call, &funding.txid).await,
            channel_type: channel_type(&call, &channel.channel_id).await,
            txid: funding.txid,
            outnum: funding.vout,
            channel_id: channel.channel_id,
        })
    }
}

impl FundChannel {
    /// The library takes its estimate, whatever is said. It must not be more than what was.
    async fn check_rate(&self, call: &Call) -> Result<(), RpcError> {
        let Some(asked) = self.feerate else { return Ok(()) };
        let asked = feerates::resolved(call, asked).await?;
        let estimated = feerates::resolved(call, ESTIMATED).await?;
        too_low(asked, estimated).map_or(Ok(()), Err)
    }

    async fn check_affordable(&self, call: &Call) -> Result<(), RpcError> {
        let Some(sats) = self.sats else { return Ok(()) };
        let spendable_sats = wallet::balances(call).await?.spendable_onchain_balance_sats;
        match sats.checked_sub(spendable_sats) {
            None | Some(0) => Ok(()),
            Some(short_sats) => {
                let reason = format!(
                    "Could not afford {sats}sat using all available UTXOs: {short_sats}sat short"
                );
                Err(RpcError::new(code::FUND_CANNOT_AFFORD, reason))
            },
        }
    }

    /// Asks the peer for the channel, and returns our own id of it.
    async fn open(&self, call: &Call, address: String) -> Result<String, RpcError> {
        let amount = match self.sats {
            Some(sats) => Amount::ChannelAmountSats(sats),
            None => Amount::AllFunds(AllFunds::default()),
        };
        let request = OpenChannelRequest {
            node_pubkey: self.peer.id.clone(),
            address,
            amount: Some(amount),
            push_to_counterparty_msat: self.push_msat,
            announce_channel: self.announce,
            ..Default::default()
        };
        Ok(call.ask(rpc::OpenChannel, request).await?.user_channel_id)
    }
}

/// Why this rate cannot be, if it cannot, both per 1000 weight units.
fn too_low(asked: u64, estimated: u64) -> Option<RpcError> {
    let reason = "the node library takes the estimate for 12 blocks, which is 'normal'";
    (asked < estimated).then(|| {
        RpcError::params(format!(
            "feerate: {asked}perkw is too low: {reason}, and {estimated}perkw now"
        ))
    })
}

async fn pending(call: &Call, user_channel_id: String) -> Result<WaitChannelResponse, RpcError> {
    let state = ChannelProgress::Pending.into();
    let timeout_secs = Some(NEGOTIATION_SECS);
    let request = WaitChannelRequest { user_channel_id, state, timeout_secs };
    Ok(call.ask(rpc::WaitChannel, request).await?)
}

/// The transaction. The channel is there: that its transaction cannot be shown must not look like a
/// failure.
async fn transaction(call: &Call, txid: &str) -> Option<String> {
    let txid: Txid = txid.parse().ok()?;
    let shown = wallet::transaction(call, txid).await.ok().flatten()?;
    Some(shown.hex())
}

async fn channel_type(call: &Call, id: &str) -> Option<ChannelType> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(id, &mut bytes).ok()?;
    let monitor = call.read("read_monitor", move |app| {
        app.store.monitor(ChannelId(bytes)).map_err(Error::internal)
    });
    let bits = monitor::channel_type(&monitor.await.ok().flatten()?).ok()?;
    Some(ChannelType { names: bits.iter().map(|bit| name(*bit)).collect(), bits })
}

/// Core Lightning's name of a feature.
fn name(bit: u32) -> String {
    const NAMES: [(u32, &str); 4] =
        [(12, "static_remotekey"), (22, "anchors"), (46, "scid_alias"), (50, "zeroconf")];
    let kind = if bit.is_multiple_of(2) { "even" } else { "odd" };
    match NAMES.iter().find(|(even, _)| *even == bit - bit % 2) {
        Some((_, name)) => format!("{name}/{kind}"),
        None => format!("option_unknown_{bit}/{kind}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const ID: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    fn read(params: Value) -> Result<FundChannel, RpcError> {
        FundChannel::read(&Args::of(FundChannel::USAGE, Some(params))?)
    }

    #[test]
    fn channels_are_announced_unless_it_is_said() {
        let read_ = read(json!([ID, "all"])).unwrap();
        assert_eq!((read_.sats, read_.announce, read_.push_msat), (None, true, None));
        let named = json!({"id": format!("{ID}@127.0.0.1:9"), "amount": "0.01btc",
                           "announce": false, "push_msat": "5sat", "feerate": "normal"});
        let read_ = read(named).unwrap();
        assert_eq!((read_.sats, read_.announce), (Some(1_000_000), false));
        assert_eq!(read_.push_msat, Some(5_000));
    }

    #[test]
    fn what_the_library_decides_is_refused() {
        for (name, value) in [
            ("minconf", json!(3)),
            ("utxos", json!(["ab:0"])),
            ("close_to", json!("bcrt1")),
            ("mindepth", json!(1)),
            ("reserve", json!("1sat")),
            ("channel_type", json!([12])),
        ] {
            let mut params = json!({"id": ID, "amount": 1_000_000});
            params[name] = value;
            let refused = read(params).err().unwrap();
            assert!(refused.message.starts_with(&format!("{name}: is not supported")), "{name}");
        }
    }

    #[test]
    fn a_fee_rate_is_the_most_that_it_may_be() {
        let rate = |rate| read(json!([ID, 100_000, rate])).unwrap().feerate;
        assert_eq!((rate(json!("normal")), rate(Value::Null)), (None, None));
        // As Zeus sends it.
        assert_eq!(rate(json!("5000perkb")), Some(FeeRate::PerKw(1_250)));
        assert!(read(json!([ID, 100_000, "fast"])).is_err());
        assert!(too_low(1_250, 1_250).is_none() && too_low(1_251, 1_250).is_none());
        let refused = too_low(1_249, 1_250).unwrap();
        assert_eq!(refused.code, code::INVALID_PARAMS);
        assert!(refused.message.contains("1250perkw now"), "{refused:?}");
    }

    #[test]
    fn types_have_core_lightnings_names() {
        let names: Vec<_> = [12, 22, 47, 60].map(name).into();
        let expected =
            ["static_remotekey/even", "anchors/even", "scid_alias/odd", "option_unknown_60/even"];
        assert_eq!(names, expected);
    }
}
