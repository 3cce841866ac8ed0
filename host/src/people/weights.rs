//! Weights that follow a workspace's own people: estimated from its contacts, shown with their effect, taken over or given back.

use std::collections::BTreeMap;

use patchbay_identity::estimate::{Effect, estimate};
use patchbay_identity::record::RecordId;
use patchbay_identity::resolve::{Engine, Settings, Verdict};
use patchbay_identity::weights::Weights;
use serde::Serialize;

use crate::hub::Hub;
use crate::ids::{ContactId, WorkspaceId};
use crate::operations::OperationError;
use crate::store::people::{Answered, WeightsView};
use crate::store::{Store, StoreError};

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
    /// How many people these contacts are by what was decided of them, the rules, and the weights in use.
    pub people_before: usize,
    /// The same by the weights below.
    pub people_after: usize,
    /// Contacts that would belong to another person.
    pub moved: usize,
    /// How far weights find by themselves what people decided about these contacts.
    pub agrees_with_answers: Agreements,
    /// What each level of each field would say.
    #[schema(value_type = Object)]
    pub weights: Weights,
}

/// What weights would find if nobody had decided anything, beside what people decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Agreements {
    /// By the shipped weights.
    pub shipped: Agreement,
    /// By those that were estimated.
    pub estimated: Agreement,
}

/// How far weights agree with what people decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Agreement {
    /// Where people said that two are one person.
    pub same: Share,
    /// Where people said that two are two.
    pub different: Share,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Share {
    /// Decisions that the weights would come to as well.
    pub agree: usize,
    /// All such decisions.
    pub of: usize,
}

impl Hub {
    /// Weights re-estimated from the newest contacts, what they would change among these, and how far they agree with what people decided.
    /// With `apply` they hold from now on, and everybody is looked at anew.
    pub async fn estimate_weights(&self, workspace: WorkspaceId, apply: bool, author: &str) -> Result<Estimate, OperationError> {
        let region = self.context(workspace).await?.region;
        let estimated = estimate_for(&self.store, workspace, &region).await?;
        let estimate = estimated.ok_or_else(|| OperationError::Refused("the weights could not be estimated".to_owned()))?;
        if apply {
            self.store.set_weights(workspace, Some(&estimate.weights), author).await?;
        }
        Ok(Estimate { applied: apply, ..estimate })
    }

    /// Has people compared by the shipped weights again.
    pub async fn ship_weights(&self, workspace: WorkspaceId, author: &str) -> Result<WeightsView, OperationError> {
        self.store.set_weights(workspace, None, author).await?;
        Ok(self.store.weights(workspace).await?)
    }
}

/// The estimate of a workspace, whose phones without a country code are of this region; nothing is changed. None: it could not be made.
pub async fn estimate_for(store: &Store, workspace: WorkspaceId, region: &str) -> Result<Option<Estimate>, StoreError> {
    let in_use = store.weights(workspace).await?.weights;
    // Always from the shipped ones: what comes out does not depend on how often somebody asked.
    let settings = Settings::shipped(region);
    let mut engine = Engine::new(&settings);
    let mut shown: BTreeMap<ContactId, ContactId> = BTreeMap::new();
    for ids in store.newest_contacts(workspace, MOST).await?.chunks(PAGE) {
        for it in store.records(workspace, ids).await? {
            engine.load(RecordId(it.id.number()), &it.record);
            shown.insert(it.id, it.shown);
        }
    }
    let mut answers = store.answers(workspace).await?;
    answers.retain(|it| shown.contains_key(&it.one) && shown.contains_key(&it.other));
    let estimated = tokio::task::spawn_blocking(move || estimated(engine, &settings, &in_use, &answers, &shown));
    Ok(estimated.await.ok())
}

fn estimated(
    mut engine: Engine,
    settings: &Settings,
    in_use: &Weights,
    answers: &[Answered],
    shown: &BTreeMap<ContactId, ContactId>,
) -> Estimate {
    engine.settle();
    let (ours, theirs): (Vec<Answered>, Vec<Answered>) = answers.iter().copied().partition(|it| it.by_rule);
    // What the rules hold for certain is no answer of anybody's: it stands in either case.
    decide(&mut engine, &ours, true);
    let decisions = Decisions::of(&theirs, shown);
    let mut agrees_with_answers = Agreements { shipped: decisions.agreement(&engine), ..Agreements::default() };
    decide(&mut engine, &theirs, true);
    let Effect { people_before, people_after, pairs, moved, weights, .. } = estimate(&engine, settings, in_use);
    if !theirs.is_empty() {
        decide(&mut engine, &theirs, false);
        agrees_with_answers.estimated = decisions.agreement(&engine.under(&weights));
    }
    Estimate { applied: false, contacts: engine.len(), pairs, people_before, people_after, moved, agrees_with_answers, weights }
}

/// Takes what was decided in, or out again.
fn decide(engine: &mut Engine, answers: &[Answered], stands: bool) {
    for it in answers {
        engine.answer(record(it.one), record(it.other), Some(it.verdict).filter(|_| stands));
    }
    if stands && !answers.is_empty() {
        engine.settle();
    }
}

/// What people decided. That two people are two was said of all their contacts, and is one decision.
#[derive(Default)]
struct Decisions {
    same: Vec<(ContactId, ContactId)>,
    different: BTreeMap<(ContactId, ContactId), Vec<(ContactId, ContactId)>>,
}

impl Decisions {
    fn of(answers: &[Answered], shown: &BTreeMap<ContactId, ContactId>) -> Self {
        let mut decisions = Self::default();
        for Answered { one, other, verdict, .. } in answers {
            match verdict {
                Verdict::Same => decisions.same.push((*one, *other)),
                Verdict::Different => {
                    let (here, there) = (shown[one], shown[other]);
                    decisions.different.entry((here.min(there), here.max(there))).or_default().push((*one, *other));
                }
            }
        }
        decisions
    }

    fn agreement(&self, engine: &Engine) -> Agreement {
        let is_one = |(one, other): &(ContactId, ContactId)| engine.person(record(*one)) == engine.person(record(*other));
        let same = self.same.iter().filter(|it| is_one(it)).count();
        let different = self.different.values().filter(|pairs| !pairs.iter().any(is_one)).count();
        Agreement { same: Share { agree: same, of: self.same.len() }, different: Share { agree: different, of: self.different.len() } }
    }
}

fn record(contact: ContactId) -> RecordId {
    RecordId(contact.number())
}
