//! Tells vendors where to post, where they take that by their API: when a connection is made or changed, on a schedule, when the hub's public
//! address changed, and when the connection goes.
//!
//! Every hub on a database looks what is due; whoever gets the turn asks, beside all other work. What was told is a row, so a hub that dies
//! between the vendor's answer and its own note asks once more, which changes nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchbay_schemas::Manifest;
use patchbay_schemas::command::{CommandBody, WebhookDone, WebhookRemove, WebhookResult, WebhookSet};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::hub::Hub;
use crate::ids::{self, ConnectionId};
use crate::operations::short_time;
use crate::plugin::{Command, Retry};
use crate::registry::Running;
use crate::rules::retry::Backoff;
use crate::secrets::SecretValue;
use crate::setup;
use crate::store::StoreError;
use crate::store::connections::Connection;
use crate::store::registrations::{Registered, RegistrationView, Told};

/// How often somebody looks what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Most vendors that are begun to be asked at each look; the others have their turn at the next one.
const MOST: usize = 32;
/// How long a vendor may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a turn lasts if nothing more is heard of who has it, milliseconds; longer than a vendor may take.
const LEASE_MS: i64 = 60_000;
/// How often those look who wait for another one's turn to end.
const WAIT: Duration = Duration::from_millis(100);
/// Longest wait after the first failure, milliseconds; the longest of all is the pause between two checks.
const FIRST_WAIT_MS: i64 = 5_000;

/// How asking the vendor ended.
enum Ended {
    /// It posts to this address.
    Stands { url: String, done: WebhookDone },
    /// It posts there no more, and shall not.
    Gone,
}

/// Why it is not known to stand.
struct Fault {
    /// `code: message`
    reason: String,
    /// How long the vendor wants to be left alone, milliseconds.
    wait_ms: i64,
}

impl Fault {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), wait_ms: 0 }
    }
}

/// Tells whoever is due until `stop`. A vendor that is slow holds up nobody.
pub async fn keep(hub: Hub, workers: TaskTracker, stop: CancellationToken) {
    let mut met = HashSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        match due(&hub, &mut met).await {
            Ok(due) => {
                for (running, seen) in due.into_iter().take(MOST) {
                    let (hub, stop) = (hub.clone(), stop.clone());
                    workers.spawn(async move {
                        tokio::select! {
                            // The turn ends by itself, and the next one asks once more.
                            () = stop.cancelled() => {}
                            () = attend(&hub, &running, &seen) => {}
                        }
                    });
                }
            }
            Err(error) => tracing::warn!(error = %error, "the database does not say which vendors are to be told where to post"),
        }
    }
}

/// The connections whose vendor is to be asked now. `met`: those whose address this process has compared with its own already.
async fn due(hub: &Hub, met: &mut HashSet<ConnectionId>) -> Result<Vec<(Arc<Running>, Registered)>, StoreError> {
    let (rows, now) = (hub.store.registrations().await?, hub.store.clock.now_ms());
    let mut due = Vec::new();
    for (id, running) in &hub.registry.current().running {
        match rows.get(id) {
            _ if !running.is_active() => {}
            None if running.registers() => hub.store.begin_registration(*id).await?,
            Some(row) => {
                // The hub's own address may have changed while it was down.
                let moved = met.insert(*id) && row.url.as_deref() != Some(address(&hub.config, *id).as_str());
                if moved || is_due(row, now, changed_at(&running.connection), hub.config.webhooks.check_ms()) {
                    due.push((Arc::clone(running), row.clone()));
                }
            }
            None => {}
        }
    }
    Ok(due)
}

/// True when nobody asks already, and the connection changed since the vendor was asked, or it is time. A time that lies further ahead than
/// any that is given was written before the clock was put back.
fn is_due(row: &Registered, now: i64, changed_at: i64, pause_ms: i64) -> bool {
    let is_leased = row.lease_until > now && row.lease_until <= now.saturating_add(LEASE_MS);
    let is_time = row.due_at <= now || row.due_at > now.saturating_add(pause_ms);
    !is_leased && (row.told_for != Some(changed_at) || is_time)
}

