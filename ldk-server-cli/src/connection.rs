//! Which server to call.

use std::path::{Path, PathBuf};

use clap::Args;
use ldk_server_client::Client;
use ldk_server_grpc::places::{self, Places};

use crate::failure::Failure;

// A doc comment here would become the description of the whole program.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// Address of the server, without scheme [default: from the configuration, else 127.0.0.1:3536]
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

    /// Configuration file of the server [default: config.toml in ~/.ldk-server, or what stands for
    /// it on this system]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConnectionArgs {
    /// The client for the server that the options name, or else the configuration file.
    pub(crate) fn client(self) -> Result<Client, Failure> {
        let config = self.config.or_else(places::default_config_file).ok_or_else(|| {
            Failure::Setup("there is no home directory; name a file with --config".to_owned())
        })?;
        let mut places = Places::of_config_file(&config)?;
        if let Some(address) = self.base_url {
            places.address = address;
        }
        if let Some(file) = self.tls_cert {
            places.tls_cert_files = vec![file];
        }
        let rune = match self.rune_file {
            Some(file) => Some(read_rune(&file)?),
            None => self.rune,
        };
        let api_key = match (self.api_key, &rune) {
            (Some(api_key), _) => api_key,
            (None, Some(_)) => String::new(),
            (None, None) => places.read_api_key()?,
        };
        let mut builder =
            Client::builder(places.address.as_str(), api_key, places.read_tls_cert()?);
        if let Some(rune) = rune {
            builder = builder.rune(rune);
        }
        builder.build().map_err(|error| Failure::Setup(format!("Failed to create client: {error}")))
    }
}

fn read_rune(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::Setup(format!("Failed to read the rune in {}: {error}", file.display()))
    })?;
    Ok(text.trim().to_owned())
}
