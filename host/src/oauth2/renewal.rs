//! Getting another token: whose turn it is, what the vendor says, and what is written down of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchbay_schemas::manifest::Grant;
use serde_json::Value;

use super::{ACCESS, Need, REFRESH, Token, TokenError, TokenKeeper};
use crate::audit::Purpose;
use crate::ids;
use crate::rules::oauth2::{Answer, Ask, Given, Terms, due_at};
use crate::rules::retry::Backoff;
use crate::secrets::SecretValue;
use crate::setup;
use crate::store::StoreError;
use crate::store::authorisations::{Authorisation, NEVER, NewTokens, Put};

/// How long the turn to renew lasts if nothing more is heard of who has it; longer than a request for a token may take.
const LEASE_MS: i64 = 60_000;
/// How often those look who wait for another one's turn to end.
const LOOK: Duration = Duration::from_millis(100);
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a token that the vendor gave is tried to be written.
const WRITING: Duration = Duration::from_secs(45);
/// When a vendor is asked again that did not answer as it should.
const BACKOFF: Backoff = Backoff { first_ms: 1_000, longest_ms: 300_000, tries: i64::MAX };

impl TokenKeeper {
    pub(super) async fn renew(&self, need: Need) -> Result<Arc<Token>, TokenError> {
        let _turn = self.turn.lock().await;
        let terms = self.terms()?;
        let row = self.store.authorisation(self.account.connection).await?;
        if let Some(row) = &row {
            let now = self.store.clock.now_ms();
            if need.is_met(row, now) {
                return self.load(row).await;
            }
            if row.failures > 0 && row.due_at > now {
                return Err(failed_before(row));
            }
        }
        if terms.grant == Grant::AuthorizationCode && row.is_none_or(|it| it.generation == 0) {
            return Err(TokenError::NotAuthorised(self.account.connection));
        }
        let lease = self.lease();
        let row = self.lease_turn(&lease, Some(need)).await?;
        if need.is_met(&row, self.store.clock.now_ms()) {
            // Another hub did it while this one waited.
            self.store.release_authorisation(self.account.connection, &lease, None).await?;
            return self.load(&row).await;
        }
        let refresh = self.open(REFRESH).await?.filter(|it| !it.reveal().is_empty());
        let ask = match (&refresh, terms.grant) {
            (Some(token), _) => Ask::Refresh(token.reveal()),
            (None, Grant::ClientCredentials) => Ask::Client,
            (None, Grant::AuthorizationCode) => {
                let message = "the access token has ended or was refused, and the vendor gave no refresh token".to_owned();
                return self.refused(&lease, &row, "oauth2.ended".to_owned(), message).await;
            }
        };
        match self.ask(terms, ask).await {
            Answer::Given(given) => self.write(&lease, &row, given, false).await,
            // A refresh token of the client's own is replaced by asking anew.
            Answer::Refused { .. } if refresh.is_some() && terms.grant == Grant::ClientCredentials => {
                match self.ask(terms, Ask::Client).await {
                    Answer::Given(given) => self.write(&lease, &row, given, true).await,
                    Answer::Refused { code, message } => self.refused(&lease, &row, code, message).await,
                    Answer::Passing(reason) => self.passing(&lease, &row, reason).await,
                }
            }
            Answer::Refused { code, message } => {
                let message = refresh.iter().fold(message, |text, secret| text.replace(secret.reveal(), "[redacted]"));
                self.refused(&lease, &row, code, message).await
            }
            Answer::Passing(reason) => self.passing(&lease, &row, reason).await,
        }
    }

    /// A name for this turn that no other one has. It begins as all of this hub's do, so that a hub that was killed frees its own.
    pub(super) fn lease(&self) -> String {
        format!("{}/{}", self.account.hub, self.store.ids.next::<ids::Attempt>())
    }

    /// Waits for the turn. It is also over when what is needed is there.
    pub(super) async fn lease_turn(&self, lease: &str, need: Option<Need>) -> Result<Authorisation, TokenError> {
        let connection = self.account.connection;
        let ends = Instant::now() + PATIENCE;
        let forced = matches!(need, Some(Need::After(_)));
        loop {
            if let Some(row) = self.store.lease_authorisation(connection, lease, LEASE_MS, forced).await? {
                return Ok(row);
            }
            if Instant::now() >= ends {
                return Err(TokenError::Unavailable("another hub asks the vendor, and takes longer than it should".to_owned()));
            }
            tokio::time::sleep(LOOK).await;
            if let (Some(need), Some(row)) = (need, self.store.authorisation(connection).await?)
                && need.is_met(&row, self.store.clock.now_ms())
            {
                return Ok(row);
            }
        }
    }

    pub(super) async fn ask(&self, terms: &Terms, ask: Ask<'_>) -> Answer {
        if let Ask::Refresh(_) = ask {
            self.account.uses.note(REFRESH, Purpose::Token);
        }
        self.client.iter().for_each(|it| self.account.uses.note(it, Purpose::Token));
        let answer = match self.outbound.ask("oauth2", terms.request(ask)).await {
            Ok(response) => terms.read(response.status, &response.body),
            Err(error) => Answer::Passing(error.to_string()),
        };
        let result = match &answer {
            Answer::Given(_) => "given",
            Answer::Refused { .. } => "refused",
            Answer::Passing(_) => "failed",
        };
        metrics::counter!("patchbay_oauth2_requests_total", "connection" => self.account.connection.to_string(), "result" => result)
            .increment(1);
        match (answer, terms.client_secret()) {
            (Answer::Refused { code, message }, Some(secret)) => {
                Answer::Refused { code, message: message.replace(secret.reveal(), "[redacted]") }
            }
            (answer, _) => answer,
        }
    }

