//! Where a server keeps what its clients need: its address, its API key and its certificate.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::AuthorityFiles;

/// The gRPC address of a server that was not configured with one.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:3536";

/// `~/.ldk-server`, or what stands for it on this system. `None` where there is no home directory.
pub fn default_dir() -> Option<PathBuf> {
    if cfg!(target_os = "windows") {
        std::env::var_os("APPDATA").map(|dir| PathBuf::from(dir).join("ldk-server"))
    } else if cfg!(target_os = "macos") {
        std::env::home_dir().map(|home| home.join("Library/Application Support/ldk-server"))
    } else {
        std::env::home_dir().map(|home| home.join(".ldk-server"))
    }
}

/// The files of a server's own certificate authority.
pub fn authority_files(storage_dir: &Path, network: &str) -> AuthorityFiles {
    AuthorityFiles::in_dir(&network_dir(storage_dir, network))
}

/// Where clients look for a server's Unix socket when the configuration names none.
pub fn unix_socket_file(storage_dir: &Path, network: &str) -> PathBuf {
    network_dir(storage_dir, network).join("ldk-server.sock")
}

/// The configuration file that is read when none is named.
pub fn default_config_file() -> Option<PathBuf> {
    default_dir().map(|dir| dir.join("config.toml"))
}

/// The directory of one network's state.
pub fn network_dir(storage_dir: &Path, network: &str) -> PathBuf {
    storage_dir.join(network)
}

/// The file of 32 random bytes whose lower-case hex text is the API key.
pub fn api_key_file(storage_dir: &Path, network: &str) -> PathBuf {
    network_dir(storage_dir, network).join("api_key")
}

/// The directory of the API keys that have names, a file each.
pub fn api_keys_dir(storage_dir: &Path, network: &str) -> PathBuf {
    network_dir(storage_dir, network).join("api_keys")
}

/// The file of the secret that runes are made with.
pub fn rune_secret_file(storage_dir: &Path, network: &str) -> PathBuf {
    network_dir(storage_dir, network).join("rune_secret")
}

/// The PEM certificate that clients pin, where the configuration names none.
pub fn tls_cert_file(storage_dir: &Path) -> PathBuf {
    storage_dir.join("tls.crt")
}

/// The PKCS#8 PEM key of that certificate, where the configuration names none.
pub fn tls_key_file(storage_dir: &Path) -> PathBuf {
    storage_dir.join("tls.key")
}

/// What was found, before any of it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// `host:port` of the gRPC service.
    pub address: String,
    /// Where the API key may be; the first that exists counts.
    pub api_key_files: Vec<PathBuf>,
    /// Where the certificate may be; the first that exists counts.
    pub tls_cert_files: Vec<PathBuf>,
    /// Where the Unix socket may be; the first at which a server listens counts.
    pub unix_socket_files: Vec<PathBuf>,
    /// Where the certificate of a client and its key may be; the first pair that exists counts.
    pub client_cert_files: Vec<(PathBuf, PathBuf)>,
}

impl Places {
    /// The places of a server with this configuration file; a missing file counts as an empty one.
    pub fn of_config_file(path: &Path) -> Result<Self, PlacesError> {
        let config = match fs::read_to_string(path) {
            Ok(text) => parse_config(&text)
                .map_err(|reason| PlacesError::Config { path: path.to_owned(), reason })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => ConfigPlaces::default(),
            Err(error) => {
                return Err(PlacesError::Config {
                    path: path.to_owned(),
                    reason: error.to_string(),
                });
            },
        };
        Ok(config.places())
    }

    /// The places of a server with this storage directory on this network, at the default address.
    pub fn of_storage_dir(storage_dir: &Path, network: &str) -> Self {
        Self {
            address: DEFAULT_ADDRESS.to_owned(),
            api_key_files: vec![api_key_file(storage_dir, network)],
            tls_cert_files: vec![tls_cert_file(storage_dir)],
            unix_socket_files: vec![unix_socket_file(storage_dir, network)],
            client_cert_files: Vec::new(),
        }
    }

    /// The Unix socket that a server listens at and that this process may use.
    #[cfg(unix)]
    pub fn unix_socket(&self) -> Option<&Path> {
        let listens = |path: &&PathBuf| std::os::unix::net::UnixStream::connect(path).is_ok();
        self.unix_socket_files.iter().find(listens).map(PathBuf::as_path)
    }

    /// There is none on this system.
    #[cfg(not(unix))]
    pub fn unix_socket(&self) -> Option<&Path> {
        None
    }

