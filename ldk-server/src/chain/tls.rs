//! TLS to other servers, such as a chain source: the trusted certificate authorities.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{Error as PemError, PemObject as _};

use crate::config::{ChainSource, ConfigError};

/// The TLS configuration for a chain source; `None` if it does not use TLS. Reads files.
pub(crate) fn client_config(source: &ChainSource) -> Result<Option<ClientConfig>, ConfigError> {
    let (key, ca_cert_path) = match source {
        ChainSource::Electrum(electrum) if electrum.uses_tls => {
            ("electrum.ca_cert_path", &electrum.ca_cert_path)
        },
        ChainSource::Esplora(esplora) if esplora.uses_tls() => {
            ("esplora.ca_cert_path", &esplora.ca_cert_path)
        },
        ChainSource::Bitcoind(_) | ChainSource::Electrum(_) | ChainSource::Esplora(_) => {
            return Ok(None);
        },
    };
    let mut config = trusting_also(key, ca_cert_path.as_deref())?;
    if matches!(source, ChainSource::Esplora(_)) {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    Ok(Some(config))
}

/// The TLS configuration that trusts the usual authorities, and those in the file that this key names.
/// Reads files.
pub(crate) fn trusting_also(
    key: &str,
    ca_cert_path: Option<&Path>,
) -> Result<ClientConfig, ConfigError> {
    let mut roots = usual_roots();
    if let Some(path) = ca_cert_path {
        add(&mut roots, path).map_err(|reason| {
            ConfigError::new(key, format!("cannot use {}: {reason}", path.display()))
        })?;
    }
    trusting(roots).map_err(|error| ConfigError::new(key, error))
}

/// The authorities that the library trusts, so that every server works that works with the library
/// alone, and those of the system, where operators add their own.
fn usual_roots() -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let of_system = rustls_native_certs::load_native_certs();
    for error in of_system.errors {
        tracing::debug!(%error, "cannot load some certificate authorities of the system");
    }
    roots.add_parsable_certificates(of_system.certs);
    roots
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{0}")]
    Pem(#[from] PemError),
    #[error("{0}")]
    Certificate(#[from] rustls::Error),
    #[error("it contains no certificate")]
    Empty,
}

/// Adds the certificates of a file in PEM.
fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), Unusable> {
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.len() == before { Err(Unusable::Empty) } else { Ok(()) }
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder?.with_root_certificates(roots).with_no_client_auth())
}
