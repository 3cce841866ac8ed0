//! Other versions of connectors in the folder of a hub that runs: noticed, tried in shadow, let in or turned away.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Registry, Running};
use crate::catalogue::{Beginning, CatalogueError, Stamp, Waiting};
use crate::ids::ConnectionId;
use crate::plugin::Connector;
use crate::replay::Difference;
use crate::shadow::Seen;
use crate::store::StoreError;
use crate::store::connections::Connection;
use crate::store::shadows::{ShadowView, Verdict};

/// What is known of the connectors' files.
#[derive(Default)]
pub(super) struct Versions {
    /// What was last seen of each connector's file.
    stamps: Mutex<HashMap<String, Option<Stamp>>>,
    /// The digest of the version that may take over, by the connector's id.
    let_in: Mutex<HashMap<String, [u8; 32]>>,
    /// The digest of the version that the next start goes on with, by the connector's id.
    kept: Mutex<HashMap<String, [u8; 32]>>,
    /// Set when this process began with another version than the one of the folder.
    waits: AtomicBool,
}

/// A look at a connector's file that found it another one.
#[derive(PartialEq, Eq)]
enum Look {
    /// The first look of this process.
    First,
    /// It was exchanged since.
    Exchanged,
}

impl Versions {
    /// Whether the file is another one than at the last look.
    fn notice(&self, id: &str, seen: Option<Stamp>) -> Option<Look> {
        let before = self.stamps.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), seen);
        let look = if before.is_none() { Look::First } else { Look::Exchanged };
        (before != Some(seen) && seen.is_some()).then_some(look)
    }

    /// The next look finds the file anew.
    fn look_again(&self, id: &str) {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn may_take_over(&self, id: &str, digest: &[u8; 32]) -> bool {
        self.let_in.lock().unwrap_or_else(PoisonError::into_inner).get(id) == Some(digest)
    }

    fn let_in(&self, id: &str, digest: [u8; 32]) {
        self.let_in.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), digest);
    }

    fn is_kept(&self, id: &str, digest: &[u8; 32]) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(id) == Some(digest)
    }

    fn note_kept(&self, id: &str, digest: [u8; 32]) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), digest);
    }
}

impl Registry {
    /// The version of a connector that a connection is to run with: the one that its others run with, unless the one of the folder was let
    /// in; where none runs, the one that ran before this process.
    pub(super) async fn version(&self, id: &str) -> Result<Arc<Connector>, CatalogueError> {
        if let Some(in_use) = self.in_use(id) {
            let let_in = self.catalogue.installed(id).ok().filter(|it| self.versions.may_take_over(id, &it.digest));
            return match let_in {
                Some(it) if it.digest != in_use.digest => Ok(self.catalogue.load(it).await.unwrap_or(in_use)),
                _ => Ok(in_use),
            };
        }
        let Beginning { version, is_kept, another_waits } = self.catalogue.connector_at_start(id).await?;
        if is_kept {
            self.versions.note_kept(id, version.digest);
        }
        if another_waits {
            let version = &version.manifest.version;
            tracing::info!(
                connector.id = id,
                version,
                "the version of a connector that ran before goes on: another one waits in the folder"
            );
            self.versions.waits.store(true, Ordering::Release);
        }
        Ok(version)
    }

    /// The same for a command, of which no connection runs in this process: it works with what lies in the folder, unless that was refused.
    pub(super) async fn version_for_command(&self, id: &str) -> Result<Arc<Connector>, CatalogueError> {
        if self.in_use(id).is_some() { self.version(id).await } else { self.catalogue.load(self.catalogue.artifact(id)?).await }
    }

    fn in_use(&self, id: &str) -> Option<Arc<Connector>> {
        self.running_with(id).first().map(|it| Arc::clone(it.instances.connector()))
    }

    /// Tries the versions that wait since before this process began, so that whoever calls first meets one that is let in.
    pub async fn try_waiting(&self) -> Result<(), StoreError> {
        if !self.versions.waits.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.notice_versions().await;
        self.refresh().await
    }

    /// Keeps the versions that run for the next start, and forgets those of connectors that no connection has any more.
    pub(super) async fn keep_versions(&self, connections: &[Connection], running: &HashMap<ConnectionId, Arc<Running>>) {
        let ids: BTreeSet<&str> = connections.iter().map(|it| it.connector.as_str()).collect();
        if let Err(error) = self.catalogue.forget_unused(&ids) {
            tracing::warn!(error = %error, "versions of connectors that nobody uses cannot be forgotten");
        }
        let versions: BTreeMap<&str, [u8; 32]> =
            running.values().map(|it| (it.connection.connector.as_str(), it.instances.connector().digest)).collect();
        for (id, digest) in versions {
            self.keep_version(id, digest).await;
        }
    }

