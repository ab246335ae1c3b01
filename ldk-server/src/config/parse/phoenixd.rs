//! phoenixd's interface.

use super::node::socket_address;
use crate::config::keys::{self, Boolean, Key, Text};
use crate::config::values::Values;
use crate::config::{ConfigError, PhoenixdConfig};

const MSAT_PER_SAT: u64 = 1_000;
/// More would be a mistake: 1 BTC.
const MAX_FEE_BASE_SATS: u64 = 100_000_000;
/// The whole amount.
const MAX_FEE_PPM: u32 = 1_000_000;
const MAX_WEBHOOKS: usize = 16;

pub(in crate::config) fn phoenixd(values: &Values) -> Result<Option<PhoenixdConfig>, ConfigError> {
    const ADDRESS: Key<Text> = keys::PHOENIXD_ADDRESS;
    const TLS: Key<Boolean> = keys::PHOENIXD_TLS;
    let base_sats = values.number(keys::PHOENIXD_MAX_FEE_BASE_SATS, ..=MAX_FEE_BASE_SATS)?;
    let ppm = values.number(keys::PHOENIXD_MAX_FEE_PPM, ..=MAX_FEE_PPM)?;
    let webhooks = values.list(keys::PHOENIXD_WEBHOOKS);
    if webhooks.len() > MAX_WEBHOOKS {
        let reason = format!("{} URLs; at most {MAX_WEBHOOKS}", webhooks.len());
        return Err(ConfigError::new(keys::PHOENIXD_WEBHOOKS, reason));
    }
    let Some(text) = values.text(ADDRESS) else { return Ok(None) };
    let address = socket_address(ADDRESS, &text)?;
    let has_tls = values.is_on(TLS);
    if !has_tls && !address.ip().is_loopback() {
        let reason = format!(
            "must be true: passwords and payments would be sent in clear text to and from {address}, which \
             is not an address of this machine only"
        );
        return Err(ConfigError::new(TLS, reason));
    }
    Ok(Some(PhoenixdConfig {
        address,
        has_tls,
        max_fee_base_msat: base_sats.unwrap_or_default() * MSAT_PER_SAT,
        max_fee_ppm: ppm.unwrap_or_default(),
        webhooks,
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::config::{Args, Config, PhoenixdConfig};

    fn phoenixd(section: &str) -> Result<Option<PhoenixdConfig>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "[node]\nnetwork = \"regtest\"\n[esplora]\nserver_url = \"http://127.0.0.1:1\"\n\
             [phoenixd]\n{section}"
        );
        fs::write(file.path(), text).unwrap();
        let args = Args::try_parse_from([Path::new("ldk-server"), file.path()]).unwrap();
        Config::load(&args).map(|config| config.phoenixd).map_err(|error| error.to_string())
    }

    #[test]
    fn one_line_turns_it_on() {
        assert_eq!(phoenixd(""), Ok(None));
        let config = phoenixd("address = \"127.0.0.1:9740\"").unwrap().unwrap();
        assert_eq!((config.address.port(), config.has_tls), (9740, false));
        assert_eq!((config.max_fee_base_msat, config.max_fee_ppm), (4_000, 4_000));
        assert_eq!(config.webhooks, Vec::<String>::new());
    }

    #[test]
    fn no_password_leaves_the_machine_in_clear_text() {
        let refused = phoenixd("address = \"0.0.0.0:9740\"").unwrap_err();
        assert!(refused.contains("phoenixd.tls: must be true"), "{refused}");
        assert!(phoenixd("address = \"0.0.0.0:9740\"\ntls = true").unwrap().unwrap().has_tls);
    }

    #[test]
    fn what_cannot_be_a_fee_limit_is_refused() {
        for section in ["max_fee_ppm = 1000001", "max_fee_base_sats = -1"] {
            let refused = phoenixd(section).unwrap_err();
            assert!(refused.contains("phoenixd.max_fee_"), "{refused}");
        }
    }
}
