//! The API keys that requests are signed with: the first, which may do everything, and those with a name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use ldk_node::bitcoin::Network;
use ldk_server_grpc::auth::{Credential, Form, Refusal};
use ldk_server_grpc::places;
use ldk_server_grpc::rune::Restriction;
use ldk_server_grpc::types::ApiKeyRecord;
use zeroize::Zeroizing;

use crate::access::Grant;
use crate::error::Error;
use crate::secrets::{self, NamedKey, SecretError};

/// What the first key is called.
pub const FIRST: &str = "api_key";

/// How many keys there can be beside the first.
const MAX_NAMED: usize = 32;

/// The largest body that is looked at with every key: it is hashed anew with each.
const MAX_TRIED_BYTES: usize = 16 * 1024;

/// All API keys. Clones are the same ones.
#[derive(Clone)]
pub struct ApiKeys(Arc<Shared>);

struct Shared {
    storage_dir: PathBuf,
    network: String,
    keys: RwLock<Keys>,
}

struct Keys {
    first: Arc<Key>,
    named: BTreeMap<String, (NamedKey, Arc<Key>)>,
}

/// What a request is verified with.
struct Key {
    text: Zeroizing<String>,
    name: Arc<str>,
    grant: Grant,
}

/// Who has signed a request.
pub struct Signed {
    /// The name of the key.
    pub name: Arc<str>,
    /// What it may be used for.
    pub grant: Grant,
    /// How it was signed.
    pub form: Form,
}

impl ApiKeys {
    /// Reads the keys, or makes the first.
    pub fn open(storage_dir: PathBuf, network: Network) -> Result<Self, SecretError> {
        let network = network.to_string();
        let first = first(secrets::api_key(&storage_dir, &network)?);
        let mut named = BTreeMap::new();
        for stored in secrets::api_keys::read_all(&places::api_keys_dir(&storage_dir, &network))? {
            named.insert(stored.name.clone(), with_grant(stored)?);
        }
        let keys = RwLock::new(Keys { first, named });
        Ok(Self(Arc::new(Shared { storage_dir, network, keys })))
    }

    /// The first key only, which is in no file.
    #[cfg(test)]
    pub(crate) fn with_first(text: &str) -> Self {
        let first = first(Zeroizing::new(text.to_owned()));
        let keys = RwLock::new(Keys { first, named: BTreeMap::new() });
        let (storage_dir, network) = (PathBuf::new(), String::new());
        Self(Arc::new(Shared { storage_dir, network, keys }))
    }

    /// Finds out which key a request was signed with. With a large body, only the first is tried, or the
    /// one that the caller names.
    pub fn verify(
        &self,
        credential: &Credential,
        key_name: Option<&str>,
        path: &str,
        body: &[u8],
    ) -> Result<Signed, Refusal> {
        let Keys { first, named } = &*self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        let is_tried = |name: &str| match key_name {
            Some(wanted) => name == wanted,
            None => name == FIRST || body.len() <= MAX_TRIED_BYTES,
        };
        let named = named.values().map(|(_, key)| key);
        let mut tried = std::iter::once(first).chain(named).filter(|key| is_tried(&key.name));
        let signed = tried.find_map(|key| {
            let form = credential.verify(&key.text, path, body).ok()?;
            Some(Signed { name: Arc::clone(&key.name), grant: key.grant.clone(), form })
        });
        signed.ok_or(Refusal::Mismatch)
    }

    /// Whether there is a key of this name.
    pub fn has(&self, name: &str) -> bool {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        name == FIRST || keys.named.contains_key(name)
    }

    /// Makes a key, durably, and tells its text.
    pub fn create(
        &self,
        name: String,
        restrictions: &[Restriction],
    ) -> Result<Zeroizing<String>, Error> {
        // Until it is written: nobody else may take the name meanwhile.
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        if name == FIRST || keys.named.contains_key(&name) {
            return Err(Error::AlreadyExists(format!("there is an API key {name}")));
        }
        if keys.named.len() >= MAX_NAMED {
            let full = format!("there are {MAX_NAMED} API keys with names: revoke one");
            return Err(Error::ResourceExhausted(full));
        }
        let restrictions = restrictions.iter().map(ToString::to_string).collect();
        let made = secrets::api_keys::create(&self.dir(), name, restrictions);
        let made = with_grant(made.map_err(Error::internal)?).map_err(Error::internal)?;
        let text = made.0.key.clone();
        keys.named.insert(made.0.name.clone(), made);
        Ok(text)
    }

    /// The keys by name, without their texts.
    pub fn list(&self) -> Vec<ApiKeyRecord> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        let named = keys.named.values().map(|(stored, _)| ApiKeyRecord {
            name: stored.name.clone(),
            restrictions: stored.restrictions.clone(),
            created_at: stored.created_at,
        });
        let first = ApiKeyRecord { name: FIRST.to_owned(), ..ApiKeyRecord::default() };
        let mut records: Vec<_> = std::iter::once(first).chain(named).collect();
        records.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        records
    }

    /// Gives a key another text, durably, and tells it.
    pub fn rotate(&self, name: &str) -> Result<Zeroizing<String>, Error> {
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        if name == FIRST {
            let rotated = secrets::rotate_api_key(&self.0.storage_dir, &self.0.network);
            keys.first = first(rotated.map_err(Error::internal)?);
            return Ok(keys.first.text.clone());
        }
        let (stored, _) = keys.named.get(name).ok_or_else(|| unknown(name))?;
        let rotated = secrets::api_keys::rotate(&self.dir(), stored).map_err(Error::internal)?;
        let text = rotated.key.clone();
        keys.named.insert(name.to_owned(), with_grant(rotated).map_err(Error::internal)?);
        Ok(text)
    }

    /// Removes a key, durably.
    pub fn revoke(&self, name: &str) -> Result<(), Error> {
        if name == FIRST {
            return Err(Error::FailedPrecondition(
                "the first API key cannot be revoked: rotate it".to_owned(),
            ));
        }
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        if !keys.named.contains_key(name) {
            return Err(unknown(name));
        }
        secrets::api_keys::remove(&self.dir(), name).map_err(Error::internal)?;
        keys.named.remove(name);
        Ok(())
    }

    fn dir(&self) -> PathBuf {
        places::api_keys_dir(&self.0.storage_dir, &self.0.network)
    }
}

