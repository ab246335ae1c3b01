//! A certificate authority of our own, and a server that has its certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

/// An authority that nobody trusts who was not told to.
pub struct Authority {
    dir: TempDir,
    acceptor: TlsAcceptor,
}

impl Authority {
    /// One that has signed the certificate of a server with this name.
    pub fn new(server_name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let params = CertificateParams::new([server_name.to_owned()])?;
        let certificate = params.signed_by(&key, &issuer)?;
        let pem = key.serialize_pem();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .context("the certificate does not fit its key")?;
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("ca.crt"), issuer.pem())?;
        fs::write(dir.path().join("server.crt"), certificate.pem())?;
        fs::write(dir.path().join("server.key"), pem)?;
        Ok(Self { dir, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// The file with the certificate of the authority, which is there as long as this is.
    pub fn ca_cert_path(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// The directory with that file, and with `server.crt` and `server.key` of the server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What speaks TLS for the server.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}
