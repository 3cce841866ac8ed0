//! The instances of one connection: taken for a call, given back after it, retired in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::component::Instance;
use wasmtime::{Store, UpdateDeadline};

use super::bindings::exports::patchbay::connector::{commands, polling, stream, webhook};
use super::bindings::patchbay::connector::types::{Failure, Piece, Retry};
use super::connector::Connector;
use super::file;
use super::guest::{Guest, Limit};
use super::measure::Usage;
use super::surroundings::Surroundings;
use super::watch::{Permit, Watch};
use crate::clock::timestamp;
use crate::rules::breaker::Health;
use crate::rules::quarantine::{Change, Quarantine, QuarantineRule};
use crate::rules::retry::Backoff;

/// An instance is retired after this many calls: nothing that it leaks can grow for ever.
const MAX_CALLS: u32 = 10_000;
/// An instance that nobody called for so long is retired.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// Most instances of one connection at the same time.
const MAX_INSTANCES: usize = 32;

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The connector answered with a failure.
    #[error("{}: {}", .0.code, .0.message)]
    Failed(Failure),
    /// It ran into a limit.
    #[error("the connector was stopped: {0}")]
    Limit(#[from] Limit),
    /// It trapped: a panic or worse.
    #[error("the connector trapped: {0}")]
    Trap(String),
    /// No instance could be made: every slot is taken.
    #[error("no instance of the connector is free")]
    Busy,
    /// The component does not export that ability.
    #[error("the connector does not export `{0}`")]
    NoAbility(&'static str),
    /// Its version is left alone in this connection.
    #[error("this version of the connector is in quarantine here until {} ({})", timestamp(.0.until), .0.reason)]
    Quarantined(Quarantine),
}

impl CallError {
    /// The stable code of what the hub itself has to say of a call.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Limit(_) => "connector.limit",
            Self::Trap(_) => "connector.trap",
            Self::Busy => "connector.busy",
            Self::Quarantined(_) => "connector.quarantined",
            Self::Failed(_) | Self::NoAbility(_) => "connector.unsupported",
        }
    }
}

/// Nothing is put into quarantine: where an author looks at a connector, each call counts for itself.
const UNWATCHED: QuarantineRule =
    QuarantineRule { failures: 0, within_ms: 0, waits: Backoff { first_ms: 0, longest_ms: 0, tries: i64::MAX } };

/// One result for each command of a batch.
pub type Executed = Result<Vec<Result<commands::Receipt, Failure>>, CallError>;

/// The instances of one connection.
pub struct Instances {
    connector: Arc<Connector>,
    surroundings: Arc<Surroundings>,
    idle: Mutex<Vec<Warm>>,
    permits: Semaphore,
    watch: Watch,
    /// What the call that ended last used up, where the engine measures.
    usage: Mutex<Option<Usage>>,
}

/// The right to make one call.
struct Turn<'a> {
    _place: SemaphorePermit<'a>,
    permit: Permit<'a>,
}

/// An instance between two calls.
struct Warm {
    store: Store<Guest>,
    instance: Instance,
    calls: u32,
    used: Instant,
}

impl Instances {
    /// No instance yet: the first call makes one. However they end, the next call is made.
    #[must_use]
    pub fn new(connector: Arc<Connector>, surroundings: Arc<Surroundings>) -> Self {
        Self::watched(connector, surroundings, UNWATCHED, None)
    }

    /// The same under a rule that says when the version is left alone; `known`: it is already.
    #[must_use]
    pub fn watched(connector: Arc<Connector>, surroundings: Arc<Surroundings>, rule: QuarantineRule, known: Option<Quarantine>) -> Self {
        let (permits, watch) = (Semaphore::new(MAX_INSTANCES), Watch::new(rule, known));
        Self { connector, surroundings, idle: Mutex::default(), permits, watch, usage: Mutex::default() }
    }

    /// The quarantine that the version is in. A call that comes when its time is over may be made, and finds out.
    #[must_use]
    pub fn quarantine(&self) -> Option<Quarantine> {
        self.watch.quarantine()
    }

    /// The clock was put back (less than zero) or forward by so many milliseconds: a quarantine lasts as long as it would have.
    pub fn follow_clock(&self, by_ms: i64) {
        self.watch.follow_clock(by_ms);
    }

