//! The stream of the books.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _};
use ldk_server_grpc::types::BooksEntry;
use tonic::Streaming;

use crate::error::Error;

/// The entries of the books, from [`Client::export_payments`](crate::Client::export_payments). If it ends
/// without an error, it had all of them.
pub struct ExportStream {
    entries: Streaming<BooksEntry>,
}

impl ExportStream {
    pub(crate) fn new(entries: Streaming<BooksEntry>) -> Self {
        Self { entries }
    }
}

impl Stream for ExportStream {
    type Item = Result<BooksEntry, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.entries.poll_next_unpin(context).map_err(Error::from)
    }
}

impl fmt::Debug for ExportStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ExportStream").finish_non_exhaustive()
    }
}
