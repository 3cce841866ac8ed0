//! Weights that follow a workspace's own people: estimated from its contacts, shown with their effect, taken over or given back.

use patchbay_identity::estimate::{Effect, estimate};
use patchbay_identity::record::RecordId;
use patchbay_identity::resolve::{Engine, Settings};
use patchbay_identity::weights::Weights;
use serde::Serialize;

use crate::hub::Hub;
use crate::ids::WorkspaceId;
use crate::operations::OperationError;
use crate::store::people::WeightsView;

/// Most contacts that weights are estimated from, the newest: some 400 MB of memory while it is done.
const MOST: i64 = 200_000;
/// Contacts that are read at once.
const PAGE: usize = 512;

/// What re-estimated weights change.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Estimate {
    /// They hold from now on.
    pub applied: bool,
    /// Contacts that were looked at: the newest, 200,000 at most.
    pub contacts: usize,
    /// Pairs of them that blocking brought together.
    pub pairs: usize,
    /// How many people these contacts are by the rules, and by the weights in use.
    pub people_before: usize,
    /// The same by the weights below.
    pub people_after: usize,
    /// Contacts that would belong to another person.
    pub moved: usize,
    /// What each level of each field would say.
    #[schema(value_type = Object)]
    pub weights: Weights,
}

impl Hub {
    /// Weights re-estimated from the newest contacts, and what they would change among these; what people decided about pairs is left out of it.
    /// With `apply` they hold from now on, and everybody is looked at anew.
    pub async fn estimate_weights(&self, workspace: WorkspaceId, apply: bool, author: &str) -> Result<Estimate, OperationError> {
        let region = self.context(workspace).await?.region;
        let in_use = self.store.weights(workspace).await?.weights;
        // Always from the shipped ones: what comes out does not depend on how often somebody asked.
        let settings = Settings::shipped(&region);
        let mut engine = Engine::new(&settings);
        for ids in self.store.newest_contacts(workspace, MOST).await?.chunks(PAGE) {
            for it in self.store.records(workspace, ids).await? {
                engine.load(RecordId(it.id.number()), &it.record);
            }
        }
        let contacts = engine.len();
        let estimated = tokio::task::spawn_blocking(move || {
            engine.settle();
            estimate(&engine, &settings, &in_use)
        });
        let effect = estimated.await.map_err(|_| OperationError::Refused("the weights could not be estimated".to_owned()))?;
        if apply {
            self.store.set_weights(workspace, Some(&effect.weights), author).await?;
        }
        let Effect { people_before, people_after, pairs, moved, weights, .. } = effect;
        Ok(Estimate { applied: apply, contacts, pairs, people_before, people_after, moved, weights })
    }

    /// Has people compared by the shipped weights again.
    pub async fn ship_weights(&self, workspace: WorkspaceId, author: &str) -> Result<WeightsView, OperationError> {
        self.store.set_weights(workspace, None, author).await?;
        Ok(self.store.weights(workspace).await?)
    }
}
