//! `listfunds`.

use ldk_node::bitcoin::{Address, Network};
use serde::Serialize;

use super::open_channels::{OpenChannel, open_channels};
use super::{Method, wallet};
use crate::books::Coin;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;

const MSAT: u64 = 1_000;

/// `listfunds`: the coins of the wallet, and what we have in channels.
pub(super) struct ListFunds {
    spent: bool,
}

#[derive(Serialize)]
pub(super) struct Funds {
    outputs: Vec<Output>,
    channels: Vec<Channel>,
}

#[derive(Serialize)]
struct Output {
    txid: String,
    output: u32,
    amount_msat: u64,
    scriptpubkey: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    blockheight: Option<u32>,
    /// The wallet reserves no coins for later.
    reserved: bool,
}

#[derive(Serialize)]
struct Channel {
    peer_id: String,
    connected: bool,
    state: &'static str,
    channel_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_channel_id: Option<String>,
    our_amount_msat: u64,
    amount_msat: u64,
    funding_txid: String,
    funding_output: u32,
}

impl Method for ListFunds {
    const NAME: &'static str = "listfunds";
    const USAGE: &'static str = "[spent]";
    type Answer = Funds;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { spent: args.optional("spent")?.unwrap_or(false) })
    }

    async fn run(self, call: Call) -> Result<Funds, RpcError> {
        let coins = wallet::coins(&call).await?;
        let channels = open_channels(&call).await?;
        let shown = coins.all.iter().filter(|coin| self.spent || coin.spent.is_none());
        let network = call.cln.0.network;
        Ok(Funds {
            outputs: shown.map(|coin| Output::of(coin, network)).collect(),
            channels: channels.iter().filter_map(Channel::of).collect(),
        })
    }
}

impl Output {
    fn of(coin: &Coin, network: Network) -> Self {
        let status = match coin.made.height {
            _ if coin.spent.is_some() => "spent",
            None => "unconfirmed",
            Some(_) if coin.is_immature => "immature",
            Some(_) => "confirmed",
        };
        Self {
            txid: coin.outpoint.txid.to_string(),
            output: coin.outpoint.vout,
            amount_msat: coin.value_sats.saturating_mul(MSAT),
            scriptpubkey: coin.script.to_hex_string(),
            address: Address::from_script(&coin.script, network).ok().map(|it| it.to_string()),
            status,
            blockheight: coin.made.height,
            reserved: false,
        }
    }
}

impl Channel {
    /// Nothing while the channel has no funding.
    fn of(channel: &OpenChannel) -> Option<Self> {
        let funding = channel.details.funding_txo?;
        let is_ready = channel.details.is_channel_ready;
        Some(Self {
            peer_id: channel.peer_id(),
            connected: channel.is_connected,
            state: channel.state(),
            channel_id: channel.id(),
            short_channel_id: channel.short_channel_id().filter(|_| is_ready),
            our_amount_msat: channel.to_us_msat().unwrap_or_default(),
            amount_msat: channel.details.channel_value_sats.saturating_mul(MSAT),
            funding_txid: funding.txid.to_string(),
            funding_output: funding.vout,
        })
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::{OutPoint, ScriptBuf, Txid};

    use super::*;
    use crate::books::Position;

    #[test]
    fn coins_have_core_lightnings_states() {
        let script = ScriptBuf::from_hex("00144e82ae0f83c78ba2cb5f3d63ede3e866b661bd58").unwrap();
        let txid: Txid = "ab".repeat(32).parse().unwrap();
        let made = Position { height: Some(7), time: 1 };
        let coin = Coin {
            outpoint: OutPoint { txid, vout: 1 },
            value_sats: 5,
            script,
            made,
            spent: None,
            is_immature: false,
        };
        let output = |coin: &Coin| Output::of(coin, Network::Regtest);
        let confirmed = output(&coin);
        assert_eq!((confirmed.status, confirmed.blockheight), ("confirmed", Some(7)));
        assert_eq!(confirmed.amount_msat, 5_000);
        let address = "bcrt1qf6p2ururc7969j6l8437mclgv6mxr02clcvuzf";
        assert_eq!(confirmed.address.as_deref(), Some(address));
        let unconfirmed = Coin { made: Position { height: None, time: 1 }, ..coin.clone() };
        assert_eq!(output(&unconfirmed).status, "unconfirmed");
        let immature = Coin { is_immature: true, ..coin.clone() };
        assert_eq!(output(&immature).status, "immature");
        assert_eq!(output(&Coin { spent: Some((txid, made)), ..immature }).status, "spent");
    }
}
