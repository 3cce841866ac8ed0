//! Who is one person, found out behind the deliveries: on the real store, whatever the order.

use std::collections::BTreeSet;

use super::*;
use crate::ids::ContactId;
use crate::people::{Matcher, Round};
use crate::store::people::Merging;

impl World {
    fn matcher(&self) -> Matcher {
        Matcher::new(&self.store, self.origin.workspace, "hub", "RU")
    }

    /// Looks at everybody until nothing is left to do.
    pub(super) async fn matches(&self) {
        let mut matcher = self.matcher();
        while matcher.round(&self.contexts[&self.origin.workspace]).await.unwrap() != Round::Idle {}
        // The turn ends with the matcher.
        let mut tx = self.store.db.begin().await.unwrap();
        tx.execute("update matching set lease_until = 0 where workspace_id = $1", vec![self.origin.workspace.into()]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Events that are one person's, person by person.
    async fn partition(&self) -> BTreeSet<BTreeSet<String>> {
        let mut people: BTreeMap<ContactId, BTreeSet<String>> = BTreeMap::new();
        for it in self.store.interactions(self.origin.workspace, Of::Everybody, None, 1_000).await.unwrap() {
            people.entry(it.contact).or_default().insert(it.event["key"].as_str().unwrap().to_owned());
        }
        people.into_values().collect()
    }

    /// The contact that shows whoever said this.
    async fn partition_contact(&self, key: &str) -> ContactId {
        let all = self.store.interactions(self.origin.workspace, Of::Everybody, None, 1_000).await.unwrap();
        all.iter().find(|it| it.event["key"] == key).unwrap().contact
    }

    /// Asked pairs, both people by their events.
    async fn asked(&self) -> BTreeSet<BTreeSet<BTreeSet<String>>> {
        let mut asked = BTreeSet::new();
        for it in self.store.questions(self.origin.workspace, "open", None, 1_000).await.unwrap() {
            let mut pair = BTreeSet::new();
            for contact in [&it.one, &it.other] {
                let of = Of::Contact(contact.id.parse().unwrap());
                let said = self.store.interactions(self.origin.workspace, of, None, 1_000).await.unwrap();
                pair.insert(said.iter().map(|it| it.event["key"].as_str().unwrap().to_owned()).collect());
            }
            assert_eq!(pair.len(), 2, "nobody is asked whether somebody is themselves");
            asked.insert(pair);
        }
        asked
    }

    /// The same databases, an empty workspace with a connection and a sink of its own.
    async fn anew(&self) -> Self {
        let workspace = self.store.further_workspace("Another", "RU").await.unwrap();
        let mut made = Vec::new();
        for connector in ["telegram", "odoo"] {
            let connection = connection(&self.store, workspace, connector);
            self.store.create_connection(&connection, &BTreeMap::new(), "tests").await.unwrap();
            made.push(connection.id);
        }
        let origin = Origin { workspace, connection: made[0], ..self.origin.clone() };
        let context = Context { sinks: vec![made[1]], ..self.contexts[&self.origin.workspace].clone() };
        Self { store: self.store.clone(), origin, sink: made[1], contexts: HashMap::from([(workspace, context)]) }
    }
}

/// One thing that is said: a name, and what points at the person.
type Saying = (&'static str, Vec<Identity>);

/// A stream of numbers from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// Few values, so that people meet often: families, namesakes, switchboards, short forms, two scripts.
fn sayings(chance: &mut Chance) -> Vec<Saying> {
    const NAMES: [&str; 8] = ["", "Иван Петров", "Ivan Petrov", "Ваня Петров", "Мария Петрова", "Bob Smith", "Robert Smith", "Петров Иван"];
    (0..14)
        .map(|_| {
            let mut identities = Vec::new();
            match chance.below(4) {
                0 => identities.push(Identity::phone(["+79123456789", "8 912 345-67-89", "+79031112233"][chance.below(3)])),
                1 => identities.push(Identity::phone(["+7 495 123-45-67", "+14155552671"][chance.below(2)]).stated()),
                2 => identities.push(Identity::handle(chance.below(4).to_string())),
                _ => identities.push(Identity::email(["info@example.org", "ivan@example.org", "b.smith@example.org"][chance.below(3)])),
            }
            if chance.below(3) == 0 {
                identities.push(Identity::handle(chance.below(4).to_string()));
            }
            (NAMES[chance.below(NAMES.len())], identities)
        })
        .collect()
}

#[test]
fn people_do_not_depend_on_the_order_the_doubling_or_the_batching_of_deliveries() {
    on_both("order", |world| async move {
        for seed in 1..=12 {
            let mut chance = Chance(seed);
            let sayings = sayings(&mut chance);
            let said = |world: &World, at: usize| world.says(&at.to_string(), sayings[at].0, sayings[at].1.clone());
            // All at once, and looked at afterwards.
            let plain = world.anew().await;
            plain.ingest(&(0..sayings.len()).map(|at| said(&plain, at)).collect::<Vec<_>>()).await;
            plain.matches().await;
            let (people, asked) = (plain.partition().await, plain.asked().await);
            for play in 0..3 {
                let mut order: Vec<usize> = (0..sayings.len()).chain(0..chance.below(sayings.len())).collect();
                for at in (1..order.len()).rev() {
                    order.swap(at, chance.below(at + 1));
                }
                let other = world.anew().await;
                for batch in order.chunks(play * 2 + 1) {
                    other.ingest(&batch.iter().map(|at| said(&other, *at)).collect::<Vec<_>>()).await;
                    // Looked at now and then, as it happens.
                    if chance.below(3) == 0 {
                        other.matches().await;
                    }
                }
                other.matches().await;
                assert_eq!(other.partition().await, people, "seed {seed}, play {play}: {sayings:?}");
                assert_eq!(other.asked().await, asked, "seed {seed}, play {play}: {sayings:?}");
                other.assert_sound().await;
            }
        }
    });
}

#[test]
fn one_person_in_two_scripts_behind_one_office_number_is_found_and_told_to_the_sinks() {
    on_both("scripts", |world| async move {
        let office = || Identity::phone("+7 495 123-45-67");
        world.ingest(&[world.says("1", "Иван Щукин", vec![office()])]).await;
        world.ingest(&[world.says("2", "Ivan Shchukin", vec![Identity::handle("42"), office()])]).await;
        world.ingest(&[world.says("3", "Мария Орлова", vec![office()])]).await;
        assert_eq!(world.partition().await.len(), 3, "a batch joins nobody by a number that an office answers");
        let created = async || world.store.sums(world.origin.workspace).await.unwrap().iter().map(|it| it.created).sum::<i64>();
        let before = created().await;
        world.matches().await;
        let people: Vec<usize> = world.partition().await.iter().map(BTreeSet::len).collect();
        assert_eq!(people, [2, 1], "but the name beside it does");
        assert_eq!(created().await - before, 4, "both leads show who they are, and each record is told of the other");
        let shown = world.partition_contact("1").await;
        let why = world.store.why(world.origin.workspace, shown).await.unwrap().unwrap();
        assert_eq!((why.sources.len(), why.merges.len(), why.merges[0].author.as_str()), (2, 1, "rule"));
        assert!(why.merges[0].reasons.iter().any(|it| it.words == "surname: sounds the same"), "{:?}", why.merges[0].reasons);
        // Whoever is taken out by hand stays out.
        let second = why.sources[1].id;
        world.store.unmerge_contact(world.origin.workspace, second, "somebody", &world.contexts[&world.origin.workspace]).await.unwrap();
        world.ingest(&[world.says("4", "Ivan Shchukin", vec![Identity::handle("42")])]).await;
        world.matches().await;
        assert_eq!(world.partition().await.len(), 3);
        assert!(world.asked().await.is_empty(), "nor is anybody asked");
        world.assert_sound().await;
    });
}

#[test]
fn a_phone_that_turns_out_to_be_a_familys_joins_nobody_any_more() {
    on_both("family", |world| async move {
        let phone = || vec![Identity::phone("+79123456789")];
        world.ingest(&[world.says("1", "", phone()), world.says("2", "Иван Петров", phone())]).await;
        world.matches().await;
        assert_eq!(world.partition().await.len(), 1, "one name: one person");
        world.ingest(&[world.says("3", "Мария Петрова", phone())]).await;
        assert_eq!(world.partition().await.len(), 2);
        world.matches().await;
        assert_eq!(world.partition().await.len(), 3, "who of the family called without a name is not known");
        let leads = world.store.leads(world.origin.workspace, &LeadFilter::default(), None, 10).await.unwrap();
        assert_eq!(leads.len(), 3, "each has a lead of their own");
        // The next batch knows that already.
        world.ingest(&[world.says("4", "Пётр", phone())]).await;
        assert_eq!(world.partition().await.len(), 4);
        world.assert_sound().await;
    });
}

#[test]
fn somebody_is_asked_about_doubtful_pairs_and_the_answer_holds() {
    on_both("asked", |world| async move {
        let workspace = world.origin.workspace;
        let (mut yes, mut no, mut never) = (None, None, None);
        for (at, number) in ["+7 495 123-45-67", "+7 495 765-43-21", "+7 495 222-33-44"].into_iter().enumerate() {
            let office = || Identity::phone(number);
            world.ingest(&[world.says(&format!("{at}a"), "", vec![office()])]).await;
            world.ingest(&[world.says(&format!("{at}b"), "", vec![Identity::handle(at.to_string()), office()])]).await;
            world.matches().await;
            let open = world.store.questions(workspace, "open", None, 10).await.unwrap();
            let question = open.into_iter().next().expect("a nameless call and a nameless account behind one office number");
            assert!(question.reasons.iter().any(|it| it.words.starts_with("phone")), "{:?}", question.reasons);
            let pair = (question.one.id.parse().unwrap(), question.other.id.parse().unwrap());
            match at {
                0 => {
                    let done = world.store.merge_contacts(workspace, pair, "somebody", &world.contexts[&workspace]).await.unwrap();
                    assert_eq!(done, Merging::Done(vec![pair.0.min(pair.1)]));
                    yes = Some(question.id);
                }
                1 => {
                    world.store.part_contacts(workspace, pair, false, "somebody", &world.contexts[&workspace]).await.unwrap();
                    no = Some(question.id);
                }
                _ => {
                    world.store.part_contacts(workspace, pair, true, "somebody", &world.contexts[&workspace]).await.unwrap();
                    never = Some(question.id);
                }
            }
            assert!(world.store.questions(workspace, "open", None, 10).await.unwrap().is_empty());
        }
        for (id, state) in [(yes, "yes"), (no, "no"), (never, "never")] {
            let question = world.store.question(workspace, id.unwrap()).await.unwrap().unwrap();
            assert_eq!((question.state.as_str(), question.answered_by.as_deref()), (state, Some("somebody")));
        }
        let people = world.partition().await.len();
        world.matcher().count().await.ok();
        world.matches().await;
        assert_eq!((world.partition().await.len(), people), (5, 5));
        assert!(world.asked().await.is_empty());
        world.assert_sound().await;
    });
}

#[test]
fn names_are_counted_when_there_are_many_and_everybody_is_looked_at_anew() {
    on_both("census", |world| async move {
        let batch: Vec<Intake> = (0..220)
            .map(|at| {
                let name = if at % 2 == 0 { format!("Иван Фамилия{at}") } else { format!("Name{at} Surname{at}") };
                world.says(&at.to_string(), &name, vec![Identity::handle(at.to_string())])
            })
            .collect();
        world.ingest(&batch).await;
        let terms = world.store.terms(world.origin.workspace).await.unwrap();
        assert_eq!(terms.rows().count(), 0);
        world.matches().await;
        let terms = world.store.terms(world.origin.workspace).await.unwrap();
        assert!((terms.taken.people - 220.0).abs() < 0.5, "{:?}", terms.taken);
        assert_eq!(terms.people(patchbay_identity::symbols::Domain::Sound, b"ivan"), 110);
        let mut matcher = world.matcher();
        matcher.round(&world.contexts[&world.origin.workspace]).await.unwrap();
        let mut second = Matcher::new(&world.store, world.origin.workspace, "other", "RU");
        assert_eq!(second.round(&world.contexts[&world.origin.workspace]).await.unwrap(), Round::Elsewhere, "one hub does it");
        assert_eq!(world.partition().await.len(), 220);
    });
}

/// Weights that a workspace took over hold for a matcher that runs already, and everybody is looked at anew.
#[test]
fn weights_that_were_taken_over_decide_about_everybody_from_then_on() {
    on_both("weights", |world| async move {
        let workspace = world.origin.workspace;
        let written = |name: &'static str, key: &'static str, handle: &'static str| {
            world.says(key, name, vec![Identity::handle(handle), Identity::email(format!("{handle}@example.com"))])
        };
        world.ingest(&[written("Иван Щукин", "1", "10"), written("Ivan Shchukin", "2", "20")]).await;
        let mut matcher = world.matcher();
        let context = &world.contexts[&workspace];
        while matcher.round(context).await.unwrap() != Round::Idle {}
        assert_eq!(world.partition().await.len(), 1, "of two records a rare name is one person's");

        let mut weights = world.store.weights(workspace).await.unwrap().weights;
        weights.merge = 60.0;
        world.store.set_weights(workspace, Some(&weights), "tests").await.unwrap();
        let shown = world.store.weights(workspace).await.unwrap();
        assert_eq!((&shown.weights, shown.author.as_deref()), (&weights, Some("tests")), "not one number is rounded");
        while matcher.round(context).await.unwrap() != Round::Idle {}
        assert_eq!(world.partition().await.len(), 2, "nothing that they say is proof enough");

        world.store.set_weights(workspace, None, "tests").await.unwrap();
        while matcher.round(context).await.unwrap() != Round::Idle {}
        assert_eq!(world.partition().await.len(), 1, "as before");
        world.assert_sound().await;
    });
}