/// Takes the turn and asks.
async fn attend(hub: &Hub, running: &Running, seen: &Registered) {
    let id = running.connection.id;
    let ended = match hub.store.take_registration(id, seen, LEASE_MS).await {
        Ok(false) => return,
        Ok(true) => tell(hub, running, seen).await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::warn!(connection.id = %id, error = %error, "what a vendor was told could not be written down; it is asked again");
    }
}

/// Asks the vendor, whose turn was taken, and writes down how that ended.
async fn tell(hub: &Hub, running: &Running, seen: &Registered) -> Result<(), StoreError> {
    let (store, id) = (&hub.store, running.connection.id);
    let (pause_ms, told_for) = (hub.config.webhooks.check_ms(), changed_at(&running.connection));
    let ended = if running.registers() { set(hub, running, seen).await } else { remove(hub, running, seen).await };
    let result = if ended.is_ok() { "done" } else { "failed" };
    metrics::counter!("patchbay_webhook_registrations_total", "connection" => id.to_string(), "result" => result).increment(1);
    match ended {
        Ok(Ended::Gone) => {
            tracing::info!(connection.id = %id, "the vendor posts to the connection no more");
            store.forget_registration(id, seen).await?;
        }
        Ok(Ended::Stands { url, done }) => {
            let set = done.result != WebhookResult::Left;
            if set {
                tracing::info!(connection.id = %id, result = ?done.result, "the vendor was told where to post");
            }
            let told = Told::Stands { url, set, trouble: done.trouble };
            store.end_registration(id, seen, told_for, &told, store.clock.now_ms().saturating_add(pause_ms)).await?;
        }
        Err(Fault { reason, wait_ms }) => {
            tracing::warn!(connection.id = %id, failures = seen.failures + 1, reason, "a webhook is not registered");
            let backoff = Backoff { first_ms: FIRST_WAIT_MS, longest_ms: pause_ms, tries: i64::MAX };
            let wait_ms = backoff.full_ms(seen.failures + 1).max(wait_ms).min(pause_ms);
            let due_at = store.clock.now_ms().saturating_add(wait_ms);
            store.end_registration(id, seen, told_for, &Told::Failed(reason), due_at).await?;
        }
    }
    Ok(())
}

async fn set(hub: &Hub, running: &Running, seen: &Registered) -> Result<Ended, Fault> {
    if !hub.config.is_public() {
        return Err(Fault::new(
            "hub.public_url: the hub does not know the address under which vendors reach it: set `public_url` in patchbay.toml \
             (https://hub.example.com), or tell the vendor by hand",
        ));
    }
    let url = address(&hub.config, running.connection.id);
    // The vendor does not show all that it was told.
    let anew = seen.failures > 0 || seen.told_for != Some(changed_at(&running.connection));
    let done = ask(hub, running, &url, CommandBody::WebhookSet(Box::new(WebhookSet { url: url.clone(), anew }))).await?;
    Ok(Ended::Stands { url, done })
}

async fn remove(hub: &Hub, running: &Running, seen: &Registered) -> Result<Ended, Fault> {
    // Where the last answer did not come, the address may stand there all the same.
    let url = seen.url.clone().unwrap_or_else(|| address(&hub.config, running.connection.id));
    if running.takes("webhook.remove") {
        ask(hub, running, &url, CommandBody::WebhookRemove(Box::new(WebhookRemove { url: url.clone() }))).await?;
    }
    Ok(Ended::Gone)
}

