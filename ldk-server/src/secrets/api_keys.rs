//! The API keys beside the first: one file for each, named as the key is.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::files::{create_once, exists, read, replace};
use super::{API_KEY_BYTES, SecretError};
use crate::clock::unix_secs;

const MODE: u32 = 0o600;
const NO_KEY: &str = "is not the file of an API key: remove it, and make the key anew";

/// An API key that has a name.
#[derive(Clone)]
pub struct NamedKey {
    /// Its name, which is that of its file.
    pub name: String,
    /// The hex text that requests are signed with.
    pub key: Zeroizing<String>,
    /// What it is restricted to, in the syntax of runes. All must hold; with none it may do everything.
    pub restrictions: Vec<String>,
    /// When it was made or last rotated, in Unix seconds.
    pub created_at: u64,
}

/// What is in the file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    key: String,
    created_at: u64,
    #[serde(default)]
    restrictions: Vec<String>,
}

/// Reads all keys in this directory, by name; none where there is no directory.
pub fn read_all(dir: &Path) -> Result<Vec<NamedKey>, SecretError> {
    if !exists(dir)? {
        return Ok(Vec::new());
    }
    let unreadable = |error| SecretError::new(dir, format!("cannot be read: {error}"));
    let mut keys = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // What a crash left of a file that was being written.
        if path.extension().is_none_or(|extension| extension != "partial") {
            keys.push(read_one(&path)?);
        }
    }
    keys.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(keys)
}

/// Makes a key of this name, durably. Fails if there is one.
pub fn create(
    dir: &Path,
    name: String,
    restrictions: Vec<String>,
) -> Result<NamedKey, SecretError> {
    make_directory(dir)?;
    let key = NamedKey { name, key: random(), restrictions, created_at: unix_secs() };
    create_once(&file(dir, &key.name), &encode(dir, &key)?, MODE)?;
    Ok(key)
}

/// Gives a key another text, durably.
pub fn rotate(dir: &Path, old: &NamedKey) -> Result<NamedKey, SecretError> {
    let key = NamedKey { key: random(), created_at: unix_secs(), ..old.clone() };
    replace(&file(dir, &key.name), &encode(dir, &key)?, MODE)?;
    Ok(key)
}

/// Removes the file of a key, durably.
pub fn remove(dir: &Path, name: &str) -> Result<(), SecretError> {
    let path = file(dir, name);
    fs::remove_file(&path)
        .and_then(|()| fs::File::open(dir)?.sync_all())
        .map_err(|error| SecretError::new(&path, format!("cannot be removed: {error}")))
}

/// Whether a key can have this name: it becomes the name of a file.
pub fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=MAX_NAME_CHARS).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// How long a name can be.
pub const MAX_NAME_CHARS: usize = 32;

fn file(dir: &Path, name: &str) -> PathBuf {
    dir.join(name)
}

fn random() -> Zeroizing<String> {
    let bytes = Zeroizing::new(rand::random::<[u8; API_KEY_BYTES]>());
    Zeroizing::new(hex::encode(bytes.as_slice()))
}

fn make_directory(dir: &Path) -> Result<(), SecretError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| SecretError::new(dir, format!("cannot be made: {error}")))
}

fn read_one(path: &Path) -> Result<NamedKey, SecretError> {
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| is_name(name));
    let name = name.ok_or_else(|| SecretError::new(path, "has a name that no API key can have"))?;
    let text = Zeroizing::new(read(path)?);
    // The parser's own error quotes the file.
    let content = std::str::from_utf8(&text).ok().and_then(|text| toml::from_str(text).ok());
    let Some(Content { key, created_at, restrictions }) = content else {
        return Err(SecretError::new(path, NO_KEY));
    };
    let key = Zeroizing::new(key);
    if !hex::decode(key.as_str()).is_ok_and(|bytes| bytes.len() == API_KEY_BYTES) {
        return Err(SecretError::new(path, NO_KEY));
    }
    Ok(NamedKey { name: name.to_owned(), key, restrictions, created_at })
}

fn encode(dir: &Path, key: &NamedKey) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let content = Content {
        key: key.key.to_string(),
        created_at: key.created_at,
        restrictions: key.restrictions.clone(),
    };
    let text = toml::to_string(&content);
    drop(Zeroizing::new(content.key));
    let text = text.map_err(|error| SecretError::new(dir, error))?;
    Ok(Zeroizing::new(text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_what_it_was_made_until_it_is_rotated_or_removed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("api_keys");
        assert!(read_all(&dir).unwrap().is_empty());
        let made =
            create(&dir, "shop".to_owned(), vec!["group=invoice|group=info".to_owned()]).unwrap();
        create(&dir, "books".to_owned(), Vec::new()).unwrap();
        let read = read_all(&dir).unwrap();
        assert_eq!(read.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["books", "shop"]);
        assert_eq!((&read[1].key, &read[1].restrictions), (&made.key, &made.restrictions));
        let rotated = rotate(&dir, &made).unwrap();
        assert_ne!(rotated.key, made.key);
        assert_eq!(read_all(&dir).unwrap()[1].key, rotated.key);
        remove(&dir, "shop").unwrap();
        assert_eq!(read_all(&dir).unwrap().len(), 1);
    }

    #[test]
    fn a_name_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), "shop".to_owned(), Vec::new()).unwrap();
        assert!(create(dir.path(), "shop".to_owned(), Vec::new()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_a_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("api_keys");
        let key = create(&dir, "shop".to_owned(), Vec::new()).unwrap();
        rotate(&dir, &key).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join("shop"))), (0o700, 0o600));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shop");
        for text in ["", "key = \"5ec2e7\"\ncreated_at = 1", "5ec2e7"] {
            fs::write(&file, text).unwrap();
            let error = read_all(dir.path()).err().unwrap().to_string();
            assert!(error.contains("shop") && !error.contains("5ec2e7"), "{error}");
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "shop-1", "A_b", &"x".repeat(32)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a.partial", "a b", "é", &"x".repeat(33)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
