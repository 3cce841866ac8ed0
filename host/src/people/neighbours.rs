//! Loads whatever decides about some contacts, and lets `host/identity` decide.
//!
//! ```text
//! seeds ─► whole people, blocks, whoever stands in them ─► links ─► those who may be the same person are looked at in the same way ─► people, questions
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use patchbay_identity::features::Kind;
use patchbay_identity::record::{Record, RecordId};
use patchbay_identity::resolve::keys::Key;
use patchbay_identity::resolve::{Around, Settings, Verdict, keys_of};
use patchbay_identity::terms::Terms;

use crate::ids::{ContactId, WorkspaceId};
use crate::store::people::{Found, Loaded, stored_key};
use crate::store::{Store, StoreError};

/// Most contacts that are decided together. A region of more is no person.
const MOST_DECIDED: usize = 2_000;

/// Contacts that were loaded, and what is known of them.
pub(super) struct Neighbours<'a> {
    store: &'a Store,
    workspace: WorkspaceId,
    region: &'a str,
    merge: i32,
    around: Box<Around>,
    loaded: HashMap<ContactId, Loaded>,
    names: HashMap<ContactId, RecordId>,
    contacts: HashMap<RecordId, ContactId>,
    keys: HashMap<ContactId, Vec<(Key, i64)>>,
    blocks: HashMap<i64, Vec<ContactId>>,
    /// Who has an identity, by kind and value.
    holders: HashMap<(String, String), BTreeSet<ContactId>>,
    /// People that were loaded whole, by the contact that shows them.
    whole: BTreeSet<ContactId>,
    verdicts: BTreeMap<(ContactId, ContactId), Verdict>,
}

/// A record's name by what it says: where odds are equal, names decide what is joined first, and that must not be who came first.
fn name(loaded: &Loaded) -> RecordId {
    let Record { full_name, company, city, .. } = &loaded.record;
    let mut texts = vec![full_name.as_bytes(), company.as_bytes(), city.as_bytes()];
    let mut marks: Vec<&(String, String, bool)> = loaded.marks.iter().collect();
    marks.sort_unstable();
    texts.extend(marks.iter().flat_map(|it| [it.0.as_bytes(), it.1.as_bytes()]));
    RecordId(u128::from(Key::of("record", &texts).0) << 64 | loaded.id.number() & u128::from(u64::MAX))
}

impl<'a> Neighbours<'a> {
    pub(super) fn new(store: &'a Store, workspace: WorkspaceId, settings: &'a Settings, terms: &Arc<Terms>) -> Self {
        Self {
            store,
            workspace,
            region: &settings.region,
            merge: settings.weights.table().merge,
            around: Box::new(Around::new(settings, terms)),
            loaded: HashMap::new(),
            names: HashMap::new(),
            contacts: HashMap::new(),
            keys: HashMap::new(),
            blocks: HashMap::new(),
            holders: HashMap::new(),
            whole: BTreeSet::new(),
            verdicts: BTreeMap::new(),
        }
    }

    /// Loads these contacts and gives their blocking keys as they are kept.
    pub(super) async fn keys(&mut self, ids: &[ContactId]) -> Result<BTreeSet<(i64, ContactId)>, StoreError> {
        self.load(ids).await?;
        let mut kept = BTreeSet::new();
        for id in ids {
            kept.extend(self.keys_of(*id).iter().map(|it| (it.1, *id)));
        }
        Ok(kept)
    }

    /// Decides whose these contacts are; `fresh` are those that nobody looked at before. None: more hangs together than one person ever could.
    pub(super) async fn decide(mut self, seeds: &[ContactId], fresh: &BTreeSet<ContactId>) -> Result<Option<Found>, StoreError> {
        let mut decided: BTreeSet<ContactId> = BTreeSet::new();
        let mut frontier: BTreeSet<ContactId> = seeds.iter().copied().collect();
        while !frontier.is_empty() {
            let (whole, mut next) = self.surroundings(&frontier, fresh).await?;
            frontier.extend(whole.into_iter().filter(|it| !decided.contains(it)));
            // Whoever came with the whole person needs surroundings too, before anybody is linked.
            let (_, more) = self.surroundings(&frontier, fresh).await?;
            next.extend(more);
            for id in &frontier {
                let Some(record) = self.names.get(id) else { continue };
                next.extend(self.around.expand(*record).iter().filter_map(|it| self.contacts.get(it)));
                if fresh.contains(id) {
                    next.extend(self.sharers(*id));
                }
            }
            decided.append(&mut frontier);
            frontier = next.difference(&decided).copied().collect();
            if decided.len() + frontier.len() > MOST_DECIDED {
                return Ok(None);
            }
        }
        decided.retain(|it| self.loaded.contains_key(it));
        Ok(Some(self.found(&decided)))
    }