    /// Reads the certificate of a client and its key, in PEM, if there are any that this process may
    /// read.
    pub fn read_client_cert(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut pairs = self.client_cert_files.iter();
        pairs.find_map(|(cert, key)| Some((fs::read(cert).ok()?, fs::read(key).ok()?)))
    }

    /// Reads the API key as the text that requests are signed with.
    pub fn read_api_key(&self) -> Result<String, PlacesError> {
        read_first("API key", &self.api_key_files).map(hex::encode)
    }

    /// Reads the certificate, in PEM.
    pub fn read_tls_cert(&self) -> Result<Vec<u8>, PlacesError> {
        read_first("TLS certificate", &self.tls_cert_files)
    }
}

/// Why an address, key or certificate could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    /// The configuration file exists and cannot be used.
    #[error("Failed to load config file {}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// None of the files exists.
    #[error("no {what} found; looked at {}", Listed(.looked_at))]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// Where.
        looked_at: Vec<PathBuf>,
    },
    /// The file exists and cannot be read.
    #[error("cannot read the {what} {}: {source}", path.display())]
    Unreadable {
        /// What was to be read.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

struct Listed<'a>(&'a [PathBuf]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.0.iter().map(|path| path.display().to_string()).collect();
        formatter.write_str(&paths.join(", "))
    }
}

fn read_first(what: &'static str, files: &[PathBuf]) -> Result<Vec<u8>, PlacesError> {
    for path in files {
        match fs::read(path) {
            Ok(bytes) => return Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {},
            Err(source) => {
                return Err(PlacesError::Unreadable { what, path: path.clone(), source });
            },
        }
    }
    Err(PlacesError::Missing { what, looked_at: files.to_vec() })
}

/// The part of the server's configuration that its clients read.
#[derive(Default)]
struct ConfigPlaces {
    network: Option<String>,
    address: Option<String>,
    storage_dir: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    unix_socket: Option<PathBuf>,
    has_authority: bool,
}

impl ConfigPlaces {
    fn places(self) -> Places {
        let network = self.network.as_deref().unwrap_or("bitcoin");
        let dirs: Vec<PathBuf> = self.storage_dir.into_iter().chain(default_dir()).collect();
        let authorities = dirs.iter().map(|dir| authority_files(dir, network));
        let authorities: Vec<_> = authorities.filter(|_| self.has_authority).collect();
        let default_certs = if self.has_authority {
            authorities.iter().map(|files| files.ca_cert.clone()).collect()
        } else {
            dirs.iter().map(|dir| tls_cert_file(dir)).collect()
        };
        let default_sockets = dirs.iter().map(|dir| unix_socket_file(dir, network)).collect();
        Places {
            address: self.address.unwrap_or_else(|| DEFAULT_ADDRESS.to_owned()),
            api_key_files: dirs.iter().map(|dir| api_key_file(dir, network)).collect(),
            tls_cert_files: self.tls_cert.map_or(default_certs, |path| vec![path]),
            unix_socket_files: self.unix_socket.map_or(default_sockets, |path| vec![path]),
            client_cert_files: authorities
                .into_iter()
                .map(|files| (files.client_cert, files.client_key))
                .collect(),
        }
    }
}

/// What is wrong with a configuration file, and in which line with which key. The error's own text
/// would quote that line, which may hold a password.
pub fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return message.to_owned();
    };
    let lines_before = before.matches('\n').count();
    let line = text.lines().nth(lines_before).unwrap_or_default();
    let is_key = |text: &&str| text.chars().all(|char| char.is_alphanumeric() || char == '_');
    match line.split_once('=').map(|(key, _)| key.trim()).filter(is_key) {
        Some(key) => format!("line {}, {key}: {message}", lines_before + 1),
        None => format!("line {}: {message}", lines_before + 1),
    }
}

