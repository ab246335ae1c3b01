//! The sources of blocks and fee rates.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

/// A source of blocks and fee rates.
#[derive(Clone)]
pub enum ChainSource {
    /// Bitcoin Core, by RPC and optionally REST.
    Bitcoind(BitcoindConfig),
    /// An Electrum server.
    Electrum(ElectrumConfig),
    /// An Esplora server.
    Esplora(EsploraConfig),
}

/// How to reach an Electrum server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectrumConfig {
    /// The server.
    pub server: HostPort,
    /// Whether it uses TLS.
    pub uses_tls: bool,
    /// A certificate authority to trust besides the usual ones.
    pub ca_cert_path: Option<PathBuf>,
}

impl ElectrumConfig {
    /// `tcp://` or `ssl://`.
    pub fn server_url(&self) -> String {
        let scheme = if self.uses_tls { "ssl" } else { "tcp" };
        format!("{scheme}://{}", self.server)
    }
}

/// How to reach an Esplora server.
#[derive(Clone)]
pub struct EsploraConfig {
    /// `http://` or `https://`.
    pub server_url: String,
    /// Headers of each request.
    pub headers: Vec<(String, SecretString)>,
    /// A certificate authority to trust besides the usual ones.
    pub ca_cert_path: Option<PathBuf>,
}

impl EsploraConfig {
    /// Whether it uses TLS.
    pub fn uses_tls(&self) -> bool {
        self.server_url.starts_with("https://")
    }
}

impl fmt::Display for ChainSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bitcoind(config) => write!(formatter, "bitcoind at {}", config.rpc),
            Self::Electrum(config) => write!(formatter, "electrum at {}", config.server_url()),
            Self::Esplora(config) => {
                write!(formatter, "esplora at {}", origin(&config.server_url))
            },
        }
    }
}

/// A URL up to its path, without user and password.
fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

/// How to reach Bitcoin Core.
#[derive(Clone)]
pub struct BitcoindConfig {
    /// The RPC server.
    pub rpc: HostPort,
    /// Its credentials.
    pub auth: BitcoindAuth,
    /// The REST server for blocks, if any.
    pub rest: Option<HostPort>,
}

/// A host name or IP address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The host name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}

/// How to log in to Bitcoin Core.
#[derive(Clone)]
pub enum BitcoindAuth {
    /// A configured user and password.
    Password {
        /// The user.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// The file that Bitcoin Core rewrites at each start.
    CookieFile(PathBuf),
}