    /// Loads what decides about these contacts; gives everybody who is shown as the same people, and those who must be looked at anew because a block
    /// of theirs has become too large.
    async fn surroundings(
        &mut self,
        ids: &BTreeSet<ContactId>,
        fresh: &BTreeSet<ContactId>,
    ) -> Result<(Vec<ContactId>, BTreeSet<ContactId>), StoreError> {
        let ids: Vec<ContactId> = ids.iter().copied().collect();
        self.load(&ids).await?;
        let shown: BTreeSet<ContactId> = ids.iter().filter_map(|it| self.loaded.get(it)).map(|it| it.shown).collect();
        let shown: Vec<ContactId> = shown.into_iter().filter(|it| self.whole.insert(*it)).collect();
        let whole = self.store.shown_by(self.workspace, &shown).await?;
        let mut wanted: BTreeSet<ContactId> = whole.iter().copied().collect();
        let mut said = self.store.verdicts(self.workspace, &ids).await?;
        said.retain(|(one, other, verdict)| self.verdicts.insert((*one, *other), *verdict).is_none());
        wanted.extend(said.iter().flat_map(|it| [it.0, it.1]));
        let mut keys: Vec<(Key, i64)> = Vec::new();
        for id in &ids {
            keys.extend(self.keys_of(*id));
        }
        keys.sort_unstable_by_key(|it| it.1);
        keys.dedup();
        keys.retain(|it| !self.blocks.contains_key(&it.1));
        let stored: Vec<i64> = keys.iter().map(|it| it.1).collect();
        let mut found = self.store.blocks(&stored).await?;
        let mut anew = BTreeSet::new();
        for (key, stored) in keys {
            let block = found.remove(&stored).unwrap_or_default();
            if block.len() > key.largest_block() {
                self.around.close(key);
                // It was open until one of these came.
                if block.iter().any(|it| fresh.contains(it)) {
                    anew.extend(block.iter().copied());
                }
            } else {
                wanted.extend(block.iter().copied());
            }
            self.blocks.insert(stored, block);
        }
        self.load(&wanted.into_iter().collect::<Vec<_>>()).await?;
        for (one, other, verdict) in said {
            if let (Some(one), Some(other)) = (self.names.get(&one), self.names.get(&other)) {
                self.around.answer(*one, *other, verdict);
            }
        }
        Ok((whole, anew))
    }

    async fn load(&mut self, ids: &[ContactId]) -> Result<(), StoreError> {
        let missing: Vec<ContactId> = ids.iter().copied().filter(|it| !self.loaded.contains_key(it)).collect();
        for loaded in self.store.records(self.workspace, &missing).await? {
            let record = name(&loaded);
            self.names.insert(loaded.id, record);
            self.contacts.insert(record, loaded.id);
            self.around.load(record, &loaded.record);
            for (kind, value, _) in &loaded.marks {
                self.holders.entry((kind.clone(), value.clone())).or_default().insert(loaded.id);
            }
            self.loaded.insert(loaded.id, loaded);
        }
        Ok(())
    }

    fn keys_of(&mut self, id: ContactId) -> Vec<(Key, i64)> {
        let Some(loaded) = self.loaded.get(&id) else { return Vec::new() };
        let (region, workspace) = (self.region, self.workspace);
        let made = || keys_of(&loaded.record, region).into_iter().map(|it| (it, stored_key(workspace, it))).collect();
        self.keys.entry(id).or_insert_with(made).clone()
    }

    /// Whoever has an identity of this contact: one more name may make it several people's.
    fn sharers(&self, id: ContactId) -> BTreeSet<ContactId> {
        let marks = self.loaded.get(&id).map_or(&[][..], |it| &it.marks);
        marks.iter().filter_map(|(kind, value, _)| self.holders.get(&(kind.clone(), value.clone()))).flatten().copied().collect()
    }

