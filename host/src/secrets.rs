//! Secrets at rest: sealed with ChaCha20-Poly1305 under the hub's master key.
//!
//! The sealed form is `nonce (12 bytes) ‖ ciphertext ‖ tag`; the connection and the secret's name are authenticated with it,
//! so that a sealed value cannot be moved to another connection.

use std::fmt;
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

const KEY_LEN: usize = 32;

/// A secret's value. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    /// Takes a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself: for the host's own use, never for a guest, a log or an answer.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

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
    /// The value was sealed with another key, or damaged.
    #[error("the secret `{name}` cannot be opened: it was sealed with another key (is the key file the one this database was made with?)")]
    Sealed {
        /// The secret's name.
        name: String,
    },
}

/// The hub's master key: everything else is derived from it.
#[derive(Clone)]
pub struct MasterKey([u8; KEY_LEN]);

impl MasterKey {
    /// Reads the key from `PATCHBAY_KEY`'s text.
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

    /// Seals a secret of a connection.
    #[must_use]
    pub fn seal(&self, connection: &str, name: &str, value: &SecretValue) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("the system's randomness is there");
        let mut sealed = value.0.clone().into_bytes();
        self.secret_key()
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place(connection, name)), &mut sealed)
            .expect("a secret is far shorter than the cipher's limit");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens a sealed secret of a connection.
    pub fn open(&self, connection: &str, name: &str, sealed: &[u8]) -> Result<SecretValue, SecretError> {
        let failed = || SecretError::Sealed { name: name.to_owned() };
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let mut text = text.to_vec();
        let open = self.secret_key().open_in_place(nonce, Aad::from(place(connection, name)), &mut text).map_err(|_| failed())?;
        String::from_utf8(open.to_vec()).map(SecretValue).map_err(|_| failed())
    }

    fn secret_key(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &self.derive(b"connection secrets")).expect("the key has the cipher's length"))
    }

    fn derive(&self, purpose: &[u8]) -> [u8; KEY_LEN] {
        let mut derived = [0; KEY_LEN];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"patchbay")
            .extract(&self.0)
            .expand(&[purpose], hkdf::HKDF_SHA256)
            .and_then(|it| it.fill(&mut derived))
            .expect("32 bytes are what SHA-256 gives");
        derived
    }
}

fn place(connection: &str, name: &str) -> Vec<u8> {
    format!("{connection}/{name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_where_it_belongs() {
        let key = MasterKey::random();
        let sealed = key.seal("cxn_1", "token", &SecretValue::new("12345:abc".to_owned()));
        assert!(!sealed.windows(5).any(|it| it == b"12345"));
        assert_eq!(key.open("cxn_1", "token", &sealed).unwrap().reveal(), "12345:abc");
        assert!(key.open("cxn_2", "token", &sealed).is_err());
        assert!(key.open("cxn_1", "other", &sealed).is_err());
        assert!(MasterKey::random().open("cxn_1", "token", &sealed).is_err());
        assert!(key.open("cxn_1", "token", &sealed[..8]).is_err());
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