    async fn keep_version(&self, id: &str, digest: [u8; 32]) {
        if self.versions.is_kept(id, &digest) {
            return;
        }
        self.versions.note_kept(id, digest);
        let (catalogue, of) = (Arc::clone(&self.catalogue), id.to_owned());
        let kept = tokio::task::spawn_blocking(move || catalogue.keep_in_use(&of, &digest)).await;
        if let Ok(Err(error)) = kept {
            tracing::error!(connector.id = id, error = %error, "the version of a connector that runs cannot be kept: the next start takes whatever lies in the folder");
        }
    }

    fn running_with(&self, id: &str) -> Vec<Arc<Running>> {
        self.current().running.values().filter(|it| it.connection.connector == id).map(Arc::clone).collect()
    }

    /// Looks whether other versions of connectors lie in the folder, compiles them aside and tries them in shadow; connections go on with
    /// them after the next [`Registry::refresh`]. What does not compile, or breaks where the former version does not, is told once, and the
    /// former version goes on.
    pub async fn notice_versions(&self) {
        let ids: BTreeSet<String> = self.current().running.values().map(|it| it.connection.connector.clone()).collect();
        for id in ids {
            // The first look finds what was loaded a moment ago: comparing digests costs nothing then.
            let Some(look) = self.versions.notice(&id, self.catalogue.stamp(&id)) else { continue };
            if look == Look::First
                && let Some(refused) = self.catalogue.still_refused(&id)
            {
                tracing::error!(connector.id = %id, to = %refused.read_by, reason = refused.reason, "a version of a connector is still not taken: the former one goes on");
                continue;
            }
            match self.catalogue.connector(&id).await {
                Ok(connector) => {
                    if let Err(error) = self.judge(&id, &connector).await {
                        tracing::error!(connector.id = %id, error = %error, "another version of a connector could not be tried yet");
                        self.versions.look_again(&id);
                    }
                }
                Err(error) => {
                    tracing::error!(connector.id = %id, error = %error, "another version of a connector cannot be taken: the former one goes on");
                }
            }
        }
    }

    /// Lets another version in, or turns it away.
    async fn judge(&self, id: &str, connector: &Arc<Connector>) -> Result<(), StoreError> {
        let running = self.running_with(id);
        let Some(in_use) = self.in_use(id) else { return Ok(()) };
        if in_use.digest == connector.digest {
            for it in &running {
                self.store.end_shadow(it.connection.id).await?;
            }
            if let Err(error) = self.catalogue.forget_refusal(id) {
                tracing::warn!(connector.id = id, error = %error, "a refused version of a connector cannot be forgotten");
            }
            return Ok(());
        }
        let mut all = Vec::with_capacity(running.len());
        for it in &running {
            let seen = match self.shadow(&it.connection, &in_use, connector, self.shadows).await {
                Ok(seen) => seen.without_keys(),
                Err(super::RunError::Store(error)) => return Err(error),
                Err(error) => {
                    // It would not run with any version.
                    tracing::warn!(connection.id = %it.connection.id, error = %error, "a connection cannot try another version of its connector");
                    Seen::default()
                }
            };
            all.push((it.connection.id, seen));
        }
        let broken: usize = all.iter().map(|(_, it)| it.broken).sum();
        let verdict = if broken == 0 || self.catalogue.is_accepted(id, &connector.digest) { Verdict::Taken } else { Verdict::Refused };
        let first = all.iter().flat_map(|(_, it)| &it.differences).find_map(|it| it.problem.as_deref().filter(|_| it.what.is_broken()));
        let reason = (verdict == Verdict::Refused)
            .then(|| format!("it breaks on {broken} deliveries that the version in use reads: {}", first.unwrap_or("connector.trap")));
        let (from, to) = (&in_use.manifest.version, connector.read_by());
        for (connection, seen) in all {
            let Seen { tally, broken, differences } = &seen;
            let places = differences.iter().map(Difference::outline).collect::<Vec<_>>().join("; ");
            tracing::info!(
                connection.id = %connection, connector.id = id, from, to = %to, verdict = verdict.as_str(), deliveries = tally.deliveries,
                same = tally.same, new = tally.new, changed = tally.changed, gone = tally.gone, unreadable = tally.unreadable, broken,
                differences = %places, "another version of a connector read what came in last"
            );
            let (read_by, reason, at) = (to.clone(), reason.clone(), self.store.clock.now());
            self.store.put_shadow(connection, &ShadowView { read_by, verdict, reason, at, seen }).await?;
        }
        match reason {
            None => {
                self.keep_version(id, connector.digest).await;
                self.versions.let_in(id, connector.digest);
                self.replaced.store(true, Ordering::Release);
            }
            Some(reason) => {
                if let Err(error) = self.catalogue.refuse(id, &Waiting { read_by: to.clone(), reason: reason.clone() }) {
                    tracing::error!(connector.id = id, error = %error, "a refused version of a connector cannot be remembered: the next start tries it again");
                }
                tracing::error!(connector.id = id, to = %to, reason, "another version of a connector is not taken: the former one goes on");
            }
        }
        Ok(())
    }
}
