//! A sink's contact to which the records of two people belong: somebody is asked where people there made it so.

use super::*;
use crate::ids::{ContactId, LeadId};

/// A planner that knows so many people, each with a lead, whose records are called `0`, `1`, …
fn people(world: &World, count: usize) -> (Planner<'_>, Vec<(ContactId, LeadId)>) {
    let mut planner = world.planner();
    for at in 0..count {
        take(&mut planner, &world.intake(vec![said(&format!("m{at}"), Direction::In, vec![Identity::handle(at.to_string())], None)]));
    }
    let known: Vec<_> = planner.plan.leads.iter().map(|it| (it.state.contact, it.id)).collect();
    for (at, (_, lead)) in known.iter().enumerate() {
        planner.known.references.insert((world.sink, at.to_string()), *lead);
    }
    (planner, known)
}

/// The records tell, one after the other, which contact they belong to.
fn tell(world: &World, planner: &mut Planner<'_>, told: &[(usize, &str)]) {
    let sink = Origin { connection: world.sink, connector: "odoo".to_owned(), ..world.origin.clone() };
    for (record, person) in told {
        let record = RecordChange {
            entity: "crm.lead".to_owned(),
            action: RecordAction::Updated,
            external_id: record.to_string(),
            lead: None,
            person_ref: Some((*person).to_owned()),
            fields: RecordFields::default(),
            extra: patchbay_schemas::Extra::default(),
        };
        let event = checked(&format!("r{}", planner.plan.events.len()), EventBody::Record(record));
        take(planner, &Intake { origin: sink.clone(), ..world.intake(vec![event]) });
    }
}

#[test]
fn only_who_is_moved_to_the_contact_of_somebody_else_is_asked_about() {
    let cases = [
        ("they had it from the beginning", &[(0, "a"), (1, "a")][..], 0),
        ("a contact of their own", &[(0, "a"), (1, "b"), (1, "c")], 0),
        ("moved to the other's", &[(0, "a"), (1, "b"), (1, "a")], 1),
        ("told again", &[(0, "a"), (1, "b"), (1, "a"), (1, "a")], 1),
        ("whoever was there left", &[(0, "a"), (1, "b"), (0, "c"), (1, "a")], 0),
        ("more have it than are one person", &[(0, "a"), (1, "a"), (2, "a"), (3, "a"), (4, "b"), (4, "a")], 0),
    ];
    for (what, told, questions) in cases {
        let world = World::new();
        let (mut planner, people) = people(&world, 5);
        tell(&world, &mut planner, told);
        let asked: Vec<_> = planner.plan.questions.iter().map(|it| (it.one, it.other, it.asked_by)).collect();
        assert_eq!(asked.len(), questions, "{what}");
        assert!(asked.iter().all(|it| *it == (people[0].0, people[1].0, AskedBy::MergedPerson(world.sink))), "{what}: {asked:?}");
        assert!(planner.plan.merges.is_empty(), "{what}: nobody is joined");
    }
}

#[test]
fn what_a_write_that_is_under_way_may_have_done_is_nobodys_doing_until_it_is_told_again() {
    let world = World::new();
    let (mut planner, people) = people(&world, 2);
    tell(&world, &mut planner, &[(0, "a"), (1, "b")]);
    planner.known.in_flight.insert((world.sink, people[1].1));
    tell(&world, &mut planner, &[(1, "a")]);
    assert!(planner.plan.questions.is_empty());
    planner.known.in_flight.clear();
    tell(&world, &mut planner, &[(1, "a")]);
    assert_eq!(planner.plan.questions.len(), 1);
}

#[test]
fn who_is_one_person_by_then_is_not_asked_about() {
    let world = World::new();
    let (mut planner, people) = people(&world, 2);
    tell(&world, &mut planner, &[(0, "a"), (1, "b")]);
    planner.known.shown_by.insert(people[1].0, people[0].0);
    tell(&world, &mut planner, &[(1, "a")]);
    assert!(planner.plan.questions.is_empty());
}