/// Asks the connector at once, past the outbox.
async fn ask(hub: &Hub, running: &Running, url: &str, body: CommandBody) -> Result<WebhookDone, Fault> {
    let payload = body.payload().map_err(|error| Fault::new(format!("hub.payload: {error}")))?;
    let idempotency_key = hub.store.ids.next::<ids::Attempt>().to_string();
    let command = [Command { idempotency_key, kind: body.kind().to_owned(), payload }];
    let late = || Fault::new(format!("connector.late: no answer within {} s", PATIENCE.as_secs()));
    let (executed, _) = tokio::time::timeout(PATIENCE, running.instances.execute(&command)).await.map_err(|_| late())?;
    // The address is a secret, and a vendor may repeat it.
    let clean = |text: &str| running.instances.surroundings().redact(text).replace(url, "(the address)");
    let receipts = executed.map_err(|error| Fault::new(clean(&format!("{}: {error}", error.code()))))?;
    match receipts.into_iter().next() {
        Some(Ok(receipt)) => {
            let details: Value = serde_json::from_str(&receipt.details).unwrap_or_default();
            let done: Result<WebhookDone, _> = serde_json::from_value(details["webhook"].clone());
            let shape = |error| Fault::new(format!("connector.webhook: the answer is not of the shape that receipt.json has: {error}"));
            let done = done.map_err(shape)?;
            Ok(WebhookDone { trouble: done.trouble.as_deref().map(clean), ..done })
        }
        Some(Err(failure)) => {
            let wait_ms = if let Retry::AfterMs(ms) = failure.retry { i64::try_from(ms).unwrap_or(i64::MAX) } else { 0 };
            Err(Fault { reason: clean(&format!("{}: {}", failure.code, failure.message)), wait_ms })
        }
        None => Err(Fault::new("connector.results: the connector gave no result")),
    }
}

impl Hub {
    /// Tells the vendor now, or waits for whoever does, and says how it stands. None: the hub does not tell this vendor.
    pub async fn register_now(&self, running: &Running) -> Result<Option<RegistrationView>, StoreError> {
        if !running.registers() {
            return Ok(None);
        }
        let id = running.connection.id;
        self.store.begin_registration(id).await?;
        if let Some(seen) = self.registration_turn(id).await? {
            tell(self, running, &seen).await?;
        }
        Ok(self.store.registration(id).await?.map(RegistrationView::from))
    }

    /// Takes the address off at the vendor of a connection that is about to go, and keeps the turn, so that nobody sets it anew meanwhile.
    /// Some: why the vendor may still post there.
    pub(crate) async fn unregister(&self, connection: &Connection) -> Result<Option<String>, StoreError> {
        if self.store.registration(connection.id).await?.is_none() {
            return Ok(None);
        }
        let Some(seen) = self.registration_turn(connection.id).await? else {
            return Ok(Some("hub.turn: another hub asks the vendor, and takes longer than it should".to_owned()));
        };
        if seen.url.is_none() && seen.told_for.is_none() {
            return Ok(None);
        }
        Ok(match self.registry.run(connection.clone()).await {
            Ok(running) => remove(self, &running, &seen).await.err().map(|it| it.reason),
            Err(error) => Some(format!("connector.unavailable: {error}")),
        })
    }

    /// Waits for the turn to ask a vendor. None: somebody else has it for too long.
    async fn registration_turn(&self, id: ConnectionId) -> Result<Option<Registered>, StoreError> {
        let ends = Instant::now() + PATIENCE;
        while let Some(seen) = self.store.registration(id).await? {
            if self.store.take_registration(id, &seen, LEASE_MS).await? {
                return Ok(Some(seen));
            }
            if Instant::now() >= ends {
                break;
            }
            tokio::time::sleep(WAIT).await;
        }
        Ok(None)
    }

