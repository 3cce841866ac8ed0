//! A connection in memory: the real plugin host with a clock that stands still, made-up secrets, and a cassette for a network.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use patchbay_schemas::manifest::ACCESS_TOKEN;
use patchbay_schemas::{Manifest, Timestamp};
use serde_json::Value;

use super::case::{Call, Case, Settings};
use patchbay_host::clock::Clock;
use patchbay_host::pace::Pace;
use patchbay_host::plugin::cassette::{Asked, Exchange, Player, Then};
use patchbay_host::plugin::network::Network;
use patchbay_host::plugin::outbound::Outbound;
use patchbay_host::plugin::state::StateKeeper;
use patchbay_host::plugin::tape::Tape;
use patchbay_host::plugin::{
    CallError, Connector, Failure, Frames, Instances, Piece, Randomness, Receipt, Reply, Surroundings, Target, Usage, compose,
};
use patchbay_host::reading;
use patchbay_host::rules::ingest::CheckedEvent;
use patchbay_host::rules::verify::{Presented, verify};
use patchbay_host::secrets::SecretValue;
use patchbay_host::setup::{self, SetupError};
use patchbay_host::stream::line::{Heard, Line, LineError};

/// The time in every case that does not say another: 2026-01-01T00:00:00Z, in milliseconds.
const NOW_MS: i64 = 1_767_225_600_000;
/// How much more time a call has than in a hub.
const PATIENCE: u32 = 10;
/// What random bytes begin with.
const SEED: u64 = 1;

/// Why a case cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// Its configuration does not fit the manifest.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The way to the live vendor cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
    /// The live vendor's stream does not stand.
    #[error("the stream: {0}")]
    Stream(#[from] LineError),
    /// The connector has nothing to say of its stream.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A property without which nothing works.
    #[error("the configuration needs `{0}`: give it in fixtures/case.toml under [config]")]
    Missing(String),
    /// A case names another one that is not there, or is no delivery.
    #[error("`after` names `{0}`, which is no delivery of this folder")]
    NoSuchCase(String),
}

/// What came of a call.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Of a delivery.
    Delivered {
        /// Its events, each checked by schema.
        events: Vec<CheckedEvent>,
        /// What the vendor gets.
        reply: Reply,
    },
    /// Of a poll.
    Page {
        /// Its events, each checked by schema.
        events: Vec<CheckedEvent>,
        /// Where the next one begins.
        cursor: Option<String>,
        /// True: there is more.
        more: bool,
    },
    /// Of frames, or of a stream that was connected.
    Heard {
        /// Where it was connected to.
        target: Option<Target>,
        /// Its events, each checked by schema.
        events: Vec<CheckedEvent>,
        /// What is sent back.
        send: Vec<Vec<Piece>>,
    },
    /// Of commands, one each.
    Receipts(Vec<Result<Receipt, Failure>>),
    /// Of a check: JSON text.
    Report(String),
    /// The connector said no.
    Failed(Failure),
    /// The vendor's signature was refused before the connector ran.
    Unsigned(String),
    /// It trapped or ran into a limit.
    Broken(String),
}

/// A call that was played.
#[derive(Debug, Clone)]
pub struct Played {
    /// What came of it.
    pub outcome: Outcome,
    /// What it used up.
    pub usage: Usage,
    /// How long it took on this machine.
    pub time: Duration,
    /// What it asked of the vendor.
    pub asked: Vec<Asked>,
    /// What did not go by the cassette.
    pub fault: Option<String>,
}

/// A connection in memory.
pub struct Place {
    instances: Instances,
}

impl Place {
    /// A connection with this configuration, on which nothing happened yet.
    pub fn new(connector: &Arc<Connector>, settings: &Settings) -> Result<Self, RigError> {
        Self::on(connector, settings, Outbound::Played(Player::default()))
    }

    /// The same with the live vendor behind it, whose answers are recorded. Clock and randomness are as in a replay.
    pub fn live(connector: &Arc<Connector>, settings: &Settings, granted: Vec<Network>) -> Result<Self, RigError> {
        // One TLS provider for the process; a second call finds it there already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let open = Box::new(Outbound::open(granted)?);
        Self::on(connector, settings, Outbound::Recorded { open, tape: Tape::default() })
    }

