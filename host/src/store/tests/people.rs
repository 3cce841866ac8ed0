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
        assert_eq!(
            after - before,
            5,
            "both leads as they are now, the message into the new one's history, and with each a note of the other"
        );
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

/// Kind, lane and the leads named, of what the sink is told of merges; oldest first.
async fn told(world: &World) -> Vec<(&'static str, LeadId, Vec<LeadId>)> {
    let filter = Filter { limit: 100, ..Filter::default() };
    let mut rows = world.store.outbox(world.origin.workspace, &filter).await.unwrap();
    rows.reverse();
    let mut told = Vec::new();
    for row in rows {
        let (_, lane, row) = world.store.row(world.origin.workspace, row.id).await.unwrap().unwrap();
        if let Asked::Note(note) = row.ask {
            told.push((note.step.as_str(), lane.parse().unwrap(), note.others));
        }
    }
    told
}

#[test]
fn a_merge_and_its_taking_back_are_told_to_each_record_once() {
    on_both("mergenotes", |world| async move {
        let workspace = world.origin.workspace;
        let phone = |it: &str| Identity::phone(it).stated();
        world.ingest(&[world.says("1", "Анна", vec![Identity::handle("42")])]).await;
        world.ingest(&[world.says("2", "Анна Петрова", vec![phone("+79123456789")])]).await;
        world.ingest(&[world.says("3", "Борис", vec![Identity::handle("43")])]).await;
        let leads: Vec<LeadId> = world.leads().await.iter().rev().map(|it| it.id.parse().unwrap()).collect();
        let other = world.contact_of("+79123456789").await;
        let both = |kind, others: [usize; 2]| {
            let [a, b] = others.map(|it| leads[it]);
            [(kind, a, vec![b]), (kind, b, vec![a])]
        };
        assert!(told(&world).await.is_empty());
        // By a batch that names both; the same delivery again tells nobody.
        let naming_both = || world.says("4", "Анна", vec![Identity::handle("42"), phone("+79123456789")]);
        world.ingest(&[naming_both()]).await;
        world.ingest(&[naming_both()]).await;
        let mut expected = both("person.merged", [1, 0]).to_vec();
        assert_eq!(told(&world).await, expected);
        // A message of somebody who is known, by another identity, is no news of a merge.
        world.ingest(&[world.says("5", "Анна", vec![Identity::handle("42"), phone("+79120000000")])]).await;
        assert_eq!(told(&world).await, expected);
        // By hand, there and back.
        world.store.unmerge_contact(workspace, other, "somebody", world.context()).await.unwrap();
        expected.extend(both("person.unmerged", [0, 1]));
        assert_eq!(told(&world).await, expected);
        let boris = world.people().await.iter().find(|it| it.name.as_deref() == Some("Борис")).map(id).unwrap();
        world.store.merge_contacts(workspace, (boris, other), "somebody", world.context()).await.unwrap();
        world.store.merge_contacts(workspace, (boris, other), "somebody", world.context()).await.unwrap();
        expected.extend(both("person.merged", [1, 2]));
        assert_eq!(told(&world).await, expected);
        world.assert_sound().await;
    });
}

/// The sink carries out what waits, lane by lane, with the record of each lead called so; what each lane was asked, in order.
async fn carry_out(world: &World, record: impl Fn(LeadId) -> &'static str) -> Vec<(LeadId, Vec<&'static str>)> {
    let mut done = Vec::new();
    loop {
        let lanes = world.store.claim_lanes(world.sink, "hub", 10, 60_000).await.unwrap();
        if lanes.is_empty() {
            done.sort();
            return done;
        }
        for lane in lanes {
            let lead: LeadId = lane.lane.parse().unwrap();
            let rows = world.store.waiting(&lane).await.unwrap();
            let tried = rows.iter().map(|row| {
                let details = json!({ "url": format!("https://crm.example/{}", record(lead)), "wrote": lead }).to_string();
                let reference = matches!(row.ask, Asked::Upsert(_)).then(|| Reference {
                    kind: "lead",
                    local: lead.to_string(),
                    remote: record(lead).to_owned(),
                    details,
                });
                Tried { id: row.id, at: 1, took_ms: 1, end: End::Delivered { reference, told: None } }
            });
            assert!(world.store.finish(&lane, &tried.collect::<Vec<_>>(), Some(Release::Done), 0).await.unwrap());
            let asked = rows.iter().map(|it| match &it.ask {
                Asked::Upsert(_) => "upsert",
                Asked::Add(_) => "add",
                Asked::Note(note) => note.step.as_str(),
                other => panic!("{other:?} was never asked for"),
            });
            done.push((lead, asked.collect()));
        }
    }
}