    /// Writes down what the vendor gave, however often the database must be asked. `anew`: no older refresh token is good any more.
    pub(super) async fn write(&self, lease: &str, row: &Authorisation, given: Given, anew: bool) -> Result<Arc<Token>, TokenError> {
        let (connection, now) = (self.account.connection, self.store.clock.now_ms());
        let Given { access, refresh, lifetime_ms, taken } = given;
        let refresh = refresh.or_else(|| anew.then(|| SecretValue::new(String::new())));
        let renewable = match &refresh {
            Some(refresh) => !refresh.reveal().is_empty(),
            None => self.open(REFRESH).await?.is_some_and(|it| !it.reveal().is_empty()),
        };
        let by_itself = renewable || self.terms()?.grant == Grant::ClientCredentials;
        let new = NewTokens {
            after: row.generation,
            expires_at: lifetime_ms.map(|it| now.saturating_add(it)),
            due_at: if by_itself { due_at(now, lifetime_ms) } else { NEVER },
            config: self.taken(taken),
        };
        let secrets = refresh.into_iter().map(|it| (REFRESH.to_owned(), it)).chain([(ACCESS.to_owned(), access.clone())]).collect();
        let ends = Instant::now() + WRITING;
        loop {
            let sealed = self.keys.seal_all(connection, &secrets);
            match self.store.put_tokens(connection, lease, &new, &sealed).await {
                // Whatever fails here is tried again: the token must not be lost.
                Err(StoreError::FormerKey) if Instant::now() < ends => drop(self.keys.reload().await),
                Ok(Put::Written) => break,
                Ok(Put::Overtaken) => {
                    tracing::warn!(connection.id = %connection, "another hub was faster: its token is used");
                    let row = self.store.authorisation(connection).await?.ok_or(StoreError::Gone("the authorisation"))?;
                    return self.load(&row).await;
                }
                Ok(Put::Leased) if Instant::now() < ends => {}
                Ok(Put::Leased) => return Err(TokenError::Unavailable("another hub asks the vendor".to_owned())),
                Err(error) if Instant::now() >= ends => {
                    tracing::error!(connection.id = %connection, error = %error, "a token that the vendor gave could not be written down");
                    return Err(error.into());
                }
                Err(error) => tracing::warn!(connection.id = %connection, error = %error, "a token could not be written yet"),
            }
            tokio::time::sleep(LOOK).await;
        }
        tracing::info!(connection.id = %connection, "the vendor gave a new access token");
        Ok(self.hold(Token { value: access, generation: row.generation + 1, expires_at: new.expires_at }))
    }

    /// The configuration with what the vendor's answer says of the account. None: nothing changed, or the schema does not allow it.
    fn taken(&self, taken: BTreeMap<String, String>) -> Option<Value> {
        let mut config = self.account.config.clone();
        for (property, value) in taken {
            let value = Value::String(value);
            if let Err(reason) = setup::fits(&self.account.manifest, &property, &value) {
                tracing::warn!(connection.id = %self.account.connection, property, reason, "what the vendor says of the account does not fit the configuration");
                continue;
            }
            config[property] = value;
        }
        (config != self.account.config).then_some(config)
    }

    /// Only a person can mend it: the connection waits for one.
    async fn refused(&self, lease: &str, row: &Authorisation, code: String, message: String) -> Result<Arc<Token>, TokenError> {
        let connection = self.account.connection;
        if self.store.break_authorisation(connection, lease, row.generation, &format!("{code}: {message}")).await? {
            tracing::error!(connection.id = %connection, code, "the vendor gives no token any more: the connection waits for somebody to authorise it anew");
            return Err(TokenError::Refused { code, message });
        }
        // It was the older of two that another hub renewed meanwhile.
        let row = self.store.authorisation(connection).await?.filter(|it| it.generation > row.generation);
        match row {
            Some(row) => self.load(&row).await,
            None => Err(TokenError::Refused { code, message }),
        }
    }

    async fn passing(&self, lease: &str, row: &Authorisation, reason: String) -> Result<Arc<Token>, TokenError> {
        let connection = self.account.connection;
        let due_at = self.store.clock.now_ms().saturating_add(BACKOFF.full_ms(row.failures + 1));
        tracing::warn!(connection.id = %connection, failures = row.failures + 1, reason, "the vendor gave no token");
        self.store.release_authorisation(connection, lease, Some((&reason, due_at))).await?;
        Err(TokenError::Unavailable(reason))
    }
}

/// What came of it the last time holds until it is tried again.
fn failed_before(row: &Authorisation) -> TokenError {
    let reason = row.reason.clone().unwrap_or_default();
    match reason.split_once(": ") {
        Some((code, message)) if row.due_at == NEVER => TokenError::Refused { code: code.to_owned(), message: message.to_owned() },
        _ => TokenError::Unavailable(reason),
    }
}
