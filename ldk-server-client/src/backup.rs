//! The stream of a backup.

use std::fmt;

use ldk_server_grpc::api::CreateBackupResponse;
use ldk_server_grpc::api::create_backup_response::Part;
use ldk_server_grpc::types::BackupSummary;
use tonic::Streaming;

use crate::error::Error;

/// A backup on its way, from [`Client::create_backup`](crate::Client::create_backup). Dropping the
/// stream gives it up.
pub struct BackupStream {
    parts: Streaming<CreateBackupResponse>,
    summary: Option<BackupSummary>,
}

impl BackupStream {
    pub(crate) fn new(parts: Streaming<CreateBackupResponse>) -> Self {
        Self { parts, summary: None }
    }

    /// The next bytes of the file; `None` after the last.
    ///
    /// Fails with [`Error::DataLoss`] if the stream ends before the backup is whole.
    pub async fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.summary.is_some() {
            return Ok(None);
        }
        match self.parts.message().await?.and_then(|response| response.part) {
            Some(Part::Chunk(chunk)) => Ok(Some(chunk)),
            Some(Part::Summary(summary)) => {
                self.summary = Some(summary);
                Ok(None)
            },
            None => Err(Error::DataLoss("the backup ended before it was whole".to_owned())),
        }
    }

    /// What the file is, once all of it was streamed.
    pub fn summary(&self) -> Option<&BackupSummary> {
        self.summary.as_ref()
    }
}

impl fmt::Debug for BackupStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BackupStream")
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}
