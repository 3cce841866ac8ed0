//! What people of a CRM say of the person of a lead: claims of a contact that changes with the record.

use patchbay_schemas::{Contact, Extra, Lead, RecordAction, RecordChange, RecordFields, Timestamp};

use super::*;
use crate::clock::timestamp;
use crate::ids::{ContactId, LeadId};
use crate::rules::conflict::{self, Writing};
use crate::rules::ingest::canonical;
use crate::store::outbox::{Moved, Told};

const HERS: &str = "+79123456789";
const OTHER: &str = "+79120000001";
const THIRD: &str = "+79120000002";

/// All that a record says of a person.
fn whole(name: &str, phones: &[&str]) -> RecordFields {
    let identities = phones.iter().map(|it| Identity::phone(*it).stated()).collect();
    let person = Person { identities, name: Name::full(name), ..Person::default() };
    RecordFields { person: Some(person), person_whole: true, ..RecordFields::default() }
}

impl World {
    fn sink_origin(&self) -> Origin {
        Origin { connection: self.sink, connector: "odoo".to_owned(), channel: "crm".to_owned(), ..self.origin.clone() }
    }

    /// The sink's record tells this, changed so many seconds from now.
    async fn record(&self, remote: &str, fields: RecordFields, second: i64) {
        self.change(remote, RecordAction::Updated, fields, second).await;
    }

    async fn change(&self, remote: &str, action: RecordAction, fields: RecordFields, second: i64) {
        let (entity, external_id) = ("crm.lead".to_owned(), remote.to_owned());
        let record = RecordChange { entity, action, external_id, lead: None, person_ref: None, fields, extra: Extra::default() };
        self.tells(record, second).await;
    }

    /// The sink tells this of a record, changed so many seconds from now.
    pub(super) async fn tells(&self, record: RecordChange, second: i64) {
        let (at, remote) = (timestamp(self.store.clock.now_ms() + second * 1_000), record.external_id.clone());
        let body = EventBody::Record(record);
        let event = CheckedEvent {
            key: format!("record:{remote}:{}", self.store.ids.next::<crate::ids::Event>()),
            kind: "record".to_owned(),
            occurred_at: Some(at),
            payload: body.payload().unwrap(),
            body: Ok(body),
        };
        let intake = Intake { origin: self.sink_origin(), way: Way::Poll, ..self.intake(Reading::Events(vec![event])) };
        assert_eq!(self.ingest(&[intake]).await, [Outcome::Accepted]);
    }

    /// The sink carries out what waits: each lead has the record called so. The leads that were written.
    pub(super) async fn write(&self, record: impl Fn(LeadId) -> String) -> Vec<LeadId> {
        self.write_moved(record, |_| Moved::default()).await
    }

    /// The same, with what the receipt of each lead says of where its record went.
    pub(super) async fn write_moved(&self, record: impl Fn(LeadId) -> String, moved: impl Fn(LeadId) -> Moved) -> Vec<LeadId> {
        let mut written = Vec::new();
        loop {
            let lanes = self.store.claim_lanes(self.sink, "hub", 10, 60_000).await.unwrap();
            if lanes.is_empty() {
                return written;
            }
            for lane in lanes {
                let id: LeadId = lane.lane.parse().unwrap();
                let rows = self.store.waiting(&lane).await.unwrap();
                let mut tried = Vec::new();
                for row in rows {
                    let mut end = End::Delivered { reference: None, told: None };
                    if matches!(row.ask, Asked::Upsert(_)) {
                        let lead = self.store.lead(self.origin.workspace, id).await.unwrap().unwrap();
                        let person = Some(canonical(&conflict::person_of(&lead.contact), "RU"));
                        let fields = RecordFields { person, ..conflict::told(&lead) };
                        let version = conflict::version(&self.store.sources(id).await.unwrap());
                        let writing = Writing { fields, version, retried: false, before: None };
                        let told = Some(Box::new(Told { lead: id, workspace: self.origin.workspace, writing, moved: moved(id) }));
                        let made = Reference { kind: "lead", local: id.to_string(), remote: record(id), details: "{}".to_owned() };
                        end = End::Delivered { reference: Some(made), told };
                        written.push(id);
                    }
                    tried.push(Tried { id: row.id, at: 1, took_ms: 1, end });
                }
                assert!(self.store.finish(&lane, &tried, Some(Release::Done), 0).await.unwrap());
            }
        }
    }

