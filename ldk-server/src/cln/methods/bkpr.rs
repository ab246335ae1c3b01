//! `bkpr-listaccountevents`, `bkpr-listincome` and `bkpr-listbalances`: the books, as Core Lightning's
//! bookkeeper shows them.
//!
//! Accounts are `wallet`, one for each channel, which has the id of the channel, and `channels` for
//! payments of our own: the library does not tell by which channels these went.

use futures_util::StreamExt as _;
use ldk_node::bitcoin::Network;
use ldk_server_grpc::api::{
    ChannelAccount, ExportPaymentsRequest, ListChannelAccountsRequest, ListChannelAccountsResponse,
};
use ldk_server_grpc::types::BooksEntry;
use serde::Serialize;

use super::bkpr_events::{Event, WALLET};
use super::bkpr_income::{Income, income};
use super::{Method, wallet};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;

const MSAT: u64 = 1_000;
/// More entries than that are not written in one answer.
const MAX_ROWS: usize = 500_000;

/// The name of the coin, as invoices have it.
pub(in crate::cln) fn currency(network: Network) -> &'static str {
    match network {
        Network::Bitcoin => "bc",
        Network::Testnet | Network::Testnet4 => "tb",
        Network::Signet => "tbs",
        Network::Regtest => "bcrt",
    }
}

async fn entries(
    call: &Call,
    from: Option<u64>,
    before: Option<u64>,
) -> Result<Vec<BooksEntry>, RpcError> {
    let export = call.ask(rpc::ExportPayments, ExportPaymentsRequest { from, before });
    let mut messages = export.await?.messages;
    let mut entries = Vec::new();
    while let Some(entry) = messages.next().await {
        entries.push(entry?);
        if entries.len() > MAX_ROWS {
            let reason = format!("the books have more than {MAX_ROWS} entries; use ExportPayments");
            return Err(RpcError::generic(reason));
        }
    }
    Ok(entries)
}

/// `bkpr-listaccountevents`: what has changed accounts.
pub(super) struct ListAccountEvents {
    account: Option<String>,
    payment_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Events {
    events: Vec<Event>,
}

impl Method for ListAccountEvents {
    const NAME: &'static str = "bkpr-listaccountevents";
    const USAGE: &'static str = "[account] [payment_id]";
    const IS_LONG: bool = true;
    type Answer = Events;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { account: args.optional("account")?, payment_id: args.optional("payment_id")? })
    }

    async fn run(self, call: Call) -> Result<Events, RpcError> {
        let currency = currency(call.cln.0.network);
        let coins = wallet::coins(&call).await?;
        let mut events = Event::of_wallet(&coins, currency);
        // The wallet is asked for alone again and again.
        if self.account.as_deref() != Some(WALLET) {
            let entries = entries(&call, None, None).await?;
            events.extend(entries.iter().flat_map(|entry| Event::of_entry(entry, currency)));
        }
        events.retain(|event| event.is_of(self.account.as_deref(), self.payment_id.as_deref()));
        events.sort_by_key(Event::time);
        Ok(Events { events })
    }
}

/// `bkpr-listincome`: what was earned and spent.
pub(super) struct ListIncome {
    start: Option<u64>,
    end: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Incomes {
    income_events: Vec<Income>,
}

impl Method for ListIncome {
    const NAME: &'static str = "bkpr-listincome";
    const USAGE: &'static str = "[consolidate_fees] [start_time] [end_time]";
    const IS_LONG: bool = true;
    type Answer = Incomes;

    fn read(args: &Args) -> Result<Self, RpcError> {
        // The fee of a transaction is one event in any case.
        args.optional::<bool>("consolidate_fees")?;
        Ok(Self { start: args.optional("start_time")?, end: args.optional("end_time")? })
    }

