//! Compares new contacts with all others, a few at a time: joins, parts, asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use patchbay_identity::resolve::Settings;
use patchbay_identity::terms::{Census, Terms};

use super::neighbours::Neighbours;
use crate::ids::{Attempt, ContactId, WorkspaceId};
use crate::rules::ingest::Context;
use crate::store::people::{Found, Progress};
use crate::store::{Store, StoreError};

/// Most new contacts in one round.
const BATCH: usize = 64;
/// How long the matcher of a hub that died keeps its turn.
const LEASE_MS: i64 = 15_000;
/// Ids may become visible out of order for so long where several write at once.
const LATE_MS: u64 = 10_000;
/// The same where there is one writer, but several processes.
const LATE_SQLITE_MS: u64 = 1_000;
/// Fewest contacts whose names are worth counting.
const FEWEST_COUNTED: i64 = 200;
/// People in one page of a count.
const PAGE: i64 = 500;
/// How often a round begins anew because people changed meanwhile.
const MOST_RETRIES: usize = 20;

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Nothing is left to do.
    Idle,
    /// It looked at so many contacts.
    Looked(usize),
    /// Names were counted anew, and everybody is looked at once more.
    Counted,
    /// Another hub does it.
    Elsewhere,
}

/// Compares the contacts of one workspace.
pub struct Matcher {
    store: Store,
    workspace: WorkspaceId,
    settings: Settings,
    terms: Option<Arc<Terms>>,
    /// The change of weights up to which `settings` has them; none: they were not read yet.
    weighed: Option<i64>,
    /// Proves that it is this matcher's turn.
    token: String,
    /// Looked at already, though the cursor does not stand behind them yet.
    recent: BTreeSet<ContactId>,
}

