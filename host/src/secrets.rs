//! Secrets at rest: sealed with ChaCha20-Poly1305 under a data key, which is sealed under the hub's master key.
//!
//! The sealed form is `1 ‖ data key's id (8 bytes) ‖ nonce (12 bytes) ‖ ciphertext ‖ tag`; the connection and the secret's name are
//! authenticated with it, so that a sealed value cannot be moved to another connection. Which keys there are is kept by [`crate::keys`].

mod source;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

pub use patchbay_rules::secret::SecretValue;

pub use self::source::KeySource;

const KEY_LEN: usize = 32;
const ID_LEN: usize = 8;
/// What a sealed value begins with: the form that it has.
const FORM: u8 = 1;

/// Why a key or a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The key file cannot be read or written.
    #[error("the key file {} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key does not have 64 hexadecimal digits.
    #[error("{origin} must hold a key of 64 hexadecimal digits (32 bytes); `openssl rand -hex 32` makes one")]
    Malformed {
        /// Where it was read.
        origin: String,
    },
    /// The variable is not set.
    #[error("the master key should stand in {0}, which is not set in the environment")]
    Environment(String),
    /// The command gives no key.
    #[error("the command `{command}` gives no master key: {reason}")]
    Command {
        /// The command with its arguments.
        command: String,
        /// What became of it.
        reason: String,
    },
    /// The value was sealed with a key that this database does not hold any more.
    #[error("the secret `{name}` cannot be opened: it was sealed with the key {key}, which is not known here")]
    Unknown {
        /// The secret's name.
        name: String,
        /// The key.
        key: KeyId,
    },
    /// The value was sealed for another place, or damaged.
    #[error("the secret `{name}` cannot be opened: it is damaged, or was sealed for another connection")]
    Damaged {
        /// The secret's name.
        name: String,
    },
}

/// The hub's master key: everything else is derived from it.
#[derive(Clone)]
pub struct MasterKey([u8; KEY_LEN]);

impl MasterKey {
    /// Reads the key from its text.
    pub fn from_text(text: &str, origin: &str) -> Result<Self, SecretError> {
        let malformed = || SecretError::Malformed { origin: origin.to_owned() };
        let bytes = hex::decode(text.trim()).map_err(|_| malformed())?;
        Ok(Self(bytes.try_into().map_err(|_| malformed())?))
    }

    /// Reads the key file.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let text = std::fs::read_to_string(path).map_err(|source| SecretError::File { path: path.to_owned(), source })?;
        Self::from_text(&text, &path.display().to_string())
    }

    /// Reads the key file; makes one, readable by its owner only, where there is none.
    pub fn from_file_or_new(path: &Path) -> Result<Self, SecretError> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;

        let failed = |source| SecretError::File { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let key = Self::random();
        match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                file.write_all(hex::encode(key.0).as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
                Ok(key)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Self::from_file(path),
            Err(error) => Err(failed(error)),
        }
    }

    /// A key for one run, for commands that keep nothing.
    #[must_use]
    pub fn random() -> Self {
        let mut key = [0; KEY_LEN];
        SystemRandom::new().fill(&mut key).expect("the system's randomness is there");
        Self(key)
    }

    /// The key that protects the compile cache.
    #[must_use]
    pub fn cache_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.derive(b"compile cache"))
    }

    /// Names the key without telling anything of it.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.derive(b"key id"))
    }

    /// Seals a data key, so that it can be kept in the database.
    #[must_use]
    pub fn wrap(&self, key: &DataKey) -> Vec<u8> {
        seal(&self.wrapping_key(), &key.id().0, key.bytes.to_vec())
    }

    /// Opens a sealed data key. None: it was sealed with another master key, or is damaged.
    #[must_use]
    pub fn unwrap(&self, id: KeyId, sealed: &[u8]) -> Option<DataKey> {
        let bytes = open(&self.wrapping_key(), &id.0, sealed)?;
        Some(DataKey { bytes: bytes.try_into().ok()? }).filter(|it| it.id() == id)
    }

    fn wrapping_key(&self) -> LessSafeKey {
        aead(&self.derive(b"data keys"))
    }

    fn derive(&self, purpose: &[u8]) -> [u8; KEY_LEN] {
        derive(&self.0, purpose)
    }
}

/// Names a key, in eight bytes: sixteen hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_LEN]);

impl KeyId {
    fn of(derived: &[u8; KEY_LEN]) -> Self {
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&derived[..ID_LEN]);
        Self(id)
    }

    /// Which key a value was sealed with; none: it is no sealed value.
    #[must_use]
    pub fn of_sealed(sealed: &[u8]) -> Option<Self> {
        let (head, _) = sealed.split_at_checked(1 + ID_LEN + NONCE_LEN)?;
        (head[0] == FORM).then(|| Self(head[1..=ID_LEN].try_into().expect("it was split to this length")))
    }

    /// What every value begins with that was sealed with this key.
    #[must_use]
    pub fn prefix(self) -> Vec<u8> {
        [&[FORM], self.0.as_slice()].concat()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        hex::decode(text).ok().and_then(|it| it.try_into().ok()).map(Self).ok_or(())
    }
}