    pub(super) async fn lead_of(&self, contact: &str) -> Vec<Lead> {
        let leads = self.store.leads(self.origin.workspace, &LeadFilter::default(), None, 100).await.unwrap();
        leads.into_iter().filter(|it| it.contact.id == contact).collect()
    }

    /// Everybody, oldest first: name and phones.
    async fn everybody(&self) -> Vec<(String, Vec<String>)> {
        let mut people = self.store.contacts(self.origin.workspace, None, None, 100).await.unwrap();
        people.reverse();
        people.iter().map(|it| (it.name.clone().unwrap_or_default(), phones(it))).collect()
    }

    async fn first(&self) -> Contact {
        self.store.contacts(self.origin.workspace, None, None, 100).await.unwrap().pop().unwrap()
    }
}

fn phones(contact: &Contact) -> Vec<String> {
    contact.identities.iter().filter(|it| it.kind == patchbay_schemas::IdentityKind::Phone).map(|it| it.value.clone()).collect()
}

fn all(name: &str, phones: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), phones.iter().map(|it| (*it).to_owned()).collect())
}

#[test]
fn a_seller_who_corrects_name_and_phone_in_the_record_is_taken_over_and_an_echo_is_not() {
    on_both("recordclaims", |world| async move {
        let workspace = world.origin.workspace;
        world.ingest(&[world.says("1", "Аня Солнышко Мира", vec![Identity::handle("42"), Identity::phone(HERS)])]).await;
        let seven = |_| "7".to_owned();
        assert_eq!(world.write(seven).await.len(), 1);
        // The record tells what was written: nobody's word.
        world.record("7", whole("Аня Солнышко Мира", &[HERS]), 1).await;
        assert!(world.write(seven).await.is_empty());
        assert_eq!(world.store.why(workspace, world.first().await.id.parse().unwrap()).await.unwrap().unwrap().sources.len(), 1);

        world.record("7", whole("Анна Петрова", &["8 912 000-00-01"]), 2).await;
        assert_eq!(
            world.everybody().await,
            [all("Анна Петрова", &[OTHER, HERS])],
            "shown first, although shorter; what she said herself stays"
        );
        let why = world.store.why(workspace, world.first().await.id.parse().unwrap()).await.unwrap().unwrap();
        let said: Vec<_> = why.sources.iter().map(|it| (it.connector.as_str(), it.name.as_deref().unwrap(), it.identities.len())).collect();
        assert_eq!(said, [("telegram", "Аня Солнышко Мира", 2), ("odoo", "Анна Петрова", 1)]);
        let lead = world.lead_of(&world.first().await.id).await[0].id.clone();
        assert_eq!(why.sources[1].record_of.unwrap().to_string(), lead);
        world.matches().await;
        assert_eq!(world.everybody().await.len(), 1, "the record is hers, whatever stands in it");
        assert_eq!(world.write(seven).await.len(), 1, "the sinks hear of it, once");
        world.record("7", whole("Анна Петрова", &[OTHER]), 3).await;
        assert!(world.write(seven).await.is_empty(), "no loop");

        // Corrected once more, and taken away.
        world.record("7", whole("Анна Петровна Петрова", &[THIRD]), 4).await;
        assert_eq!(world.everybody().await, [all("Анна Петровна Петрова", &[THIRD, HERS])]);
        let found = world.store.contacts(workspace, Some(OTHER), None, 10).await.unwrap();
        assert!(found.is_empty(), "nobody says so any more");
        world.record("7", whole("", &[]), 5).await;
        assert_eq!(world.everybody().await, [all("Аня Солнышко Мира", &[HERS])]);
        let sources = world.store.why(workspace, world.first().await.id.parse().unwrap()).await.unwrap().unwrap().sources;
        assert_eq!(
            (sources.len(), sources[1].name.as_deref(), sources[1].identities.len()),
            (2, None, 0),
            "one contact, which says nothing now"
        );
        world.matches().await;
        world.write(seven).await;
        assert!(world.store.revisits(workspace, 10).await.unwrap().is_empty());
        world.assert_sound().await;
    });
}

