//! Runs the hub: listener, writers, pollers, senders; and ends it in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::Matcher;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::committer::Committer;
use crate::http::{self, App};
use crate::hub::Hub;
use crate::store::{Store, StoreError};
use crate::{alerts, deliver, people, poll, reading};

/// How often the database is asked whether connections changed.
const REFRESH: Duration = Duration::from_millis(500);
/// How often the database is tidied.
const TIDY: Duration = Duration::from_millis(250);
/// How often idle instances are looked for.
const RETIRE: Duration = Duration::from_secs(15);
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
    hub.registry.refresh().await?;

    tracing::info!(listen = %address, connections = hub.registry.current().running.len(), "the hub listens");

    let (wake, changed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    // Writers outlive everything that hands them something.
    let writers = TaskTracker::new();
    let workers = TaskTracker::new();
    let committer = Committer::start(&hub.store, &hub.registry, hub.config.intake.waiting, &wake, &writers);
    workers.spawn(keep_registry(hub.clone(), Arc::clone(&changed), stop.clone()));
    workers.spawn(keep_tidy(hub.store.clone(), stop.clone()));
    workers.spawn(deliver::supervise(hub.clone(), Arc::clone(&wake), Arc::clone(&changed), workers.clone(), stop.clone()));
    if hub.config.people.matching {
        workers.spawn(people::supervise(hub.clone(), Arc::clone(&wake), stop.clone()));
    }
    workers.spawn(alerts::watch(hub.clone(), stop.clone()));
    workers.spawn(poll::supervise(hub.clone(), committer.clone(), changed, workers.clone(), stop.clone()));

    let room = Semaphore::new((hub.config.intake.waiting_bytes >> 10).clamp(1, Semaphore::MAX_PERMITS));
    let store = hub.store.clone();
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
    let mut retire = tokio::time::interval(RETIRE);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = refresh.tick() => match hub.registry.refresh().await {
                Ok(true) => changed.notify_waiters(),
                Ok(false) => {}
                Err(error) => tracing::error!(error = %error, "the database does not say which connections there are"),
            },
            _ = retire.tick() => hub.registry.current().running.values().for_each(|it| it.instances.retire_idle()),
        }
    }
}

async fn keep_tidy(store: Store, stop: CancellationToken) {
    let mut tidy = tokio::time::interval(TIDY);
    tidy.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tidy.tick() => if let Err(error) = store.tidy().await {
                tracing::warn!(error = %error, "the database's log could not be copied; commits do it themselves when it grows long");
            },
        }
    }
}
