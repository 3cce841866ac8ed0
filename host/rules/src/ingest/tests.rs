use std::collections::HashMap;

use patchbay_schemas::manifest::HandleScope;
use patchbay_schemas::{
    ConversationRef, Detail, Direction, EventBody, Identity, Interaction, Name, Person, RecordAction, RecordChange, RecordFields, Source,
    Stage, Timestamp, interaction, interaction::CallResult,
};

use super::*;
use crate::clock::Clock;
use crate::ids::Ids;

mod merged;
mod replies;

const PHONE: &str = "+79123456789";

struct World {
    ids: Ids,
    contexts: HashMap<WorkspaceId, Context>,
    origin: Origin,
    sink: ConnectionId,
}

impl World {
    fn new() -> Self {
        let ids = Ids::new(Clock::at(now()));
        let (workspace, connection, sink) = (ids.next(), ids.next(), ids.next());
        let context = Context { region: "RU".to_owned(), sinks: vec![sink], messengers: vec![connection], ..Context::default() };
        let origin = Origin {
            workspace,
            connection,
            connector: "telegram".to_owned(),
            channel: "telegram".to_owned(),
            handles: HandleScope::Vendor,
            read_by: Arc::default(),
        };
        Self { ids, contexts: HashMap::from([(workspace, context)]), origin, sink }
    }

    fn planner(&self) -> Planner<'_> {
        Planner::new(&self.ids, &self.contexts, Known::default())
    }

    fn intake(&self, events: Vec<CheckedEvent>) -> Intake {
        Intake {
            id: self.ids.next(),
            origin: self.origin.clone(),
            way: Way::Webhook,
            request: None,
            body: b"{}".to_vec(),
            fingerprint: None,
            received_at: now(),
            reading: Reading::Events(events),
            cursor: None,
        }
    }
}

fn take(planner: &mut Planner<'_>, intake: &Intake) -> Committed {
    planner.take(intake, &sayings(intake, "RU", &[]))
}

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn said(key: &str, direction: Direction, identities: Vec<Identity>, thread: Option<&str>) -> CheckedEvent {
    let body = EventBody::Message(Interaction {
        direction,
        person: Person { identities, name: Name::full("Анна"), ..Person::default() },
        conversation: thread.map(|key| ConversationRef { key: key.to_owned(), title: None }),
        text: Some("Здравствуйте".to_owned()),
        author: None,
        attachments: Vec::new(),
        source: Source::default(),
        detail: Detail::Message(interaction::Message::default()),
        extra: patchbay_schemas::Extra::default(),
    });
    checked(key, body)
}

fn checked(key: &str, body: EventBody) -> CheckedEvent {
    let payload = body.payload().unwrap();
    CheckedEvent { key: key.to_owned(), kind: body.kind().to_owned(), occurred_at: None, payload, body: Ok(body) }
}

#[test]
fn a_first_message_makes_a_contact_a_lead_a_timeline_and_two_rows_for_the_sink() {
    let world = World::new();
    let mut planner = world.planner();
    let outcome = take(&mut planner, &world.intake(vec![said("1", Direction::In, vec![Identity::handle("42")], Some("42"))])).outcome;
    assert_eq!(outcome, Outcome::Accepted);
    let plan = &planner.plan;
    assert_eq!((plan.contacts.len(), plan.leads.len(), plan.interactions.len(), plan.conversations.len()), (1, 1, 1, 1));
    assert_eq!(plan.leads[0].state.stage, Stage::Lead);
    assert_eq!(plan.outbox.len(), 2);
    assert_eq!(plan.counted[&world.sink].created, 2);
    assert_eq!(plan.counted[&world.origin.connection].outcomes, [1, 0, 0, 0, 0]);
}

#[test]
fn the_same_event_twice_in_one_batch_counts_once() {
    let world = World::new();
    let mut planner = world.planner();
    let event = said("1", Direction::In, vec![Identity::handle("42")], None);
    assert_eq!(take(&mut planner, &world.intake(vec![event.clone(), event.clone()])).outcome, Outcome::Accepted);
    assert_eq!(take(&mut planner, &world.intake(vec![event])).outcome, Outcome::Duplicate);
    assert_eq!(planner.plan.interactions.len(), 1);
    assert!(planner.plan.deliveries[1].body.is_none(), "a duplicate's body is there already");
}

