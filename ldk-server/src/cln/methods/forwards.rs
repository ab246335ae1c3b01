//! `listforwards`.

use std::collections::BTreeMap;

use ldk_server_grpc::api::ListForwardedPaymentsRequest;
use serde::Serialize;

use super::Method;
use super::invoices::{Index, limit};
use super::open_channels::parse_scid;
use super::scid::scid;
use crate::api::rpc;
use crate::app::App;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::error::Error;
use crate::store::Forward;

const PAGE_SIZE: usize = 1_000;
const MAX_ROWS: usize = 200_000;
/// The number of a channel that was closed before its number was written down.
const UNKNOWN: &str = "0x0x0";

/// `listforwards`: the payments that were forwarded. Those that failed are not kept.
#[derive(Clone)]
pub(super) struct ListForwards {
    is_settled: bool,
    in_channel: Option<String>,
    out_channel: Option<String>,
    start: u64,
    limit: usize,
}

#[derive(Serialize)]
pub(super) struct Listed {
    forwards: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    created_index: u64,
    in_channel: String,
    in_msat: u64,
    status: &'static str,
    received_time: u64,
    resolved_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_msat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_msat: Option<u64>,
}

fn number(args: &Args, name: &'static str) -> Result<Option<String>, RpcError> {
    let Some(text) = args.optional::<String>(name)? else { return Ok(None) };
    let wrong = || RpcError::params(format!("{name}: should be a short_channel_id of form NxNxN"));
    Ok(Some(scid(parse_scid(&text).ok_or_else(wrong)?)))
}

impl Method for ListForwards {
    const NAME: &'static str = "listforwards";
    const USAGE: &'static str = "[status] [in_channel] [out_channel] [index] [start] [limit]";
    const IS_LONG: bool = true;
    type Answer = Listed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        if matches!(Index::read(args)?, Some(Index::Updated)) {
            args.refuse(&["index"], "forwards are listed by 'created' only")?;
        }
        let is_settled = match args.optional::<String>("status")?.as_deref() {
            None | Some("settled") => true,
            Some("offered" | "local_failed" | "failed") => false,
            Some(_) => {
                let expected = "'offered', 'settled', 'local_failed' or 'failed'";
                return Err(RpcError::params(format!("status: should be {expected}")));
            },
        };
        Ok(Self {
            is_settled,
            in_channel: number(args, "in_channel")?,
            out_channel: number(args, "out_channel")?,
            start: args.optional("start")?.unwrap_or_default(),
            limit: limit(args)?,
        })
    }

    async fn run(self, call: Call) -> Result<Listed, RpcError> {
        let request = ListForwardedPaymentsRequest { page_size: Some(1), ..Default::default() };
        call.ask(rpc::ListForwardedPayments, request).await?;
        let forwards = call.read("list_forwards", move |app| self.rows(app));
        Ok(Listed { forwards: forwards.await? })
    }
}

impl ListForwards {
    fn rows(&self, app: &App) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        if !self.is_settled {
            return Ok(rows);
        }
        let numbers = app.books.channel_numbers().map_err(Error::internal)?;
        let mut after = None;
        loop {
            let page = app.store.forwards_in_order((None, None), after, PAGE_SIZE);
            let page = page.map_err(Error::internal)?;
            after = page.rows.last().map(|row| row.place);
            let found = page.rows.iter().map(|forward| Row::of(forward, &numbers));
            rows.extend(found.filter(|row| self.wants(row)));
            if rows.len() >= self.limit {
                rows.truncate(self.limit);
                return Ok(rows);
            }
            if rows.len() > MAX_ROWS {
                let reason = format!("more than {MAX_ROWS} forwards: use start and limit");
                return Err(Error::FailedPrecondition(reason));
            }
            if !page.has_more {
                return Ok(rows);
            }
        }
    }

    fn wants(&self, row: &Row) -> bool {
        let is = |wanted: &Option<String>, channel: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| Some(wanted) == channel)
        };
        row.created_index >= self.start
            && is(&self.in_channel, Some(&row.in_channel))
            && is(&self.out_channel, row.out_channel.as_ref())
    }
}

impl Row {
    fn of(forward: &Forward, numbers: &BTreeMap<String, u64>) -> Self {
        let Forward { place, payment } = forward;
        let number = |id: &String| {
            numbers.get(id).map_or_else(|| UNKNOWN.to_owned(), |number| scid(*number))
        };
        let out_msat = payment.outbound_amount_forwarded_msat;
        let fee_msat = payment.total_fee_earned_msat;
        // One is not told without the other.
        let known = out_msat.zip(fee_msat);
        Self {
            created_index: place.number,
            in_channel: number(&payment.prev_channel_id),
            in_msat: out_msat.unwrap_or_default() + fee_msat.unwrap_or_default(),
            status: "settled",
            received_time: place.created_at,
            resolved_time: place.created_at,
            out_channel: Some(number(&payment.next_channel_id)),
            out_msat: known.map(|(out_msat, _)| out_msat),
            fee_msat: known.map(|(_, fee_msat)| fee_msat),
        }
    }
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::types::ForwardedPayment;
    use serde_json::{Value, json};

    use super::*;
    use crate::store::ForwardPlace;

    fn read(params: Value) -> Result<ListForwards, RpcError> {
        ListForwards::read(&Args::of(ListForwards::USAGE, Some(params))?)
    }

    fn row(out_msat: Option<u64>) -> Row {
        let payment = ForwardedPayment {
            prev_channel_id: "aa".to_owned(),
            next_channel_id: "bb".to_owned(),
            outbound_amount_forwarded_msat: out_msat,
            total_fee_earned_msat: Some(5),
            ..Default::default()
        };
        let place = ForwardPlace { created_at: 9, number: 3 };
        let numbers = [("aa".to_owned(), 1_u64 << 40)].into();
        Row::of(&Forward { place, payment }, &numbers)
    }

    #[test]
    fn a_forward_has_both_channels() {
        let whole = row(Some(1_000));
        assert_eq!((&*whole.in_channel, whole.out_channel.as_deref()), ("1x0x0", Some(UNKNOWN)));
        assert_eq!((whole.in_msat, whole.out_msat, whole.fee_msat), (1_005, Some(1_000), Some(5)));
        let unknown = row(None);
        assert_eq!((unknown.out_msat, unknown.fee_msat), (None, None));
    }

    #[test]
    fn forwards_are_chosen_by_channel_and_number() {
        let wanted = |params| read(params).unwrap().wants(&row(Some(1)));
        assert!(wanted(json!([])) && wanted(json!(["settled", "1x0x0", null, "created", 3])));
        assert!(!wanted(json!([null, "2x0x0"])) && !wanted(json!({"start": 4})));
        assert!(!read(json!(["failed"])).unwrap().is_settled);
        for params in [json!(["done"]), json!([null, "x"]), json!({"index": "updated"})] {
            assert_eq!(read(params).err().unwrap().code, -32602);
        }
    }
}
