//! Which certificates are trusted.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::error::Error;

/// The certificate by which a server is to know its client, and its key, both in PEM.
pub(crate) struct ClientCertificate {
    pub(crate) cert_pem: Vec<u8>,
    pub(crate) key_pem: Vec<u8>,
}

/// TLS 1.2 or 1.3 to a server that presents one of these certificates, or one issued by them.
pub(crate) fn client_config(
    tls_cert_pem: &[u8],
    client_certificate: Option<&ClientCertificate>,
) -> Result<ClientConfig, Error> {
    // Named here, so that a process with another default provider is not disturbed.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = PinVerifier::new(parse(tls_cert_pem)?, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| Error::Configuration(format!("TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match client_certificate {
        None => config.with_no_client_auth(),
        Some(ClientCertificate { cert_pem, key_pem }) => config
            .with_client_auth_cert(parse(cert_pem)?, parse_key(key_pem)?)
            .map_err(|error| {
                Error::Configuration(format!("the client certificate cannot be used: {error}"))
            })?,
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn parse(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| {
            Error::Configuration(format!("the TLS certificate is not PEM: {error}"))
        })?;
    if certificates.is_empty() {
        return Err(Error::Configuration(
            "the TLS certificate PEM holds no certificate".to_owned(),
        ));
    }
    Ok(certificates)
}

/// The error's own text could quote the key.
fn parse_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        Error::Configuration("the key of the client certificate is not a PEM key".to_owned())
    })
}

/// Trusts a server that presents one of the pinned certificates, whatever its names and dates: to
/// be that very certificate says more than those do. Any other must be issued by a pinned one and
/// have the name that was connected to, so that an operator's own authority can be pinned as well.
#[derive(Debug)]
struct PinVerifier {
    pinned: Vec<CertificateDer<'static>>,
    issued: Arc<WebPkiServerVerifier>,
}

impl PinVerifier {
    fn new(
        pinned: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let unusable = |reason: String| {
            Error::Configuration(format!("the TLS certificate cannot be used: {reason}"))
        };
        let mut roots = RootCertStore::empty();
        for certificate in &pinned {
            roots.add(certificate.clone()).map_err(|error| unusable(error.to_string()))?;
        }
        let issued =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .build()
                .map_err(|error| unusable(error.to_string()))?;
        Ok(Self { pinned, issued })
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.pinned.contains(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.issued.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.issued.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.issued.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}
