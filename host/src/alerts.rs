//! Notices what people must hear of, and tells it: by webhook, signed as Standard Webhooks (<https://www.standardwebhooks.com>), and as a
//! message in conversations of any messenger or mail box.
//!
//! Every hub on a database looks; an alert is one row all the same. It is told until it was taken: the webhook perhaps twice, always with
//! the same `webhook-id`; the message once, by its idempotency key.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::config::AlertConfig;
use crate::hub::Hub;
use crate::ids::ConnectionId;
use crate::operations::{OperationError, Outgoing};
use crate::plugin::tls;
use crate::rules::alert::{self, Facts, Talk};
use crate::store::StoreError;
use crate::store::alerts::Alert;
use crate::store::connections::{Connection, ConnectionState};

/// Tries of the last so many milliseconds say how many fail.
const TRIES_MS: i64 = 900_000;
/// Most alerts that are told in one go.
const TOLD: i64 = 100;
/// How long the one who is told may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks until `stop`.
pub async fn watch(hub: Hub, stop: CancellationToken) {
    let client = tls::http().timeout(PATIENCE).build();
    let mut looks = tokio::time::interval(Duration::from_secs(hub.config.alerts.look_seconds.max(1)));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        if let Err(error) = look(&hub).await {
            tracing::warn!(error = %error, "the database does not say what is wrong");
            continue;
        }
        match &client {
            Ok(client) => tell(&hub, client).await,
            Err(error) => tracing::error!(error = %error, "alerts cannot be told"),
        }
    }
}

async fn look(hub: &Hub) -> Result<(), StoreError> {
    let (store, now) = (&hub.store, hub.store.clock.now_ms());
    let oldest: HashMap<_, _> = store.oldest_waiting().await?.into_iter().collect();
    let (mut holds, before) = (store.holds().await?, store.talks().await?);
    let mut quarantines = store.quarantines().await?;
    let mut registrations = store.registrations().await?;
    let tries = store.tries_since(now - TRIES_MS).await?;
    let received: HashMap<String, i64> = store.all_sums().await?.into_iter().map(|it| (it.connection, it.received)).collect();
    let rule = hub.config.alerts.rule();
    let open = store.all_alerts().await?;
    let connections = store.all_connections().await?;
    let look = |id: ConnectionId| {
        let before = before.get(&id).copied().unwrap_or_default();
        (id, before.look(received.get(&id.to_string()).copied().unwrap_or(0), now))
    };
    let talks: HashMap<ConnectionId, Talk> = connections.iter().map(|it| look(it.id)).collect();
    store.set_talks(&talks).await?;
    for connection in connections {
        let id = connection.id;
        let talk = talks.get(&id).copied().unwrap_or_default();
        let facts = Facts {
            broken: if let ConnectionState::Broken { reason } = &connection.state { Some(reason.clone()) } else { None },
            quarantine: quarantines.remove(&id).map(|it| it.quarantine.reason),
            hold: holds.remove(&id),
            oldest_ms: oldest.get(&id).map(|it| now - it),
            tries: tries.get(&id).copied().unwrap_or_default(),
            // A hub without a public address told nobody: `connection show` says so, and the vendor may have been told by hand.
            unregistered: registrations.remove(&id).filter(|_| hub.config.is_public()).and_then(|it| Some((it.failures, it.reason?))),
            talk: if connection.state == ConnectionState::Active { talk } else { Talk::default() },
        };
        // Somebody paused it and knows why it waits.
        let due = if connection.state == ConnectionState::Paused { Vec::new() } else { alert::due(&facts, &rule) };
        let stands: Vec<(&str, &str)> =
            open.iter().filter(|it| it.connection == id).map(|it| (it.kind.as_str(), it.reason.as_str())).collect();
        if due.iter().map(|(kind, reason)| (kind.as_str(), reason.as_str())).ne(stands) {
            store.set_alerts(id, &due).await?;
        }
    }
    Ok(())
}

async fn tell(hub: &Hub, client: &reqwest::Client) {
    let untold = match hub.store.untold_alerts(TOLD).await {
        Ok(untold) => untold,
        Err(error) => return tracing::warn!(error = %error, "the database does not say what was not told"),
    };
    if untold.is_empty() {
        return;
    }
    let connections = match hub.store.all_connections().await {
        Ok(connections) => connections,
        Err(error) => return tracing::warn!(error = %error, "the database does not say what alerts are about"),
    };
    let config = &hub.config.alerts;
    for alert in untold {
        let connection = connections.iter().find(|it| it.id == alert.connection);
        if !config.url.is_empty()
            && let Err(error) = post(hub, client, config, &alert, connection).await
        {
            tracing::warn!(alert.id = %alert.id, error = %error, "an alert could not be told; it is tried again");
            return;
        }
        if let Err(error) = write(hub, config, &alert, connection).await {
            tracing::warn!(alert.id = %alert.id, error = %error, "an alert could not be put into the outbox; it is tried again");
            return;
        }
        if let Err(error) = hub.store.told(&alert).await {
            return tracing::warn!(alert.id = %alert.id, error = %error, "that an alert was told could not be noted; it is told again");
        }
    }
}

