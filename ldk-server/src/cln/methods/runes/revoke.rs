//! `blacklistrune`.

use ldk_server_grpc::api::RevokeRuneRequest;
use serde::Serialize;

use super::records;
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::cln::methods::Method;

/// `blacklistrune`: revokes runes, for good, and lists those that are.
pub(in crate::cln::methods) struct BlacklistRune {
    ids: Option<(u64, u64)>,
}

#[derive(Serialize)]
pub(in crate::cln::methods) struct Blacklist {
    blacklist: Vec<Range>,
}

/// Ids that follow one another.
#[derive(Debug, PartialEq, Serialize)]
struct Range {
    start: u64,
    end: u64,
}

impl Method for BlacklistRune {
    const NAME: &'static str = "blacklistrune";
    const USAGE: &'static str = "[start] [end] [relist]";
    type Answer = Blacklist;

    fn read(args: &Args) -> Result<Self, RpcError> {
        if args.optional("relist")? == Some(true) {
            args.refuse(&["relist"], "a rune is revoked for good; make another")?;
        }
        match (args.optional("start")?, args.optional("end")?) {
            (None, None) => Ok(Self { ids: None }),
            (None, Some(_)) => Err(RpcError::params("Can not specify end without start")),
            (Some(start), end) => {
                let end = end.unwrap_or(start);
                if end < start {
                    return Err(RpcError::params("end: should be at least start"));
                }
                Ok(Self { ids: Some((start, end)) })
            },
        }
    }

    async fn run(self, call: Call) -> Result<Blacklist, RpcError> {
        if let Some((first_id, last_id)) = self.ids {
            let request = RevokeRuneRequest { first_id, last_id: Some(last_id) };
            call.ask(rpc::RevokeRune, request).await?;
        }
        let records = records::all(&call).await?;
        let revoked = records.iter().filter(|record| record.revoked_at.is_some());
        Ok(Blacklist { blacklist: ranges(revoked.map(|record| record.id)) })
    }
}

fn ranges(ids: impl Iterator<Item = u64>) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for id in ids {
        match ranges.last_mut() {
            Some(range) if range.end + 1 == id => range.end = id,
            _ => ranges.push(Range { start: id, end: id }),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_that_follow_one_another_are_one_range() {
        let range = |start, end| Range { start, end };
        assert_eq!(ranges([0, 1, 2, 5, 7, 8].into_iter()), [range(0, 2), range(5, 5), range(7, 8)]);
        assert!(ranges(std::iter::empty()).is_empty());
    }

    #[test]
    fn an_end_needs_a_start_and_nothing_is_listed_again() {
        let read = |params| {
            let args = Args::of(BlacklistRune::USAGE, Some(params)).unwrap();
            BlacklistRune::read(&args).map(|read| read.ids)
        };
        assert_eq!(read(json!([3])).unwrap(), Some((3, 3)));
        assert_eq!(read(json!({"start": 3, "end": 9, "relist": false})).unwrap(), Some((3, 9)));
        assert_eq!(read(json!({})).unwrap(), None);
        for refused in [json!({"end": 3}), json!([5, 3]), json!([3, 3, true])] {
            assert!(read(refused).is_err());
        }
    }
}
