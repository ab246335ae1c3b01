//! The certificate that is presented to new connections, and the task that takes another when its
//! files change. Connections that are open keep the one they began with.

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

/// From one look at the files to the next.
const INTERVAL: Duration = Duration::from_secs(3);
const DAY_SECS: u64 = 24 * 60 * 60;
/// What is left when warnings begin, one each day.
const WARNING_SECS: u64 = 30 * DAY_SECS;

/// The certificate in use.
#[derive(Clone)]
pub struct Certificate(watch::Receiver<InUse>);

#[derive(Clone)]
struct InUse {
    acceptor: TlsAcceptor,
    expires_at_secs: u64,
}

/// What takes another certificate when its files change.
pub(crate) struct CertificateReloader {
    tls: TlsConfig,
    in_use: watch::Sender<InUse>,
    /// The files when they were last read.
    seen: [Option<Stamp>; 2],
    /// When a warning was last given, in Unix time.
    warned_at_secs: Option<u64>,
}

/// Tells a file from what it was before.
type Stamp = (SystemTime, u64);

impl Certificate {
    /// Reads the certificate and its key, or makes them.
    pub(crate) fn open(tls: TlsConfig) -> Result<(Self, CertificateReloader), SecretError> {
        secrets::identity(&tls)?;
        // Before they are read: what changes meanwhile is read again.
        let seen = stamps(&tls);
        let (in_use, receiver) = watch::channel(InUse::read(&tls)?);
        Ok((Self(receiver), CertificateReloader { tls, in_use, seen, warned_at_secs: None }))
    }

    /// What a new connection is accepted with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.borrow().acceptor.clone()
    }

    /// The last second in which it is valid, in Unix time.
    pub(crate) fn expires_at_secs(&self) -> u64 {
        self.0.borrow().expires_at_secs
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
        // A configuration of its own for each certificate: nobody resumes a session that began with
        // another.
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
    /// Looks at the files at intervals, and reads them at once on SIGHUP, until `stop` is cancelled.
    pub(crate) async fn keep(mut self, stop: CancellationToken) {
        let mut hangups = HangupSignals::listen();
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
        let found = stamps(&self.tls);
        if found == self.seen && !is_asked {
            return;
        }
        self.seen = found;
        match InUse::read(&self.tls) {
            Ok(read) => {
                let expires_at = rfc_3339(read.expires_at_secs);
                tracing::info!("the certificate was read again; it expires at {expires_at}");
                self.in_use.send_replace(read);
                self.warned_at_secs = None;
            },
            Err(error) => tracing::error!("the certificate in use is kept: {error}"),
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
        let (path, at) = (self.tls.cert_path.display(), rfc_3339(expires_at_secs));
        if left_secs == 0 {
            tracing::error!("the certificate {path} has expired at {at}; replace it");
        } else {
            let days = left_secs / DAY_SECS;
            tracing::warn!("the certificate {path} expires at {at}, in {days} days; replace it");
        }
    }
}

fn stamps(tls: &TlsConfig) -> [Option<Stamp>; 2] {
    [stamp(&tls.cert_path), stamp(&tls.key_path)]
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests;
