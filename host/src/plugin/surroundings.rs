//! All that a connector can see and reach in one connection.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::{ACCESS_TOKEN, Composed, Credential, Writing};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;

use super::journal::Journal;
use super::outbound::{Outbound, OutboundError, OutboundRequest, OutboundResponse};
use super::state::StateKeeper;
use crate::audit::{Purpose, Uses};
use crate::clock::Clock;
use crate::oauth2::{ACCESS, Token, TokenError, TokenKeeper};
use crate::pace::Pace;
use crate::rules::template::{fill, plain};
use crate::secrets::SecretValue;

/// Shorter secrets are not searched for in texts: they would match by chance.
pub(super) const SHORTEST_REDACTED: usize = 6;
/// What stands in the place of a secret.
pub(super) const REDACTED: &str = "[redacted]";

/// All that a connector can see and reach in one connection. Shared by the instances of that connection and by nobody else.
pub struct Surroundings {
    /// `cxn_…`, for logs.
    pub connection: String,
    /// The connector's manifest.
    pub manifest: Arc<Manifest>,
    /// The configuration without secrets.
    pub config: Value,
    /// The same as JSON text, as the guest gets it.
    pub config_text: String,
    /// Secrets by property name. They never cross into the guest.
    pub secrets: BTreeMap<String, SecretValue>,
    /// Counts their uses.
    pub uses: Arc<Uses>,
    /// Keeps the access token, where the connection has one by OAuth 2.
    pub tokens: Option<Arc<TokenKeeper>>,
    /// The way out.
    pub outbound: Outbound,
    /// The vendor's rate limits.
    pub pace: Pace,
    /// What the connector remembers.
    pub state: StateKeeper,
    /// The hub's clock.
    pub clock: Clock,
    /// Where random bytes come from.
    pub random: Randomness,
    /// What the connector writes to the log is kept here for a while.
    pub journal: Arc<Journal>,
}

/// Where random bytes come from.
#[derive(Debug, Default)]
pub enum Randomness {
    /// The system.
    #[default]
    System,
    /// A sequence that is the same in every run: tests alone.
    Seeded(AtomicU64),
}

impl Randomness {
    /// The sequence that begins with this number.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(AtomicU64::new(seed))
    }

    /// Begins a seeded sequence anew; the system's goes on.
    pub fn restart(&self, seed: u64) {
        if let Self::Seeded(state) = self {
            state.store(seed, Ordering::Relaxed);
        }
    }

    /// Fills these bytes.
    pub fn fill(&self, bytes: &mut [u8]) {
        match self {
            Self::System => SystemRandom::new().fill(bytes).expect("the system's randomness is there"),
            Self::Seeded(state) => {
                for byte in bytes {
                    let next = splitmix(state.fetch_add(GOLDEN, Ordering::Relaxed));
                    *byte = next.to_le_bytes()[0];
                }
            }
        }
    }
}

