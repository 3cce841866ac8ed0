//! Runs the hub: listener, writers, pollers, senders; and ends it in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusHandle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::committer::Committer;
use crate::http::{self, App};
use crate::hub::Hub;
use crate::store::{Store, StoreError};
use crate::{alerts, audit, deliver, oauth2, people, poll, reading, registration, retention, stream};

/// How often the database is asked whether connections changed.
const REFRESH: Duration = Duration::from_millis(500);
/// How often the folder of connectors is looked at for other versions.
const VERSIONS: Duration = Duration::from_secs(1);
/// How often the database is tidied.
const TIDY: Duration = Duration::from_millis(250);
/// How often what was measured is put into its buckets.
const METRICS: Duration = Duration::from_secs(5);
/// How often idle instances are looked for.
const RETIRE: Duration = Duration::from_secs(15);
/// How often the machine's clock is looked at.
const CLOCK: Duration = Duration::from_secs(1);
/// How far it may be off what has passed before it counts as put back or forward, milliseconds.
const SLIP_MS: i64 = 5_000;
/// The signal that comes when a file may not grow (`ulimit -f`); its number on Linux and macOS.
const SIGXFSZ: i32 = 25;
/// How long requests and calls that are under way may take once the hub is told to stop.
const GRACE: Duration = Duration::from_secs(25);

/// Why the hub does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The listener failed.
    #[error("the listener failed: {0}")]
    Listen(#[from] std::io::Error),
    /// The metrics cannot be collected.
    #[error("the metrics cannot be collected: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs the hub until `stop`; what was accepted by then is committed.
pub async fn serve(hub: Hub, stop: CancellationToken) -> Result<(), ServeError> {
    let address = hub.config.listen;
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })?;
    // Buckets from a tenth of a millisecond to ten seconds.
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new()
        .set_buckets(&[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])?
        .set_buckets_for_metric(Matcher::Full("patchbay_commit_batch".to_owned()), &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])?
        .build_recorder();
    let prometheus = recorder.handle();
    // A second hub in the same process (tests) goes on with the first one's recorder.
    drop(metrics::set_global_recorder(recorder));

    reading::warm_up();
    let freed = hub.store.release_own_leases(&hub.config.name).await?;
    if freed > 0 {
        tracing::info!(lanes = freed, "lanes that a former run left are served again");
    }
    let ahead_ms = hub.store.ids.ahead_ms();
    if ahead_ms > SLIP_MS {
        tracing::warn!(ahead_ms, "the clock was put back since the last run: what was put off waits no longer than it would have");
        hub.store.follow_clock(&hub.config.name, -ahead_ms).await?;
    }
    // Heard by nobody, so that such a write is an error as on a full disk, and not the end of the process.
    if let Err(error) = signal(SignalKind::from_raw(SIGXFSZ)) {
        tracing::warn!(error = %error, "a limit of the size of files (ulimit -f) ends the hub when it is reached");
    }
    hub.registry.refresh().await?;
    hub.registry.try_waiting().await?;

    tracing::info!(listen = %address, connections = hub.registry.current().running.len(), "the hub listens");

    let (wake, changed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    // Writers outlive everything that hands them something.
    let writers = TaskTracker::new();
    let workers = TaskTracker::new();
    let committer = Committer::start(&hub.store, &hub.registry, hub.config.intake.waiting, &wake, &writers);
    workers.spawn(keep_registry(hub.clone(), Arc::clone(&changed), stop.clone()));
    workers.spawn(keep_clock(hub.clone(), stop.clone()));
    workers.spawn(keep_versions(hub.clone(), stop.clone()));
    workers.spawn(keep_tidy(hub.store.clone(), stop.clone()));
    workers.spawn(keep_metrics(prometheus.clone(), stop.clone()));
    workers.spawn(deliver::supervise(hub.clone(), Arc::clone(&wake), Arc::clone(&changed), workers.clone(), stop.clone()));
    if hub.config.people.matching {
        workers.spawn(people::supervise(hub.clone(), Arc::clone(&wake), stop.clone()));
    }
    workers.spawn(alerts::watch(hub.clone(), stop.clone()));
    workers.spawn(oauth2::keep(hub.clone(), stop.clone()));
    workers.spawn(registration::keep(hub.clone(), workers.clone(), stop.clone()));
    workers.spawn(audit::keep(hub.clone(), stop.clone()));
    workers.spawn(retention::keep(hub.clone(), stop.clone()));
    workers.spawn(poll::supervise(hub.clone(), committer.clone(), Arc::clone(&changed), workers.clone(), stop.clone()));
    workers.spawn(stream::supervise(hub.clone(), committer.clone(), changed, workers.clone(), stop.clone()));

    let room = Semaphore::new((hub.config.intake.waiting_bytes >> 10).clamp(1, Semaphore::MAX_PERMITS));
    let (store, registry) = (hub.store.clone(), Arc::clone(&hub.registry));
    let app = Arc::new(App { hub, committer, wake, room, prometheus });
    let listening = axum::serve(listener, http::router(app)).with_graceful_shutdown(stop.clone().cancelled_owned());
    let stopped = stop.clone();
    let outcome = tokio::select! {
        outcome = listening.into_future() => outcome,
        () = async { stopped.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    };
    stop.cancel();
    workers.close();
    if tokio::time::timeout(GRACE, workers.wait()).await.is_err() {
        tracing::warn!("some calls did not end in time and are cut off; they are tried again at the next start");
    }
    if tokio::time::timeout(GRACE, registry.finish()).await.is_err() {
        tracing::warn!("a vendor did not answer in time whether it gives a token");
    }
    writers.close();
    if tokio::time::timeout(GRACE, writers.wait()).await.is_err() {
        tracing::warn!("the writers did not end in time");
    }
    store.close().await;
    Ok(outcome?)
}

/// Notices what commands and other hubs changed, and retires instances that nobody calls.
async fn keep_registry(hub: Hub, changed: Arc<Notify>, stop: CancellationToken) {
    let mut refresh = tokio::time::interval(REFRESH);
    let mut seen = hub.registry.current();
    let mut retire = tokio::time::interval(RETIRE);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = refresh.tick() => {
                if let Err(error) = hub.registry.note_quarantines().await {
                    tracing::error!(error = %error, "a quarantine could not be written down: this process keeps to it all the same");
                }
                if let Err(error) = hub.registry.refresh().await {
                    tracing::error!(error = %error, "the database does not say which connections there are");
                }
                // Also what a request of the API took over meanwhile.
                let current = hub.registry.current();
                if !Arc::ptr_eq(&seen, &current) {
                    seen = current;
                    changed.notify_waiters();
                }
            }
            _ = retire.tick() => hub.registry.current().running.values().for_each(|it| it.instances.retire_idle()),
        }
    }
}

