//! What the node has recorded of its runes.

use ldk_server_grpc::api::ListRunesRequest;
use ldk_server_grpc::types::RuneRecord;

use crate::api::rpc;
use crate::cln::Call;
use crate::error::Error;

/// All runes that were made, in the order of their ids.
pub(super) async fn all(call: &Call) -> Result<Vec<RuneRecord>, Error> {
    const PAGE: u32 = 1_000;
    let (mut records, mut after_id) = (Vec::new(), None);
    loop {
        let request = ListRunesRequest { after_id, limit: PAGE };
        let page = call.ask(rpc::ListRunes, request).await?;
        records.extend(page.runes);
        after_id = records.last().map(|record: &RuneRecord| record.id);
        if !page.has_more {
            return Ok(records);
        }
    }
}