impl Matcher {
    /// A matcher that reads its workspace's weights when it begins. `hub` is the hub's name, `region` that of phones without a country code.
    #[must_use]
    pub fn new(store: &Store, workspace: WorkspaceId, hub: &str, region: &str) -> Self {
        let token = format!("{hub}/{}", store.ids.next::<Attempt>());
        let settings = Settings::shipped(region);
        Self { store: store.clone(), workspace, settings, terms: None, weighed: None, token, recent: BTreeSet::new() }
    }

    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// The region of phones without a country code.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.settings.region
    }

    /// Looks at the next few contacts.
    pub async fn round(&mut self, context: &Context) -> Result<Round, StoreError> {
        for _ in 0..MOST_RETRIES {
            let Some(progress) = self.store.hold_matching(self.workspace, &self.token, LEASE_MS).await? else {
                self.terms = None;
                return Ok(Round::Elsewhere);
            };
            if self.weighed != Some(progress.weighed) {
                self.settings.weights = self.store.weights(self.workspace).await?.weights;
                self.weighed = Some(progress.weighed);
                self.recent.clear();
            }
            let terms = match &self.terms {
                Some(terms) => Arc::clone(terms),
                None => Arc::clone(self.terms.insert(self.store.terms(self.workspace).await?)),
            };
            let revisited = self.store.revisits(self.workspace, BATCH).await?;
            if !revisited.is_empty() {
                let count = revisited.len();
                if Box::pin(self.look_again(revisited, &progress, &terms, context)).await? {
                    return Ok(Round::Looked(count));
                }
                continue;
            }
            let limit = i64::try_from(BATCH + self.recent.len()).unwrap_or(i64::MAX);
            let mut ids = self.store.contacts_after(self.workspace, &progress.cursor, limit).await?;
            ids.retain(|it| !self.recent.contains(it));
            ids.truncate(BATCH);
            if ids.is_empty() {
                return if is_due(&progress) { self.count().await } else { Ok(Round::Idle) };
            }
            if Box::pin(self.look(&ids, &progress, &terms, context)).await? {
                return Ok(Round::Looked(ids.len()));
            }
        }
        Err(StoreError::Contended(u32::try_from(MOST_RETRIES).unwrap_or(u32::MAX)))
    }

    /// False: people changed meanwhile, and nothing was written.
    async fn look(&mut self, ids: &[ContactId], progress: &Progress, terms: &Arc<Terms>, context: &Context) -> Result<bool, StoreError> {
        let now = self.store.clock.now_ms().unsigned_abs();
        let late = now.saturating_sub(if self.store.is_shared() { LATE_MS } else { LATE_SQLITE_MS });
        let fresh: BTreeSet<ContactId> =
            ids.iter().copied().filter(|it| it.to_string() > progress.reached || it.made_at() > late).collect();
        let mut neighbours = Neighbours::new(&self.store, self.workspace, &self.settings, terms);
        let keys = neighbours.keys(ids).await?;
        self.store.keep_keys(&keys).await?;
        let found = neighbours.decide(ids, &fresh).await?;
        let found = match found {
            Some(found) => found,
            None => self.one_by_one(ids, &fresh, progress, terms, context).await?,
        };
        let mut after = progress.clone();
        after.looked += i64::try_from(ids.iter().filter(|it| it.to_string() > progress.reached).count()).unwrap_or(0);
        if let Some(last) = ids.last().map(ToString::to_string) {
            after.reached = after.reached.max(last);
        }
        if let Some(settled) = ids.iter().take_while(|it| it.made_at() <= late).last() {
            after.cursor = after.cursor.max(settled.to_string());
        }
        let written = self.store.regroup(self.workspace, &self.token, &found, &after, context).await?;
        if written {
            self.recent.extend(ids);
            self.recent.retain(|it| it.to_string() > after.cursor);
        }
        Ok(written)
    }

    /// Looks at contacts that say another thing than when they were looked at. False: people changed meanwhile, and nothing was written.
    async fn look_again(
        &self,
        revisited: Vec<(ContactId, i64)>,
        progress: &Progress,
        terms: &Arc<Terms>,
        context: &Context,
    ) -> Result<bool, StoreError> {
        let ids: Vec<ContactId> = revisited.iter().map(|it| it.0).collect();
        let fresh: BTreeSet<ContactId> = ids.iter().copied().collect();
        let mut neighbours = Neighbours::new(&self.store, self.workspace, &self.settings, terms);
        let keys = neighbours.keys(&ids).await?;
        // What they are found by no more costs a look, and finds nobody.
        self.store.keep_keys(&keys).await?;
        let found = match neighbours.decide(&ids, &fresh).await? {
            Some(found) => found,
            None => self.one_by_one(&ids, &fresh, progress, terms, context).await?,
        };
        let found = Found { revisited, ..found };
        self.store.regroup(self.workspace, &self.token, &found, progress, context).await
    }

    /// Contacts around which too much hangs together are looked at each by itself; what is still too much is left as it is.
    async fn one_by_one(
        &self,
        ids: &[ContactId],
        fresh: &BTreeSet<ContactId>,
        progress: &Progress,
        terms: &Arc<Terms>,
        context: &Context,
    ) -> Result<Found, StoreError> {
        for id in ids {
            let neighbours = Neighbours::new(&self.store, self.workspace, &self.settings, terms);
            let Some(found) = neighbours.decide(&[*id], fresh).await? else {
                tracing::warn!(contact.id = %id, "so many contacts hang together with this one that it is left alone");
                continue;
            };
            // What changed meanwhile is found out with the next contact of these people.
            self.store.regroup(self.workspace, &self.token, &found, progress, context).await?;
        }
        Ok(Found::default())
    }

    /// Counts how many people hold each name, city and company, and has everybody looked at anew by that.
    pub async fn count(&mut self) -> Result<Round, StoreError> {
        let mut census = Census::new(&self.settings.region);
        let mut after = String::new();
        loop {
            let people = self.store.people_after(self.workspace, &after, PAGE).await?;
            for (_, records) in &people {
                census.count(records);
            }
            match people.last() {
                Some((last, _)) => after = last.to_string(),
                None => break,
            }
            if self.store.hold_matching(self.workspace, &self.token, LEASE_MS).await?.is_none() {
                return Ok(Round::Elsewhere);
            }
        }
        let terms = census.finish();
        if !self.store.keep_terms(self.workspace, &self.token, &terms).await? {
            return Ok(Round::Elsewhere);
        }
        self.terms = Some(Arc::new(terms));
        self.recent.clear();
        Ok(Round::Counted)
    }
}

/// True each time the contacts have doubled.
fn is_due(progress: &Progress) -> bool {
    progress.looked >= FEWEST_COUNTED && progress.looked >= progress.counted * 2
}
