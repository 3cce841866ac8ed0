//! Two hubs with one lead: the rules alone with what they know in memory, and the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use patchbay_schemas::manifest::HandleScope;
use patchbay_schemas::{Identity, RecordFields, Stage};

use super::crm::Crm;
use super::{Dice, Play};
use crate::clock::{Clock, timestamp};
use crate::ids::{ConnectionId, Ids, LeadId, WorkspaceId};
use crate::rules::conflict::{self, Sources};
use crate::rules::ingest::{CheckedEvent, Context, Intake, Known, LeadState, Origin, Planner, ReadBy, Reading, Settings, Way};
use crate::store::leads::LeadFilter;
use crate::store::outbox::{Asked, End, Lane, Reference, Release, Told, Tried};
use crate::store::tests::{World, connection};
use crate::store::{Store, StoreError};

/// How long a claim lasts, milliseconds.
pub const LEASE_MS: i64 = 600_000;
/// Clocks of the two CRMs beside that of the hub, milliseconds.
const SKEWS: [[i64; 2]; 4] = [[0, 0], [0, -90_000], [90_000, 0], [-5_000, 5_000]];

/// How a play goes, by its seed.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Answers to writes are lost.
    pub loses_answers: bool,
    /// What CRMs tell comes late, twice, and not in order.
    pub tells_late: bool,
    skews: [i64; 2],
    tick_ms: i64,
    trusted: &'static [&'static str],
}

impl Manner {
    fn of(seed: u64) -> Self {
        let pick = |from: u64, among: u64| usize::try_from((seed / from) % among).expect("it is small");
        let tells_late = pick(2, 2) == 0;
        Self {
            loses_answers: pick(1, 2) == 0,
            tells_late,
            // What happened within one second, and is told out of order, nobody can put in order.
            tick_ms: if tells_late { 1 } else { [1, 1_000][pick(4, 2)] },
            skews: SKEWS[pick(8, 4)],
            trusted: [&[] as &[&str], &["bitrix24"], &[conflict::HUB, "odoo"]][pick(1, 3)],
        }
    }

    /// A clock that is ahead makes what was said before seem later.
    pub fn last_decision_holds(self) -> bool {
        self.skews.iter().all(|it| *it <= 0)
    }
}

/// A hub as far as a play needs it.
pub trait Hub {
    /// An upsert that is under way.
    type Claim;
    /// What the lead shows.
    async fn shown(&self) -> RecordFields;
    /// Takes what a record says.
    async fn hear(&mut self, origin: &Origin, way: Way, event: CheckedEvent);
    /// People in the hub put the lead into a stage.
    async fn decide(&mut self, stage: Stage);
    async fn sources(&self) -> Sources;
    /// The upsert that waits for a sink, where one does and none is under way.
    async fn claim(&mut self, sink: ConnectionId) -> Option<Self::Claim>;
    async fn finish(&mut self, claim: Self::Claim, told: Told);
    /// No answer comes: it is tried again when the lease is over.
    async fn abandon(&mut self, claim: Self::Claim);
    /// Whether anything waits for a sink.
    async fn waits(&self) -> bool;
}

/// Plays of neighbouring seeds have nothing in common.
fn dice(seed: u64) -> Dice {
    Dice::new(seed << 20)
}

fn context(sinks: Vec<ConnectionId>, manner: Manner) -> Context {
    let trusted = manner.trusted.iter().map(|it| (*it).to_owned()).collect();
    Context { region: "RU".to_owned(), settings: Settings { trusted, ..Settings::default() }, sinks, ..Context::default() }
}

fn crms(origins: [Origin; 2], manner: Manner) -> [Crm; 2] {
    let [one, other] = manner.skews;
    let [odoo, bitrix24] = origins;
    [Crm::new(odoo, one, manner.tick_ms), Crm::new(bitrix24, other, manner.tick_ms)]
}

/// The rules, and in memory what a store would keep.
pub struct Memory {
    clock: Clock,
    ids: Ids,
    contexts: HashMap<WorkspaceId, Context>,
    known: Known,
    lead: LeadId,
    waiting: HashMap<ConnectionId, bool>,
}

