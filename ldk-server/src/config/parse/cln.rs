//! Core Lightning's interface over HTTP.

use super::node::socket_address;
use crate::config::keys::{self, Boolean, Key, Text};
use crate::config::values::Values;
use crate::config::{ClnRestConfig, ConfigError};

pub(in crate::config) fn cln_rest(values: &Values) -> Result<Option<ClnRestConfig>, ConfigError> {
    const ADDRESS: Key<Text> = keys::CLN_REST_ADDRESS;
    const TLS: Key<Boolean> = keys::CLN_REST_TLS;
    let Some(text) = values.text(ADDRESS) else { return Ok(None) };
    let address = socket_address(ADDRESS, &text)?;
    let has_tls = values.is_on(TLS);
    if !has_tls && !address.ip().is_loopback() {
        let reason = format!(
            "must be true: runes and payments would be sent in clear text to and from {address}, which is \
             not an address of this machine only"
        );
        return Err(ConfigError::new(TLS, reason));
    }
    Ok(Some(ClnRestConfig { address, has_tls }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::config::{Args, ClnRestConfig, Config};

    fn rest(section: &str) -> Result<Option<ClnRestConfig>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "[node]\nnetwork = \"regtest\"\n[esplora]\nserver_url = \"http://127.0.0.1:1\"\n[cln]\n{section}"
        );
        fs::write(file.path(), text).unwrap();
        let args = Args::try_parse_from([Path::new("ldk-server"), file.path()]).unwrap();
        Config::load(&args).map(|config| config.cln_rest).map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_off_unless_it_has_an_address() {
        assert_eq!(rest(""), Ok(None));
        let config = rest("rest_address = \"0.0.0.0:3010\"").unwrap().unwrap();
        assert_eq!((config.address.port(), config.has_tls), (3010, true));
        let refused = rest("rest_address = \"localhost:3010\"").unwrap_err();
        assert!(refused.contains("cln.rest_address: "), "{refused}");
    }

    #[test]
    fn nothing_leaves_the_machine_in_clear_text() {
        let at = |address| rest(&format!("rest_address = \"{address}\"\nrest_tls = false"));
        assert!(!at("127.0.0.1:3010").unwrap().unwrap().has_tls);
        assert!(!at("[::1]:3010").unwrap().unwrap().has_tls);
        let refused = at("0.0.0.0:3010").unwrap_err();
        assert!(refused.contains("cln.rest_tls: must be true"), "{refused}");
    }
}
