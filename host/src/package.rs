//! A connector as one file that can be sent: the component, its manifest, and a signature over both that stands apart from them.
//!
//! The file is a tar archive: `connector.toml`, `connector.wasm` and, where somebody signed it, `signature.toml`. What is signed is a
//! short text with the SHA-256 of both files, so that a signature can be checked and made with other tools (Ed25519, RFC 8032).

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::plugin::artifact::MAX_WASM;
use crate::plugin::{Artifact, ArtifactError};

/// How a component begins.
const WASM: &[u8] = b"\0asm";
/// Largest manifest or signature that is read, bytes.
const MAX_TEXT: u64 = 1 << 20;
/// The label of a private key in PEM.
const PEM: &str = "PRIVATE KEY";

/// A connector to be installed.
#[derive(Debug, Clone)]
pub struct Package {
    /// The connector, read but not compiled.
    pub artifact: Artifact,
    /// Who signed it; none: nobody did.
    pub signature: Option<Signature>,
}

/// A signature, as it stands in `signature.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// What the publisher calls itself.
    pub publisher: String,
    /// The public key, base64 of 32 bytes.
    pub key: String,
    /// Ed25519 over [`statement`], base64 of 64 bytes.
    pub signature: String,
}

/// What is known of who signed a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// A publisher whom the configuration names.
    Trusted(String),
    /// The signature is sound, but the configuration does not name this key.
    Unknown(Signature),
    /// The configuration names this publisher with another key.
    OtherKey(Signature),
    /// Nobody signed it.
    Unsigned,
}

/// Why a package cannot be read, made or trusted.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Neither a component nor a package.
    #[error("it is neither a component (.wasm) nor a package of one: {0}")]
    Archive(std::io::Error),
    /// A part is missing, comes twice or does not belong there.
    #[error("the package {0}")]
    Part(String),
    /// What is in it is no connector.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Somebody changed the package after it was signed, or the signature is of another one.
    #[error("the signature of `{0}` does not fit what is in the package: it was changed, or signed wrongly")]
    Forged(String),
    /// A key is none.
    #[error("{0} is no Ed25519 key: {1}")]
    Key(String, String),
}

/// What a publisher signs.
#[must_use]
pub fn statement(artifact: &Artifact, publisher: &str) -> String {
    let manifest = ring::digest::digest(&ring::digest::SHA256, artifact.manifest_text.as_bytes());
    format!(
        "patchbay connector package 1\nid {}\nversion {}\npublisher {publisher}\nwasm sha256 {}\nmanifest sha256 {}\n",
        artifact.manifest.id,
        artifact.manifest.version,
        hex::encode(artifact.digest),
        hex::encode(manifest.as_ref()),
    )
}

impl Package {
    /// Reads a package, or a bare component. A signature that does not fit is an error; whom it is of is for [`Package::trust`].
    pub fn read(bytes: Vec<u8>) -> Result<Self, PackageError> {
        if bytes.starts_with(WASM) {
            return Ok(Self { artifact: Artifact::read(bytes)?, signature: None });
        }
        let mut parts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().map_err(PackageError::Archive)? {
            let mut entry = entry.map_err(PackageError::Archive)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let most = match name.as_str() {
                "connector.wasm" => MAX_WASM as u64,
                "connector.toml" | "signature.toml" => MAX_TEXT,
                _ => return Err(PackageError::Part(format!("has `{name}` in it, which does not belong there"))),
            };
            let mut part = Vec::new();
            (&mut entry).take(most + 1).read_to_end(&mut part).map_err(PackageError::Archive)?;
            if part.len() as u64 > most {
                return Err(PackageError::Part(format!("has a `{name}` of more than {most} bytes")));
            }
            if parts.insert(name.clone(), part).is_some() {
                return Err(PackageError::Part(format!("has `{name}` twice")));
            }
        }
        let mut part = |name: &str| parts.remove(name);
        let missing = |name: &str| PackageError::Part(format!("has no `{name}`"));
        let artifact = Artifact::read(part("connector.wasm").ok_or_else(|| missing("connector.wasm"))?)?;
        if part("connector.toml").ok_or_else(|| missing("connector.toml"))? != artifact.manifest_text.as_bytes() {
            return Err(PackageError::Part("has another connector.toml than the component itself".to_owned()));
        }
        let signature = part("signature.toml").map(|it| Signature::parse(&String::from_utf8_lossy(&it))).transpose()?;
        if let Some(signature) = &signature {
            signature.verify(&artifact)?;
        }
        Ok(Self { artifact, signature })
    }

    /// The package as a file: the same bytes for the same content.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut put = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, bytes).expect("writing into memory cannot fail, and the names are short");
        };
        put("connector.toml", self.artifact.manifest_text.as_bytes());
        put("connector.wasm", &self.artifact.wasm);
        if let Some(signature) = &self.signature {
            put("signature.toml", signature.text().as_bytes());
        }
        archive.into_inner().expect("writing into memory cannot fail")
    }

    /// Whom it is of, by the publishers that the configuration names with their keys.
    #[must_use]
    pub fn trust(&self, publishers: &BTreeMap<String, String>) -> Trust {
        let Some(signature) = &self.signature else { return Trust::Unsigned };
        if let Some((name, _)) = publishers.iter().find(|(_, key)| **key == signature.key) {
            return Trust::Trusted(name.clone());
        }
        if publishers.contains_key(&signature.publisher) { Trust::OtherKey(signature.clone()) } else { Trust::Unknown(signature.clone()) }
    }
}

impl Signature {
    /// Reads `signature.toml`.
    pub fn parse(text: &str) -> Result<Self, PackageError> {
        toml::from_str(text).map_err(|error| PackageError::Part(format!("has an unreadable signature.toml: {error}")))
    }

