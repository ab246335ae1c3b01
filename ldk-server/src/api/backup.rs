//! Backups, streamed as they are made.

use std::io;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use ldk_server_grpc::api::create_backup_response::Part;
use ldk_server_grpc::api::{CreateBackupRequest, CreateBackupResponse};
use ldk_server_grpc::types::BackupSummary;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::Stream;
use super::dispatcher::Call;
use crate::app::App;
use crate::backup::{Manifest, Protection};
use crate::error::Error;

const CHUNK_BYTES: usize = 64 * 1024;
/// How many chunks may wait for a caller that is slow.
const CHUNKS_AHEAD: usize = 8;

type Parts = mpsc::Sender<Result<Part, Error>>;

/// Where the file of a backup goes.
struct Chunks {
    parts: Parts,
    hash: Sha256,
    total_bytes: u64,
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = Part::Chunk(bytes.to_vec());
        self.parts.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.hash.update(bytes);
        self.total_bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Streams a backup. The stream ends with a summary.
pub(super) async fn create(
    call: Call,
    request: CreateBackupRequest,
) -> Result<Stream<CreateBackupResponse>, Error> {
    let includes_keys = request.include_keys;
    let protection = protection(request)?;
    let app = call.app()?;
    if includes_keys && !app.backups.allow_keys {
        return Err(Error::FailedPrecondition(
            "the node's keys may not be put into a backup: set backup.allow_keys in the \
             configuration, or copy keys_mnemonic by hand"
                .to_owned(),
        ));
    }
    let place = app.backing_up.try_enter()?;
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let working = Arc::clone(&app);
    // It ends by itself when nobody takes it.
    app.executor.spawn("create_backup", move || {
        let _place = place;
        make(&working, includes_keys, &protection, sender)
    });
    let messages = stream::unfold(receiver, |mut receiver| async {
        let part = receiver.recv().await?;
        Some((part.map(|part| CreateBackupResponse { part: Some(part) }), receiver))
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

/// Makes a backup and sends its parts.
fn make(
    app: &App,
    includes_keys: bool,
    protection: &Protection,
    parts: Parts,
) -> Result<(), Error> {
    let node_id = app.node.node_id().to_string();
    let chunks = Chunks { parts: parts.clone(), hash: Sha256::new(), total_bytes: 0 };
    let mut out = io::BufWriter::with_capacity(CHUNK_BYTES, chunks);
    let written = app.backups.write(&app.store, node_id, includes_keys, protection, &mut out);
    let finished = written.and_then(|manifest| {
        let chunks = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(summary(manifest, includes_keys, chunks))
    });
    match finished {
        Ok(summary) => {
            let BackupSummary { epoch, total_bytes, created_at, .. } = summary.clone();
            // Who does not wait for the end has no backup.
            if parts.blocking_send(Ok(Part::Summary(summary))).is_ok() {
                tracing::info!("backup made of epoch {epoch}, {total_bytes} bytes");
                app.store.was_backed_up(created_at).map_err(Error::internal)?;
            }
            Ok(())
        },
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            tracing::info!("a backup was given up by the one who asked for it");
            Ok(())
        },
        Err(error) => {
            let error = Error::internal(error);
            let _ = parts.blocking_send(Err(Error::internal("")));
            Err(error)
        },
    }
}

fn summary(manifest: Manifest, includes_keys: bool, file: Chunks) -> BackupSummary {
    let Manifest { node_id, network, epoch, created_at, .. } = manifest;
    BackupSummary {
        node_id,
        network,
        epoch,
        created_at,
        includes_keys,
        total_bytes: file.total_bytes,
        sha256: hex::encode(file.hash.finalize()),
    }
}
