//! Imports: what they make of records and people, and that no sink hears of it.

use patchbay_schemas::{RecordAction, RecordChange, RecordFields, Responsible, Stage};

use super::*;
use crate::ids::LeadId;

/// An open record of the sink, with a person.
fn record(id: &str, name: &str, phone: &str) -> RecordChange {
    let person = Person { identities: vec![Identity::phone(phone).stated()], name: Name::full(name), ..Person::default() };
    RecordChange {
        entity: "crm.lead".to_owned(),
        action: RecordAction::Created,
        external_id: id.to_owned(),
        lead: None,
        person_ref: None,
        fields: RecordFields {
            stage: Some(Stage::Lead),
            title: Some(format!("Deal {id}")),
            responsible: Some(Responsible { id: Some("7".to_owned()), name: "Ольга".to_owned() }),
            person: Some(person),
            ..RecordFields::default()
        },
        extra: patchbay_schemas::Extra::default(),
    }
}

impl World {
    /// A page of an import from the sink.
    fn imports(&self, records: &[RecordChange], next: &str, last: bool) -> Intake {
        let event = |it: &RecordChange| {
            let body = EventBody::Record(it.clone());
            let payload = body.payload().unwrap();
            CheckedEvent {
                key: format!("import:{}", it.external_id),
                kind: "record".to_owned(),
                occurred_at: None,
                payload,
                body: Ok(body),
            }
        };
        Intake {
            origin: Origin { connection: self.sink, connector: "odoo".to_owned(), channel: "crm".to_owned(), ..self.origin.clone() },
            way: Way::Import,
            request: None,
            cursor: Some(Cursor { next: next.to_owned(), lease: "hub/1".to_owned(), feed: Feed::Import { last } }),
            ..self.intake(Reading::Events(records.iter().map(event).collect()))
        }
    }

    async fn begin(&self) {
        assert!(self.store.hold_poll(self.sink, "hub/1", 60_000).await.unwrap());
        self.store.begin_import(self.sink).await.unwrap();
    }

    async fn all_leads(&self) -> Vec<patchbay_schemas::Lead> {
        self.store.leads(self.origin.workspace, &LeadFilter::default(), None, 100).await.unwrap()
    }

    async fn created(&self) -> i64 {
        self.store.sums(self.origin.workspace).await.unwrap().iter().map(|it| it.created).sum()
    }

    async fn remote(&self, lead: &str) -> Option<String> {
        self.store.reference(self.sink, "lead", lead).await.unwrap().map(|it| it.0)
    }
}

#[test]
fn the_first_message_of_an_imported_person_joins_their_lead_and_writes_into_its_record() {
    on_both("importfirst", |world| async move {
        world.begin().await;
        let page =
            world.imports(&[record("7", "Анна Петрова", "+79123456789"), record("8", "Иван Орлов", "+79123456700")], "{\"of\":3}", false);
        world.ingest(&[page]).await;
        let seen = world.store.import(world.sink).await.unwrap().unwrap();
        assert_eq!((seen.state.as_str(), seen.records, seen.people, seen.leads, seen.expected), ("running", 2, 2, 2, Some(3)));
        assert_eq!(world.created().await, 0, "an import writes nothing anywhere");
        world.ingest(&[world.imports(&[record("9", "Пётр", "+79123456701")], "{\"of\":3}", true)]).await;
        let seen = world.store.import(world.sink).await.unwrap().unwrap();
        assert_eq!((seen.state.as_str(), seen.records, seen.ended_at.is_some()), ("done", 3, true));

        world.ingest(&[world.says("1", "Анна", vec![Identity::phone("8 912 345-67-89").stated()])]).await;
        let leads = world.all_leads().await;
        assert_eq!(leads.len(), 3, "nobody has two");
        let hers = leads.iter().find(|it| it.title == "Deal 7").unwrap();
        assert_eq!(hers.responsible.as_ref().unwrap().name, "Ольга");
        assert_eq!(world.remote(&hers.id).await.as_deref(), Some("7"));
        let timeline = world.store.interactions(world.origin.workspace, Of::Lead(hers.id.parse().unwrap()), None, 10).await.unwrap();
        assert_eq!(timeline.len(), 1);
        assert!(world.created().await > 0, "what came since is told");
        assert!(world.store.examine().await.unwrap().iter().all(|it| it.violations.is_empty()));
    });
}

