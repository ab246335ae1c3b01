//! PostgreSQL.

use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::Config as Server;
use tokio_postgres::config::{Host, SslMode};

use super::missing;
use crate::config::keys::{self, Boolean, Definition, KEYS, Key, Number, Text};
use crate::config::values::Values;
use crate::config::{ConfigError, PostgresConfig};

const SECTION: &str = "storage.postgres.";
const LEASE_SECS: std::ops::RangeInclusive<u64> = 3..=3_600;
const STATEMENT_TIMEOUT_SECS: std::ops::RangeInclusive<u64> = 1..=600;
/// What PostgreSQL leaves of a longer one.
const MAX_NAME_LENGTH: usize = 63;

pub(in crate::config) fn postgres(
    values: &mut Values,
) -> Result<Option<PostgresConfig>, ConfigError> {
    const URL: Key<Text> = keys::STORAGE_POSTGRES_URL;
    const CA_CERT: Key<Text> = keys::STORAGE_POSTGRES_CA_CERT_PATH;
    let Some(url) = values.text(URL) else { return without_url(values).map(|()| None) };
    let server = server(&url)?;
    let has_tls = has_tls(values, &server)?;
    if values.text(keys::BACKUP_DIRECTORY).is_some() {
        return Err(ConfigError::new(
            keys::BACKUP_DIRECTORY,
            "must not be set together with storage.postgres.url: the mirror of a state in PostgreSQL is \
             a synchronous replica of it",
        ));
    }
    let ca_cert_path = values.path(CA_CERT);
    if ca_cert_path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
        return Err(ConfigError::new(CA_CERT, "must not be empty"));
    }
    let (password, password_file) = (
        values.secret(keys::STORAGE_POSTGRES_PASSWORD),
        values.path(keys::STORAGE_POSTGRES_PASSWORD_FILE),
    );
    if password.is_some() && password_file.is_some() {
        return Err(ConfigError::new(
            keys::STORAGE_POSTGRES_PASSWORD_FILE,
            "set it, or the password, not both",
        ));
    }
    Ok(Some(PostgresConfig {
        server,
        password,
        password_file,
        has_tls,
        ca_cert_path,
        schema: schema(values)?,
        lease: seconds(values, keys::STORAGE_POSTGRES_LEASE_SECS, LEASE_SECS)?,
        is_standby: values.is_on(keys::STORAGE_POSTGRES_STANDBY),
        statement_timeout: seconds(
            values,
            keys::STORAGE_POSTGRES_STATEMENT_TIMEOUT_SECS,
            STATEMENT_TIMEOUT_SECS,
        )?,
    }))
}

/// Without a URL, what else is set has no effect, and was meant to have one.
fn without_url(values: &Values) -> Result<(), ConfigError> {
    let is_meant = |key: &&Definition| key.name.starts_with(SECTION) && values.is_given(key);
    match KEYS.iter().find(is_meant) {
        Some(key) => Err(ConfigError::new(key.name, "needs storage.postgres.url")),
        None => Ok(()),
    }
}

/// The text is not quoted: it may hold a password.
fn server(url: &str) -> Result<Server, ConfigError> {
    const URL: Key<Text> = keys::STORAGE_POSTGRES_URL;
    let server: Server = url
        .parse()
        .map_err(|_| ConfigError::new(URL, "must be like postgres://user@host:port/database"))?;
    if server.get_password().is_some() {
        return Err(ConfigError::new(
            URL,
            "must not hold the password: put it into storage.postgres.password_file",
        ));
    }
    if server.get_hosts().is_empty() && server.get_hostaddrs().is_empty() {
        return Err(ConfigError::new(URL, "names no host"));
    }
    if server.get_user().is_none() {
        return Err(ConfigError::new(URL, "names no user"));
    }
    Ok(server)
}

fn has_tls(values: &mut Values, server: &Server) -> Result<bool, ConfigError> {
    const TLS: Key<Boolean> = keys::STORAGE_POSTGRES_TLS;
    let of_url = server.get_ssl_mode();
    values.set_default_switch(TLS, of_url == SslMode::Require || !is_on_this_machine(server));
    match (values.is_on(TLS), of_url) {
        (true, SslMode::Disable) => Err(ConfigError::new(
            TLS,
            "is true, and the url has sslmode=disable: the state would be sent in clear text; if that is \
             meant, set it to false",
        )),
        (false, SslMode::Require) => {
            Err(ConfigError::new(TLS, "is false, and the url has sslmode=require"))
        },
        (has_tls, _) => Ok(has_tls),
    }
}

