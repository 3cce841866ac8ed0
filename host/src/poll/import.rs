//! What a vendor knew before: read page by page beside what is new, by whoever has the turn to poll.

use std::time::Duration;

use patchbay_schemas::manifest::IMPORT;
use tokio::time::Instant;

use super::{Due, PollError, Poller};
use crate::plugin::{CallError, Retry};
use crate::rules::ingest::Way;
use crate::store::StoreError;

/// How often it is looked whether somebody asked for an import.
const LOOK: Duration = Duration::from_secs(1);
/// A page is followed by a rest as long as it took, so that the import has half of the vendor at most; so long at most.
const LONGEST_REST: Duration = Duration::from_secs(5);

impl Poller {
    /// Reads a page of a running import, and says when the next look is due. An import that fails holds up nothing else.
    pub(super) async fn import(&self, due: &mut Due) {
        let begun = Instant::now();
        let wait = match self.import_page().await {
            Ok(None) => LOOK,
            Ok(Some(())) => {
                due.failures = 0;
                begun.elapsed().min(LONGEST_REST)
            }
            Err(error) => self.import_failed(due, error).await,
        };
        due.at = Instant::now() + wait;
    }

    /// None: nothing is imported.
    async fn import_page(&self) -> Result<Option<()>, PollError> {
        let Some(cursor) = self.hub.store.import_cursor(self.running.connection.id).await? else { return Ok(None) };
        let cursor = cursor.unwrap_or_else(|| IMPORT.to_owned());
        self.page(Way::Import, Some(&cursor)).await.map(|_| Some(()))
    }

    async fn import_failed(&self, due: &mut Due, error: PollError) -> Duration {
        let id = self.running.connection.id;
        let reason = self.running.instances.surroundings().redact(&error.to_string());
        due.failures += 1;
        tracing::warn!(connection.id = %id, due.failures, error = %reason, "a page of an import could not be read");
        let (noted, wait) = match error {
            // A right that only the import needs must not break what works without it.
            PollError::Stuck => (self.stop_import(&reason).await, LOOK),
            PollError::Call(CallError::Failed(ref it), _) if matches!(it.retry, Retry::Never | Retry::Reauthorise) => {
                (self.stop_import(&reason).await, LOOK)
            }
            error => {
                let wait = self.wait_after(&error, due.failures, &reason).await;
                (self.hub.store.import_held_up(id, &reason).await.map(drop), wait)
            }
        };
        if let Err(error) = noted {
            tracing::warn!(connection.id = %id, error = %error, "that an import is held up could not be noted");
        }
        wait
    }

    async fn stop_import(&self, reason: &str) -> Result<(), StoreError> {
        self.hub.store.stop_import(self.running.connection.id, reason).await.map(drop)
    }
}
