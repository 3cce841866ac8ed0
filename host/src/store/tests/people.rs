//! Merging people, and taking it back.

use patchbay_schemas::{Contact, Lead};

use super::*;
use crate::ids::{ContactId, LeadId};
use crate::store::people::Merging;

impl World {
    fn context(&self) -> &Context {
        &self.contexts[&self.origin.workspace]
    }

    async fn people(&self) -> Vec<Contact> {
        self.store.contacts(self.origin.workspace, None, None, 100).await.unwrap()
    }

    async fn leads(&self) -> Vec<Lead> {
        self.store.leads(self.origin.workspace, &LeadFilter::default(), None, 100).await.unwrap()
    }

    /// Keys of the events in somebody's timeline, oldest first.
    async fn keys(&self, of: Of) -> Vec<String> {
        let mut shown = self.store.interactions(self.origin.workspace, of, None, 100).await.unwrap();
        shown.reverse();
        shown.iter().map(|it| it.event["key"].as_str().unwrap().to_owned()).collect()
    }

    /// The contact that says what the event with this key tells.
    async fn contact_of(&self, phone: &str) -> ContactId {
        let found = self.store.contacts(self.origin.workspace, Some(phone), None, 10).await.unwrap();
        found[0].id.parse().unwrap()
    }
}

fn id(contact: &Contact) -> ContactId {
    contact.id.parse().unwrap()
}

#[test]
fn a_merge_is_taken_back_with_identities_leads_and_timelines_and_what_came_since_goes_to_whose_it_is() {
    on_both("unmerge", |world| async move {
        let phone = || Identity::phone("+79123456789").stated();
        world.ingest(&[world.says("1", "Анна", vec![Identity::handle("42")])]).await;
        world.ingest(&[world.says("2", "Анна Петрова", vec![phone()])]).await;
        let second = world.contact_of("+79123456789").await;
        let leads: Vec<LeadId> = world.leads().await.iter().rev().map(|it| it.id.parse().unwrap()).collect();
        world.ingest(&[world.says("3", "Анна", vec![Identity::handle("42"), phone()])]).await;
        let people = world.people().await;
        assert_eq!((people.len(), people[0].name.as_deref(), people[0].identities.len()), (1, Some("Анна Петрова"), 2));
        // Both say something more; it joins the older lead.
        world.ingest(&[world.says("4", "Анна Петрова", vec![phone()]), world.says("5", "Анна", vec![Identity::handle("42")])]).await;
        assert_eq!(world.keys(Of::Lead(leads[0])).await, ["1", "3", "4", "5"]);
        assert_eq!(world.keys(Of::Contact(id(&people[0]))).await, ["1", "2", "3", "4", "5"]);

        let workspace = world.origin.workspace;
        let done = world.store.unmerge_contact(workspace, second, "somebody", world.context()).await.unwrap();
        assert_eq!(done, Merging::Done(vec![id(&people[0]), second]));
        let mut parted = world.people().await;
        parted.reverse();
        assert_eq!(parted.iter().map(|it| it.name.as_deref().unwrap()).collect::<Vec<_>>(), ["Анна", "Анна Петрова"]);
        assert_eq!(world.keys(Of::Contact(id(&parted[0]))).await, ["1", "3", "5"]);
        assert_eq!(world.keys(Of::Contact(second)).await, ["2", "4"]);
        assert_eq!(world.keys(Of::Lead(leads[0])).await, ["1", "3", "5"]);
        assert_eq!(world.keys(Of::Lead(leads[1])).await, ["2", "4"]);
        let chats = world.store.conversations(workspace, None, 10).await.unwrap();
        let of = |key: &str| chats.iter().find(|it| it.key == format!("chat-{key}")).unwrap().contact.clone();
        assert_eq!((of("1"), of("2"), of("4")), (parted[0].id.clone(), second.to_string(), second.to_string()));
        let why = world.store.why(workspace, second).await.unwrap().unwrap();
        assert_eq!((why.sources.len(), why.merges.len(), why.merges[0].undone_by.as_deref()), (1, 1, Some("somebody")));
        assert!(why.apart.contains(&id(&parted[0])));

        // What comes now goes to whose it is, and a batch that names both joins nobody.
        world
            .ingest(&[world.says("6", "Анна Петрова", vec![phone()]), world.says("7", "Анна", vec![Identity::handle("42"), phone()])])
            .await;
        world.ingest(&[world.says("8", "Анна П.", vec![Identity::handle("42"), phone()])]).await;
        assert_eq!(world.people().await.len(), 2);
        assert_eq!(world.keys(Of::Contact(id(&parted[0]))).await, ["1", "3", "5", "7", "8"]);
        assert_eq!(world.keys(Of::Lead(leads[1])).await, ["2", "4", "6"]);
        world.assert_sound().await;
    });
}

