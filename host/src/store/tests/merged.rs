//! People of a CRM merge records, or contacts, of two people of the hub: somebody is asked whether these are one.

use patchbay_schemas::{Extra, RecordAction, RecordChange, RecordFields};

use super::*;
use crate::ids::{ContactId, LeadId};
use crate::store::outbox::Moved;
use crate::store::people::{Merging, QuestionView};

const HERS: &str = "+79120000001";
const HIS: &str = "+79120000002";

/// The records of the sink.
const FIRST: &str = "7";
const SECOND: &str = "8";

impl World {
    /// Two people, each with a lead and its record.
    async fn two(&self) -> [(ContactId, LeadId); 2] {
        self.ingest(&[self.says("1", "Анна Петрова", vec![Identity::phone(HERS)])]).await;
        self.ingest(&[self.says("2", "Борис Орлов", vec![Identity::phone(HIS)])]).await;
        let hers = self.holder(HERS).await;
        self.write(|it| if it == hers.1 { FIRST.to_owned() } else { SECOND.to_owned() }).await;
        [hers, self.holder(HIS).await]
    }

    async fn holder(&self, phone: &str) -> (ContactId, LeadId) {
        let contact = self.store.contacts(self.origin.workspace, Some(phone), None, 10).await.unwrap()[0].id.clone();
        let lead = self.lead_of(&contact).await[0].id.parse().unwrap();
        (contact.parse().unwrap(), lead)
    }

    /// The second person's record was merged into the first one's, and the next write finds out.
    async fn merged_there(&self, lead: LeadId) {
        self.ask(lead).await;
        let moved = |it| Moved { merged: it == lead, person: None };
        self.write_moved(|_| FIRST.to_owned(), moved).await;
    }

    /// Something changes of a lead.
    async fn ask(&self, lead: LeadId) {
        let workspace = self.origin.workspace;
        let stage = self.store.lead(workspace, lead).await.unwrap().unwrap().stage;
        let next = if stage == patchbay_schemas::Stage::Client { patchbay_schemas::Stage::Lead } else { patchbay_schemas::Stage::Client };
        assert!(self.store.set_stage(workspace, lead, next, &self.contexts[&workspace]).await.unwrap());
    }

    /// A record tells which contact of the sink it belongs to.
    async fn belongs(&self, record: &str, person: &str) {
        let record = RecordChange {
            entity: "crm.lead".to_owned(),
            action: RecordAction::Updated,
            external_id: record.to_owned(),
            lead: None,
            person_ref: Some(person.to_owned()),
            fields: RecordFields::default(),
            extra: Extra::default(),
        };
        self.tells(record, 1).await;
    }

    async fn waiting(&self) -> Vec<QuestionView> {
        self.store.questions(self.origin.workspace, "open", None, 10).await.unwrap()
    }

    async fn records(&self, lead: LeadId) -> Vec<String> {
        let records = self.store.records_of(self.origin.workspace, lead).await.unwrap();
        records.into_iter().map(|it| it.id).collect()
    }

    async fn part(&self, pair: (ContactId, ContactId)) {
        let workspace = self.origin.workspace;
        let done = self.store.part_contacts(workspace, pair, false, "somebody", &self.contexts[&workspace]).await.unwrap();
        assert!(matches!(done, Merging::Done(_)), "{done:?}");
    }
}

#[test]
fn records_of_two_people_that_a_crm_merged_are_asked_about_and_a_yes_says_why() {
    on_both("mergedyes", |world| async move {
        let [hers, his] = world.two().await;
        world.matches().await;
        world.merged_there(his.1).await;
        assert_eq!(world.records(his.1).await, [FIRST], "the reference follows");
        world.matches().await;
        let open = world.waiting().await;
        assert_eq!((open.len(), open[0].asked_by.as_str()), (1, "merged_record"), "nobody is joined by it, and the rules leave it alone");
        assert_eq!(open[0].because.as_deref(), Some("odoo shows both under one record"));
        world.merged_there(his.1).await;
        assert_eq!(world.waiting().await.len(), 1, "asked once");

        let (workspace, context) = (world.origin.workspace, &world.contexts[&world.origin.workspace]);
        world.store.merge_contacts(workspace, (hers.0, his.0), "somebody", context).await.unwrap();
        let merges = world.store.why(workspace, hers.0).await.unwrap().unwrap().merges;
        let told: Vec<_> = merges.iter().map(|it| (it.author.as_str(), it.because.as_deref())).collect();
        assert_eq!(told, [("somebody", Some("odoo shows both under one record"))]);
        assert!(world.waiting().await.is_empty());
        world.merged_there(his.1).await;
        assert!(world.waiting().await.is_empty(), "one person already");
        world.assert_sound().await;
    });
}