fn unknown(name: &str) -> Error {
    Error::NotFound(format!("there is no API key {name}"))
}

fn first(text: Zeroizing<String>) -> Arc<Key> {
    Arc::new(Key { text, name: Arc::from(FIRST), grant: Grant::Everything })
}

fn with_grant(stored: NamedKey) -> Result<(NamedKey, Arc<Key>), SecretError> {
    let restrictions = stored.restrictions.iter().map(|text| text.parse::<Restriction>());
    let restrictions = restrictions.collect::<Result<Vec<_>, _>>();
    let restrictions = restrictions.map_err(|error| {
        SecretError::new(
            stored.name.as_ref(),
            format!("has a restriction that cannot be read: {error}"),
        )
    })?;
    let scope = format!("API key {}", stored.name);
    let grant = Grant::named(scope, restrictions);
    let (text, name) = (stored.key.clone(), Arc::from(stored.name.as_str()));
    let key = Arc::new(Key { text, name, grant });
    Ok((stored, key))
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::auth;
    use tempfile::TempDir;

    use super::*;

    const NOW_SECS: u64 = 1_800_000_000;

    fn open(dir: &TempDir) -> ApiKeys {
        std::fs::create_dir_all(dir.path().join("regtest")).unwrap();
        ApiKeys::open(dir.path().to_owned(), Network::Regtest).unwrap()
    }

    fn signer(keys: &ApiKeys, key: &str, key_name: Option<&str>, body: &[u8]) -> Option<String> {
        let header = auth::sign_request(key, NOW_SECS, &[1; 16], "/path", body);
        let credential = Credential::parse(&header, NOW_SECS).unwrap();
        let signed = keys.verify(&credential, key_name, "/path", body);
        signed.ok().map(|signed| signed.name.to_string())
    }

    #[test]
    fn a_key_signs_until_it_is_rotated_or_revoked_and_so_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let keys = open(&dir);
        let shop = keys.create("shop".to_owned(), &["group=info".parse().unwrap()]).unwrap();
        for keys in [&keys, &open(&dir)] {
            assert_eq!(signer(keys, &shop, None, b"body").as_deref(), Some("shop"));
            assert_eq!(signer(keys, &shop, Some("shop"), b"body").as_deref(), Some("shop"));
            assert_eq!(signer(keys, &shop, Some("books"), b"body"), None);
        }
        let rotated = keys.rotate("shop").unwrap();
        assert_eq!(signer(&keys, &shop, None, b"body"), None);
        assert_eq!(signer(&open(&dir), &rotated, None, b"body").as_deref(), Some("shop"));
        keys.revoke("shop").unwrap();
        for keys in [&keys, &open(&dir)] {
            assert_eq!(signer(keys, &rotated, None, b"body"), None);
        }
        assert!(matches!(keys.revoke("shop"), Err(Error::NotFound(_))));
    }

    #[test]
    fn the_first_key_can_be_rotated_and_not_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let keys = open(&dir);
        let before = keys.rotate(FIRST).unwrap();
        assert_eq!(signer(&keys, &before, None, b"").as_deref(), Some(FIRST));
        let after = keys.rotate(FIRST).unwrap();
        assert_eq!(signer(&keys, &before, None, b""), None);
        assert_eq!(signer(&open(&dir), &after, None, b"").as_deref(), Some(FIRST));
        assert!(matches!(keys.revoke(FIRST), Err(Error::FailedPrecondition(_))));
    }

    #[test]
    fn a_name_is_taken_once_and_there_are_so_many_keys() {
        let dir = tempfile::tempdir().unwrap();
        let keys = open(&dir);
        for number in 0..MAX_NAMED {
            keys.create(format!("key-{number}"), &[]).unwrap();
        }
        for name in [FIRST, "key-0"] {
            let refused = keys.create(name.to_owned(), &[]);
            assert!(matches!(refused, Err(Error::AlreadyExists(_))), "{name}");
        }
        let refused = keys.create("one-more".to_owned(), &[]);
        assert!(matches!(refused, Err(Error::ResourceExhausted(_))));
        assert_eq!(keys.list().len(), MAX_NAMED + 1);
    }

    #[test]
    fn a_large_body_is_hashed_for_one_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let keys = open(&dir);
        let shop = keys.create("shop".to_owned(), &[]).unwrap();
        let body = vec![0; MAX_TRIED_BYTES + 1];
        assert_eq!(signer(&keys, &shop, None, &body), None);
        assert_eq!(signer(&keys, &shop, Some("shop"), &body).as_deref(), Some("shop"));
    }
}