/// Whether nothing that is sent to it leaves this machine.
fn is_on_this_machine(server: &Server) -> bool {
    let is_local = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        },
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    let addresses = server.get_hostaddrs();
    match addresses.is_empty() {
        true => server.get_hosts().iter().all(is_local),
        false => addresses.iter().all(IpAddr::is_loopback),
    }
}

fn schema(values: &Values) -> Result<String, ConfigError> {
    const KEY: Key<Text> = keys::STORAGE_POSTGRES_SCHEMA;
    let schema = values.text(KEY).ok_or_else(|| missing(KEY))?;
    let is_accepted = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins_well = schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if begins_well && schema.len() <= MAX_NAME_LENGTH && schema.chars().all(is_accepted) {
        return Ok(schema);
    }
    Err(ConfigError::new(
        KEY,
        "must be up to 63 small letters, digits and _, and begin with no digit",
    ))
}

fn seconds(
    values: &Values,
    key: Key<Number>,
    accepted: std::ops::RangeInclusive<u64>,
) -> Result<Duration, ConfigError> {
    values.number(key, accepted)?.map(Duration::from_secs).ok_or_else(|| missing(key))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::config::{Args, Config, PostgresConfig};

    fn postgres(sections: &str) -> Result<Option<PostgresConfig>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "[node]\nnetwork = \"regtest\"\n[esplora]\nserver_url = \"http://127.0.0.1:1\"\n{sections}"
        );
        fs::write(file.path(), text).unwrap();
        let args = Args::try_parse_from([Path::new("ldk-server"), file.path()]).unwrap();
        Config::load(&args).map(|config| config.postgres).map_err(|error| error.to_string())
    }

    fn at(url: &str, more: &str) -> Result<PostgresConfig, String> {
        let config = postgres(&format!("[storage.postgres]\nurl = \"{url}\"\n{more}"));
        config.map(|config| config.unwrap())
    }

    fn refusal(url: &str, more: &str) -> String {
        at(url, more).err().unwrap()
    }

    #[test]
    fn it_is_off_unless_it_has_a_url() {
        assert!(postgres("").unwrap().is_none());
        let config = at("postgres://me@localhost/node", "lease_secs = 30").unwrap();
        assert_eq!((config.schema.as_str(), config.lease.as_secs()), ("ldk_server", 30));
        let without = postgres("[storage.postgres]\nlease_secs = 30").err().unwrap();
        assert!(without.contains("storage.postgres.lease_secs: needs"), "{without}");
    }

    #[test]
    fn nothing_leaves_the_machine_in_clear_text_unless_it_is_said() {
        for (url, has_tls) in [
            ("postgres://me@localhost/node", false),
            ("postgres://me@127.0.0.1:1,[::1]:2/node", false),
            ("host=/run/postgresql user=me", false),
            ("postgres://me@localhost/node?sslmode=require", true),
            ("postgres://me@db.example/node", true),
            ("postgres://me@localhost,db.example/node", true),
        ] {
            assert_eq!(at(url, "").unwrap().has_tls, has_tls, "{url}");
        }
        let disabled = "postgres://me@db.example/node?sslmode=disable";
        assert!(refusal(disabled, "").contains("clear text"));
        assert!(!at(disabled, "tls = false").unwrap().has_tls);
    }

    #[test]
    fn a_password_is_in_a_place_of_its_own_and_in_no_error() {
        for url in ["postgres://me:hunter2@localhost/node", "host=localhost password=hunter2"] {
            let refused = refusal(url, "");
            assert!(refused.contains("password_file") && !refused.contains("hunter2"), "{refused}");
        }
        let unreadable = refusal("postgres://me:hunter2@localhost:port/node", "");
        assert!(!unreadable.contains("hunter2"), "{unreadable}");
        let both = refusal("postgres://me@localhost", "password = \"a\"\npassword_file = \"b\"");
        assert!(both.contains("not both"), "{both}");
    }

    #[test]
    fn a_mirror_is_for_a_database_on_disk() {
        let mirror = refusal("postgres://me@localhost", "[backup]\ndirectory = \"/mirror\"");
        assert!(mirror.contains("backup.directory: ") && mirror.contains("replica"), "{mirror}");
        for (more, key) in [("schema = \"A\"", "schema"), ("lease_secs = 1", "lease_secs")] {
            assert!(refusal("postgres://me@localhost", more).contains(key));
        }
    }
}