/// Why an alert was not told.
#[derive(Debug, thiserror::Error)]
enum TellError {
    // The address may hold a secret.
    #[error("{}", .0.to_string().split(" for url").next().unwrap_or_default())]
    Http(#[from] reqwest::Error),
    #[error("it was answered with HTTP {0}")]
    Status(u16),
}

async fn post(
    hub: &Hub,
    client: &reqwest::Client,
    config: &AlertConfig,
    alert: &Alert,
    connection: Option<&Connection>,
) -> Result<(), TellError> {
    let now = hub.store.clock.now();
    let (id, body) = message(alert, connection, now);
    let mut request = client.post(&config.url).header("content-type", "application/json").header("webhook-id", &id);
    let seconds = now.as_second().to_string();
    if let Some(signature) = config.key().map(|key| sign(&key, &id, &seconds, &body)) {
        request = request.header("webhook-signature", signature);
    }
    let answer = request.header("webhook-timestamp", seconds).body(body).send().await?;
    if answer.status().is_success() { Ok(()) } else { Err(TellError::Status(answer.status().as_u16())) }
}

/// Puts the alert into the outbox of each conversation that hears of alerts. A conversation that cannot is no reason not to tell the others.
async fn write(hub: &Hub, config: &AlertConfig, alert: &Alert, connection: Option<&Connection>) -> Result<(), StoreError> {
    let Some(connection) = connection.filter(|it| it.workspace == hub.workspace.id) else { return Ok(()) };
    for id in &config.conversations {
        let found = hub.store.conversation(hub.workspace.id, *id).await?;
        // Through itself a broken connection tells nothing, and what it then has waiting would be the next alert.
        if found.is_some_and(|it| it.connection == alert.connection.to_string()) {
            continue;
        }
        let message = Outgoing { text: Some(text(alert, &connection.name, &connection.connector)), ..Outgoing::default() };
        let key = format!("alert:{}:{}:{id}", alert.id, part(alert));
        match hub.send_message(hub.workspace.id, *id, message, Some(key)).await {
            Ok(_) => {}
            Err(OperationError::Store(error)) => return Err(error),
            Err(error) => tracing::error!(conversation = %id, error = %error, "alerts cannot be written there: see alerts.conversations"),
        }
    }
    Ok(())
}

/// What people read.
fn text(alert: &Alert, name: &str, connector: &str) -> String {
    match alert.ended_at {
        None => format!("{name} ({connector}): {}\n{}, since {}", alert.reason, alert.kind, alert.since),
        Some(at) => format!("{name} ({connector}) is well again\n{}, from {} to {at}", alert.kind, alert.since),
    }
}

/// Which of the two messages of an alert is due.
fn part(alert: &Alert) -> &'static str {
    if alert.ended_at.is_some() { "ended" } else { "opened" }
}

/// Id and body of a webhook. The connection's id is cut: for some vendors it is the only secret.
fn message(alert: &Alert, connection: Option<&Connection>, now: patchbay_schemas::Timestamp) -> (String, String) {
    let part = part(alert);
    let data = json!({
        "id": alert.id,
        "kind": alert.kind,
        "connection": { "id": alert.connection.to_string().get(..18), "name": connection.map(|it| &it.name), "connector": connection.map(|it| &it.connector) },
        "since": alert.since,
        "ended_at": alert.ended_at,
        "reason": alert.reason,
    });
    (format!("{}_{part}", alert.id), json!({ "type": format!("alert.{part}"), "timestamp": now, "data": data }).to_string())
}

fn sign(key: &[u8], id: &str, seconds: &str, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example.
    #[test]
    fn people_read_what_is_wrong_where_and_when_it_was_over() {
        let since: patchbay_schemas::Timestamp = "2026-03-14T09:31:53Z".parse().unwrap();
        let alert = Alert {
            id: "alr_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
            connection: "cxn_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
            kind: "down".to_owned(),
            since,
            reason: "http.timeout: no answer".to_owned(),
            ended_at: None,
        };
        assert_eq!(
            text(&alert, "Sales bot", "telegram"),
            "Sales bot (telegram): http.timeout: no answer\ndown, since 2026-03-14T09:31:53Z"
        );
        let ended = Alert { ended_at: Some(since), ..alert };
        assert!(text(&ended, "Sales bot", "telegram").starts_with("Sales bot (telegram) is well again\n"));
    }

    #[test]
    fn a_signature_is_the_standards() {
        let config = AlertConfig { secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), ..AlertConfig::default() };
        let signature = sign(&config.key().unwrap(), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