    fn found(&mut self, decided: &BTreeSet<ContactId>) -> Found {
        self.around.decide(&decided.iter().filter_map(|it| self.names.get(it).copied()).collect::<Vec<_>>());
        // Whoever was not decided is who they were.
        let person = |it: ContactId| {
            let now = self.names.get(&it).filter(|_| decided.contains(&it)).and_then(|it| self.around.person(*it));
            now.and_then(|it| self.contacts.get(&it).copied()).or_else(|| self.loaded.get(&it).map(|it| it.shown)).unwrap_or(it)
        };
        let mut found = Found::default();
        let mut parts: BTreeMap<ContactId, Vec<ContactId>> = BTreeMap::new();
        let (mut strong, mut doubtful) = (Vec::new(), BTreeMap::new());
        let apart: BTreeSet<(ContactId, ContactId)> = self
            .verdicts
            .iter()
            .filter(|it| *it.1 == Verdict::Different)
            .map(|((one, other), _)| (person(*one), person(*other)))
            .map(|(one, other)| (one.min(other), one.max(other)))
            .collect();
        for id in decided {
            let here = person(*id);
            parts.entry(here).or_default().push(*id);
            found.before.insert(*id, self.loaded.get(id).map_or(*id, |it| it.shown));
            for (other, bits) in self.names.get(id).map(|it| self.around.links(*it)).unwrap_or_default() {
                let Some(other) = self.contacts.get(&other).copied() else { continue };
                let (pair, there) = ((*id.min(&other), *id.max(&other)), person(other));
                if here == there {
                    if bits >= self.merge && *id < other {
                        strong.push((std::cmp::Reverse(bits), pair));
                    }
                } else if !apart.contains(&(here.min(there), here.max(there))) {
                    let best = doubtful.entry((here.min(there), here.max(there))).or_insert((bits, std::cmp::Reverse(pair)));
                    *best = (*best).max((bits, std::cmp::Reverse(pair)));
                }
            }
        }
        strong.sort_unstable();
        found.joints = self.tree(&strong.into_iter().map(|it| it.1).collect::<Vec<_>>(), decided);
        found.questions = doubtful.into_values().map(|(bits, pair)| (pair.0.0, pair.0.1, bits, self.reasons(pair.0))).collect();
        found.parts = parts.into_values().collect();
        found.marks = self.marks(decided);
        found
    }

    /// Of links, strongest first, those that are needed to hold their people together, with their reasons.
    fn tree(
        &self,
        links: &[(ContactId, ContactId)],
        decided: &BTreeSet<ContactId>,
    ) -> Vec<(ContactId, ContactId, Vec<patchbay_identity::compare::Reason>)> {
        let mut part: BTreeMap<ContactId, ContactId> = decided.iter().map(|it| (*it, *it)).collect();
        let mut tree = Vec::new();
        for (one, other) in links {
            let (Some(here), Some(there)) = (part.get(one).copied(), part.get(other).copied()) else { continue };
            if here != there {
                part.values_mut().filter(|it| **it == there).for_each(|it| *it = here);
                tree.push((*one, *other, self.reasons((*one, *other))));
            }
        }
        tree
    }

    /// Why two contacts are linked; empty where somebody said so.
    fn reasons(&self, (one, other): (ContactId, ContactId)) -> Vec<patchbay_identity::compare::Reason> {
        let (Some(one), Some(other)) = (self.names.get(&one), self.names.get(&other)) else { return Vec::new() };
        let decision = self.around.why(*one, *other).filter(|it| it.verdict.is_none());
        decision.map(|it| it.reasons).unwrap_or_default()
    }

    /// Identities whose mark is wrong.
    fn marks(&self, decided: &BTreeSet<ContactId>) -> BTreeMap<(String, String), bool> {
        let mut wrong = BTreeMap::new();
        for id in decided {
            let (Some(loaded), Some(name)) = (self.loaded.get(id), self.names.get(id)) else { continue };
            for (kind, value, people) in self.around.known_by(*name) {
                let kind = match kind {
                    Kind::Phone => "phone",
                    Kind::Email => "email",
                    _ => "handle",
                };
                let marked = loaded.marks.iter().find(|it| it.0 == kind && it.1 == value);
                if let Some((kind, value, _)) = marked.filter(|it| it.2 != (people > 1)) {
                    wrong.insert((kind.clone(), value.clone()), people > 1);
                }
            }
        }
        wrong
    }
}
