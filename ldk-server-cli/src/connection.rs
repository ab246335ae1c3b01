//! Which server to call.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use ldk_server_client::{Client, ClientBuilder, Code};
use ldk_server_grpc::places::{self, Places};

use crate::failure::Failure;

/// What the page `/readyz` of a standby says.
const STANDBY: &str = "standby: ";

/// A certificate and its key, in PEM.
type CertificateAndKey = (Vec<u8>, Vec<u8>);

// A doc comment here would become the description of the whole program.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// Address of the server, without scheme; of several, separated by commas, the one that serves is
    /// called [default: from the configuration, else 127.0.0.1:3536]
    #[arg(short, long, value_name = "HOST:PORT")]
    base_url: Option<String>,

    /// API key as hex text [default: from the server's data directory]
    #[arg(short, long, value_name = "HEX")]
    api_key: Option<String>,

    /// Rune to call with instead of an API key
    #[arg(long, value_name = "RUNE", conflicts_with = "api_key")]
    rune: Option<String>,

    /// File with a rune to call with, so that other users do not see it in the list of processes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["api_key", "rune"])]
    rune_file: Option<PathBuf>,

    /// PEM file of the certificate to trust [default: that of the configuration or data directory]
    #[arg(short, long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// Unix socket of the server [default: that of the configuration or data directory, if there is
    /// one and no option names a server, key or certificate]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["base_url", "api_key", "tls_cert", "client_cert"])]
    unix_socket: Option<PathBuf>,

    /// PEM file of the certificate to show to the server, in place of an API key
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,

    /// PEM file of the key of that certificate
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,

    /// Configuration file of the server [default: config.toml in ~/.ldk-server, or what stands for
    /// it on this system]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConnectionArgs {
    /// The same, with the one of several servers that serves calls: the others are standbys, or away.
    pub(crate) async fn active(self) -> Result<Self, Failure> {
        let addresses = match &self.base_url {
            Some(addresses) if addresses.contains(',') => addresses.clone(),
            _ => return Ok(self),
        };
        let (mut unready, mut reasons) = (None, Vec::new());
        for address in addresses.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            let one = Self { base_url: Some(address.to_owned()), ..self.clone() };
            let Err(error) = one.clone().client()?.check_ready().await else { return Ok(one) };
            let reason = error.to_string();
            // It may answer all the same, for instance while its chain source is away.
            if error.code() == Some(Code::Unavailable) && !reason.contains(STANDBY) {
                unready.get_or_insert(one);
            }
            reasons.push(format!("{address}: {reason}"));
        }
        unready.ok_or_else(|| {
            Failure::Setup(format!("none of these servers serves calls: {}", reasons.join("; ")))
        })
    }

    /// The client for the server that the options name, or else the configuration file.
    pub(crate) fn client(self) -> Result<Client, Failure> {
        let rune = match &self.rune_file {
            Some(file) => Some(read_rune(file)?),
            None => self.rune.clone(),
        };
        let builder = self.builder()?;
        let builder = match rune {
            Some(rune) => builder.rune(rune),
            None => builder,
        };
        builder.build().map_err(|error| Failure::Setup(format!("Failed to create client: {error}")))
    }

    /// Where the server listens for programs and browsers, `host:port`.
    pub(crate) fn address(&self) -> Result<String, Failure> {
        Ok(self.places()?.address)
    }

    fn builder(self) -> Result<ClientBuilder, Failure> {
        if let Some(path) = self.unix_socket {
            return Ok(Client::unix_socket(path));
        }
        let places = self.places()?;
        match places.unix_socket() {
            Some(path) if self.names_no_server() => Ok(Client::unix_socket(path)),
            _ => self.remote(&places),
        }
    }

    /// Whether the options leave it open which server to call and how.
    fn names_no_server(&self) -> bool {
        self.base_url.is_none()
            && self.api_key.is_none()
            && self.tls_cert.is_none()
            && self.client_cert.is_none()
    }

    /// What the configuration file says, and the options in place of it.
    fn places(&self) -> Result<Places, Failure> {
        let config = self.config.clone().or_else(places::default_config_file).ok_or_else(|| {
            Failure::Setup("there is no home directory; name a file with --config".to_owned())
        })?;
        let mut places = Places::of_config_file(&config)?;
        if let Some(address) = &self.base_url {
            places.address.clone_from(address);
        }
        if let Some(file) = &self.tls_cert {
            places.tls_cert_files = vec![file.clone()];
        }
        Ok(places)
    }

    fn remote(self, places: &Places) -> Result<ClientBuilder, Failure> {
        let (address, tls_cert) = (places.address.as_str(), places.read_tls_cert());
        let certificate = self.client_certificate(places)?;
        let builder = match self.api_key(places, certificate.is_some())? {
            Some(api_key) => Client::builder(address, api_key, tls_cert?),
            None => Client::builder_without_key(address, tls_cert?),
        };
        Ok(match certificate {
            Some((cert, key)) => builder.client_certificate(cert, key),
            None => builder,
        })
    }

    /// The certificate to show and its key, in PEM.
    fn client_certificate(&self, places: &Places) -> Result<Option<CertificateAndKey>, Failure> {
        let (Some(cert), Some(key)) = (&self.client_cert, &self.client_key) else {
            return Ok(places.read_client_cert());
        };
        let read = |path: &PathBuf| {
            fs::read(path)
                .map_err(|error| Failure::Setup(format!("cannot read {}: {error}", path.display())))
        };
        Ok(Some((read(cert)?, read(key)?)))
    }

    /// The key to sign with. Whoever names a certificate wants to call as that one, who may be allowed
    /// less than the key.
    fn api_key(&self, places: &Places, has_certificate: bool) -> Result<Option<String>, Failure> {
        let has_rune = self.rune.is_some() || self.rune_file.is_some();
        if self.api_key.is_some() || self.client_cert.is_some() || has_rune {
            return Ok(self.api_key.clone());
        }
        match places.read_api_key() {
            Err(_) if has_certificate => Ok(None),
            api_key => Ok(Some(api_key?)),
        }
    }
}

fn read_rune(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::Setup(format!("Failed to read the rune in {}: {error}", file.display()))
    })?;
    Ok(text.trim().to_owned())
}
