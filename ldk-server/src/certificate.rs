//! The certificate for new connections, the verification of the certificates of clients, and the task that
//! reloads both when their files change. Open connections keep the certificate they began with, and end
//! when that of the client is revoked or expires.

mod clients;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ldk_server_grpc::AuthorityFiles;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::clock::{Ticks, rfc_3339, unix_secs};
use crate::config::{ClientAuthConfig, TlsConfig};
use crate::process::HangupSignals;
use crate::secrets::{self, ClientCertificate, Identity, Revoked, SecretError};
pub use clients::ClientCertificates;

/// The interval between two checks of the files.
const INTERVAL: Duration = Duration::from_secs(3);
const DAY_SECS: u64 = 24 * 60 * 60;
/// The remaining validity at which warnings begin, one a day.
const WARNING_SECS: u64 = 30 * DAY_SECS;

/// The certificate in use. Clones are the same.
#[derive(Clone)]
pub struct Certificate(Arc<Shared>);

struct Shared {
    tls: TlsConfig,
    in_use: watch::Sender<InUse>,
}

#[derive(Clone)]
struct InUse {
    acceptor: TlsAcceptor,
    expires_at_secs: u64,
    /// Which certificates of clients were revoked, if clients have any.
    revoked: Option<Revoked>,
}

/// Reloads the certificate when its files change.
pub(crate) struct CertificateReloader {
    certificate: Certificate,
    /// The versions of the files that were read last.
    loaded: Vec<Option<FileVersion>>,
    /// The Unix time of the last warning.
    warned_at_secs: Option<u64>,
}

/// Modification time and size, which change with the contents of a file.
type FileVersion = (SystemTime, u64);

impl Certificate {
    /// Reads the certificate and its key, or creates them.
    pub(crate) fn open(tls: TlsConfig) -> Result<(Self, CertificateReloader), SecretError> {
        secrets::prepare_authority(&tls)?;
        secrets::identity(&tls)?;
        // Before they are read, so that a change meanwhile is noticed.
        let loaded = file_versions(&tls);
        let in_use = watch::Sender::new(InUse::read(&tls)?);
        let certificate = Self(Arc::new(Shared { tls, in_use }));
        let reloader =
            CertificateReloader { certificate: certificate.clone(), loaded, warned_at_secs: None };
        Ok((certificate, reloader))
    }

    /// The acceptor for new connections.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.in_use.borrow().acceptor.clone()
    }

    /// The last second of its validity, in Unix time.
    pub(crate) fn expires_at_secs(&self) -> u64 {
        self.0.in_use.borrow().expires_at_secs
    }

    /// Waits until the certificate of a client is not to be accepted any more; says why.
    pub(crate) async fn withdrawn(&self, client: &ClientCertificate) -> &'static str {
        let mut in_use = self.0.in_use.subscribe();
        let is_revoked = |in_use: &InUse| {
            in_use.revoked.as_ref().is_some_and(|revoked| revoked.has(&client.serial))
        };
        let left_secs = client.expires_at_secs.saturating_add(1).saturating_sub(unix_secs());
        tokio::select! {
            biased;
            Ok(_) = in_use.wait_for(is_revoked) => "the certificate of the client was revoked",
            () = sleep(Duration::from_secs(left_secs)) => "the certificate of the client has expired",
        }
    }

    /// Ends the connections of these clients, and refuses new ones.
    fn revoke(&self, revoked: Revoked) {
        // Even where the rest cannot be read: then a client of these is turned away after its handshake.
        self.0.in_use.send_modify(|in_use| in_use.revoked = Some(revoked));
        if let Err(error) = self.reload() {
            tracing::error!(%error, "the certificate in use is kept");
        }
    }

    /// Reads the files again.
    fn reload(&self) -> Result<(), SecretError> {
        let read = InUse::read(&self.0.tls)?;
        let expires_at = rfc_3339(read.expires_at_secs);
        self.0.in_use.send_replace(read);
        tracing::info!(%expires_at, "the certificate was reloaded");
        Ok(())
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
        // Each reading has its own configuration, so that no session is resumed that began with another
        // certificate, or before that of the client was revoked.
        let (verifier, revoked) = client_verifier(tls.client_auth.as_ref(), &provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| SecretError::new(&tls.cert_path, error))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), expires_at_secs, revoked })
    }
}

fn client_verifier(
    client_auth: Option<&ClientAuthConfig>,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, Option<Revoked>), SecretError> {
    let Some(client_auth) = client_auth else {
        return Ok((WebPkiClientVerifier::no_client_auth(), None));
    };
    let (verifier, revoked) = secrets::client_verifier(client_auth, provider)?;
    Ok((verifier, Some(revoked)))
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
        let found = file_versions(&self.certificate.0.tls);
        if found == self.loaded && !is_asked {
            return;
        }
        self.loaded = found;
        match self.certificate.reload() {
            Ok(()) => self.warned_at_secs = None,
            Err(error) => tracing::error!(%error, "the certificate in use is kept"),
        }
    }

    /// Warns that the certificate expires soon, once a day.
    fn warn(&mut self) {
        let now_secs = unix_secs();
        let expires_at_secs = self.certificate.expires_at_secs();
        let has_warned = self.warned_at_secs.is_some_and(|at| now_secs < at + DAY_SECS);
        let left_secs = expires_at_secs.saturating_sub(now_secs);
        if has_warned || left_secs >= WARNING_SECS {
            return;
        }
        self.warned_at_secs = Some(now_secs);
        let path = self.certificate.0.tls.cert_path.display();
        let expires_at = rfc_3339(expires_at_secs);
        if left_secs == 0 {
            tracing::error!(%path, %expires_at, "the certificate has expired; replace it");
        } else {
            let days_left = left_secs / DAY_SECS;
            tracing::warn!(%path, %expires_at, days_left, "the certificate expires soon; replace it");
        }
    }
}

fn file_versions(tls: &TlsConfig) -> Vec<Option<FileVersion>> {
    let mut versions = vec![file_version(&tls.cert_path), file_version(&tls.key_path)];
    if let Some(ClientAuthConfig { dir, .. }) = &tls.client_auth {
        let files = AuthorityFiles::in_dir(dir);
        versions.extend([file_version(&files.ca_cert), file_version(&files.revoked)]);
    }
    versions
}

fn file_version(path: &Path) -> Option<FileVersion> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests;