#[test]
fn what_is_imported_twice_is_known_and_a_page_read_twice_counts_once() {
    on_both("importtwice", |world| async move {
        world.begin().await;
        let page = || world.imports(&[record("7", "Анна Петрова", "+79123456789")], "{}", true);
        world.ingest(&[page()]).await;
        world.ingest(&[page()]).await;
        assert_eq!(world.store.import(world.sink).await.unwrap().unwrap().records, 1);
        world.store.begin_import(world.sink).await.unwrap();
        let again = world.store.import(world.sink).await.unwrap().unwrap();
        assert_eq!((again.state.as_str(), again.records), ("running", 0));
        let mut changed = page();
        if let Reading::Events(events) = &mut changed.reading {
            events[0].key = "import:7:later".to_owned();
        }
        world.ingest(&[changed]).await;
        let again = world.store.import(world.sink).await.unwrap().unwrap();
        assert_eq!((again.records, again.people, again.leads, again.joined), (1, 0, 0, 0));
        assert_eq!(world.all_leads().await.len(), 1);
    });
}

#[test]
fn a_record_joins_the_open_lead_that_its_person_has_or_that_it_names() {
    on_both("importjoins", |world| async move {
        world.ingest(&[world.says("1", "Анна", vec![Identity::phone("+79123456789")])]).await;
        world.ingest(&[world.says("2", "Борис", vec![Identity::handle("boris")])]).await;
        let leads = world.all_leads().await;
        let (boris, anna) = (leads[0].id.clone(), leads[1].id.clone());
        let told = world.created().await;
        world.begin().await;
        // The second record of the same person is one more lead; the third says itself whose it is, and of a closed one only the person counts.
        let named = RecordChange { lead: Some(boris.clone()), ..record("9", "Somebody", "+79123456702") };
        let mut closed = record("10", "Вера", "+79123456703");
        closed.fields.stage = Some(Stage::Client);
        let page = [record("7", "Анна Петрова", "+79123456789"), record("8", "Анна Петрова", "+79123456789"), named, closed];
        world.ingest(&[world.imports(&page, "{}", true)]).await;
        let seen = world.store.import(world.sink).await.unwrap().unwrap();
        assert_eq!((seen.records, seen.people, seen.leads, seen.joined), (4, 1, 1, 2));
        assert_eq!(world.remote(&anna).await.as_deref(), Some("7"));
        assert_eq!(world.remote(&boris).await.as_deref(), Some("9"));
        assert_eq!(world.created().await, told, "an import writes nothing anywhere");
        let anna: LeadId = anna.parse().unwrap();
        let shown = world.store.lead(world.origin.workspace, anna).await.unwrap().unwrap();
        assert_eq!((shown.title.as_str(), shown.contact.name.as_deref()), ("Deal 7", Some("Анна Петрова")));
    });
}

#[test]
fn an_import_that_was_stopped_goes_on_where_it_was_and_a_late_poller_moves_nothing() {
    on_both("importstops", |world| async move {
        world.begin().await;
        world.ingest(&[world.imports(&[record("7", "Анна", "+79123456789")], "\"second\"", false)]).await;
        assert!(world.store.stop_import(world.sink, "odoo.access: no right").await.unwrap());
        assert_eq!(world.store.import_cursor(world.sink).await.unwrap(), None);
        world.store.begin_import(world.sink).await.unwrap();
        assert_eq!(world.store.import_cursor(world.sink).await.unwrap(), Some(Some("\"second\"".to_owned())));
        let mut late = world.imports(&[record("8", "Иван", "+79123456700")], "\"wrong\"", true);
        late.cursor.as_mut().unwrap().lease = "hub/0".to_owned();
        world.ingest(&[late]).await;
        assert_eq!(world.store.import_cursor(world.sink).await.unwrap(), Some(Some("\"second\"".to_owned())));
        assert_eq!(world.all_leads().await.len(), 2, "what it read is kept all the same");
    });
}