/// The step of splitmix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Splitmix64 (Steele, Lea and Flood 2014): a good number out of a counter.
fn splitmix(counter: u64) -> u64 {
    let it = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

/// What a vendor answers to a token that is not valid (RFC 6750, section 3.1).
const UNAUTHORIZED: u16 = 401;

/// Adds the secrets that the manifest composes of others. One of whose parts something is not set is not set itself.
pub fn compose(manifest: &Manifest, config: &Value, secrets: &mut BTreeMap<String, SecretValue>) {
    for (name, composed) in &manifest.composed {
        let part = |it: &str| secrets.get(it).map(|it| it.reveal().to_owned()).or_else(|| config.get(it).and_then(plain));
        if let Some(value) = made(composed, part) {
            secrets.insert(name.clone(), value);
        }
    }
}

/// A secret made of others. None: one of its parts is not set.
fn made(Composed { template, encoding }: &Composed, part: impl Fn(&str) -> Option<String>) -> Option<SecretValue> {
    let text = fill(template, part).ok()?;
    Some(SecretValue::new(match encoding {
        Writing::Plain => text,
        Writing::Base64 => STANDARD.encode(text),
        Writing::Quoted => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }))
}

impl Surroundings {
    /// Sends a request with the credential that its endpoint wants. A vendor that refuses the access token is asked once more with a new
    /// one, within `patience` of its rate limit.
    pub async fn send(&self, request: OutboundRequest, patience: Duration) -> Result<OutboundResponse, OutboundError> {
        let credential = self.manifest.endpoints.get(&request.endpoint).and_then(|it| it.credential.as_ref());
        let Some(tokens) = self.tokens.as_ref().filter(|_| credential.is_some_and(Credential::has_access_token)) else {
            return self.send_with(None, request).await;
        };
        let token = tokens.token().await?;
        let again = request.clone();
        let sent = self.send_with(Some(&token), request).await?;
        if sent.status != UNAUTHORIZED {
            return Ok(sent);
        }
        let Some(token) = tokens.instead_of(&token).await? else { return Ok(sent) };
        if let Err(error) = self.pace.turn(&again.endpoint, patience).await {
            return Err(TokenError::Unavailable(error.to_string()).into());
        }
        self.send_with(Some(&token), again).await
    }

    /// Fetches the file of a message that is to be sent.
    pub async fn fetch(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        self.outbound.fetch(self.manifest.limits.response_bytes, request).await
    }

    /// A secret as it goes out over a line: what is the access token, or is made of it, holds the one that is valid now. None: it is not set.
    pub async fn outgoing(&self, name: &str) -> Result<Option<SecretValue>, TokenError> {
        let Some(tokens) = self.tokens.as_ref().filter(|_| self.manifest.is_made_of_token(name)) else {
            return Ok(self.secrets.get(name).cloned());
        };
        let token = tokens.lend().await?;
        self.uses.note(ACCESS, Purpose::Request);
        Ok(self.with_token(name, &token.value))
    }

    /// A secret that is the token, or is made of it.
    fn with_token(&self, name: &str, token: &SecretValue) -> Option<SecretValue> {
        if name == ACCESS_TOKEN {
            return Some(token.clone());
        }
        let part = |it: &str| match it {
            ACCESS_TOKEN => Some(token.reveal().to_owned()),
            it => self.secrets.get(it).map(|it| it.reveal().to_owned()).or_else(|| self.config.get(it).and_then(plain)),
        };
        made(self.manifest.composed.get(name)?, part)
    }

    /// The vendor refuses what was sent over a line. True: it was an access token that ended before its time, and there is another one now.
    pub async fn may_log_in_anew(&self) -> bool {
        match &self.tokens {
            Some(tokens) => tokens.has_another().await,
            None => false,
        }
    }

    /// A secret's value, for a purpose that is counted.
    #[must_use]
    pub fn secret(&self, name: &str, purpose: Purpose) -> Option<&SecretValue> {
        self.secrets.get(name).inspect(|_| self.uses.note(name, purpose))
    }

    async fn send_with(&self, token: Option<&Token>, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let secret = |name: &str| {
            let token = token.filter(|_| name == ACCESS_TOKEN).inspect(|_| self.uses.note(ACCESS, Purpose::Request));
            token.map(|it| it.value.clone()).or_else(|| self.secret(name, Purpose::Request).cloned())
        };
        self.outbound.send(&self.manifest, &self.config, secret, request).await
    }

    /// The text without secrets in it.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.searched().fold(text.to_owned(), |text, secret| {
            let secret = secret.reveal();
            if text.contains(secret) { text.replace(secret, REDACTED) } else { text }
        })
    }

    /// The bytes without secrets in them. Bytes that are no text are left as they are unless a secret stands in them.
    #[must_use]
    pub fn redact_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.searched().fold(bytes, |bytes, secret| {
            let secret = secret.reveal();
            if bytes.windows(secret.len()).any(|it| it == secret.as_bytes()) { replace_bytes(&bytes, secret.as_bytes()) } else { bytes }
        })
    }

    /// The secrets that are looked for, composed ones too.
    pub(super) fn searched(&self) -> impl Iterator<Item = Cow<'_, SecretValue>> {
        let tokens = self.tokens.iter().flat_map(|it| it.known()).flat_map(|token| {
            let composed = self.manifest.composed.keys().filter(|it| self.manifest.is_made_of_token(it));
            let made: Vec<_> = composed.filter_map(|it| self.with_token(it, &token)).collect();
            made.into_iter().chain([token]).map(Cow::Owned)
        });
        self.secrets.values().map(Cow::Borrowed).chain(tokens).filter(|it| it.reveal().len() >= SHORTEST_REDACTED)
    }
}

fn replace_bytes(bytes: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(secret.len()).position(|it| it == secret) {
        clean.extend_from_slice(&rest[..at]);
        clean.extend_from_slice(REDACTED.as_bytes());
        rest = &rest[at + secret.len()..];
    }
    clean.extend_from_slice(rest);
    clean
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_composed_secret_is_made_of_secrets_and_of_the_configuration() {
        let text = "id = 'x'\nversion = '1.0.0'\ncontract = '0.1.1'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['source']\n\
                    [composed]\nsasl = { template = \"\\u0000{user}\\u0000{password}\", encoding = 'base64' }\n\
                    login = { template = '{password}', encoding = 'quoted' }\nbearer = { template = 'Bearer {token}' }";
        let mut secrets = BTreeMap::from([("password".to_owned(), SecretValue::new("a\\b\"c".to_owned()))]);
        compose(&toml::from_str(text).unwrap(), &json!({ "user": "me" }), &mut secrets);
        let made = |name: &str| secrets.get(name).map(SecretValue::reveal);
        assert_eq!(made("sasl"), Some(STANDARD.encode("\0me\0a\\b\"c").as_str()));
        assert_eq!(made("login"), Some(r#""a\\b\"c""#));
        assert_eq!(made("bearer"), None, "there is no token");
    }
}