    async fn run(self, call: Call) -> Result<Incomes, RpcError> {
        let before = self.end.map(|end| end.saturating_add(1));
        let entries = entries(&call, self.start, before).await?;
        let currency = currency(call.cln.0.network);
        let income_events = entries.iter().flat_map(|entry| income(entry, currency)).collect();
        Ok(Incomes { income_events })
    }
}

/// `bkpr-listbalances`: what accounts have.
pub(super) struct ListBalances;

#[derive(Serialize)]
pub(super) struct Balances {
    accounts: Vec<OfAccount>,
}

#[derive(Serialize)]
struct OfAccount {
    account: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    channel: Option<OfChannel>,
    balances: Vec<Balance>,
}

#[derive(Serialize)]
struct OfChannel {
    peer_id: String,
    we_opened: bool,
    account_closed: bool,
    account_resolved: bool,
}

#[derive(Serialize)]
struct Balance {
    balance_msat: u64,
    coin_type: &'static str,
}

impl Method for ListBalances {
    const NAME: &'static str = "bkpr-listbalances";
    const USAGE: &'static str = "";
    type Answer = Balances;

    fn read(_: &Args) -> Result<Self, RpcError> {
        Ok(Self)
    }

    async fn run(self, call: Call) -> Result<Balances, RpcError> {
        let coin_type = currency(call.cln.0.network);
        let balance = |balance_msat| vec![Balance { balance_msat, coin_type }];
        let wallet_sats = wallet::balances(&call).await?.total_onchain_balance_sats;
        let wallet = OfAccount {
            account: WALLET.to_owned(),
            channel: None,
            balances: balance(wallet_sats.saturating_mul(MSAT)),
        };
        let channels = channel_accounts(&call).await?;
        let channels = channels.into_iter().map(|channel| OfAccount {
            balances: balance(balance_msat(&channel)),
            account: channel.channel_id,
            channel: Some(OfChannel {
                peer_id: channel.counterparty_node_id,
                we_opened: channel.is_outbound,
                account_closed: channel.closed_at.is_some(),
                account_resolved: channel.close_cost_sats.is_some(),
            }),
        });
        Ok(Balances { accounts: [wallet].into_iter().chain(channels).collect() })
    }
}

/// What is in the channel, or, after it was closed, what has not come into the wallet yet.
fn balance_msat(channel: &ChannelAccount) -> u64 {
    if channel.closed_at.is_none() {
        return channel.balance_msat.unwrap_or_default();
    }
    if channel.close_cost_sats.is_some() {
        return 0;
    }
    let returned_sats = channel.returned_sats.unwrap_or_default();
    let final_sats = channel.final_balance_sats.unwrap_or_default();
    final_sats.saturating_sub(returned_sats).saturating_mul(MSAT)
}

async fn channel_accounts(call: &Call) -> Result<Vec<ChannelAccount>, RpcError> {
    const PAGE_SIZE: u32 = 1_000;
    let mut all = Vec::new();
    let mut page_token = None;
    loop {
        let request = ListChannelAccountsRequest {
            page_token,
            page_size: Some(PAGE_SIZE),
            // The forwards of none: they count nowhere here.
            before: Some(0),
            ..Default::default()
        };
        let page = call.ask(rpc::ListChannelAccounts, request).await?;
        let ListChannelAccountsResponse { channels, next_page_token } = page;
        all.extend(channels);
        if next_page_token.is_none() || all.len() > MAX_ROWS {
            return Ok(all);
        }
        page_token = next_page_token;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_channel_has_what_is_not_in_the_wallet() {
        let open = ChannelAccount { balance_msat: Some(7), ..Default::default() };
        assert_eq!(balance_msat(&open), 7);
        let closed = ChannelAccount {
            closed_at: Some(1),
            final_balance_sats: Some(10),
            returned_sats: Some(4),
            ..Default::default()
        };
        assert_eq!(balance_msat(&closed), 6_000);
        assert_eq!(balance_msat(&ChannelAccount { close_cost_sats: Some(6), ..closed }), 0);
    }
}