    /// What became of the quarantine since the last time, to be written down. None: nothing.
    #[must_use]
    pub fn quarantine_change(&self) -> Option<Change> {
        self.watch.take_change()
    }

    /// The connector that this is made of.
    #[must_use]
    pub fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// What the connector can see and reach.
    #[must_use]
    pub fn surroundings(&self) -> &Arc<Surroundings> {
        &self.surroundings
    }

    /// Hands a delivery to the connector.
    pub async fn webhook(&self, request: &webhook::Request) -> Result<webhook::Reply, CallError> {
        let indices = self.connector.webhook.as_ref().ok_or(CallError::NoAbility("webhook"))?;
        let wall = self.surroundings.manifest.limits.webhook_ms;
        let (turn, mut warm) = self.take(false, wall).await?;
        let guest = indices.load(&mut warm.store, &warm.instance).map_err(|it| trap(&warm, &it))?;
        let called = tokio::time::timeout(millis(wall), guest.call_handle(&mut warm.store, request)).await;
        let size = |it: &Result<webhook::Reply, Failure>| {
            it.as_ref().map_or(0, |it| it.body.len() + it.events.iter().map(|it| it.payload.len()).sum::<usize>())
        };
        self.end(warm, turn, wall, called, size)?.map_err(CallError::Failed)
    }

    /// Asks the connector for what is new. Beside the page stands what the vendor answered, byte for byte; the last value is what the hub saw of
    /// the vendor meanwhile.
    pub async fn poll(&self, cursor: Option<&str>, limit: u32) -> (Result<(polling::Page, Vec<u8>), CallError>, Health) {
        let mut health = Health::Unknown;
        (self.poll_and_see(cursor, limit, &mut health).await, health)
    }

    async fn poll_and_see(&self, cursor: Option<&str>, limit: u32, health: &mut Health) -> Result<(polling::Page, Vec<u8>), CallError> {
        let indices = self.connector.polling.as_ref().ok_or(CallError::NoAbility("polling"))?;
        let manifest = &self.surroundings.manifest;
        let wall = manifest.polling.as_ref().and_then(|it| it.wait_ms).unwrap_or(manifest.limits.work_ms);
        let (turn, mut warm) = self.take(true, wall).await?;
        let guest = indices.load(&mut warm.store, &warm.instance).map_err(|it| trap(&warm, &it))?;
        let called = tokio::time::timeout(millis(wall), guest.call_poll(&mut warm.store, cursor, limit)).await;
        health.clone_from(warm.store.data().health());
        let answers = warm.store.data_mut().take_answers();
        let size = |it: &Result<polling::Page, Failure>| it.as_ref().map_or(0, |it| it.events.iter().map(|it| it.payload.len()).sum());
        let page = self.end(warm, turn, wall, called, size)?;
        Ok((self.forgiven(page).await.map_err(CallError::Failed)?, answers))
    }

    /// Asks the connector which endpoint its stream goes to.
    pub async fn stream_choose(&self) -> Result<stream::Target, CallError> {
        let indices = self.connector.stream.as_ref().ok_or(CallError::NoAbility("stream"))?;
        let wall = self.surroundings.manifest.limits.work_ms;
        let (turn, mut warm) = self.take(false, wall).await?;
        let guest = indices.load(&mut warm.store, &warm.instance).map_err(|it| trap(&warm, &it))?;
        let called = tokio::time::timeout(millis(wall), guest.call_choose(&mut warm.store)).await;
        let size = |it: &Result<stream::Target, Failure>| it.as_ref().map_or(0, |it| it.endpoint.len() + it.path_and_query.len());
        self.end(warm, turn, wall, called, size)?.map_err(CallError::Failed)
    }

    /// Tells the connector that its stream stands. The second value is what the vendor answered to its requests meanwhile, byte for byte.
    pub async fn stream_opened(&self) -> Result<(stream::Reply, Vec<u8>), CallError> {
        let indices = self.connector.stream.as_ref().ok_or(CallError::NoAbility("stream"))?;
        let wall = self.surroundings.manifest.limits.work_ms;
        let (turn, mut warm) = self.take(true, wall).await?;
        let guest = indices.load(&mut warm.store, &warm.instance).map_err(|it| trap(&warm, &it))?;
        let called = tokio::time::timeout(millis(wall), guest.call_opened(&mut warm.store)).await;
        let answers = warm.store.data_mut().take_answers();
        let reply = self.end(warm, turn, wall, called, stream_size)?.map_err(CallError::Failed)?;
        Ok((reply, answers))
    }

