//! OAuth 2 as the hub runs it: the connector sees neither code nor token.
//!
//! ```text
//! request ─► token at hand and valid? ─► sent
//!               │ no                        │ 401
//!               ▼                           ▼
//!            turn (a row in `authorisations`, of all hubs one) ─► vendor ─► written ─► only then used
//! ```
//! A refresh token that rotates is gone with its use. So whoever asks runs in a task of its own, which no deadline of a connector's call
//! cuts off; what the vendor gave is written before it is used; and a late writer cannot overwrite a newer token.

mod keep;
mod link;
mod renewal;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::OAuth2;
use serde_json::Value;
use tokio_util::task::TaskTracker;

pub use self::keep::keep;
pub use self::link::{Link, LinkError, Returned};
use crate::audit::Uses;
use crate::ids::ConnectionId;
use crate::keys::{Keyring, UnsealError};
use crate::plugin::outbound::Outbound;
use crate::rules::oauth2::Terms;
use crate::rules::template::plain;
use crate::secrets::{SecretError, SecretValue};
use crate::store::authorisations::Authorisation;
use crate::store::{Store, StoreError};

/// The access token among the hub's own secrets of a connection. A colon stands in no property's name.
pub const ACCESS: &str = "oauth2:access_token";
/// The same of the refresh token.
pub const REFRESH: &str = "oauth2:refresh_token";
const VERIFIER: &str = "oauth2:verifier";

/// A token that ends sooner than this is not sent any more, milliseconds.
const SHORTEST_MS: i64 = 2_000;
/// A vendor that refuses each token is asked for a new one so often at most, milliseconds.
const FORCED_MS: i64 = 60_000;

/// An access token.
#[derive(Debug)]
pub struct Token {
    /// The token itself.
    pub value: SecretValue,
    generation: i64,
    expires_at: Option<i64>,
}

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Nobody followed a link yet.
    #[error("nobody has authorised this connection yet: `patchbay connection authorise {0}` gives the link")]
    NotAuthorised(ConnectionId),
    /// Only a person can mend it.
    #[error("{message}")]
    Refused {
        /// `oauth2.invalid_grant`
        code: String,
        /// What the vendor says of it.
        message: String,
    },
    /// It may be there later.
    #[error("no access token for now: {0}")]
    Unavailable(String),
    /// The manifest names what the connection does not have.
    #[error("`[oauth2]` of the manifest needs `{0}`, which is not set for this connection")]
    Missing(String),
    /// A token cannot be opened.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TokenError {
    /// Stable, for the connector and the log.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotAuthorised(_) => "oauth2.not_authorised",
            Self::Refused { code, .. } => code,
            Self::Unavailable(_) | Self::Store(_) => "oauth2.unavailable",
            Self::Missing(_) => "oauth2.missing",
            Self::Secret(_) => "oauth2.sealed",
        }
    }

    /// True when it may work later without anybody doing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Store(_))
    }
}

impl From<UnsealError> for TokenError {
    fn from(error: UnsealError) -> Self {
        match error {
            UnsealError::Secret(error) => Self::Secret(error),
            UnsealError::Store(error) => Self::Store(error),
        }
    }
}

/// What a token must be for whoever asks.
#[derive(Debug, Clone, Copy)]
enum Need {
    /// Valid.
    Valid,
    /// Valid, and another one than this generation's, which the vendor refused.
    After(i64),
    /// Not due to be renewed.
    Fresh,
}

impl Need {
    fn is_met(self, it: &Authorisation, now: i64) -> bool {
        let valid = it.generation > 0 && it.expires_at.is_none_or(|it| it > now + SHORTEST_MS);
        match self {
            Self::Valid => valid,
            Self::After(generation) => valid && it.generation > generation,
            Self::Fresh => it.generation > 0 && it.due_at > now,
        }
    }
}

/// What a keeper must know of its connection.
pub struct Account {
    /// Whose token it is.
    pub connection: ConnectionId,
    /// Its connector's manifest.
    pub manifest: Arc<Manifest>,
    /// Its configuration without secrets.
    pub config: Value,
    /// The hub's name among those on one database.
    pub hub: String,
    /// Counts the uses of its secrets.
    pub uses: Arc<Uses>,
}

/// Keeps the access token of one connection.
pub struct TokenKeeper {
    store: Store,
    keys: Arc<Keyring>,
    account: Account,
    terms: Result<Terms, String>,
    /// Secrets that the client proves itself with.
    client: Vec<String>,
    outbound: Outbound,
    tasks: TaskTracker,
    /// The token at hand, and the one before it.
    held: RwLock<[Option<Arc<Token>>; 2]>,
    /// The one that went out last over a line, whose protocol the connector alone understands.
    lent: Mutex<Option<Arc<Token>>>,
    /// Of this process one at a time asks.
    turn: tokio::sync::Mutex<()>,
}

