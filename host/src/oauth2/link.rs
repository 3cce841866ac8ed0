//! The link that a person follows to authorise a connection, and their way back.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use patchbay_schemas::Timestamp;
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{TokenError, TokenKeeper, VERIFIER};
use crate::clock::timestamp;
use crate::hub::Hub;
use crate::ids::{ConnectionId, WorkspaceId};
use crate::operations::OperationError;
use crate::rules::oauth2::{Answer, Ask};
use crate::secrets::SecretValue;
use crate::store::StoreError;
use crate::store::connections::{Connection, ConnectionState};

/// How long a link is good, milliseconds.
const GOOD_MS: i64 = 900_000;
/// Longest `state` that is looked up, bytes.
const LONGEST_STATE: usize = 128;

/// A link for one person, to be followed once.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Link {
    /// Where the vendor asks the person.
    pub link: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// Where the vendor sends the person back to: it must be registered there.
    pub redirect_uri: String,
}

/// With what a person comes back from the vendor.
#[derive(Debug, serde::Deserialize)]
pub struct Returned {
    /// What the link carried.
    #[serde(default)]
    pub state: String,
    /// What a token is given for.
    pub code: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
    /// The same for people.
    pub error_description: Option<String>,
}

/// Why a link led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Used, too old, replaced by a newer one, or not ours.
    #[error("this link is unknown, was used already, or is older than 15 minutes: `patchbay connection authorise` gives a new one")]
    Unknown,
    /// The person or the vendor said no.
    #[error("the vendor did not grant access: {0}")]
    Denied(String),
    /// The vendor gave no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The connection does not run.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl Hub {
    /// A link under which a person authorises a connection; an older one is good no more.
    pub async fn authorisation_link(&self, workspace: WorkspaceId, id: ConnectionId) -> Result<Link, OperationError> {
        let not_found = || OperationError::NotFound(format!("connection {id}"));
        let connection =
            self.store.connection(workspace, id).await?.filter(|it| it.state != ConnectionState::Removed).ok_or_else(not_found)?;
        let keeper = self.keeper(connection).await?;
        let redirect_uri = self.redirect_uri();
        let terms = keeper.terms().map_err(|error| OperationError::Refused(error.to_string()))?;
        let (state, verifier) = (random_text(), random_text());
        let Some(link) = terms.link(&state, &redirect_uri, &verifier) else {
            return Err(OperationError::Refused("the vendor authorises this connection without a person: there is no link".to_owned()));
        };
        let until = self.store.clock.now_ms() + GOOD_MS;
        let secrets = BTreeMap::from([(VERIFIER.to_owned(), SecretValue::new(verifier))]);
        let state = hash(&state);
        let mut tried = 0;
        loop {
            let sealed = self.keys.seal_all(id, &secrets);
            match self.store.open_link(id, &state, until, &sealed).await {
                Err(StoreError::FormerKey) => self.keys.again(&mut tried).await?,
                opened => break opened?,
            }
        }
        Ok(Link { link, expires_at: timestamp(until), redirect_uri })
    }

    /// A person came back from the vendor: the code becomes a token, and the connection works.
    pub async fn finish_authorisation(&self, returned: &Returned) -> Result<Connection, LinkError> {
        if returned.state.is_empty() || returned.state.len() > LONGEST_STATE {
            return Err(LinkError::Unknown);
        }
        let taken = self.store.take_link(&hash(&returned.state)).await.map_err(OperationError::from)?;
        let (workspace, id) = taken.ok_or(LinkError::Unknown)?;
        let Some(code) = returned.code.as_deref().filter(|it| !it.is_empty()) else {
            let said =
                [&returned.error, &returned.error_description].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(": ");
            return Err(LinkError::Denied(if said.is_empty() { "it sent no code".to_owned() } else { said }));
        };
        let connection = self.store.connection(workspace, id).await.map_err(OperationError::from)?.ok_or(LinkError::Unknown)?;
        let keeper = self.keeper(connection.clone()).await?;
        keeper.exchange(code, self.redirect_uri()).await?;
        tracing::info!(connection.id = %id, "a connection was authorised");
        Ok(connection)
    }

    fn redirect_uri(&self) -> String {
        format!("{}/oauth/callback", self.config.base_url())
    }

    /// The keeper that runs, so that it has the new token at once; else one for this call.
    async fn keeper(&self, connection: Connection) -> Result<Arc<TokenKeeper>, OperationError> {
        let running = match self.registry.running(connection.id).filter(|it| it.connection.config == connection.config) {
            Some(running) => running,
            None => Arc::new(self.registry.run(connection).await?),
        };
        let nothing =
            || OperationError::Refused("this connection needs no authorisation: its connector has no `[oauth2]` for it".to_owned());
        running.instances.surroundings().tokens.clone().ok_or_else(nothing)
    }
}

impl TokenKeeper {
    /// Exchanges a code for a token, in a task that nothing cuts off: a code is good once.
    async fn exchange(self: &Arc<Self>, code: &str, redirect_uri: String) -> Result<(), TokenError> {
        let (this, code) = (Arc::clone(self), code.to_owned());
        let exchanging = self.tasks.spawn(async move { this.exchange_code(&code, &redirect_uri).await });
        exchanging.await.unwrap_or_else(|error| Err(TokenError::Unavailable(error.to_string())))
    }

    async fn exchange_code(&self, code: &str, redirect_uri: &str) -> Result<(), TokenError> {
        let _turn = self.turn.lock().await;
        let terms = self.terms()?;
        let lease = self.lease();
        let row = self.lease_turn(&lease, None).await?;
        let verifier = if terms.pkce { self.open(VERIFIER).await? } else { None };
        let ask = Ask::Code { code, redirect_uri, verifier: verifier.as_ref().map(SecretValue::reveal) };
        let failed = match self.ask(terms, ask).await {
            Answer::Given(given) => return self.write(&lease, &row, given, true).await.map(|_| ()),
            Answer::Refused { code, message } => TokenError::Refused { code, message },
            Answer::Passing(reason) => TokenError::Unavailable(reason),
        };
        // What was granted before goes on being valid.
        self.store.release_authorisation(self.account.connection, &lease, None).await?;
        Err(failed)
    }
}

/// 256 random bits: as a verifier it has the 43 characters that RFC 7636 asks for.
fn random_text() -> String {
    let mut random = [0; 32];
    SystemRandom::new().fill(&mut random).expect("the system's randomness is there");
    BASE64_URL_SAFE_NO_PAD.encode(random)
}

fn hash(state: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, state.as_bytes()).as_ref().to_vec()
}
