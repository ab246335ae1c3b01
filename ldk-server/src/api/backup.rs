//! Backups, streamed as they are made.

use futures_util::StreamExt as _;
use futures_util::stream;
use ldk_server_grpc::api::create_backup_response::Part as PartMessage;
use ldk_server_grpc::api::{CreateBackupRequest, CreateBackupResponse};
use ldk_server_grpc::types::BackupSummary;

use super::Stream;
use super::dispatcher::Call;
use crate::backup::{Manifest, Protection};
use crate::error::Error;
use crate::ops;
use crate::ops::backup::{Part, Summary};

/// Streams a backup. The stream ends with a summary.
pub(super) async fn create(
    call: Call,
    request: CreateBackupRequest,
) -> Result<Stream<CreateBackupResponse>, Error> {
    let includes_keys = request.include_keys;
    let protection = protection(request)?;
    let parts = ops::backup::create(&call.app()?, includes_keys, protection)?;
    let messages = stream::unfold(parts, |mut parts| async {
        let part = parts.recv().await?;
        Some((part.map(shown), parts))
    });
    Ok(Stream { head: Vec::new(), messages: messages.boxed() })
}

fn protection(request: CreateBackupRequest) -> Result<Protection, Error> {
    let CreateBackupRequest { passphrase, recipients, .. } = request;
    match (passphrase.is_empty(), recipients.is_empty()) {
        (false, true) => Protection::by_passphrase(passphrase)
            .map_err(|reason| Error::invalid("passphrase", reason.to_string())),
        (true, false) => Protection::for_recipients(&recipients)
            .map_err(|reason| Error::invalid("recipients", reason.to_string())),
        (true, true) => Err(Error::invalid(
            "passphrase",
            "is empty, and so are recipients; accepted is one of both, because a backup is never \
             left unencrypted",
        )),
        (false, false) => Err(Error::invalid(
            "passphrase",
            "is given, and so are recipients; accepted is one of both",
        )),
    }
}

/// A part as the API shows it.
fn shown(part: Part) -> CreateBackupResponse {
    let part = match part {
        Part::Chunk(bytes) => PartMessage::Chunk(bytes),
        Part::Summary(summary) => PartMessage::Summary(shown_summary(summary)),
    };
    CreateBackupResponse { part: Some(part) }
}

fn shown_summary(summary: Summary) -> BackupSummary {
    let Summary { manifest, includes_keys, total_bytes, sha256 } = summary;
    let Manifest { node_id, network, epoch, created_at, .. } = manifest;
    BackupSummary {
        node_id,
        network,
        epoch,
        created_at,
        includes_keys,
        total_bytes,
        sha256: hex::encode(sha256),
    }
}