#[test]
fn two_people_who_are_parted_share_no_record_of_a_sink() {
    on_both("sharedrecord", |world| async move {
        let workspace = world.origin.workspace;
        world.ingest(&[world.says("1", "Анна", vec![Identity::handle("42")])]).await;
        world.ingest(&[world.says("2", "Борис", vec![Identity::handle("43")])]).await;
        let leads: Vec<LeadId> = world.leads().await.iter().rev().map(|it| it.id.parse().unwrap()).collect();
        let people: Vec<_> = world.people().await.iter().rev().map(id).collect();
        let own = |lead| if lead == leads[0] { "12" } else { "15" };
        carry_out(&world, own).await;
        let record = async |lead: LeadId| world.store.reference(world.sink, "lead", &lead.to_string()).await.unwrap();
        for (into, gone, keeper, other) in [("12", "15", leads[0], leads[1]), ("15", "12", leads[1], leads[0])] {
            world.store.merge_contacts(workspace, (people[0], people[1]), "somebody", world.context()).await.unwrap();
            carry_out(&world, own).await;
            // The sink merged the records: both leads have the one that is left, and each remembers what was written for it.
            world.store.records_merged(world.sink, into, &[gone.to_owned()]).await.unwrap();
            for lead in &leads {
                let (remote, details) = record(*lead).await.unwrap();
                let details: serde_json::Value = serde_json::from_str(&details).unwrap();
                assert_eq!((remote.as_str(), &details["url"]), (into, &json!(format!("https://crm.example/{into}"))));
                assert_eq!(details["wrote"], json!(lead));
            }
            world.store.unmerge_contact(workspace, people[1], "somebody", world.context()).await.unwrap();
            assert_eq!(record(keeper).await.map(|it| it.0).as_deref(), Some(into), "it stays with whoever had it first");
            assert_eq!((record(other).await, world.store.gave_up_record(world.sink, other).await.unwrap()), (None, true));
            assert!(!world.store.gave_up_record(world.sink, keeper).await.unwrap());
            let asked = carry_out(&world, own).await;
            let of = |lead| asked.iter().find(|it| it.0 == lead).unwrap().1.clone();
            assert_eq!(of(keeper), ["person.unmerged", "upsert"], "its history is there");
            let mut told = of(other);
            told.sort_unstable();
            assert_eq!(told, ["add", "person.unmerged", "upsert"], "a new record, with what was said");
            assert_eq!(record(other).await.map(|it| it.0).as_deref(), Some(gone));
        }
        // One record for leads of two people, however that came: nothing but the parting is needed.
        world.store.merge_contacts(workspace, (people[0], people[1]), "somebody", world.context()).await.unwrap();
        carry_out(&world, |_| "12").await;
        world.store.unmerge_contact(workspace, people[1], "somebody", world.context()).await.unwrap();
        assert_eq!((record(leads[0]).await.map(|it| it.0).as_deref(), record(leads[1]).await), (Some("12"), None));
        // The sink was still merging them when the merge was taken back.
        carry_out(&world, own).await;
        world.store.merge_contacts(workspace, (people[0], people[1]), "somebody", world.context()).await.unwrap();
        carry_out(&world, own).await;
        let merge = world.store.why(workspace, people[0]).await.unwrap().unwrap().merges.last().unwrap().id;
        world.store.records_merged(world.sink, "12", &["15".to_owned()]).await.unwrap();
        world.store.part_merged_records(workspace, merge, world.context()).await.unwrap();
        assert_eq!(record(leads[1]).await.map(|it| it.0).as_deref(), Some("12"), "the merge stands");
        world.store.unmerge_contact(workspace, people[1], "somebody", world.context()).await.unwrap();
        carry_out(&world, own).await;
        world.store.records_merged(world.sink, "12", &["15".to_owned()]).await.unwrap();
        for _ in 0..2 {
            world.store.part_merged_records(workspace, merge, world.context()).await.unwrap();
            assert_eq!((record(leads[0]).await.map(|it| it.0).as_deref(), record(leads[1]).await), (Some("12"), None));
        }
        world.assert_sound().await;
    });
}