    /// Hands frames of the stream to the connector, in their order.
    pub async fn stream_received(&self, frames: &[Vec<u8>]) -> Result<stream::Reply, CallError> {
        let indices = self.connector.stream.as_ref().ok_or(CallError::NoAbility("stream"))?;
        let wall = self.surroundings.manifest.limits.work_ms;
        let (turn, mut warm) = self.take(false, wall).await?;
        let guest = indices.load(&mut warm.store, &warm.instance).map_err(|it| trap(&warm, &it))?;
        let called = tokio::time::timeout(millis(wall), guest.call_received(&mut warm.store, frames)).await;
        self.end(warm, turn, wall, called, stream_size)?.map_err(CallError::Failed)
    }

    /// Has a batch of commands carried out: one result for each, in order. The second value is what the hub saw of the vendor meanwhile.
    pub async fn execute(&self, batch: &[commands::Command]) -> (Executed, Health) {
        let mut health = Health::Unknown;
        (self.execute_and_see(batch, &mut health).await, health)
    }

    async fn execute_and_see(&self, batch: &[commands::Command], health: &mut Health) -> Executed {
        let indices = self.connector.commands.as_ref().ok_or(CallError::NoAbility("commands"))?;
        let wall = self.surroundings.manifest.limits.work_ms;
        let (turn, mut warm) = self.take(false, wall).await?;
        warm.store.data_mut().files = file::named(&self.surroundings.manifest, batch);
        let guest = indices.load(&mut warm.store, &warm.instance).map_err(|it| trap(&warm, &it))?;
        let called = tokio::time::timeout(millis(wall), guest.call_execute(&mut warm.store, batch)).await;
        health.clone_from(warm.store.data().health());
        let size = |it: &Vec<Result<commands::Receipt, Failure>>| it.iter().flatten().map(|it| it.details.len()).sum();
        let mut results = Vec::new();
        for result in self.end(warm, turn, wall, called, size)? {
            results.push(self.forgiven(result).await);
        }
        Ok(results)
    }

    /// Asks the connector whether the connection works. The answer is JSON text.
    pub async fn check(&self) -> Result<String, CallError> {
        let indices = self.connector.check.as_ref().ok_or(CallError::NoAbility("check"))?;
        let wall = self.surroundings.manifest.limits.work_ms;
        let (turn, mut warm) = self.take(false, wall).await?;
        let guest = indices.load(&mut warm.store, &warm.instance).map_err(|it| trap(&warm, &it))?;
        let called = tokio::time::timeout(millis(wall), guest.call_check(&mut warm.store)).await;
        self.end(warm, turn, wall, called, |it| it.as_ref().map_or(0, String::len))?.map_err(CallError::Failed)
    }

    /// A login over a socket that was refused for its access token alone may be tried again as soon as there is another one.
    async fn forgiven<R>(&self, result: Result<R, Failure>) -> Result<R, Failure> {
        match result {
            Err(failure) if matches!(failure.retry, Retry::Reauthorise) && self.surroundings.may_log_in_anew().await => {
                Err(Failure { retry: Retry::Later, ..failure })
            }
            result => result,
        }
    }

    /// What the call that ended last used up; none where the engine does not measure.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Retires instances that nobody called for a while.
    pub fn retire_idle(&self) {
        self.idle().retain(|it| it.used.elapsed() < MAX_IDLE);
    }

    /// Retires every instance between calls, so that the next call gets a new one.
    pub fn retire_all(&self) {
        self.idle().clear();
    }

    async fn take(&self, keep_answers: bool, wall: u32) -> Result<(Turn<'_>, Warm), CallError> {
        let place = self.permits.acquire().await.map_err(|_| CallError::Busy)?;
        let permit = self.watch.enter(self.surroundings.clock.now_ms()).map_err(CallError::Quarantined)?;
        let warm = self.idle().pop();
        let mut warm = match warm {
            Some(warm) => warm,
            None => match self.instantiate().await {
                Ok(warm) => warm,
                Err(error) => {
                    self.blame(permit, &error);
                    return Err(error);
                }
            },
        };
        warm.store.data_mut().begin(keep_answers, millis(wall));
        warm.store.set_epoch_deadline(1);
        self.refuel(&mut warm.store);
        warm.calls += 1;
        Ok((Turn { _place: place, permit }, warm))
    }

