//! Where blocks and fee rates come from.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

/// Where blocks and fee rates come from.
pub enum ChainSource {
    /// Bitcoin Core, by RPC and optionally REST.
    Bitcoind(BitcoindConfig),
    /// An Electrum server.
    Electrum {
        /// `tcp://` or `ssl://`.
        server_url: String,
    },
    /// An Esplora server.
    Esplora {
        /// `http://` or `https://`.
        server_url: String,
        /// Headers of each request.
        headers: Vec<(String, SecretString)>,
    },
}

impl fmt::Display for ChainSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bitcoind(config) => write!(formatter, "bitcoind at {}", config.rpc),
            Self::Electrum { server_url } => {
                write!(formatter, "electrum at {}", origin(server_url))
            },
            Self::Esplora { server_url, headers: _ } => {
                write!(formatter, "esplora at {}", origin(server_url))
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
pub struct BitcoindConfig {
    /// The RPC server.
    pub rpc: HostPort,
    /// Its credentials.
    pub auth: BitcoindAuth,
    /// The REST server that blocks are fetched from, if any.
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
pub enum BitcoindAuth {
    /// A configured user and password.
    Password {
        /// The user.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// The file that Bitcoin Core writes anew at each of its starts.
    CookieFile(PathBuf),
}