impl Memory {
    pub fn begin(seed: u64) -> Play<Self> {
        let clock = Arc::new(AtomicI64::new(1_790_000_000_000));
        let ids = Ids::new(Clock::Manual(Arc::clone(&clock)));
        let (workspace, contact, lead): (WorkspaceId, _, LeadId) = (ids.next(), ids.next(), ids.next());
        let origin = |connector: &str| Origin {
            workspace,
            connection: ids.next(),
            connector: connector.to_owned(),
            channel: "crm".to_owned(),
            handles: HandleScope::Vendor,
            read_by: Arc::new(ReadBy::default()),
        };
        let origins = [origin("odoo"), origin("bitrix24")];
        let manner = Manner::of(seed);
        let context = context(origins.iter().map(|it| it.connection).collect(), manner);
        let mut known = Known::default();
        let state = LeadState::opened(&context, workspace, contact, "Anna (form)".to_owned(), Stage::Lead, timestamp(1_790_000_000_000));
        known.leads.insert(lead, state);
        known.references.extend(origins.iter().map(|it| ((it.connection, lead.to_string()), lead)));
        let waiting = origins.iter().map(|it| (it.connection, true)).collect();
        let contexts = HashMap::from([(workspace, context)]);
        let hub = Self { clock: Clock::Manual(Arc::clone(&clock)), ids, contexts, known, lead, waiting };
        Play::new(hub, manner, dice(seed), clock, lead, crms(origins, manner))
    }

    fn state(&self) -> &LeadState {
        &self.known.leads[&self.lead]
    }

    fn sources_mut(&mut self) -> &mut Sources {
        self.known.sources.entry(self.lead).or_default()
    }
}

impl Hub for Memory {
    type Claim = ConnectionId;

    async fn shown(&self) -> RecordFields {
        conflict::shown(self.state())
    }

    async fn hear(&mut self, origin: &Origin, way: Way, event: CheckedEvent) {
        let intake = Intake {
            id: self.ids.next(),
            origin: origin.clone(),
            way,
            request: None,
            body: Vec::new(),
            fingerprint: None,
            received_at: self.clock.now(),
            reading: Reading::Events(vec![event]),
            cursor: None,
        };
        let mut planner = Planner::new(&self.ids, &self.contexts, std::mem::take(&mut self.known));
        planner.take(&intake, &[None]);
        let Planner { known, plan, .. } = planner;
        self.known = known;
        for row in plan.outbox {
            self.waiting.insert(row.sink, true);
        }
    }

    async fn decide(&mut self, stage: Stage) {
        let (now, before) = (self.clock.now(), self.state().clone());
        let fields = RecordFields { stage: Some(stage.clone()), ..RecordFields::default() };
        let shown = conflict::shown(&before);
        conflict::decide(self.sources_mut(), &fields, &shown, now);
        self.known.leads.insert(self.lead, LeadState { stage, ..before });
        self.waiting.values_mut().for_each(|it| *it = true);
    }

    async fn sources(&self) -> Sources {
        self.known.sources.get(&self.lead).cloned().unwrap_or_default()
    }

    async fn claim(&mut self, sink: ConnectionId) -> Option<ConnectionId> {
        let waits = std::mem::take(self.waiting.get_mut(&sink)?);
        if waits {
            self.known.in_flight.insert((sink, self.lead));
        }
        waits.then_some(sink)
    }

    async fn finish(&mut self, sink: ConnectionId, told: Told) {
        let is_certain = conflict::wrote(&mut self.sources_mut().entry(sink.to_string()).or_default().says, &told.writing);
        self.known.in_flight.remove(&(sink, self.lead));
        if !is_certain || !conflict::agree(&told.writing.fields, &conflict::shown(self.state())) {
            self.waiting.insert(sink, true);
        }
    }

    async fn abandon(&mut self, sink: ConnectionId) {
        self.waiting.insert(sink, true);
    }

    async fn waits(&self) -> bool {
        self.waiting.values().any(|it| *it)
    }
}

/// The store on a database.
pub struct Stored {
    world: World,
    lead: LeadId,
    sinks: [ConnectionId; 2],
}

