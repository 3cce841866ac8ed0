//! Which lead an interaction belongs to, and how far leads come.

use patchbay_schemas::Stage;
use patchbay_schemas::interaction::Form;

use super::*;
use crate::ids::LeadId;
use crate::rules::ingest::returning::{Returning, StageName, Then};

impl World {
    fn with_rules(mut self, rules: &serde_json::Value) -> Self {
        let rules: Vec<Returning> = serde_json::from_value(rules.clone()).unwrap();
        Returning::check(&rules).unwrap();
        for context in self.contexts.values_mut() {
            context.settings.returning.clone_from(&rules);
        }
        self
    }

    /// Somebody with this phone sends a form.
    fn sends(&self, key: &str, form: &str, after_days: i64) -> Intake {
        let person = Person { identities: vec![Identity::phone("+79123456789")], name: Name::full("Анна"), ..Person::default() };
        let form = Form { name: Some(form.to_owned()), ..Form::default() };
        let body = EventBody::Form(Interaction::new(Direction::In, person, Detail::Form(form)));
        let payload = body.payload().unwrap();
        let event = CheckedEvent { key: key.to_owned(), kind: "form".to_owned(), occurred_at: None, payload, body: Ok(body) };
        let received_at = self.store.clock.now() + jiff::SignedDuration::from_hours(24 * after_days);
        Intake { received_at, ..self.intake(Reading::Events(vec![event])) }
    }

    async fn lead_ids(&self) -> Vec<LeadId> {
        let leads = self.store.leads(self.origin.workspace, &LeadFilter::default(), None, 100).await.unwrap();
        leads.iter().rev().map(|it| it.id.parse().unwrap()).collect()
    }

    /// The lead of each interaction (by its place among them), what it did, and by which rule.
    async fn placed(&self) -> Vec<(usize, String)> {
        let leads = self.lead_ids().await;
        let mut placed = Vec::new();
        for (at, lead) in leads.iter().enumerate() {
            let why = self.store.lead_why(self.origin.workspace, *lead).await.unwrap().unwrap();
            placed.extend(why.interactions.into_iter().map(|it| {
                let rule = it.rule.map(|it| format!(" by {it}")).unwrap_or_default();
                (it.id, (at, format!("{}{rule}", it.placed.unwrap_or("-"))))
            }));
        }
        placed.sort_by_key(|it| it.0);
        placed.into_iter().map(|it| it.1).collect()
    }
}

fn is(placed: &[(usize, String)], expected: &[(usize, &str)]) {
    let placed: Vec<(usize, &str)> = placed.iter().map(|(at, it)| (*at, it.as_str())).collect();
    assert_eq!(placed, expected);
}

#[test]
fn without_rules_an_open_lead_is_joined_and_after_a_closed_one_a_new_lead_is_opened() {
    on_both("plainlead", |world| async move {
        world.ingest(&[world.sends("1", "price", 0)]).await;
        world.ingest(&[world.sends("2", "course", 1_000)]).await;
        let client = world.lead_ids().await[0];
        assert!(
            world.store.set_stage(world.origin.workspace, client, Stage::Client, &world.contexts[&world.origin.workspace]).await.unwrap()
        );
        world.ingest(&[world.sends("3", "price", 0)]).await;
        is(&world.placed().await, &[(0, "opened"), (0, "joined"), (1, "opened")]);
        let leads = world.lead_ids().await;
        let why = async |at: usize| world.store.lead_why(world.origin.workspace, leads[at]).await.unwrap().unwrap();
        let (first, second) = (why(0).await, why(1).await);
        assert_eq!((first.earlier.map(|it| it.id), first.later.map(|it| it.id)), (None, Some(leads[1])));
        assert_eq!((first.form.as_deref(), first.due_at), (Some("price"), None), "nobody need come back to a client");
        let earlier = second.earlier.unwrap();
        assert_eq!((earlier.id, earlier.stage.as_str(), earlier.stage_at), (client, "client", first.stage_at));
        world.assert_sound().await;
    });
}