#[test]
fn a_shared_phone_joins_what_a_form_began() {
    let world = World::new();
    let mut planner = world.planner();
    take(&mut planner, &world.intake(vec![said("1", Direction::In, vec![Identity::handle("42")], Some("42"))]));
    take(&mut planner, &world.intake(vec![said("2", Direction::In, vec![Identity::phone("8 912 345-67-89").stated()], None)]));
    assert_eq!(planner.plan.contacts.len(), 2);
    take(
        &mut planner,
        &world.intake(vec![said("3", Direction::In, vec![Identity::handle("42"), Identity::phone("+79123456789")], Some("42"))]),
    );
    let contacts: Vec<_> = planner.plan.contacts.iter().map(|it| it.id).collect();
    let merges: Vec<_> = planner.plan.merges.iter().map(|it| (it.from, it.into)).collect();
    assert_eq!(merges, [(contacts[2], contacts[0]), (contacts[2], contacts[1])], "what joins them joins each of them");
    assert!(contacts.iter().all(|it| planner.known.shown(*it) == contacts[0]), "the oldest contact shows them");
    assert_eq!(planner.plan.interactions[2].contact, contacts[2], "each keeps what it said");
    assert!(planner.plan.interactions[2].lead == planner.plan.interactions[0].lead, "the older lead goes on");
}

#[test]
fn people_behind_different_identities_stay_apart() {
    let world = World::new();
    let mut planner = world.planner();
    for (key, handle) in [("1", "42"), ("2", "43"), ("3", "42")] {
        take(&mut planner, &world.intake(vec![said(key, Direction::In, vec![Identity::handle(handle)], Some(handle))]));
    }
    assert_eq!(planner.plan.contacts.len(), 2);
    assert_eq!(planner.plan.interactions[0].contact, planner.plan.interactions[2].contact);
}

/// A message of somebody with this name.
fn named(key: &str, name: &str, identities: Vec<Identity>) -> CheckedEvent {
    let mut event = said(key, Direction::In, identities, None);
    if let Ok(EventBody::Message(it)) = &mut event.body {
        it.person.name = Name::full(name);
    }
    event
}

/// How many people there are among the planned contacts.
fn people(planner: &Planner<'_>) -> usize {
    let shown: std::collections::HashSet<_> = planner.plan.contacts.iter().map(|it| planner.known.shown(it.id)).collect();
    shown.len()
}

#[test]
fn the_same_said_again_is_the_same_contact_and_anything_else_is_one_more_of_the_same_person() {
    let world = World::new();
    let mut planner = world.planner();
    take(&mut planner, &world.intake(vec![named("1", "Анна", vec![Identity::handle("42")])]));
    take(&mut planner, &world.intake(vec![named("2", "Анна", vec![Identity::handle("42")])]));
    assert_eq!((planner.plan.contacts.len(), planner.plan.identities.len()), (1, 1));
    take(&mut planner, &world.intake(vec![named("3", "Анна Петрова", vec![Identity::handle("42"), Identity::phone(PHONE)])]));
    take(&mut planner, &world.intake(vec![named("4", "Анна", vec![Identity::handle("42")])]));
    assert_eq!((planner.plan.contacts.len(), planner.plan.identities.len(), people(&planner)), (2, 3, 1));
    assert_eq!(planner.plan.interactions[3].contact, planner.plan.contacts[0].id);
    assert_eq!(planner.plan.leads.len(), 1);
}

#[test]
fn one_phone_with_two_peoples_names_joins_nobody() {
    let world = World::new();
    let mut planner = world.planner();
    for (key, name) in [("1", "Иван Петров"), ("2", "Мария Петрова"), ("3", "Ivan Petrov")] {
        take(&mut planner, &world.intake(vec![named(key, name, vec![Identity::phone(PHONE)])]));
    }
    assert_eq!((planner.plan.contacts.len(), people(&planner), planner.plan.leads.len()), (3, 2, 2));
}