#[test]
fn who_are_two_all_the_same_get_a_record_each_and_are_not_asked_about_again() {
    on_both("mergedno", |world| async move {
        let [hers, his] = world.two().await;
        world.merged_there(his.1).await;
        assert_eq!(world.waiting().await.len(), 1);
        world.part((hers.0, his.0)).await;
        assert!(world.waiting().await.is_empty());
        assert_eq!(
            (world.records(hers.1).await, world.records(his.1).await),
            (vec![FIRST.to_owned()], Vec::new()),
            "who had it first keeps it"
        );
        assert!(world.store.gave_up_record(world.sink, his.1).await.unwrap());
        assert_eq!(world.write(|_| "9".to_owned()).await, [his.1], "the other lead gets one of its own");
        world.merged_there(his.1).await;
        world.matches().await;
        assert!(world.waiting().await.is_empty(), "it was answered");
        world.assert_sound().await;
    });
}

#[test]
fn a_record_that_several_leads_have_speaks_of_whoever_had_it_first() {
    on_both("mergedspeaks", |world| async move {
        let [hers, his] = world.two().await;
        world.merged_there(his.1).await;
        let person = Person { identities: vec![Identity::phone(HERS).stated()], name: Name::full("Анна Ли"), ..Person::default() };
        let fields = RecordFields { person: Some(person), person_whole: true, ..RecordFields::default() };
        let (entity, external_id) = ("crm.lead".to_owned(), FIRST.to_owned());
        let action = RecordAction::Updated;
        world.tells(RecordChange { entity, action, external_id, lead: None, person_ref: None, fields, extra: Extra::default() }, 5).await;
        let name = async |it: ContactId| world.store.contact(world.origin.workspace, it).await.unwrap().unwrap().name.unwrap();
        assert_eq!((name(hers.0).await.as_str(), name(his.0).await.as_str()), ("Анна Ли", "Борис Орлов"));
        assert_eq!(world.waiting().await.len(), 1, "and nobody is asked about a second time");
    });
}

#[test]
fn a_record_that_is_moved_to_another_persons_contact_is_asked_about_and_nothing_else_is() {
    on_both("mergedcontact", |world| async move {
        let [hers, his] = world.two().await;
        // A contact that both have from the beginning, a family's for instance, says nothing.
        world.belongs(FIRST, "50").await;
        world.belongs(SECOND, "50").await;
        assert!(world.waiting().await.is_empty());
        world.belongs(FIRST, "51").await;
        assert!(world.waiting().await.is_empty(), "nobody else has that one");
        world.belongs(SECOND, "52").await;
        world.belongs(SECOND, "52").await;
        assert!(world.waiting().await.is_empty());
        // What the hub's own write did is told by its receipt.
        world.ask(his.1).await;
        let moved = |it| Moved { merged: false, person: (it == his.1).then(|| "51".to_owned()) };
        world.write_moved(|it| if it == hers.1 { FIRST.to_owned() } else { SECOND.to_owned() }, moved).await;
        world.belongs(SECOND, "51").await;
        assert!(world.waiting().await.is_empty(), "nobody did that but the hub");

        world.belongs(SECOND, "52").await;
        world.belongs(SECOND, "51").await;
        let open = world.waiting().await;
        assert_eq!((open.len(), open[0].asked_by.as_str()), (1, "merged_person"));
        assert_eq!(open[0].because.as_deref(), Some("odoo shows both as one contact"));
        world.part((hers.0, his.0)).await;
        world.belongs(SECOND, "52").await;
        world.belongs(SECOND, "51").await;
        assert!(world.waiting().await.is_empty(), "it was answered");
        let workspace = world.origin.workspace;
        let remote = world.store.erasure(workspace, his.0).await.unwrap().unwrap().remote;
        assert!(remote.iter().any(|it| (it.kind.as_str(), it.id.as_str()) == ("person", "51")), "{remote:?}");
        world.store.erase_contact(workspace, his.0, "somebody").await.unwrap().unwrap();
        world.assert_sound().await;
    });
}