#[test]
fn who_is_taken_out_of_a_person_and_has_no_lead_gets_one_and_the_sinks_hear_of_it() {
    on_both("unmergelead", |world| async move {
        let workspace = world.origin.workspace;
        world.ingest(&[world.says("1", "Анна", vec![Identity::handle("42")])]).await;
        // The same account under another name is one person's; a lead of its own it never had.
        world.ingest(&[world.says("2", "Анна Петрова", vec![Identity::handle("42"), Identity::phone("+79123456789")])]).await;
        let first = id(&world.people().await[0]);
        let why = world.store.why(workspace, first).await.unwrap().unwrap();
        let second = why.sources[1].id;
        assert_eq!((why.sources.len(), why.merges.len(), why.merges[0].author.as_str()), (2, 1, "rule"));
        assert_eq!(world.leads().await.len(), 1);
        let before = world.store.sums(workspace).await.unwrap().iter().map(|it| it.created).sum::<i64>();
        world.store.unmerge_contact(workspace, second, "somebody", world.context()).await.unwrap();
        let leads = world.leads().await;
        assert_eq!((leads.len(), leads[0].title.as_str(), leads[0].stage.name()), (2, "Анна Петрова (telegram)", "lead"));
        assert!(leads[0].responsible.is_none() && leads[0].next_contact_at.is_some());
        assert_eq!(world.keys(Of::Lead(leads[0].id.parse().unwrap())).await, ["2"]);
        let after = world.store.sums(workspace).await.unwrap().iter().map(|it| it.created).sum::<i64>();
        assert_eq!(after - before, 3, "both leads as they are now, and the message into the new one's history");
        assert_eq!(
            world.store.merge_contacts(workspace, (second, first), "somebody", world.context()).await.unwrap(),
            Merging::Done(vec![first])
        );
        assert_eq!(world.people().await.len(), 1);
        world.assert_sound().await;
    });
}

#[test]
fn people_are_merged_and_parted_by_hand_and_what_makes_no_sense_is_refused() {
    on_both("byhand", |world| async move {
        let workspace = world.origin.workspace;
        for (key, name) in [("1", "Иван Петров"), ("2", "Мария Петрова"), ("3", "Bob")] {
            world.ingest(&[world.says(key, name, vec![Identity::handle(key)])]).await;
        }
        let mut people: Vec<ContactId> = world.people().await.iter().map(id).collect();
        people.reverse();
        let store = &world.store;
        let merge = async |one, other| store.merge_contacts(workspace, (one, other), "somebody", world.context()).await.unwrap();
        let unmerge = async |one| store.unmerge_contact(workspace, one, "somebody", world.context()).await.unwrap();
        assert_eq!(unmerge(people[1]).await, Merging::Alone(people[1]));
        assert_eq!(merge(people[1], people[0]).await, Merging::Done(vec![people[0]]));
        assert_eq!(merge(people[2], people[1]).await, Merging::Done(vec![people[0]]), "also through one that is merged itself");
        assert_eq!(merge(people[0], people[2]).await, Merging::OneAlready(people[0]));
        assert_eq!(unmerge(people[0]).await, Merging::WhichOne(vec![people[1], people[2]]));
        let nobody: ContactId = store.ids.next();
        assert_eq!((merge(nobody, people[0]).await, unmerge(nobody).await), (Merging::NoContact(nobody), Merging::NoContact(nobody)));
        let other = store.further_workspace("Other", "DE").await.unwrap();
        assert_eq!(store.unmerge_contact(other, people[1], "x", world.context()).await.unwrap(), Merging::NoContact(people[1]));
        assert!(store.why(other, people[1]).await.unwrap().is_none());
        let why = store.why(workspace, people[2]).await.unwrap().unwrap();
        assert_eq!((why.contact.id, why.sources.len(), why.merges.len()), (people[0].to_string(), 3, 2));
        // Bob was joined to Maria, so he stays with her.
        assert_eq!(unmerge(people[1]).await, Merging::Done(vec![people[0], people[1]]));
        assert_eq!(store.contact(workspace, people[2]).await.unwrap().unwrap().id, people[1].to_string());
        world.assert_sound().await;
    });
}

#[test]
fn what_points_at_a_person_is_shown_as_it_was_said() {
    on_both("shown", |world| async move {
        world
            .ingest(&[world.says("1", "Анна", vec![Identity::email("An.Na+shop@GoogleMail.com"), Identity::phone("+54 9 11 2345-6789")])])
            .await;
        let shown: Vec<String> = world.people().await[0].identities.iter().map(|it| it.value.clone()).collect();
        assert_eq!(shown, ["an.na+shop@googlemail.com", "+5491123456789"]);
        world.ingest(&[world.says("2", "Анна", vec![Identity::email("anna@gmail.com")])]).await;
        assert_eq!(world.people().await.len(), 1, "but it is one address");
    });
}
