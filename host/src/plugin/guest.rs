//! The host's side of one instance: what its imports do and what a call has used up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::{digest, hmac};
use wasmtime::ResourceLimiter;

use super::bindings::patchbay::connector::http::{Request, Response};
use super::bindings::patchbay::connector::secrets::Part;
use super::bindings::patchbay::connector::types::{Failure, Header, Retry};
use super::bindings::patchbay::connector::{host, http, secrets, state, types};
use super::file::is_file;
use super::journal::Line;
use super::line::Lines;
use super::measure::Usage;
use super::outbound::{OutboundError, OutboundRequest, OutboundResponse};
use super::state::Expected;
use super::surroundings::Surroundings;
use crate::audit::Purpose;
use crate::pace::PaceError;
use crate::rules::breaker::{Health, retry_after};
use crate::store::StoreError;

/// Most random bytes that one call of `random` gives.
const MAX_RANDOM: u32 = 4096;
/// Longest message that a connector may log, bytes.
const MAX_LOG: usize = 2048;
/// Longest key of `state`, bytes.
const MAX_STATE_KEY: usize = 256;

/// A limit that a call ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// `limits.cpu_ms`.
    #[error("it used more than the {0} ms of processor time that limits.cpu_ms allows")]
    Cpu(u32),
    /// `limits.memory_mib`.
    #[error("it wanted more than the {0} MiB of memory that limits.memory_mib allows")]
    Memory(u32),
    /// `limits.webhook_ms`, `limits.work_ms` or `polling.wait_ms`.
    #[error("it took longer than {0} ms")]
    Wall(u32),
    /// `limits.host_calls`.
    #[error("it made more than the {0} host calls that limits.host_calls allows")]
    HostCalls(u32),
    /// `limits.output_bytes`.
    #[error("it handed back more than the {0} bytes that limits.output_bytes allows")]
    Output(u32),
}

/// What belongs to one instance.
pub struct Guest {
    pub(super) surroundings: Arc<Surroundings>,
    /// What the present call may still use.
    budget: Budget,
    /// The vendor's answers of the present call, where the caller wants to keep them.
    pub(super) answers: Option<Vec<u8>>,
    /// What the last request of the present call told of the vendor.
    pub(super) health: Health,
    /// The sockets that the present call opened.
    pub(super) lines: Lines,
    /// The addresses of the files that the present call may fetch.
    pub(super) files: Vec<String>,
    /// Most linear memory so far, bytes.
    memory: usize,
}

/// What the present call may still use.
struct Budget {
    host_calls: u32,
    ticks: u32,
    refused_memory: bool,
    /// When the call is cut off.
    ends: Instant,
}

impl Guest {
    /// A guest that has not been called yet.
    pub fn new(surroundings: Arc<Surroundings>) -> Self {
        let budget = Budget { host_calls: 0, ticks: 0, refused_memory: false, ends: Instant::now() };
        Self { surroundings, budget, answers: None, health: Health::Unknown, lines: Lines::default(), files: Vec::new(), memory: 0 }
    }

    /// Gives the next call its full budget.
    pub fn begin(&mut self, keep_answers: bool, wall: Duration) {
        let limits = &self.surroundings.manifest.limits;
        let ticks = limits.cpu_ms.div_ceil(u32::try_from(super::engine::TICK.as_millis()).unwrap_or(1)) + 1;
        self.budget = Budget { host_calls: limits.host_calls, ticks, refused_memory: false, ends: Instant::now() + wall };
        self.answers = keep_answers.then(Vec::new);
        self.health = Health::Unknown;
        self.files.clear();
        self.hang_up();
    }

    /// Ends what the call opened.
    pub fn hang_up(&mut self) {
        self.lines.hang_up();
    }

    /// How much time the present call has left.
    pub(super) fn left(&self) -> Duration {
        self.budget.ends.saturating_duration_since(Instant::now())
    }

    /// What the last request of the call that just ended told of the vendor. One that was not answered yet speaks against it.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The vendor's answers of the call that just ended, one after the other.
    pub fn take_answers(&mut self) -> Vec<u8> {
        self.answers.take().unwrap_or_default()
    }

    /// What the present call used up; `fuel` is counted by the engine.
    pub fn usage(&self, fuel: u64) -> Usage {
        let host_calls = self.surroundings.manifest.limits.host_calls - self.budget.host_calls;
        Usage { fuel, memory: self.memory as u64, host_calls }
    }

    /// One tick of processor time is used.
    pub fn tick(&mut self) -> Result<(), Limit> {
        self.budget.ticks = self.budget.ticks.checked_sub(1).ok_or(Limit::Cpu(self.surroundings.manifest.limits.cpu_ms))?;
        Ok(())
    }

    /// Set when the guest asked for more memory than it may have.
    pub fn refused_memory(&self) -> Option<Limit> {
        self.budget.refused_memory.then_some(Limit::Memory(self.surroundings.manifest.limits.memory_mib))
    }

