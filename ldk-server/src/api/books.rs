//! The books.

use futures_util::StreamExt as _;
use futures_util::stream;
use ldk_server_grpc::api::{
    ChannelAccount, ExportPaymentsRequest, GetSummaryRequest, GetSummaryResponse,
    ListChannelAccountsRequest, ListChannelAccountsResponse,
};
use ldk_server_grpc::types::{BooksEntry, BooksEntryKind, PageToken};

use super::dispatcher::Call;
use super::pages::{self, PAGE_TOKEN};
use super::{Stream, fields};
use crate::app::App;
use crate::books::{ChannelOnChain, ChannelRecord, Closing, Span, Summary};
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::ops::books::{ChannelBook, ChannelPlace, Export};

/// Streams the entries of a span of time.
pub(super) async fn export(
    call: Call,
    request: ExportPaymentsRequest,
) -> Result<Stream<BooksEntry>, Error> {
    let ExportPaymentsRequest { from, before } = request;
    let export = ops::books::export(&call.app()?, span(from, before)?).await?;
    let pages = stream::unfold(Some(export), |export| async { next(export?).await });
    Ok(Stream { head: Vec::new(), messages: pages.flat_map(stream::iter).boxed() })
}

/// The next entries, or the error that ends the stream.
async fn next(export: Export) -> Option<(Vec<Result<BooksEntry, Error>>, Option<Export>)> {
    match export.next_page().await {
        Ok((page, _)) if page.is_empty() => None,
        Ok((page, export)) => Some((page.into_iter().map(Ok).collect(), Some(export))),
        Err(error) => Some((vec![Err(error)], None)),
    }
}

fn span(from: Option<u64>, before: Option<u64>) -> Result<Span, Error> {
    match (from, before) {
        (Some(from), Some(before)) if before <= from => Err(Error::invalid(
            "before",
            format!("{before} must be later than from, which is {from}"),
        )),
        _ => Ok(Span { from, before }),
    }
}

pub(super) fn summary(
    app: &App,
    _: &Caller,
    GetSummaryRequest { from, before }: GetSummaryRequest,
) -> Result<GetSummaryResponse, Error> {
    let summary = ops::books::summary(app, span(from, before)?)?;
    let fees_earned_msat = summary.fees_msat(|kind| kind == BooksEntryKind::Forward);
    let routing_fees_msat = summary.fees_msat(|kind| kind == BooksEntryKind::PaymentSent);
    let onchain_fees_msat = summary
        .fees_msat(|kind| kind != BooksEntryKind::Forward && kind != BooksEntryKind::PaymentSent);
    let Summary { accounts, kinds, not_attributed_count } = summary;
    Ok(GetSummaryResponse {
        accounts,
        kinds,
        fees_earned_msat,
        routing_fees_msat,
        onchain_fees_msat,
        not_attributed_count,
    })
}

pub(super) fn channels(
    app: &App,
    _: &Caller,
    request: ListChannelAccountsRequest,
) -> Result<ListChannelAccountsResponse, Error> {
    let ListChannelAccountsRequest { page_token, page_size, closed_only, from, before } = request;
    let after = page_token.as_ref().map(place).transpose()?;
    let page_size = pages::parse_page_size(page_size)?;
    let (span, is_whole) = (span(from, before)?, from.is_none() && before.is_none());
    let page = ops::books::channels(app, span, closed_only, after, page_size)?;
    let last = page.rows.last().filter(|_| page.has_more);
    let next_page_token = last
        .map(ChannelBook::place)
        .map(|(opened_at, id)| PageToken { token: id, index: pages::as_index(opened_at) });
    let channels = page.rows.into_iter().map(|book| account(book, is_whole)).collect();
    Ok(ListChannelAccountsResponse { channels, next_page_token })
}

/// The channel itself need not be there.
fn place(PageToken { token, index }: &PageToken) -> Result<ChannelPlace, Error> {
    let id: [u8; 32] = fields::hex(PAGE_TOKEN, token)?;
    Ok((pages::creation_time(*index)?, hex::encode(id)))
}

fn account(book: ChannelBook, is_whole: bool) -> ChannelAccount {
    let own_payments_msat = book.own_payments_msat().filter(|_| is_whole);
    let ChannelBook { id, record, on_chain, turnover, balance_msat } = book;
    let is_open = record.closing.is_none();
    ChannelAccount {
        channel_id: id,
        channel_value_sats: record.current_value_sats(),
        forwards_in_count: turnover.in_count,
        forwards_in_msat: turnover.in_msat,
        forwards_in_fees_msat: turnover.in_fees_msat,
        forwards_out_count: turnover.out_count,
        forwards_out_msat: turnover.out_msat,
        forwards_out_fees_msat: turnover.out_fees_msat,
        forwards_unknown: turnover.unknown,
        own_payments_msat,
        balance_msat: balance_msat.filter(|_| is_open),
        ..with_closing(with_costs(record, &on_chain), &on_chain)
    }
}

fn with_costs(
    record: ChannelRecord,
    on_chain: &ChannelOnChain,
) -> (ChannelAccount, Option<Closing>) {
    let account = ChannelAccount {
        user_channel_id: record.user_channel_id,
        counterparty_node_id: record.counterparty_node_id,
        is_outbound: record.is_outbound,
        funding_txid: record.funding.split(':').next().unwrap_or_default().to_owned(),
        opened_at: record.opened_at,
        opening_balance_sats: record.opening_balance_sats,
        open_fee_sats: on_chain.open_fee_sats,
        spliced_sats: on_chain.spliced_sats,
        splice_fees_sats: on_chain.splice_fees_sats,
        ..ChannelAccount::default()
    };
    (account, record.closing)
}

fn with_closing(
    (account, closing): (ChannelAccount, Option<Closing>),
    on_chain: &ChannelOnChain,
) -> ChannelAccount {
    let Some(closing) = closing else { return account };
    ChannelAccount {
        closed_at: Some(closing.at),
        close_reason: closing.reason,
        closure_initiator: closing.initiator,
        final_balance_sats: on_chain.final_balance_sats,
        returned_sats: Some(on_chain.returned_sats),
        close_cost_sats: on_chain.close_cost_sats(),
        ..account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_not_empty() {
        assert!(span(Some(1), Some(2)).is_ok() && span(None, Some(0)).is_ok());
        let error = span(Some(2), Some(2)).unwrap_err().to_string();
        assert!(error.starts_with("before: 2 must be later than from"), "{error}");
    }

    #[test]
    fn tokens_are_places() {
        let token = PageToken { token: "ab".repeat(32), index: 7 };
        assert_eq!(place(&token).unwrap(), (7, "ab".repeat(32)));
        for (token, index) in [("ab".repeat(31), 7), ("ab".repeat(32), -1)] {
            let error = place(&PageToken { token, index }).unwrap_err().to_string();
            assert!(error.starts_with("page_token: "), "{error}");
        }
    }
}