#[test]
fn a_record_that_is_another_one_by_now_is_not_forgotten() {
    on_both("forget", |world| async move {
        world.ingest(&[world.says("1", "Анна", vec![Identity::handle("42")])]).await;
        let lead: LeadId = world.leads().await[0].id.parse().unwrap();
        carry_out(&world, |_| "12").await;
        world.store.records_merged(world.sink, "15", &["12".to_owned()]).await.unwrap();
        world.ingest(&[world.says("2", "Анна", vec![Identity::handle("42")])]).await;
        let lane = world.store.claim_lanes(world.sink, "hub", 1, 60_000).await.unwrap().remove(0);
        for (missing, left) in [("12", Some("15")), ("15", None)] {
            world.store.forget_record(&lane, world.origin.workspace, Some(missing)).await.unwrap();
            let found = world.store.reference(world.sink, "lead", &lead.to_string()).await.unwrap();
            assert_eq!(found.as_ref().map(|it| it.0.as_str()), left);
        }
    });
}

#[test]
fn what_is_pinned_is_shown_and_goes_with_its_contact_when_people_are_parted() {
    on_both("pins", |world| async move {
        use crate::rules::survivorship::Shown;
        let (workspace, phone) = (world.origin.workspace, || Identity::phone("+79123456789"));
        world.ingest(&[world.says("1", "Анна", vec![Identity::handle("4815162342")])]).await;
        world.ingest(&[world.says("2", "Анна Петрова", vec![Identity::handle("4815162342"), phone()])]).await;
        let first = id(&world.people().await[0]);
        let second = world.store.why(workspace, first).await.unwrap().unwrap().sources[1].id;
        let pin = async |contact, value: Option<&str>| {
            let fields = [(Shown::Name, value.map(str::to_owned)), (Shown::City, value.map(|_| "Тверь".to_owned()))];
            world.store.pin(workspace, contact, &fields, "somebody", world.context()).await.unwrap()
        };
        let before = world.store.sums(workspace).await.unwrap().iter().map(|it| it.created).sum::<i64>();
        assert!(pin(second, Some("Анна Сергеевна")).await);
        let after = world.store.sums(workspace).await.unwrap().iter().map(|it| it.created).sum::<i64>();
        assert_eq!(after - before, 1, "the sink hears how she is shown");
        let shown = async || world.people().await.iter().rev().map(|it| (it.name.clone().unwrap(), it.city.is_some())).collect::<Vec<_>>();
        assert_eq!(shown().await, [("Анна Сергеевна".to_owned(), true)]);
        let why = world.store.why(workspace, first).await.unwrap().unwrap();
        assert_eq!(
            why.pins.iter().map(|it| (it.field.as_str(), it.author.as_str())).collect::<Vec<_>>(),
            [("city", "somebody"), ("name", "somebody")]
        );
        world.store.unmerge_contact(workspace, second, "somebody", world.context()).await.unwrap();
        assert_eq!(shown().await, [("Анна".to_owned(), false), ("Анна Сергеевна".to_owned(), true)]);
        assert!(pin(second, None).await);
        assert_eq!(shown().await, [("Анна".to_owned(), false), ("Анна Петрова".to_owned(), false)]);
        let other = world.store.further_workspace("Other", "DE").await.unwrap();
        assert!(!world.store.pin(other, first, &[(Shown::Name, None)], "x", world.context()).await.unwrap());
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