impl Stored {
    /// Each play has a person, a lead and two sinks of its own.
    pub async fn begin(world: &World, seed: u64) -> Play<Self> {
        let clock = Arc::new(AtomicI64::new(world.store.clock.now_ms()));
        let store = Store { clock: Clock::Manual(Arc::clone(&clock)), ..world.store.clone() };
        let workspace = world.origin.workspace;
        let mut origins = Vec::new();
        for connector in ["odoo", "bitrix24"] {
            let made = connection(&store, workspace, connector);
            store.create_connection(&made, &std::collections::BTreeMap::new(), "tests").await.unwrap();
            let origin = Origin { connection: made.id, connector: connector.to_owned(), channel: "crm".to_owned(), ..world.origin.clone() };
            origins.push(origin);
        }
        let [odoo, bitrix24]: [Origin; 2] = origins.try_into().expect("there are two");
        let sinks = [odoo.connection, bitrix24.connection];
        let manner = Manner::of(seed);
        let contexts = HashMap::from([(workspace, context(sinks.to_vec(), manner))]);
        let world = World { store, origin: world.origin.clone(), sink: world.sink, contexts };
        let person = vec![Identity::phone(format!("+7912{seed:07}"))];
        world.ingest(&[world.says(&format!("seed-{seed}"), &format!("Person {seed}"), person)]).await;
        let lead = world.store.leads(workspace, &LeadFilter::default(), None, 1).await.unwrap()[0].id.parse().unwrap();
        let hub = Self { world, lead, sinks };
        Play::new(hub, manner, dice(seed), clock, lead, crms([odoo, bitrix24], manner))
    }
}

impl Hub for Stored {
    type Claim = (Lane, Vec<Tried>);

    async fn shown(&self) -> RecordFields {
        conflict::told(&self.world.store.lead(self.world.origin.workspace, self.lead).await.unwrap().unwrap())
    }

    async fn hear(&mut self, origin: &Origin, way: Way, event: CheckedEvent) {
        let intake = self.world.intake(Reading::Events(vec![event]));
        self.world.ingest(&[Intake { origin: origin.clone(), way, request: None, ..intake }]).await;
    }

    async fn decide(&mut self, stage: Stage) {
        let workspace = self.world.origin.workspace;
        assert!(self.world.store.set_stage(workspace, self.lead, stage, &self.world.contexts[&workspace]).await.unwrap());
    }

    async fn sources(&self) -> Sources {
        self.world.store.sources(self.lead).await.unwrap()
    }

    async fn claim(&mut self, sink: ConnectionId) -> Option<Self::Claim> {
        let store = &self.world.store;
        let lane = store.claim_lanes(sink, "hub", 1, LEASE_MS).await.unwrap().pop()?;
        let mut rows = store.waiting(&lane).await.unwrap();
        let newest = rows.iter().rposition(|it| matches!(it.ask, Asked::Upsert(_))).map(|at| rows.remove(at));
        let mut tried: Vec<Tried> = rows.iter().map(|it| Tried { id: it.id, at: 0, took_ms: 0, end: End::Superseded }).collect();
        let Some(newest) = newest else {
            assert!(store.finish(&lane, &tried, Some(Release::Done), 0).await.unwrap());
            return None;
        };
        let end = End::Delivered { reference: None, told: None };
        tried.push(Tried { id: newest.id, at: 0, took_ms: 1, end });
        Some((lane, tried))
    }

    async fn finish(&mut self, (lane, mut tried): Self::Claim, it: Told) {
        let local = self.lead.to_string();
        let made = Reference { kind: "lead", remote: local.clone(), local, details: "{}".to_owned() };
        if let Some(Tried { end: End::Delivered { reference, told }, .. }) = tried.last_mut() {
            (*reference, *told) = (Some(made), Some(Box::new(it)));
        }
        assert!(self.world.store.finish(&lane, &tried, Some(Release::Done), 0).await.unwrap());
    }

    async fn abandon(&mut self, _: Self::Claim) {}

    async fn waits(&self) -> bool {
        let sums: Result<_, StoreError> = self.world.store.sums(self.world.origin.workspace).await;
        let ours = |it: &str| self.sinks.iter().any(|sink| sink.to_string() == it);
        sums.unwrap().iter().any(|it| ours(&it.connection) && it.pending() > 0)
    }
}