/// Reads the few keys a client needs and ignores the rest, so that a client can read the file of a
/// newer server.
fn parse_config(text: &str) -> Result<ConfigPlaces, String> {
    let table: toml::Table = text.parse().map_err(|error| toml_error(text, &error))?;
    let string = |keys: &[&str]| -> Result<Option<String>, String> {
        let mut value = table.get(keys[0]);
        for key in &keys[1..] {
            value = value.and_then(|value| value.get(key));
        }
        match value {
            None => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => {
                Err(format!("{} must be a string, not {}", keys.join("."), other.type_str()))
            },
        }
    };
    let network = match string(&["node", "network"])?.as_deref() {
        None => None,
        Some("mainnet") => Some("bitcoin".to_owned()),
        Some(known @ ("bitcoin" | "testnet" | "testnet4" | "signet" | "regtest")) => {
            Some(known.to_owned())
        },
        Some(other) => {
            return Err(format!(
                "node.network is \"{other}\"; accepted are bitcoin, testnet, testnet4, signet, regtest"
            ));
        },
    };
    Ok(ConfigPlaces {
        network,
        address: string(&["node", "grpc_service_address"])?,
        storage_dir: string(&["storage", "disk", "dir_path"])?.map(PathBuf::from),
        tls_cert: string(&["tls", "cert_path"])?.map(PathBuf::from),
        unix_socket: string(&["node", "unix_socket"])?.map(PathBuf::from),
        has_authority: string(&["tls", "client_auth"])?.is_some_and(|mode| mode != "off"),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_configured_server_is_found() {
        let (_dir, path) = written(
            "[node]\nnetwork = \"regtest\"\ngrpc_service_address = \"127.0.0.1:4000\"\nalias = \"a\"\n\
             [storage.disk]\ndir_path = \"/data\"\n",
        );
        let places = Places::of_config_file(&path).unwrap();
        assert_eq!(places.address, "127.0.0.1:4000");
        assert_eq!(places.api_key_files[0], Path::new("/data/regtest/api_key"));
        assert_eq!(places.tls_cert_files[0], Path::new("/data/tls.crt"));
    }

    #[test]
    fn a_named_certificate_is_the_only_one() {
        let (_dir, path) = written("[tls]\ncert_path = \"/etc/node.crt\"\n");
        let places = Places::of_config_file(&path).unwrap();
        assert_eq!(places.tls_cert_files, [Path::new("/etc/node.crt")]);
        assert_eq!(places.address, DEFAULT_ADDRESS);
    }

    #[test]
    fn a_server_with_an_authority_is_known_by_it() {
        let text = |more: &str| {
            format!(
                "[node]\nnetwork = \"regtest\"\nunix_socket = \"/run/node.sock\"\n\
                 [storage.disk]\ndir_path = \"/data\"\n[tls]\nclient_auth = \"optional\"\n{more}"
            )
        };
        let (_dir, path) = written(&text(""));
        let places = Places::of_config_file(&path).unwrap();
        assert_eq!(places.tls_cert_files[0], Path::new("/data/regtest/ca.pem"));
        let pair =
            ["client.pem", "client-key.pem"].map(|name| Path::new("/data/regtest").join(name));
        assert_eq!(places.client_cert_files[0], pair.into());
        assert_eq!(places.unix_socket_files, [Path::new("/run/node.sock")]);

        let (_dir, path) = written(&text("cert_path = \"/etc/node.crt\"\n"));
        let places = Places::of_config_file(&path).unwrap();
        assert_eq!(places.tls_cert_files, [Path::new("/etc/node.crt")]);
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_that_nobody_listens_at_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("regtest")).unwrap();
        let path = unix_socket_file(dir.path(), "regtest");
        let places = Places::of_storage_dir(dir.path(), "regtest");
        assert_eq!(places.unix_socket(), None);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(places.unix_socket(), Some(path.as_path()));
        drop(listener);
        assert_eq!(places.unix_socket(), None);
    }

    #[test]
    fn a_missing_file_means_the_defaults() {
        let places = Places::of_config_file(Path::new("/nowhere/config.toml")).unwrap();
        assert!(places.api_key_files[0].ends_with("bitcoin/api_key"));
    }

    #[test]
    fn an_unusable_file_is_an_error_that_names_it() {
        for text in ["[node", "[node]\nnetwork = 1\n", "[node]\nnetwork = \"liquid\"\n"] {
            let (_dir, path) = written(text);
            let message = Places::of_config_file(&path).unwrap_err().to_string();
            assert!(message.contains("Failed to load config file"), "{message}");
            assert!(message.contains(&path.display().to_string()), "{message}");
        }
    }

    #[test]
    fn an_error_does_not_quote_the_file() {
        let (_dir, path) = written("[bitcoind]\nrpc_password = hunter2\n");
        let message = Places::of_config_file(&path).unwrap_err().to_string();
        assert!(
            message.contains("line 2, rpc_password: ") && !message.contains("hunter2"),
            "{message}"
        );
    }

    #[test]
    fn the_key_is_read_as_lower_case_hex() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("regtest")).unwrap();
        fs::write(api_key_file(dir.path(), "regtest"), [0xAB; 32]).unwrap();
        let places = Places::of_storage_dir(dir.path(), "regtest");
        assert_eq!(places.read_api_key().unwrap(), "ab".repeat(32));
        assert!(matches!(places.read_tls_cert(), Err(PlacesError::Missing { .. })));
    }
}