/// A key that secrets are sealed with. It stands in the database, sealed with master keys.
#[derive(Clone)]
pub struct DataKey {
    bytes: [u8; KEY_LEN],
}

impl DataKey {
    /// A new key.
    #[must_use]
    pub fn random() -> Self {
        Self { bytes: MasterKey::random().0 }
    }

    /// Names it.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&derive(&self.bytes, b"key id"))
    }

    /// Seals a secret of a connection.
    #[must_use]
    pub fn seal(&self, connection: &str, name: &str, value: &SecretValue) -> Vec<u8> {
        let sealed = seal(&self.secret_key(), &self.place(connection, name), value.reveal().as_bytes().to_vec());
        [self.id().prefix(), sealed].concat()
    }

    /// Opens a sealed secret of a connection. None: it was sealed with another key or for another place, or is damaged.
    #[must_use]
    pub fn open(&self, connection: &str, name: &str, sealed: &[u8]) -> Option<SecretValue> {
        let sealed = sealed.strip_prefix(self.id().prefix().as_slice())?;
        let bytes = open(&self.secret_key(), &self.place(connection, name), sealed)?;
        String::from_utf8(bytes).ok().map(SecretValue::new)
    }

    fn secret_key(&self) -> LessSafeKey {
        aead(&derive(&self.bytes, b"connection secrets"))
    }

    /// What is authenticated with a secret: its key and its place.
    fn place(&self, connection: &str, name: &str) -> Vec<u8> {
        [self.id().prefix().as_slice(), connection.as_bytes(), b"/", name.as_bytes()].concat()
    }
}

fn aead(key: &[u8; KEY_LEN]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has the cipher's length"))
}

/// `nonce ‖ ciphertext ‖ tag`
fn seal(key: &LessSafeKey, place: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).expect("the system's randomness is there");
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut value)
        .expect("a secret is far shorter than the cipher's limit");
    [nonce.as_slice(), &value].concat()
}

fn open(key: &LessSafeKey, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = text.to_vec();
    key.open_in_place(nonce, Aad::from(place), &mut text).ok().map(|it| it.to_vec())
}

fn derive(key: &[u8; KEY_LEN], purpose: &[u8]) -> [u8; KEY_LEN] {
    let mut derived = [0; KEY_LEN];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"patchbay")
        .extract(key)
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|it| it.fill(&mut derived))
        .expect("32 bytes are what SHA-256 gives");
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_where_it_belongs() {
        let (key, other) = (DataKey::random(), DataKey::random());
        let sealed = key.seal("cxn_1", "token", &SecretValue::new("12345:abc".to_owned()));
        assert!(!sealed.windows(5).any(|it| it == b"12345"));
        assert_eq!(key.open("cxn_1", "token", &sealed).unwrap().reveal(), "12345:abc");
        assert_eq!(KeyId::of_sealed(&sealed), Some(key.id()));
        assert!(key.open("cxn_2", "token", &sealed).is_none());
        assert!(key.open("cxn_1", "other", &sealed).is_none());
        assert!(other.open("cxn_1", "token", &sealed).is_none());
        let renamed = [other.id().prefix(), sealed[9..].to_vec()].concat();
        assert!(other.open("cxn_1", "token", &renamed).is_none() && key.open("cxn_1", "token", &renamed).is_none());
        assert!(key.open("cxn_1", "token", &sealed[..8]).is_none());
        assert_eq!(KeyId::of_sealed(&sealed[..12]), None);
    }

    #[test]
    fn a_data_key_opens_under_its_master_key_alone() {
        let (master, other) = (MasterKey::random(), MasterKey::random());
        let (one, two) = (DataKey::random(), DataKey::random());
        let wrapped = master.wrap(&one);
        assert_eq!(master.unwrap(one.id(), &wrapped).unwrap().bytes, one.bytes);
        assert!(master.unwrap(two.id(), &wrapped).is_none());
        assert!(other.unwrap(one.id(), &wrapped).is_none());
        assert_ne!(master.id(), other.id());
        assert_eq!(one.id().to_string().parse(), Ok(one.id()));
    }

    #[test]
    fn a_key_that_is_not_64_digits_is_refused_with_its_origin() {
        let error = MasterKey::from_text("abc", "PATCHBAY_KEY").err().unwrap();
        assert!(error.to_string().starts_with("PATCHBAY_KEY must hold"), "{error}");
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", SecretValue::new("x".to_owned())), "SecretValue(…)");
    }
}