/// Notices other versions of connectors. Compiling one may take long, and what else changed does not wait for it.
async fn keep_versions(hub: Hub, stop: CancellationToken) {
    let mut look = tokio::time::interval(VERSIONS);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => hub.registry.notice_versions().await,
        }
    }
}

/// Has the hub's clock follow the machine's. What that one is corrected by now and then is taken over as it is; where it was put back or
/// forward, what is leased and due goes along.
async fn keep_clock(hub: Hub, stop: CancellationToken) {
    let clock = hub.store.clock.clone();
    let mut look = tokio::time::interval(CLOCK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        let by_ms = clock.slip_ms();
        if by_ms.saturating_abs() <= SLIP_MS {
            clock.put_forward(by_ms);
            continue;
        }
        tracing::warn!(by_ms, "the machine's clock was put back or forward");
        // In this order no lease of ours looks ended in between.
        if by_ms < 0 {
            clock.put_forward(by_ms);
        }
        while let Err(error) = hub.store.follow_clock(&hub.config.name, by_ms).await {
            tracing::warn!(error = %error, "what is leased and due could not go along with the clock yet");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CLOCK) => {}
            }
        }
        if by_ms > 0 {
            clock.put_forward(by_ms);
        }
        hub.registry.follow_clock(by_ms);
    }
}

async fn keep_tidy(store: Store, stop: CancellationToken) {
    let mut failed = false;
    let mut tidy = tokio::time::interval(TIDY);
    tidy.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tidy.tick() => match store.tidy().await {
                Ok(()) => failed = false,
                Err(error) => {
                    if !std::mem::replace(&mut failed, true) {
                        tracing::warn!(error = %error, "the database's log could not be copied; commits do it themselves when it grows long");
                    }
                }
            },
        }
    }
}

/// Each measurement takes its place until it is put into its bucket, which else only a look at `/metrics` does: nobody may ever look.
async fn keep_metrics(prometheus: PrometheusHandle, stop: CancellationToken) {
    let mut upkeep = tokio::time::interval(METRICS);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = upkeep.tick() => prometheus.run_upkeep(),
        }
    }
}