#[test]
fn what_may_be_several_peoples_joins_nobody_by_itself() {
    let world = World::new();
    let weak = [Identity::email("info@example.com"), Identity::phone("+7 495 123-45-67"), Identity::handle("@anna")];
    for (at, identity) in weak.into_iter().enumerate() {
        let mut planner = world.planner();
        take(&mut planner, &world.intake(vec![named("1", "Анна", vec![identity.clone()])]));
        take(&mut planner, &world.intake(vec![named("2", "Анна Петрова", vec![identity.clone()])]));
        take(&mut planner, &world.intake(vec![named("3", "Анна", vec![identity])]));
        assert_eq!((planner.plan.contacts.len(), people(&planner)), (2, 2), "{at}: but the same said again is the same contact");
    }
}

#[test]
fn what_is_written_in_a_message_is_known_but_joins_nobody_and_what_is_passed_on_is_nobodys() {
    let world = World::new();
    let mut planner = world.planner();
    let wrote = |key: &str, forwarded: Option<&str>, direction| {
        let mut event = said(key, direction, vec![Identity::handle(key)], None);
        if let Ok(EventBody::Message(it)) = &mut event.body {
            it.text = Some("Позвоните мне: 8 (912) 345-67-89".to_owned());
            it.detail = Detail::Message(interaction::Message { forwarded_from: forwarded.map(str::to_owned), ..Default::default() });
        }
        event
    };
    take(&mut planner, &world.intake(vec![named("1", "Анна", vec![Identity::phone(PHONE)])]));
    take(&mut planner, &world.intake(vec![wrote("2", None, Direction::In)]));
    let written = planner.plan.identities.last().unwrap();
    assert_eq!((written.identity.key.value.as_str(), written.identity.assurance), (PHONE, Assurance::Written));
    assert_eq!(people(&planner), 2, "whose it is, the matcher decides");
    for event in [wrote("3", Some("Иван"), Direction::In), wrote("4", None, Direction::Out)] {
        let before = planner.plan.identities.len();
        take(&mut planner, &world.intake(vec![event]));
        assert_eq!(planner.plan.identities.len(), before + 1, "the account alone");
    }
    let own = [PHONE.to_owned()];
    let said = sayings(&world.intake(vec![wrote("5", None, Direction::In)]), "RU", &own);
    assert_eq!(said[0].as_ref().unwrap().identities.len(), 1, "the company's own number");
}

#[test]
fn people_whom_somebody_parted_are_joined_by_no_batch() {
    let world = World::new();
    let mut planner = world.planner();
    take(&mut planner, &world.intake(vec![said("1", Direction::In, vec![Identity::handle("42")], None)]));
    take(&mut planner, &world.intake(vec![said("2", Direction::In, vec![Identity::phone(PHONE)], None)]));
    let first = planner.plan.contacts[0].id;
    planner.known.contacts.get_mut(&first).unwrap().guarded = true;
    take(&mut planner, &world.intake(vec![said("3", Direction::In, vec![Identity::handle("42"), Identity::phone(PHONE)], None)]));
    assert_eq!(people(&planner), 2);
    assert_eq!(planner.known.shown(planner.plan.contacts[2].id), first, "the strongest identity decides");
}

fn step(key: &str, number: Option<&str>, after: i64, result: Option<CallResult>) -> CheckedEvent {
    let at = |after| Timestamp::from_second(now().as_second() + after).unwrap();
    let call = interaction::Call {
        id: "c1".to_owned(),
        result,
        started_at: Some(now()),
        answered_at: (result == Some(CallResult::Answered)).then(|| at(5)),
        ended_at: result.map(|_| at(after)),
        wait_s: None,
        talk_s: None,
        recording: None,
    };
    let person = Person { identities: number.map(Identity::phone).into_iter().collect(), ..Person::default() };
    let mut event = checked(key, EventBody::Call(Interaction::new(Direction::In, person, Detail::Call(call))));
    event.occurred_at = Some(at(after));
    event
}