#[test]
fn a_wrong_phone_in_a_record_joins_people_as_any_phone_and_correcting_it_parts_them() {
    on_both("recordphone", |world| async move {
        let workspace = world.origin.workspace;
        let named = |key: &str, name: &str, identities| world.says(key, name, identities);
        world.ingest(&[named("1", "Анна Петрова", vec![Identity::handle("42")])]).await;
        world.ingest(&[named("2", "", vec![Identity::phone(OTHER)])]).await;
        let first = world.first().await.id.parse::<ContactId>().unwrap();
        let hers = world.lead_of(&first.to_string()).await[0].id.clone();
        let record = |it: LeadId| if it.to_string() == hers { "7".to_owned() } else { "8".to_owned() };
        world.write(record).await;
        world.matches().await;

        world.record("7", whole("Анна Петрова", &[OTHER]), 1).await;
        world.matches().await;
        assert_eq!(world.everybody().await, [all("Анна Петрова", &[OTHER])], "somebody without a name, with the phone that is hers");
        world.ingest(&[named("3", "", vec![Identity::phone(OTHER)])]).await;
        assert_eq!(world.lead_of(&first.to_string()).await.len(), 2);
        world.write(record).await;
        world.record("7", whole("Анна Петрова", &[THIRD]), 2).await;
        world.matches().await;
        assert_eq!(world.everybody().await, [all("Анна Петрова", &[THIRD]), all("", &[OTHER])]);
        let merges = world.store.why(workspace, first).await.unwrap().unwrap().merges;
        assert!(merges.iter().any(|it| it.undone_by.as_deref() == Some("rule")), "what followed from it is undone, and still told");
        world.write(record).await;
        world.assert_sound().await;
    });
}

#[test]
fn a_record_that_names_somebody_else_whom_the_hub_knows_is_asked_about() {
    on_both("recordother", |world| async move {
        let workspace = world.origin.workspace;
        world.ingest(&[world.says("1", "Анна Петрова", vec![Identity::handle("42")])]).await;
        world.ingest(&[world.says("2", "Борис Орлов", vec![Identity::phone(OTHER)])]).await;
        let first = world.first().await.id;
        let hers = world.lead_of(&first).await[0].id.clone();
        let record = |it: LeadId| if it.to_string() == hers { "7".to_owned() } else { "8".to_owned() };
        world.write(record).await;
        // His phone alone: two people's, by their names.
        world.record("7", whole("Анна Петрова", &[OTHER]), 1).await;
        world.matches().await;
        assert_eq!(world.everybody().await, [all("Анна Петрова", &[OTHER]), all("Борис Орлов", &[OTHER])]);
        world.record("7", whole("Борис Орлов", &[OTHER]), 2).await;
        world.matches().await;
        assert_eq!(world.everybody().await, [all("Анна Петрова", &[]), all("Борис Орлов", &[OTHER])]);
        let asked = world.store.questions(workspace, "open", None, 10).await.unwrap();
        assert!(asked.iter().any(|it| it.asked_by == "record"), "{asked:?}");
        // They put it right.
        world.record("7", whole("Анна Сергеевна Петрова", &[THIRD]), 3).await;
        world.matches().await;
        assert_eq!(world.everybody().await, [all("Анна Сергеевна Петрова", &[THIRD]), all("Борис Орлов", &[OTHER])]);
        world.assert_sound().await;
    });
}