    pub(super) fn host_call(&mut self) -> wasmtime::Result<()> {
        let limit = Limit::HostCalls(self.surroundings.manifest.limits.host_calls);
        self.budget.host_calls = self.budget.host_calls.checked_sub(1).ok_or_else(|| wasmtime::Error::from(limit))?;
        Ok(())
    }

    /// A value for arithmetic: an unknown name is an error that names it.
    fn secret(&self, name: &str) -> Result<&[u8], String> {
        self.surroundings
            .secret(name, Purpose::Compute)
            .map(|it| it.reveal().as_bytes())
            .ok_or_else(|| format!("the secret `{name}` is not set for this connection"))
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= (self.surroundings.manifest.limits.memory_mib as usize) << 20;
        self.budget.refused_memory |= !allowed;
        if allowed {
            self.memory = self.memory.max(desired);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000)
    }
}

impl types::Host for Guest {}

impl host::Host for Guest {
    fn log(&mut self, level: String, message: String, fields: String) -> wasmtime::Result<()> {
        self.host_call()?;
        let here = &self.surroundings;
        let message = here.redact(truncate(&message, MAX_LOG));
        let fields = here.redact(truncate(&fields, MAX_LOG));
        let (connector, connection) = (&here.manifest.id, &here.connection);
        let known = ["error", "warn", "info"].into_iter().find(|it| *it == level).unwrap_or("debug");
        here.journal.write(Line {
            number: 0,
            at: here.clock.now(),
            connection: connection.clone(),
            level: known.to_owned(),
            message: message.clone(),
            fields: fields.clone(),
        });
        match level.as_str() {
            "error" => tracing::error!(connector.id = %connector, connection.id = %connection, connector.fields = %fields, "{message}"),
            "warn" => tracing::warn!(connector.id = %connector, connection.id = %connection, connector.fields = %fields, "{message}"),
            "info" => tracing::info!(connector.id = %connector, connection.id = %connection, connector.fields = %fields, "{message}"),
            _ => tracing::debug!(connector.id = %connector, connection.id = %connection, connector.fields = %fields, "{message}"),
        }
        Ok(())
    }

    fn config(&mut self) -> wasmtime::Result<String> {
        self.host_call()?;
        Ok(self.surroundings.config_text.clone())
    }

    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        self.host_call()?;
        Ok(u64::try_from(self.surroundings.clock.now_ms()).unwrap_or(0))
    }

    fn random(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        self.host_call()?;
        let mut bytes = vec![0; len.min(MAX_RANDOM) as usize];
        self.surroundings.random.fill(&mut bytes);
        Ok(bytes)
    }
}

impl state::Host for Guest {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Failure>> {
        self.host_call()?;
        let here = &self.surroundings;
        Ok(here.state.get(&here.clock, &key).await.map_err(state_failure))
    }

    async fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> wasmtime::Result<Result<(), Failure>> {
        self.host_call()?;
        let expires_at = ttl_ms.map(|it| self.surroundings.clock.now_ms().saturating_add(i64::try_from(it).unwrap_or(i64::MAX)));
        Ok(self.replace(&key, Expected::Any, Some(&value), expires_at).await.map(|_| ()))
    }

    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<bool, Failure>> {
        self.host_call()?;
        let expected = expected.as_deref().map_or(Expected::Nothing, Expected::Bytes);
        Ok(self.replace(&key, expected, value.as_deref(), None).await)
    }
}

impl Guest {
    async fn replace(&self, key: &str, expected: Expected<'_>, value: Option<&[u8]>, expires_at: Option<i64>) -> Result<bool, Failure> {
        if key.is_empty() || key.len() > MAX_STATE_KEY {
            return Err(never("state.key", format!("a key has 1 to {MAX_STATE_KEY} bytes, this one has {}", key.len())));
        }
        let here = &self.surroundings;
        here.state.replace(&here.clock, key, expected, value, expires_at, here.manifest.limits.state_bytes).await.map_err(state_failure)
    }
}

impl http::Host for Guest {
    async fn send(&mut self, req: Request) -> wasmtime::Result<Result<Response, Failure>> {
        self.host_call()?;
        let here = Arc::clone(&self.surroundings);
        let request = OutboundRequest {
            endpoint: req.endpoint,
            method: req.method,
            path_and_query: req.path_and_query,
            headers: req.headers.into_iter().map(|it| (it.name, it.value)).collect(),
            body: req.body,
            timeout: req.timeout_ms.map(|it| Duration::from_millis(it.into())),
        };
        if is_file(&here.manifest, &request.endpoint) {
            return Ok(self.fetch(request).await.map_err(|error| outbound_failure(&here, &error)));
        }
        // Half of what is left of the call at most, so that the request itself has time too.
        let patience = self.left() / 2;
        if let Err(error) = here.pace.turn(&request.endpoint, patience).await {
            return Ok(Err(pace_failure(error)));
        }
        self.health = Health::Down;
        let sent = here.send(request, patience).await;
        self.health = health(&sent, here.clock.now_ms());
        let response = match sent {
            Ok(response) => response,
            Err(error) => return Ok(Err(outbound_failure(&here, &error))),
        };
        if let Some(answers) = &mut self.answers {
            if !answers.is_empty() {
                answers.push(b'\n');
            }
            answers.extend_from_slice(&response.body);
        }
        let headers = response.headers.into_iter().map(|(name, value)| Header { name, value: here.redact(&value) }).collect();
        Ok(Ok(Response { status: response.status, headers, body: here.redact_bytes(response.body) }))
    }
}

