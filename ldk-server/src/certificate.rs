//! The certificate that is presented to new connections, what the certificates of clients are checked
//! with, and the task that takes others when their files change. Connections that are open keep the
//! certificate they began with, and end when that of the client is revoked or has expired.

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
use crate::process::Hangups;
use crate::secrets::{self, ClientCertificate, Identity, Revoked, SecretError};
pub use clients::ClientCertificates;

/// From one look at the files to the next.
const INTERVAL: Duration = Duration::from_secs(3);
const DAY_SECS: u64 = 24 * 60 * 60;
/// What is left when warnings begin, one each day.
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

/// What takes another certificate when its files change.
pub(crate) struct CertificateReloader {
    certificate: Certificate,
    /// The files when they were last read.
    seen: Vec<Option<Stamp>>,
    /// When a warning was last given, in Unix time.
    warned_at_secs: Option<u64>,
}

/// Tells a file from what it was before.
type Stamp = (SystemTime, u64);

impl Certificate {
    /// Reads the certificate and its key, or makes them.
    pub(crate) fn open(tls: TlsConfig) -> Result<(Self, CertificateReloader), SecretError> {
        secrets::prepare_authority(&tls)?;
        secrets::identity(&tls)?;
        // Before they are read: what changes meanwhile is read again.
        let seen = stamps(&tls);
        let in_use = watch::Sender::new(InUse::read(&tls)?);
        let certificate = Self(Arc::new(Shared { tls, in_use }));
        let reloader =
            CertificateReloader { certificate: certificate.clone(), seen, warned_at_secs: None };
        Ok((certificate, reloader))
    }

    /// What a new connection is accepted with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.in_use.borrow().acceptor.clone()
    }

    /// The last second in which it is valid, in Unix time.
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
        if let Err(error) = self.read_again() {
            tracing::error!("the certificate in use is kept: {error}");
        }
    }

    /// Takes what is in the files now.
    fn read_again(&self) -> Result<(), SecretError> {
        let read = InUse::read(&self.0.tls)?;
        let expires_at = rfc_3339(read.expires_at_secs);
        self.0.in_use.send_replace(read);
        tracing::info!("the certificate was read again; it expires at {expires_at}");
        Ok(())
    }
}

impl InUse {
    fn read(tls: &TlsConfig) -> Result<Self, SecretError> {
        let Identity { key, expires_at_secs, missing_hosts } = secrets::read_identity(tls)?;
        if !missing_hosts.is_empty() {
            tracing::warn!(
                "the certificate {} is not valid for {}, where clients are to connect by tls.hosts or \
                 node.grpc_service_address: those that check names refuse it; put the names into it, \
                 for one that was made here with --renew-certificate",
                tls.cert_path.display(),
                missing_hosts.join(", ")
            );
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // A configuration of its own for each reading: nobody resumes a session that began with
        // another certificate, or before a client's was revoked.
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
    /// Looks at the files at intervals, and reads them at once on SIGHUP, until `stop` is cancelled.
    pub(crate) async fn keep(mut self, stop: CancellationToken) {
        let mut hangups = Hangups::listen();
        let mut ticks = Ticks::after(INTERVAL, INTERVAL, stop);
        loop {
            let is_asked = tokio::select! {
                () = hangups.next() => true,
                goes_on = ticks.next() => if goes_on { false } else { return },
            };
            let looking = spawn_blocking(move || {
                self.look(is_asked);
                self.warn();
                self
            });
            self = match looking.await {
                Ok(keeper) => keeper,
                Err(error) => return tracing::error!("the certificate is kept as it is: {error}"),
            };
        }
    }

    /// Takes the pair in the files, if they have changed or `is_asked`.
    fn look(&mut self, is_asked: bool) {
        let found = stamps(&self.certificate.0.tls);
        if found == self.seen && !is_asked {
            return;
        }
        self.seen = found;
        match self.certificate.read_again() {
            Ok(()) => self.warned_at_secs = None,
            Err(error) => tracing::error!("the certificate in use is kept: {error}"),
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
        let (path, at) = (self.certificate.0.tls.cert_path.display(), rfc_3339(expires_at_secs));
        if left_secs == 0 {
            tracing::error!("the certificate {path} has expired at {at}; replace it");
        } else {
            let days = left_secs / DAY_SECS;
            tracing::warn!("the certificate {path} expires at {at}, in {days} days; replace it");
        }
    }
}

fn stamps(tls: &TlsConfig) -> Vec<Option<Stamp>> {
    let mut stamps = vec![stamp(&tls.cert_path), stamp(&tls.key_path)];
    if let Some(ClientAuthConfig { dir, .. }) = &tls.client_auth {
        let files = AuthorityFiles::in_dir(dir);
        stamps.extend([stamp(&files.ca_cert), stamp(&files.revoked)]);
    }
    stamps
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests;