#[test]
fn rules_of_the_workspace_join_reopen_or_pass_over_a_lead() {
    on_both("rules", |world| async move {
        let world = world.with_rules(&json!([
            { "name": "second thoughts", "stage": ["refused"], "within_days": 30, "then": "reopen" },
            { "name": "client", "stage": ["client"], "within_days": 90, "then": "join" },
            { "name": "another product", "same_form": false, "then": "open" },
            { "name": "long ago", "stage": ["interest", "lead"], "quiet_days": 180, "then": "open" },
        ]));
        let workspace = world.origin.workspace;
        let set = async |at: usize, stage| {
            let lead = world.lead_ids().await[at];
            assert!(world.store.set_stage(workspace, lead, stage, &world.contexts[&workspace]).await.unwrap());
        };
        // In one batch and in later ones alike.
        world.ingest(&[world.sends("1", "price", 0), world.sends("2", "course", 0), world.sends("3", "price", 1)]).await;
        world.ingest(&[world.sends("4", "course", 1)]).await;
        is(&world.placed().await, &[(0, "opened"), (1, "opened by another product"), (0, "joined"), (1, "joined")]);
        world.ingest(&[world.sends("5", "price", 200)]).await;
        assert_eq!(world.placed().await[4], (2, "opened by another product".to_owned()), "as the newest lead was passed over");

        for at in [0, 1] {
            set(at, Stage::Client).await;
        }
        set(2, Stage::Refused { reason: Some("Дорого".to_owned()), return_at: None }).await;
        world.ingest(&[world.sends("6", "course", 201)]).await;
        assert_eq!(world.placed().await[5], (2, "reopened by second thoughts".to_owned()));
        let lead = world.store.lead(workspace, world.lead_ids().await[2]).await.unwrap().unwrap();
        assert!(lead.stage == Stage::Lead && lead.next_contact_at.is_some());
        set(2, Stage::Client).await;
        world.ingest(&[world.sends("7", "course", 202), world.sends("8", "price", 400)]).await;
        let placed = world.placed().await;
        assert_eq!(placed[6..], [(2, "joined by client".to_owned()), (3, "opened".to_owned())]);
        assert_eq!(world.store.lead(workspace, world.lead_ids().await[2]).await.unwrap().unwrap().stage, Stage::Client, "it stays one");
        world.assert_sound().await;
    });
}

#[test]
fn a_refused_lead_is_due_on_the_date_to_come_back_to_it() {
    on_both("refused", |world| async move {
        let workspace = world.origin.workspace;
        world.ingest(&[world.sends("1", "price", 0)]).await;
        let id = world.lead_ids().await[0];
        let now = world.store.clock.now();
        let hours = |it| now + jiff::SignedDuration::from_hours(it);
        let stage = Stage::Refused { reason: Some("Дорого".to_owned()), return_at: Some(hours(48)) };
        let before = world.store.sums(workspace).await.unwrap().iter().map(|it| it.created).sum::<i64>();
        for _ in 0..2 {
            assert!(world.store.set_stage(workspace, id, stage.clone(), &world.contexts[&workspace]).await.unwrap());
        }
        let after = world.store.sums(workspace).await.unwrap().iter().map(|it| it.created).sum::<i64>();
        assert_eq!(after - before, 1, "the sink hears of it once");
        let due = async |by| {
            world.store.leads(workspace, &LeadFilter { due_by: Some(by), ..LeadFilter::default() }, None, 10).await.unwrap().len()
        };
        assert_eq!((due(hours(47)).await, due(hours(49)).await), (0, 1));
        let why = world.store.lead_why(workspace, id).await.unwrap().unwrap();
        assert_eq!(why.due_at.map(jiff::Timestamp::as_millisecond), Some(hours(48).as_millisecond()));
        let other = world.store.further_workspace("Other", "DE").await.unwrap();
        assert!(!world.store.set_stage(other, id, Stage::Client, &world.contexts[&workspace]).await.unwrap());
        assert!(world.store.lead_why(other, id).await.unwrap().is_none());
        world.assert_sound().await;
    });
}

#[test]
fn an_interest_becomes_a_lead_when_its_person_can_be_reached() {
    on_both("interest", |world| async move {
        let workspace = world.origin.workspace;
        let says = |key: &str, name: Option<&str>, company: Option<&str>, identities| {
            let mut intake = world.says(key, "", identities);
            let Reading::Events(events) = &mut intake.reading else { unreachable!() };
            let Ok(EventBody::Message(it)) = &mut events[0].body else { unreachable!() };
            it.person.name = name.map(Name::full).unwrap_or_default();
            it.person.company = company.map(str::to_owned);
            it.conversation = None;
            intake
        };
        let stages = async || {
            let leads = world.store.leads(workspace, &LeadFilter::default(), None, 10).await.unwrap();
            leads.iter().rev().map(|it| it.stage.name()).collect::<Vec<_>>()
        };
        // A company's switchboard is nobody yet, and stays so.
        let office = || vec![Identity::phone("+7 495 123-45-67")];
        world.ingest(&[says("1", None, Some("ООО Ромашка"), office())]).await;
        world.ingest(&[says("2", None, Some("ООО Ромашка"), office())]).await;
        assert_eq!(stages().await, ["interest"]);
        world.ingest(&[says("3", Some("Анна Петрова"), None, vec![Identity::phone("+79123456789")])]).await;
        assert_eq!(stages().await, ["interest", "lead"]);
        let people = world.store.contacts(workspace, None, None, 10).await.unwrap();
        let ids: Vec<crate::ids::ContactId> = people.iter().map(|it| it.id.parse().unwrap()).collect();
        world.store.merge_contacts(workspace, (ids[0], ids[1]), "somebody", &world.contexts[&workspace]).await.unwrap();
        assert_eq!(stages().await, ["lead", "lead"], "who rang is known now");
        world.assert_sound().await;
    });
}

#[test]
fn stages_in_rules_are_those_of_leads() {
    for (name, stage) in
        [("interest", StageName::Interest), ("lead", StageName::Lead), ("client", StageName::Client), ("refused", StageName::Refused)]
    {
        assert_eq!(serde_json::from_value::<StageName>(json!(name)).unwrap(), stage);
    }
    assert_eq!(Returning::default().then, Then::Join);
}