impl TokenKeeper {
    /// Keeps the token of this account; the tasks are those that must end before the process does.
    #[must_use]
    pub fn new(
        store: Store,
        keys: Arc<Keyring>,
        tasks: TaskTracker,
        outbound: Outbound,
        account: Account,
        oauth2: &OAuth2,
        secrets: &BTreeMap<String, SecretValue>,
    ) -> Self {
        let config = |name: &str| account.config.get(name).and_then(plain);
        let terms = Terms::of(oauth2, config, |name| secrets.get(name).map(|it| it.reveal().to_owned()));
        let templates = [Some(&oauth2.client_id), oauth2.client_secret.as_ref()];
        let named = |name: &&String| templates.iter().flatten().any(|it| it.contains(&format!("{{{name}}}")));
        let client = secrets.keys().filter(named).cloned().collect();
        Self {
            client,
            store,
            keys,
            account,
            terms,
            outbound,
            tasks,
            held: RwLock::default(),
            lent: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// A valid token: the one at hand, else a new one.
    pub async fn token(self: &Arc<Self>) -> Result<Arc<Token>, TokenError> {
        let now = self.store.clock.now_ms();
        match self.at_hand().filter(|it| it.expires_at.is_none_or(|it| it > now + SHORTEST_MS)) {
            Some(token) => Ok(token),
            None => self.renewed(Need::Valid).await,
        }
    }

    /// Another token in the place of one that the vendor refused. None: one was asked for just now for the same reason, so that the
    /// refusal is meant.
    pub async fn instead_of(self: &Arc<Self>, refused: &Token) -> Result<Option<Arc<Token>>, TokenError> {
        if let Some(other) = self.at_hand().filter(|it| it.generation > refused.generation) {
            return Ok(Some(other));
        }
        let now = self.store.clock.now_ms();
        let row = self.store.authorisation(self.account.connection).await?;
        // While another hub asks, its answer is waited for.
        let meant = |it: &Authorisation| {
            it.generation <= refused.generation && it.lease_until <= now && it.forced_at.is_some_and(|it| now - it < FORCED_MS)
        };
        if row.as_ref().is_some_and(meant) {
            return Ok(None);
        }
        tracing::info!(connection.id = %self.account.connection, "the vendor refused the access token: a new one is asked for");
        self.renewed(Need::After(refused.generation)).await.map(Some)
    }

    /// A valid token for a line of a socket or stream. Whether the vendor takes it, the connector will say.
    pub async fn lend(self: &Arc<Self>) -> Result<Arc<Token>, TokenError> {
        let token = self.token().await?;
        *self.lent.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&token));
        Ok(token)
    }

    /// The vendor refuses the credential that was sent over a line. True: that was a token, and there is another one now.
    pub async fn has_another(self: &Arc<Self>) -> bool {
        let lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match lent {
            Some(lent) => matches!(self.instead_of(&lent).await, Ok(Some(_))),
            None => false,
        }
    }

    /// Which token is at hand: each that was got has a higher number; 0: none yet.
    pub fn generation(&self) -> i64 {
        self.at_hand().map_or(0, |it| it.generation)
    }

    /// What must not stand in any text: the tokens of now and of just before.
    pub fn known(&self) -> impl Iterator<Item = SecretValue> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        held.into_iter().flatten().map(|it| it.value.clone())
    }

    fn at_hand(&self) -> Option<Arc<Token>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)[0].clone()
    }

    fn terms(&self) -> Result<&Terms, TokenError> {
        self.terms.as_ref().map_err(|name| TokenError::Missing(name.clone()))
    }

    /// Runs to its end whatever becomes of who waits for it: a refresh token that was used and is not written down is lost.
    async fn renewed(self: &Arc<Self>, need: Need) -> Result<Arc<Token>, TokenError> {
        let this = Arc::clone(self);
        let renewing = self.tasks.spawn(async move { this.renew(need).await });
        renewing.await.unwrap_or_else(|error| Err(TokenError::Unavailable(error.to_string())))
    }

    /// Takes the token that stands in the database.
    async fn load(&self, row: &Authorisation) -> Result<Arc<Token>, TokenError> {
        let value = self.open(ACCESS).await?.ok_or(StoreError::Gone("the access token"))?;
        Ok(self.hold(Token { value, generation: row.generation, expires_at: row.expires_at }))
    }

    fn hold(&self, token: Token) -> Arc<Token> {
        let token = Arc::new(token);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held[0].as_ref().is_none_or(|it| it.generation != token.generation) {
            held[1] = held[0].replace(Arc::clone(&token));
        }
        token
    }

    async fn open(&self, name: &str) -> Result<Option<SecretValue>, TokenError> {
        let connection = self.account.connection;
        let sealed = self.store.sealed_tokens(connection).await?.remove(name);
        match sealed {
            Some(sealed) => Ok(Some(self.keys.unseal(connection, name, &sealed).await?)),
            None => Ok(None),
        }
    }
}