    /// The secret that the hub makes up where a vendor is told it by the hub and nobody gave one: its property.
    #[must_use]
    pub fn own_webhook_secret<'a>(&self, manifest: &'a Manifest) -> Option<&'a str> {
        let registration = manifest.webhook.as_ref()?.registration.as_ref()?;
        registration.secret.as_deref().filter(|_| self.config.is_public())
    }

    /// Makes that secret up, where this configuration needs it and has none. The property's name.
    pub(crate) fn make_up_webhook_secret(&self, manifest: &Manifest, config: &mut Map<String, Value>) -> Option<String> {
        let name = self.own_webhook_secret(manifest).filter(|it| !config.contains_key(*it))?.to_owned();
        manifest.registers(&setup::with_defaults(manifest, config.clone()))?;
        config.insert(name.clone(), SecretValue::random().reveal().into());
        Some(name)
    }
}

impl Running {
    /// True where the hub tells the vendor the connection's address.
    #[must_use]
    pub fn registers(&self) -> bool {
        self.instances.connector().manifest.registers(&self.connection.config).is_some() && self.takes("webhook.set")
    }
}

impl RegistrationView {
    /// The same for people.
    #[must_use]
    pub fn words(&self) -> String {
        let checked = self.checked_at.map(short_time).unwrap_or_default();
        match (self.registered, &self.reason, &self.trouble) {
            (true, None, None) => format!("registered, as the vendor said at {checked}"),
            (true, None, Some(trouble)) => format!("registered, but the vendor's last delivery failed: {trouble}"),
            (true, Some(reason), _) => format!("registered, as the vendor said at {checked}; since then: {reason}"),
            (false, Some(reason), _) => format!("not registered: {reason}"),
            (false, None, _) => "not registered yet".to_owned(),
        }
    }
}

/// The address that a vendor is told.
fn address(config: &Config, id: ConnectionId) -> String {
    format!("{}/in/{id}", config.base_url())
}

fn changed_at(connection: &Connection) -> i64 {
    connection.updated_at.as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn row() -> Registered {
        Registered {
            url: Some("https://hub.example/in/cxn_1".to_owned()),
            told_for: Some(7),
            checked_at: Some(0),
            set_at: Some(0),
            failures: 0,
            reason: None,
            trouble: None,
            due_at: HOUR,
            turn: 1,
            lease_until: 0,
        }
    }

    #[test]
    fn a_vendor_is_asked_when_it_is_time_or_the_connection_changed() {
        assert!(!is_due(&row(), HOUR - 1, 7, HOUR));
        assert!(is_due(&row(), HOUR, 7, HOUR), "it is time");
        assert!(is_due(&row(), 1, 8, HOUR), "the connection changed");
        assert!(is_due(&Registered { told_for: None, ..row() }, 1, 7, HOUR), "it was never asked");
    }

    #[test]
    fn nobody_asks_while_another_one_has_the_turn() {
        let leased = Registered { lease_until: HOUR + LEASE_MS, ..row() };
        assert!(!is_due(&leased, HOUR, 7, HOUR));
        assert!(is_due(&leased, HOUR + LEASE_MS, 7, HOUR), "the turn is over");
    }

    #[test]
    fn a_clock_that_was_put_back_by_days_holds_up_no_check() {
        let before = Registered { due_at: 72 * HOUR, lease_until: 71 * HOUR, ..row() };
        assert!(is_due(&before, HOUR, 7, HOUR));
    }

    #[test]
    fn how_it_stands_is_told_in_words() {
        let view = |it: Registered| RegistrationView::from(it).words();
        assert_eq!(view(row()), "registered, as the vendor said at 1970-01-01 00:00:00");
        let failed = Registered { failures: 1, reason: Some("hub.public_url: set it".to_owned()), ..row() };
        assert_eq!(view(failed.clone()), "registered, as the vendor said at 1970-01-01 00:00:00; since then: hub.public_url: set it");
        assert_eq!(view(Registered { url: None, ..failed }), "not registered: hub.public_url: set it");
        let trouble = Registered { trouble: Some("Connection timed out".to_owned()), ..row() };
        assert_eq!(view(trouble), "registered, but the vendor's last delivery failed: Connection timed out");
        assert_eq!(view(Registered { url: None, ..row() }), "not registered yet");
    }
}
