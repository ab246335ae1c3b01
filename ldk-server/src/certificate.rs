//! The certificate for new connections, and the task that reloads it when its files change. Open
//! connections keep the certificate they began with.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::sign::SingleCertAndKey;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::clock::{Ticks, rfc_3339, unix_secs};
use crate::config::TlsConfig;
use crate::process::HangupSignals;
use crate::secrets::{self, Identity, SecretError};

/// The interval between two checks of the files.
const INTERVAL: Duration = Duration::from_secs(3);
const DAY_SECS: u64 = 24 * 60 * 60;
/// The remaining validity at which warnings begin, one a day.
const WARNING_SECS: u64 = 30 * DAY_SECS;

/// The certificate in use.
#[derive(Clone)]
pub struct Certificate(watch::Receiver<InUse>);

#[derive(Clone)]
struct InUse {
    acceptor: TlsAcceptor,
    expires_at_secs: u64,
}

/// Reloads the certificate when its files change.
pub(crate) struct CertificateReloader {
    tls: TlsConfig,
    in_use: watch::Sender<InUse>,
    /// The versions of the files that were read last.
    loaded: [Option<FileVersion>; 2],
    /// The Unix time of the last warning.
    warned_at_secs: Option<u64>,
}

/// Modification time and size, which change with the contents of a file.
type FileVersion = (SystemTime, u64);

impl Certificate {
    /// Reads the certificate and its key, or creates them.
    pub(crate) fn open(tls: TlsConfig) -> Result<(Self, CertificateReloader), SecretError> {
        secrets::identity(&tls)?;
        // Before they are read, so that a change meanwhile is noticed.
        let loaded = file_versions(&tls);
        let (in_use, receiver) = watch::channel(InUse::read(&tls)?);
        Ok((Self(receiver), CertificateReloader { tls, in_use, loaded, warned_at_secs: None }))
    }

    /// The acceptor for new connections.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.borrow().acceptor.clone()
    }

    /// The last second of its validity, in Unix time.
    pub(crate) fn expires_at_secs(&self) -> u64 {
        self.0.borrow().expires_at_secs
    }
}

impl InUse {
    fn read(tls: &TlsConfig) -> Result<Self, SecretError> {
        let Identity { key, expires_at_secs, missing_hosts } = secrets::read_identity(tls)?;
        if !missing_hosts.is_empty() {
            tracing::warn!(
                path = %tls.cert_path.display(),
                missing_hosts = missing_hosts.join(", "),
                "the certificate is not valid for all names of tls.hosts and node.grpc_service_address; \
                 clients that check names refuse it; replace it, with --renew-certificate if the daemon \
                 created it"
            );
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // Each certificate has its own configuration, so that no session of another is resumed.
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| SecretError::new(&tls.cert_path, error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), expires_at_secs })
    }
}

impl CertificateReloader {
    /// Checks the files at intervals, and reloads them at once on SIGHUP, until `stop` is cancelled.
    pub(crate) async fn keep(mut self, stop: CancellationToken) {
        let mut hangups = HangupSignals::listen();
        let mut ticks = Ticks::after(INTERVAL, INTERVAL, stop);
        loop {
            let is_asked = tokio::select! {
                () = hangups.next() => true,
                goes_on = ticks.next() => if goes_on { false } else { return },
            };
            let checking = spawn_blocking(move || {
                self.reload(is_asked);
                self.warn();
                self
            });
            self = match checking.await {
                Ok(reloader) => reloader,
                Err(error) => {
                    return tracing::error!(%error, "the certificate is not reloaded any more");
                },
            };
        }
    }

    /// Reloads certificate and key, if their files have changed or `is_asked`.
    fn reload(&mut self, is_asked: bool) {
        let found = file_versions(&self.tls);
        if found == self.loaded && !is_asked {
            return;
        }
        self.loaded = found;
        match InUse::read(&self.tls) {
            Ok(read) => {
                let expires_at = rfc_3339(read.expires_at_secs);
                tracing::info!(%expires_at, "the certificate was reloaded");
                self.in_use.send_replace(read);
                self.warned_at_secs = None;
            },
            Err(error) => tracing::error!(%error, "the certificate in use is kept"),
        }
    }

    /// Warns that the certificate expires soon, once a day.
    fn warn(&mut self) {
        let now_secs = unix_secs();
        let expires_at_secs = self.in_use.borrow().expires_at_secs;
        let has_warned = self.warned_at_secs.is_some_and(|at| now_secs < at + DAY_SECS);
        let left_secs = expires_at_secs.saturating_sub(now_secs);
        if has_warned || left_secs >= WARNING_SECS {
            return;
        }
        self.warned_at_secs = Some(now_secs);
        let (path, expires_at) = (self.tls.cert_path.display(), rfc_3339(expires_at_secs));
        if left_secs == 0 {
            tracing::error!(%path, %expires_at, "the certificate has expired; replace it");
        } else {
            let days_left = left_secs / DAY_SECS;
            tracing::warn!(%path, %expires_at, days_left, "the certificate expires soon; replace it");
        }
    }
}

fn file_versions(tls: &TlsConfig) -> [Option<FileVersion>; 2] {
    [file_version(&tls.cert_path), file_version(&tls.key_path)]
}

fn file_version(path: &Path) -> Option<FileVersion> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests;
