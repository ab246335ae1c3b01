//! The payments that were forwarded for others, each written in the transaction of its event.

use ldk_node::lightning::io;
use ldk_server_grpc::types::ForwardedPayment;
use prost::Message as _;

use super::Store;
use super::model::{Forward, ForwardFilter, ForwardPlace, ForwardRow, Page, invalid_data};

impl Store {
    /// The forwards after this place, or from the newest on; `None` if no forward is at this place.
    pub fn forwards(
        &self,
        filter: &ForwardFilter,
        after: Option<ForwardPlace>,
        page_size: usize,
    ) -> io::Result<Option<Page<Forward>>> {
        // One more than a page holds tells whether another follows.
        let rows = self.reads.forwards(filter, after, page_size.saturating_add(1))?;
        let Some(rows) = rows else { return Ok(None) };
        let forwards = rows.into_iter().map(ForwardRow::forward);
        Ok(Some(Page::of(forwards.collect::<io::Result<_>>()?, page_size)))
    }
}

impl ForwardRow {
    /// What is handed out of it.
    pub(super) fn forward(self) -> io::Result<Forward> {
        let Self { place, value } = self;
        let payment = ForwardedPayment::decode(value.as_slice()).map_err(|_| {
            invalid_data(&format!("forwarded payment {} cannot be read", place.number))
        })?;
        Ok(Forward { place, payment: ForwardedPayment { created_at: place.created_at, ..payment } })
    }
}