impl secrets::Host for Guest {
    fn digest(&mut self, algorithm: String, parts: Vec<Part>) -> wasmtime::Result<Result<Vec<u8>, String>> {
        self.host_call()?;
        let Some(algorithm) = digest_algorithm(&algorithm) else {
            return Ok(Err(format!("`{algorithm}` is not known here: sha1, sha256 or sha512")));
        };
        let mut context = digest::Context::new(algorithm);
        for part in &parts {
            match part {
                Part::Bytes(bytes) => context.update(bytes),
                Part::Secret(name) => match self.secret(name) {
                    Ok(value) => context.update(value),
                    Err(error) => return Ok(Err(error)),
                },
            }
        }
        Ok(Ok(context.finish().as_ref().to_vec()))
    }

    fn mac(&mut self, algorithm: String, secret: String, message: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, String>> {
        self.host_call()?;
        let Some(algorithm) = mac_algorithm(&algorithm) else {
            return Ok(Err(format!("`{algorithm}` is not known here: sha1, sha256 or sha512")));
        };
        Ok(self.secret(&secret).map(|key| hmac::sign(&hmac::Key::new(algorithm, key), &message).as_ref().to_vec()))
    }

    fn equals(&mut self, secret: String, presented: Vec<u8>) -> wasmtime::Result<bool> {
        self.host_call()?;
        Ok(self.secret(&secret).is_ok_and(|value| !value.is_empty() && crate::rules::verify::same(value, &presented)))
    }
}

fn digest_algorithm(name: &str) -> Option<&'static digest::Algorithm> {
    match name {
        "sha1" => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        "sha256" => Some(&digest::SHA256),
        "sha512" => Some(&digest::SHA512),
        _ => None,
    }
}

fn mac_algorithm(name: &str) -> Option<hmac::Algorithm> {
    match name {
        "sha1" => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        "sha256" => Some(hmac::HMAC_SHA256),
        "sha512" => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

pub(super) fn never(code: &str, message: String) -> Failure {
    Failure { code: code.to_owned(), message, retry: Retry::Never }
}

fn state_failure(error: StoreError) -> Failure {
    match error {
        StoreError::StateQuota { quota } => {
            never("state.quota", format!("this connector may keep {quota} bytes (limits.state_bytes), and this would be more"))
        }
        error => {
            tracing::error!(error = %error, "state of a connector could not be read or written");
            Failure { code: "state.unavailable".to_owned(), message: "the hub's database did not answer".to_owned(), retry: Retry::Later }
        }
    }
}

/// What a request told of the vendor.
fn health(sent: &Result<OutboundResponse, OutboundError>, now: i64) -> Health {
    match sent {
        Ok(response) => {
            let said = response.headers.iter().find(|(name, _)| name == "retry-after").and_then(|(_, it)| retry_after(it, now));
            match response.status {
                429 => Health::Busy(said),
                503 if said.is_some() => Health::Busy(said),
                500.. => Health::Down,
                _ => Health::Up,
            }
        }
        Err(OutboundError::Timeout(_) | OutboundError::Transport(_)) => Health::Down,
        Err(OutboundError::TooLarge { .. }) => Health::Up,
        // Nothing was sent.
        Err(_) => Health::Unknown,
    }
}

pub(super) fn pace_failure(error: PaceError) -> Failure {
    match error {
        PaceError::UsedUp { wait_ms, .. } => {
            Failure { code: "http.rate_limited".to_owned(), message: error.to_string(), retry: Retry::AfterMs(wait_ms) }
        }
        PaceError::Store(error) => {
            tracing::error!(error = %error, "a vendor's rate limit could not be looked up");
            Failure { code: "http.rate_limit".to_owned(), message: "the hub's database did not answer".to_owned(), retry: Retry::Later }
        }
    }
}

fn outbound_failure(here: &Surroundings, error: &OutboundError) -> Failure {
    let retry = match error {
        OutboundError::MissingSecret { .. } => Retry::Reauthorise,
        OutboundError::Token(error) if !error.is_passing() => Retry::Reauthorise,
        error if error.is_passing() => Retry::Later,
        _ => Retry::Never,
    };
    Failure { code: error.code().to_owned(), message: here.redact(&error.to_string()), retry }
}

fn truncate(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