/// What the sink is asked about the calls.
fn told(planner: &Planner<'_>) -> usize {
    planner.plan.outbox.iter().filter(|it| matches!(it.ask, Ask::Add(_))).count()
}

#[test]
fn the_steps_of_a_call_are_one_interaction_in_whatever_order_they_come() {
    let (rings, ends) = (step("a", Some(PHONE), 0, None), step("c", Some(PHONE), 60, Some(CallResult::Answered)));
    let again = step("d", Some(PHONE), 60, Some(CallResult::Answered));
    let orders = [[&rings, &ends, &again], [&ends, &rings, &again], [&again, &ends, &rings]];
    for (events, apart) in orders.into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let world = World::new();
        let mut planner = world.planner();
        let events: Vec<CheckedEvent> = events.into_iter().cloned().collect();
        for batch in if apart { events.chunks(1) } else { events.chunks(3) } {
            take(&mut planner, &world.intake(batch.to_vec()));
        }
        let plan = &planner.plan;
        assert_eq!((plan.interactions.len(), plan.call_steps.len(), plan.leads.len(), plan.contacts.len()), (1, 3, 1, 1));
        let shown = plan.events.iter().find(|it| it.id == plan.interactions[0].event).unwrap();
        assert!(["c", "d"].contains(&shown.key.as_str()), "the end is not overwritten by {}", shown.key);
        assert_eq!(plan.interactions[0].occurred_at, now(), "it stands where it began");
        assert_eq!(told(&planner), 1, "one call, one note");
    }
}

#[test]
fn the_sinks_hear_of_a_missed_call_at_once_and_again_only_when_it_was_not_missed_after_all() {
    let world = World::new();
    let mut planner = world.planner();
    take(&mut planner, &world.intake(vec![step("a", Some(PHONE), 0, None)]));
    assert_eq!(told(&planner), 0, "it rings: the lead is there, its note waits for the end");
    for (key, after, result, notes) in
        [("b", 15, CallResult::Missed, 1), ("c", 15, CallResult::Missed, 1), ("d", 16, CallResult::Answered, 2)]
    {
        take(&mut planner, &world.intake(vec![step(key, Some(PHONE), after, Some(result))]));
        assert_eq!(told(&planner), notes, "{key}");
    }
    assert_eq!(planner.plan.interactions.len(), 1);
}

#[test]
fn who_rang_without_a_number_is_whoever_a_later_step_names() {
    let world = World::new();
    let mut planner = world.planner();
    take(&mut planner, &world.intake(vec![step("a", None, 0, None)]));
    take(&mut planner, &world.intake(vec![step("b", Some(PHONE), 60, Some(CallResult::Answered))]));
    let plan = &planner.plan;
    assert_eq!((plan.contacts.len(), plan.leads.len(), plan.identities.len()), (2, 1, 1));
    assert_eq!(plan.interactions[0].contact, plan.identities[0].contact);
    assert_eq!(planner.known.shown(plan.contacts[1].id), plan.contacts[0].id, "a call has one caller");
    assert_eq!(plan.verdicts.len(), 1, "whatever is found out later");
    assert_eq!(plan.leads[0].state.stage, Stage::Lead, "now somebody can be reached");
}

#[test]
fn somebody_whom_nobody_can_reach_is_an_interest_until_they_can_be_reached() {
    let world = World::new();
    let mut planner = world.planner();
    let nameless = |key: &str, identities| {
        let mut event = said(key, Direction::In, identities, Some("visitor"));
        if let Ok(EventBody::Message(it)) = &mut event.body {
            it.person.name = Name::default();
        }
        event
    };
    take(&mut planner, &world.intake(vec![nameless("1", vec![])]));
    assert_eq!(planner.plan.leads[0].state.stage, Stage::Interest);
    take(&mut planner, &world.intake(vec![nameless("2", vec![Identity::phone("+79123456789")])]));
    assert_eq!(planner.plan.leads.len(), 2, "a phone in a visitor's chat is new evidence: whose chat it was, identity resolution decides");
}