    /// The secrets that nothing works without and that nobody gave.
    #[must_use]
    pub fn missing_secrets<'a>(manifest: &'a Manifest, settings: &Settings) -> Vec<&'a str> {
        manifest.secrets().into_iter().filter(|it| is_required(manifest, it) && !settings.secrets.contains_key(*it)).collect()
    }

    fn on(connector: &Arc<Connector>, settings: &Settings, outbound: Outbound) -> Result<Self, RigError> {
        let manifest = &connector.manifest;
        let (config, secrets) = configure(manifest, settings)?;
        let now = settings.now.map_or(NOW_MS, Timestamp::as_millisecond);
        let surroundings = Surroundings {
            connection: "cxn_test".to_owned(),
            manifest: Arc::new(patient(manifest)),
            config_text: config.to_string(),
            config,
            secrets,
            uses: Arc::default(),
            tokens: None,
            outbound,
            pace: Pace::default(),
            state: StateKeeper::in_memory(),
            clock: Clock::Manual(Arc::new(now.into())),
            random: Randomness::seeded(SEED),
            journal: Arc::default(),
        };
        Ok(Self { instances: Instances::new(Arc::clone(connector), Arc::new(surroundings)) })
    }

    /// A connection that is ready for a case: what came before it was delivered.
    pub async fn of(connector: &Arc<Connector>, case: &Case, all: &[Case]) -> Result<Self, RigError> {
        let place = Self::new(connector, &case.settings)?;
        place.come_before(case, all).await?;
        // What came before is not measured.
        place.renew();
        Ok(place)
    }

    /// Delivers what came before a case.
    pub async fn come_before(&self, case: &Case, all: &[Case]) -> Result<(), RigError> {
        for name in &case.settings.after {
            let before = all.iter().find(|it| it.name == *name && it.call.is_delivery());
            let before = before.ok_or_else(|| RigError::NoSuchCase(name.clone()))?;
            self.play(&before.call, &before.cassette, Then::Nothing).await;
        }
        Ok(())
    }

    /// Plays a case as it stands.
    pub async fn play_case(&self, case: &Case) -> Played {
        if let Err(reason) = self.verify(case) {
            let usage = Usage { fuel: 0, memory: 0, host_calls: 0 };
            return Played { outcome: Outcome::Unsigned(reason), usage, time: Duration::ZERO, asked: Vec::new(), fault: None };
        }
        self.play(&case.call, &case.cassette, Then::Nothing).await
    }

    /// Plays a call against a cassette.
    pub async fn play(&self, call: &Call, cassette: &[Exchange], then: Then) -> Played {
        let player = self.player();
        if let Some(player) = player {
            player.load(cassette, then);
        }
        let begun = Instant::now();
        let outcome = match call {
            Call::Webhook(request) => self.instances.webhook(request).await.map(|mut reply| {
                let events = std::mem::take(&mut reply.events).into_iter().map(reading::check).collect();
                Outcome::Delivered { events, reply }
            }),
            Call::Poll { cursor, limit } => self.instances.poll(cursor.as_deref(), *limit).await.0.map(|(page, _)| {
                let events = page.events.into_iter().map(reading::check).collect();
                Outcome::Page { events, cursor: page.next_cursor, more: page.more }
            }),
            Call::Execute(batch) => self.instances.execute(batch).await.0.map(Outcome::Receipts),
            Call::Check => self.instances.check().await.map(Outcome::Report),
            Call::Opened => self.opened().await,
            Call::Received(frames) => self.instances.stream_received(frames).await.map(|it| heard(None, it)),
        };
        let time = begun.elapsed();
        let outcome = outcome.unwrap_or_else(|error| match error {
            CallError::Failed(failure) => Outcome::Failed(failure),
            error => Outcome::Broken(error.to_string()),
        });
        let usage = self.instances.usage().unwrap_or(Usage { fuel: 0, memory: 0, host_calls: 0 });
        Played { outcome, usage, time, asked: player.map(Player::asked).unwrap_or_default(), fault: player.and_then(Player::fault) }
    }

    async fn opened(&self) -> Result<Outcome, CallError> {
        let target = self.instances.stream_choose().await?;
        let (reply, _) = self.instances.stream_opened().await?;
        Ok(heard(Some(target), reply))
    }

    /// Lets time pass.
    pub fn pass(&self, ms: i64) {
        if let Clock::Manual(now) = &self.instances.surroundings().clock {
            now.fetch_add(ms, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// As if nothing had ever happened on this connection; its instances stay.
    pub fn forget(&self) {
        self.instances.surroundings().state.forget();
        self.instances.surroundings().random.restart(SEED);
    }

    /// The next call gets a new instance.
    pub fn renew(&self) {
        self.instances.retire_all();
    }

    /// Has a call carried out by the live vendor: what was asked and answered.
    pub async fn record(&self, call: &Call) -> Vec<Exchange> {
        self.play(call, &[], Then::Nothing).await;
        match &self.instances.surroundings().outbound {
            Outbound::Recorded { tape, .. } => std::mem::take(&mut *tape.lock().unwrap_or_else(PoisonError::into_inner)),
            _ => Vec::new(),
        }
    }

    /// Connects the stream to the live vendor and listens for a while: the frames that came in, without secrets. What the connector says
    /// to them is sent.
    pub async fn listen(&self, span: Duration) -> Result<Vec<Vec<u8>>, RigError> {
        let here = self.instances.surroundings();
        let Some(stream) = here.manifest.stream.clone() else { return Ok(Vec::new()) };
        let target = self.instances.stream_choose().await?;
        let mut line = Line::open(here, &stream, &target).await?;
        let (reply, _) = self.instances.stream_opened().await?;
        let (mut heard, mut replies) = (Vec::new(), reply.send);
        let ends = tokio::time::Instant::now() + span;
        loop {
            for pieces in std::mem::take(&mut replies) {
                line.say(here, pieces).await?;
            }
            match tokio::time::timeout_at(ends, line.next()).await {
                Err(_) | Ok(Err(LineError::Closed)) => break,
                Ok(Ok(Heard::Sign)) => {}
                Ok(Ok(Heard::Frame(frame))) => {
                    // One that the connector cannot read is worth recording too.
                    if let Ok(reply) = self.instances.stream_received(std::slice::from_ref(&frame)).await {
                        replies = reply.send;
                    }
                    heard.push(here.redact_bytes(frame));
                }
                Ok(Err(error)) => return Err(error.into()),
            }
        }
        line.close().await;
        Ok(heard)
    }

    fn player(&self) -> Option<&Player> {
        match &self.instances.surroundings().outbound {
            Outbound::Played(player) => Some(player),
            _ => None,
        }
    }

    fn verify(&self, case: &Case) -> Result<(), String> {
        let here = self.instances.surroundings();
        let (Call::Webhook(request), Some(webhook), Some(true)) = (&case.call, &here.manifest.webhook, case.settings.verify) else {
            return Ok(());
        };
        let headers: Vec<(String, String)> = request.headers.iter().map(|it| (it.name.clone(), it.value.clone())).collect();
        let presented = Presented { method: &request.method, headers: &headers, query: &request.query, body: &request.body };
        verify(&webhook.verify, &presented, |name| here.secrets.get(name).map(SecretValue::reveal)).map_err(|error| error.to_string())
    }
}

fn heard(target: Option<Target>, reply: Frames) -> Outcome {
    Outcome::Heard { target, events: reply.events.into_iter().map(reading::check).collect(), send: reply.send }
}

/// The same with more time: an engine that measures is slower, and so may the machine be that tests run on. What never ends is stopped
/// all the same.
fn patient(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    for limit in [&mut manifest.limits.cpu_ms, &mut manifest.limits.webhook_ms, &mut manifest.limits.work_ms] {
        *limit = limit.saturating_mul(PATIENCE);
    }
    manifest
}

/// The configuration with its defaults, and a secret for each that the manifest knows.
fn configure(manifest: &Manifest, settings: &Settings) -> Result<(Value, BTreeMap<String, SecretValue>), RigError> {
    let known = manifest.secrets();
    let checked = setup::check(&setup::lenient(manifest), settings.config.clone())?;
    let missing = required(manifest).filter(|it| !known.contains(it)).find(|it| checked.config.get(it).is_none());
    if let Some(missing) = missing {
        return Err(RigError::Missing(missing.to_owned()));
    }
    let mut secrets = checked.secrets;
    for name in known {
        // One that may be missing is missing where nobody gives it.
        let made_up = || is_required(manifest, name).then(|| format!("made-up-{name}"));
        if let Some(value) = settings.secrets.get(name).cloned().or_else(made_up) {
            secrets.insert(name.to_owned(), SecretValue::new(value));
        }
    }
    if manifest.authorises(&checked.config).is_some() {
        // The hub gets it from the vendor; here it is made up, or given by who records.
        let token = settings.secrets.get(ACCESS_TOKEN).cloned().unwrap_or_else(|| format!("made-up-{ACCESS_TOKEN}"));
        secrets.insert(ACCESS_TOKEN.to_owned(), SecretValue::new(token));
    }
    compose(manifest, &checked.config, &mut secrets);
    Ok((checked.config, secrets))
}

fn required(manifest: &Manifest) -> impl Iterator<Item = &str> {
    manifest.config.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn is_required(manifest: &Manifest, name: &str) -> bool {
    required(manifest).any(|it| it == name)
}
