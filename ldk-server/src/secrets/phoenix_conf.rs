//! The file `phoenix.conf`, where phoenixd and programs beside it keep and look for its passwords.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::SecretError;
use super::files::{create_once, exists, read, replace};

const FILE: &str = "phoenix.conf";
const SECRET_BYTES: usize = 32;
const FULL: &str = "http-password";
const LIMITED: &str = "http-password-limited-access";
const WEBHOOKS: &str = "webhook-secret";

/// The secrets of phoenixd's interface.
pub(crate) struct PhoenixConf {
    /// The password that allows to pay.
    pub(crate) full_password: Zeroizing<String>,
    /// The password that allows to be paid, and to read.
    pub(crate) limited_password: Zeroizing<String>,
    /// What webhooks are signed with.
    pub(crate) webhook_secret: Zeroizing<String>,
}

impl PhoenixConf {
    /// The file in the directory of a network.
    pub(crate) fn path(network_dir: &Path) -> PathBuf {
        network_dir.join(FILE)
    }

    /// Reads the file. What is missing in it is made, and added.
    pub(crate) fn open(network_dir: &Path) -> Result<Self, SecretError> {
        let path = Self::path(network_dir);
        let is_there = exists(&path)?;
        let mut text = Zeroizing::new(if is_there { text_of(&path)? } else { String::new() });
        let before = text.len();
        let conf = Self {
            full_password: value(&path, &mut text, FULL)?,
            limited_password: value(&path, &mut text, LIMITED)?,
            webhook_secret: value(&path, &mut text, WEBHOOKS)?,
        };
        if conf.full_password == conf.limited_password {
            let reason = format!("{FULL} and {LIMITED} must not be the same");
            return Err(SecretError::new(&path, reason));
        }
        match (is_there, text.len() == before) {
            (true, true) => {},
            (true, false) => replace(&path, text.as_bytes(), 0o600)?,
            (false, _) => create_once(&path, text.as_bytes(), 0o600)?,
        }
        Ok(conf)
    }
}

fn text_of(path: &Path) -> Result<String, SecretError> {
    let bytes = read(path)?;
    String::from_utf8(bytes).map_err(|_| SecretError::new(path, "is not text in UTF-8"))
}

/// The value of a line `name=value`. If there is none, it is made at random, and a line is added.
fn value(
    path: &Path,
    text: &mut Zeroizing<String>,
    name: &str,
) -> Result<Zeroizing<String>, SecretError> {
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    if let Some((_, value)) = lines.find(|(found, _)| found.trim() == name) {
        let value = Zeroizing::new(value.trim().to_owned());
        if value.is_empty() {
            return Err(SecretError::new(path, format!("{name} must not be empty")));
        }
        return Ok(value);
    }
    let random = Zeroizing::new(rand::random::<[u8; SECRET_BYTES]>());
    let value = Zeroizing::new(hex::encode(random.as_slice()));
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for part in [name, "=", value.as_str(), "\n"] {
        text.push_str(part);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn passwords_are_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let made = PhoenixConf::open(dir.path()).unwrap();
        assert_eq!(made.full_password.len(), 64);
        assert_ne!(made.full_password, made.limited_password);
        let again = PhoenixConf::open(dir.path()).unwrap();
        assert_eq!(again.full_password, made.full_password);
        assert_eq!(again.webhook_secret, made.webhook_secret);
        let text = fs::read_to_string(PhoenixConf::path(dir.path())).unwrap();
        assert!(text.starts_with("http-password="), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(PhoenixConf::path(dir.path())).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn what_the_operator_has_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = PhoenixConf::path(dir.path());
        fs::write(&path, "# mine\nhttp-password = secret \nhttp-bind-port=9740").unwrap();
        let conf = PhoenixConf::open(dir.path()).unwrap();
        assert_eq!(conf.full_password.as_str(), "secret");
        let text = fs::read_to_string(&path).unwrap();
        let kept =
            "# mine\nhttp-password = secret \nhttp-bind-port=9740\nhttp-password-limited-access=";
        assert!(text.starts_with(kept), "{text}");
    }

    #[test]
    fn a_password_is_neither_empty_nor_both() {
        let dir = tempfile::tempdir().unwrap();
        let path = PhoenixConf::path(dir.path());
        for text in ["http-password=\n", "http-password=a\nhttp-password-limited-access=a\n"] {
            fs::write(&path, text).unwrap();
            let refused = PhoenixConf::open(dir.path()).err().unwrap().to_string();
            assert!(refused.contains("http-password"), "{refused}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