#[test]
fn what_we_do_joins_a_lead_but_opens_none() {
    let world = World::new();
    let mut planner = world.planner();
    take(&mut planner, &world.intake(vec![said("1", Direction::Out, vec![Identity::handle("42")], Some("42"))]));
    assert!(planner.plan.leads.is_empty());
    assert_eq!(planner.plan.interactions[0].lead, None);
    take(&mut planner, &world.intake(vec![said("2", Direction::In, vec![Identity::handle("42")], Some("42"))]));
    take(&mut planner, &world.intake(vec![said("3", Direction::Out, vec![Identity::handle("42")], Some("42"))]));
    assert_eq!(planner.plan.leads.len(), 1);
    assert!(planner.plan.interactions[2].lead.is_some());
}

#[test]
fn an_event_that_breaks_its_schema_is_dead_and_the_rest_go_on() {
    let world = World::new();
    let mut planner = world.planner();
    let broken = |key: &str| CheckedEvent {
        key: key.to_owned(),
        kind: "message".to_owned(),
        occurred_at: None,
        payload: "{}".to_owned(),
        body: Err("/direction is missing".to_owned()),
    };
    let mixed = vec![broken("1"), said("2", Direction::In, vec![Identity::handle("42")], None)];
    assert_eq!(take(&mut planner, &world.intake(mixed)).outcome, Outcome::Accepted);
    assert_eq!(planner.plan.events[0].dead.as_deref(), Some("/direction is missing"));
    assert_eq!(take(&mut planner, &world.intake(vec![broken("3")])).outcome, Outcome::Dead);
}

#[test]
fn a_change_in_the_sink_comes_back_once_and_its_echo_changes_nothing() {
    let world = World::new();
    let mut planner = world.planner();
    take(&mut planner, &world.intake(vec![said("1", Direction::In, vec![Identity::handle("42")], None)]));
    let lead = planner.plan.leads[0].id;
    planner.known.references.insert((world.sink, "7".to_owned()), lead);
    let sink = Origin { connection: world.sink, connector: "odoo".to_owned(), ..world.origin.clone() };
    let refused = Stage::Refused { reason: Some("too expensive".to_owned()), return_at: None };
    let change = |key: &str| {
        let record = RecordChange {
            entity: "crm.lead".to_owned(),
            action: RecordAction::Updated,
            external_id: "7".to_owned(),
            lead: None,
            person_ref: None,
            fields: RecordFields { stage: Some(refused.clone()), ..RecordFields::default() },
            extra: patchbay_schemas::Extra::default(),
        };
        Intake { origin: sink.clone(), ..world.intake(vec![checked(key, EventBody::Record(record))]) }
    };
    let before = planner.plan.outbox.len();
    take(&mut planner, &change("crm.lead:7:1"));
    assert_eq!(planner.known.leads[&lead].stage, refused);
    take(&mut planner, &change("crm.lead:7:2"));
    assert_eq!(planner.plan.outbox.len(), before, "the sink that said so is not told");
    take(&mut planner, &world.intake(vec![said("2", Direction::In, vec![Identity::handle("42")], None)]));
    assert_eq!(planner.plan.leads.len(), 2, "a refused lead is not joined");
}

#[test]
fn what_no_connector_can_read_fills_a_quota_and_not_the_disk() {
    let world = World::new();
    let mut planner = world.planner();
    let refused = || Intake { reading: Reading::Refused("body.json: no".to_owned()), body: vec![0; 100], ..world.intake(Vec::new()) };
    for round in 0..Quarantine::MOST.rows + 5 {
        let kept = round < Quarantine::MOST.rows;
        assert_eq!(take(&mut planner, &refused()), Committed { outcome: Outcome::Refused, kept });
    }
    let counted = planner.plan.counted[&world.origin.connection];
    assert_eq!(planner.plan.deliveries.len() as u64, Quarantine::MOST.rows);
    assert_eq!(counted.unkept, 5);
    assert_eq!(counted.received, counted.outcomes.iter().sum::<i64>());
}