    /// Writes a fault down against the version, where it is one of its own.
    fn blame(&self, permit: Permit<'_>, error: &CallError) {
        if matches!(error, CallError::Trap(_) | CallError::Limit(_)) {
            let reason = self.surroundings.redact(&format!("{}: {error}", error.code()));
            permit.failed(self.surroundings.clock.now_ms(), &reason);
        }
    }

    async fn instantiate(&self) -> Result<Warm, CallError> {
        let mut store = Store::new(self.connector.engine.raw(), Guest::new(Arc::clone(&self.surroundings)));
        store.limiter(|it| it);
        // Each epoch that passes while the guest computes costs it one tick and lets others have the thread.
        store.epoch_deadline_callback(|mut it| {
            it.data_mut().tick()?;
            Ok(UpdateDeadline::Yield(1))
        });
        store.data_mut().begin(false, Duration::ZERO);
        store.set_epoch_deadline(1);
        self.refuel(&mut store);
        let instance = self.connector.pre.instantiate_async(&mut store).await.map_err(|error| {
            if error.is::<wasmtime::PoolConcurrencyLimitError>() {
                return CallError::Busy;
            }
            classify(store.data(), &error)
        })?;
        Ok(Warm { store, instance, calls: 0, used: Instant::now() })
    }

    /// Where fuel is counted, there is more than any call can burn: time is the limit.
    fn refuel(&self, store: &mut Store<Guest>) {
        if self.connector.engine.measures() {
            store.set_fuel(u64::MAX).expect("an engine that measures counts fuel");
        }
    }

    fn measure(&self, warm: &Warm) {
        if self.connector.engine.measures() {
            let fuel = u64::MAX - warm.store.get_fuel().expect("an engine that measures counts fuel");
            *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = Some(warm.store.data().usage(fuel));
        }
    }

    /// Looks at how a call ended: a sound instance goes back, any other is dropped with all that it holds.
    fn end<R>(
        &self,
        warm: Warm,
        turn: Turn<'_>,
        wall: u32,
        called: Result<wasmtime::Result<R>, tokio::time::error::Elapsed>,
        size: impl Fn(&R) -> usize,
    ) -> Result<R, CallError> {
        self.measure(&warm);
        // A vendor that did not answer in time is no fault of the version.
        let waited = *warm.store.data().health() == Health::Down;
        let result = self.judge(warm, wall, called, size);
        match &result {
            Ok(_) => turn.permit.succeeded(),
            Err(CallError::Limit(Limit::Wall(_))) if waited => {}
            Err(error) => self.blame(turn.permit, error),
        }
        result
    }

    fn judge<R>(
        &self,
        mut warm: Warm,
        wall: u32,
        called: Result<wasmtime::Result<R>, tokio::time::error::Elapsed>,
        size: impl Fn(&R) -> usize,
    ) -> Result<R, CallError> {
        warm.store.data_mut().hang_up();
        let result = called.map_err(|_| Limit::Wall(wall))?.map_err(|it| trap(&warm, &it))?;
        let limit = self.surroundings.manifest.limits.output_bytes;
        if size(&result) > limit as usize {
            return Err(Limit::Output(limit).into());
        }
        if warm.calls < MAX_CALLS {
            warm.used = Instant::now();
            self.idle().push(warm);
        }
        Ok(result)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Warm>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stream_size(reply: &Result<stream::Reply, Failure>) -> usize {
    let piece = |it: &Piece| match it {
        Piece::Bytes(it) => it.len(),
        Piece::Secret(it) => it.len(),
    };
    let of = |it: &stream::Reply| {
        it.events.iter().map(|it| it.payload.len()).sum::<usize>() + it.send.iter().flatten().map(piece).sum::<usize>()
    };
    reply.as_ref().map_or(0, of)
}

fn trap(warm: &Warm, error: &wasmtime::Error) -> CallError {
    classify(warm.store.data(), error)
}

fn classify(guest: &Guest, error: &wasmtime::Error) -> CallError {
    if let Some(limit) = error.downcast_ref::<Limit>() {
        return CallError::Limit(*limit);
    }
    // A guest that gets no memory panics: the cause is the limit, not the panic.
    if let Some(limit) = guest.refused_memory() {
        return CallError::Limit(limit);
    }
    CallError::Trap(error.root_cause().to_string())
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}