#[test]
fn who_was_parted_from_a_record_by_hand_is_not_joined_by_what_it_says_next() {
    on_both("recordparted", |world| async move {
        let workspace = world.origin.workspace;
        world.ingest(&[world.says("1", "Анна Петрова", vec![Identity::handle("42")])]).await;
        world.write(|_| "7".to_owned()).await;
        world.record("7", whole("Анна Петрова", &[OTHER]), 1).await;
        world.matches().await;
        let first = world.first().await.id.parse().unwrap();
        let teller = world.store.why(workspace, first).await.unwrap().unwrap().sources[1].id;
        let context = &world.contexts[&workspace];
        world.store.unmerge_contact(workspace, teller, "somebody", context).await.unwrap();
        world.record("7", whole("Анна Петрова", &[THIRD]), 2).await;
        world.matches().await;
        assert_eq!(world.everybody().await, [all("Анна Петрова", &[]), all("", &[THIRD])]);
        world.assert_sound().await;
    });
}

#[test]
fn what_an_import_brought_changes_with_its_record() {
    on_both("recordimport", |world| async move {
        let workspace = world.origin.workspace;
        assert!(world.store.hold_poll(world.sink, "hub/1", 60_000).await.unwrap());
        world.store.begin_import(world.sink).await.unwrap();
        let fields = RecordFields { stage: Some(patchbay_schemas::Stage::Lead), ..whole("Анна Петрова", &[HERS]) };
        let (entity, external_id) = ("crm.lead".to_owned(), "7".to_owned());
        let action = RecordAction::Created;
        let body = EventBody::Record(RecordChange {
            entity,
            action,
            external_id,
            lead: None,
            person_ref: None,
            fields: fields.clone(),
            extra: Extra::default(),
        });
        let payload = body.payload().unwrap();
        let event = CheckedEvent {
            key: "import:7".to_owned(),
            kind: "record".to_owned(),
            occurred_at: Timestamp::from_second(1).ok(),
            payload,
            body: Ok(body),
        };
        let cursor = Some(Cursor { next: "{}".to_owned(), lease: "hub/1".to_owned(), feed: Feed::Import { last: true } });
        let page = Intake { origin: world.sink_origin(), way: Way::Import, cursor, ..world.intake(Reading::Events(vec![event])) };
        world.ingest(&[page]).await;
        world.record("7", fields.clone(), 1).await;
        assert_eq!(world.everybody().await, [all("Анна Петрова", &[HERS])]);
        world.record("7", RecordFields { person: whole("Анна Ли", &[OTHER]).person, ..fields }, 2).await;
        assert_eq!(world.everybody().await, [all("Анна Ли", &[OTHER])], "what stood there before is said by nobody");
        let why = world.store.why(workspace, world.first().await.id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((why.sources.len(), why.sources[0].record_of.is_some()), (1, true));
        world.assert_sound().await;
    });
}

#[test]
fn what_a_record_of_somebody_else_says_of_an_erased_person_is_forgotten() {
    on_both("recorderased", |world| async move {
        let workspace = world.origin.workspace;
        world.ingest(&[world.says("1", "Анна Петрова", vec![Identity::handle("4815162342")])]).await;
        world.ingest(&[world.says("2", "Борис Орлов", vec![Identity::phone(OTHER)])]).await;
        let first = world.first().await.id;
        let lead: LeadId = world.lead_of(&first).await[0].id.parse().unwrap();
        world.write(|it| if it == lead { "7".to_owned() } else { "8".to_owned() }).await;
        world.record("7", whole("Борис Орлов", &[OTHER]), 1).await;
        world.matches().await;
        let said = async || serde_json::to_string(&world.store.sayings(lead).await.unwrap()).unwrap();
        assert!(said().await.contains("Орлов"));
        let boris = world.store.contacts(workspace, Some(OTHER), None, 10).await.unwrap()[0].id.parse().unwrap();
        world.store.erase_contact(workspace, boris, "somebody").await.unwrap().unwrap();
        assert!(!said().await.contains("Орлов") && !said().await.contains(OTHER));
        assert_eq!(world.everybody().await, [all("Анна Петрова", &[])]);
        world.assert_sound().await;
    });
}