    /// As it stands in `signature.toml`.
    #[must_use]
    pub fn text(&self) -> String {
        toml::to_string(self).expect("three texts can always be written")
    }

    /// Checks that this is the signature of this connector.
    pub fn verify(&self, artifact: &Artifact) -> Result<(), PackageError> {
        let forged = || PackageError::Forged(self.publisher.clone());
        let key = public_key(&self.key)?;
        let signature = STANDARD.decode(&self.signature).map_err(|_| forged())?;
        let signed = statement(artifact, &self.publisher);
        UnparsedPublicKey::new(&ED25519, key).verify(signed.as_bytes(), &signature).map_err(|_| forged())
    }
}

/// A public key out of its base64.
pub fn public_key(text: &str) -> Result<[u8; 32], PackageError> {
    let wrong = |why: &str| PackageError::Key(format!("`{text}`"), why.to_owned());
    let bytes = STANDARD.decode(text).map_err(|_| wrong("it is not base64"))?;
    bytes.try_into().map_err(|_| wrong("it does not have 32 bytes"))
}

/// A publisher's private key.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A new key and the PEM text (PKCS #8) that it is kept as.
    #[must_use]
    pub fn generate() -> (Self, String) {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("the system's randomness is there");
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("it was made just now");
        let base64 = STANDARD.encode(document.as_ref());
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|it| std::str::from_utf8(it).expect("base64 is ASCII")).collect();
        (Self(pair), format!("-----BEGIN {PEM}-----\n{}\n-----END {PEM}-----\n", lines.join("\n")))
    }

    /// Reads PEM (PKCS #8), as [`SigningKey::generate`] and `openssl genpkey -algorithm ed25519` write it. `origin` stands in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PackageError> {
        let wrong = |why: &str| PackageError::Key(origin.to_owned(), why.to_owned());
        let (begin, end) = (format!("-----BEGIN {PEM}-----"), format!("-----END {PEM}-----"));
        let inside = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end)).map(|it| it.0);
        let inside = inside.ok_or_else(|| wrong(&format!("it has no line `{begin}`")))?;
        let base64: String = inside.split_whitespace().collect();
        let document = STANDARD.decode(base64).map_err(|_| wrong("what is inside is not base64"))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document).map_err(|error| wrong(&error.to_string()))?;
        Ok(Self(pair))
    }

    /// The public key, as `install.publishers` names it.
    #[must_use]
    pub fn public(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }

    /// Signs a connector.
    #[must_use]
    pub fn sign(&self, artifact: &Artifact, publisher: &str) -> Signature {
        let signed = self.0.sign(statement(artifact, publisher).as_bytes());
        Signature { publisher: publisher.to_owned(), key: self.public(), signature: STANDARD.encode(signed.as_ref()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::artifact::with_manifest;

    fn artifact(version: &str) -> Artifact {
        let text =
            format!("id = 'x'\nversion = '{version}'\ncontract = '0.1.0'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['source']\n");
        Artifact::read(with_manifest(vec![0, b'a', b's', b'm', 0x0d, 0, 1, 0], &text)).unwrap()
    }

    fn signed(key: &SigningKey) -> Package {
        let artifact = artifact("1.0.0");
        let signature = Some(key.sign(&artifact, "acme"));
        Package { artifact, signature }
    }

    #[test]
    fn a_package_is_read_as_it_was_written_and_its_publisher_is_known_by_the_key() {
        let (key, _) = SigningKey::generate();
        let package = signed(&key);
        let read = Package::read(package.bytes()).unwrap();
        assert_eq!((read.artifact.digest, &read.signature), (package.artifact.digest, &package.signature));
        let publishers = |name: &str, key: &str| BTreeMap::from([(name.to_owned(), key.to_owned())]);
        assert_eq!(read.trust(&publishers("their name here", &key.public())), Trust::Trusted("their name here".to_owned()));
        assert!(matches!(read.trust(&BTreeMap::new()), Trust::Unknown(_)));
        let (other, _) = SigningKey::generate();
        assert!(matches!(read.trust(&publishers("acme", &other.public())), Trust::OtherKey(_)));
        let bare = Package::read(package.artifact.wasm.clone()).unwrap();
        assert_eq!(bare.trust(&publishers("acme", &key.public())), Trust::Unsigned);
    }

    #[test]
    fn whatever_is_changed_after_signing_is_found() {
        let (key, _) = SigningKey::generate();
        let good = signed(&key);
        let other = Package { artifact: artifact("1.0.1"), ..good.clone() };
        assert!(matches!(Package::read(other.bytes()), Err(PackageError::Forged(_))));
        let mut renamed = good.clone();
        renamed.signature.as_mut().unwrap().publisher = "bank".to_owned();
        assert!(matches!(Package::read(renamed.bytes()), Err(PackageError::Forged(_))));
        let mut manifest = good.clone();
        manifest.artifact.manifest_text = manifest.artifact.manifest_text.replace("summary = 'x'", "summary = 'y'");
        assert!(matches!(Package::read(manifest.bytes()), Err(PackageError::Part(_))));
        assert!(Package::read(b"hello".repeat(400)).is_err());
        assert!(Package::read(Vec::new()).is_err());
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_as_openssl_writes_it() {
        let (key, text) = SigningKey::generate();
        assert_eq!(SigningKey::parse(&text, "k").unwrap().public(), key.public());
        // RFC 8410, section 10.3.
        let openssl =
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        assert_eq!(SigningKey::parse(openssl, "k").unwrap().public(), "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
        for bad in [
            "",
            "-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----",
        ] {
            assert!(SigningKey::parse(bad, "k").is_err(), "{bad}");
        }
        assert!(public_key("AAAA").is_err());
    }
}
