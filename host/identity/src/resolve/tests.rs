//! Order, doubling, batching and withdrawal.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Engine, Settings, Verdict};
use crate::record::{Assurance, Record, RecordId, Said};

fn said(value: &str) -> Vec<Said> {
    if value.is_empty() { Vec::new() } else { vec![Said { value: value.into(), assurance: Assurance::Vendor }] }
}

fn person(name: &str, phone: &str, email: &str, city: &str) -> Record {
    Record { full_name: name.into(), phones: said(phone), emails: said(email), city: city.into(), ..Record::default() }
}

/// Few values, so that records meet often: families, namesakes, switchboards.
fn records() -> impl Strategy<Value = Vec<Record>> {
    let name = prop::sample::select(vec![
        "",
        "Иван Петров",
        "Ivan Petrov",
        "Ваня Петров",
        "Мария Петрова",
        "Петров Иван",
        "Bob Smith",
        "Robert Smith",
        "Anna Lee",
        "Ann Leee",
    ]);
    let phone = prop::sample::select(vec!["", "", "+79123456789", "89123456789", "+79031112233", "+74951234567", "+14155552671"]);
    let email = prop::sample::select(vec!["", "", "ivan@example.org", "maria@example.org", "info@example.org", "b.smith@example.org"]);
    let city = prop::sample::select(vec!["", "Москва", "Moskva", "Boston"]);
    let birth = prop::sample::select(vec!["", "", "1980-01-02", "1980-02-01", "1999-12-31"]);
    let one = (name, phone, email, city, birth)
        .prop_map(|(name, phone, email, city, birth)| Record { birth_date: birth.into(), ..person(name, phone, email, city) });
    prop::collection::vec(one, 1..40)
}

fn people(engine: &Engine) -> BTreeMap<RecordId, RecordId> {
    engine.people().collect()
}

fn id(at: usize) -> RecordId {
    RecordId(at as u128)
}

fn engine() -> Engine {
    Engine::new(&Settings::shipped("RU"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn order_doubling_and_batching_change_nothing(records in records(), order in any::<prop::sample::Index>(), seed in any::<u64>(), settle in any::<bool>()) {
        let mut plain = engine();
        for (at, record) in records.iter().enumerate() {
            plain.add(id(at), record);
        }
        let mut shuffled: Vec<usize> = (0..records.len()).chain(0..order.index(records.len())).collect();
        let mut state = seed | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        let mut other = engine();
        for at in shuffled {
            other.add(id(at), &records[at]);
        }
        prop_assert_eq!(people(&plain), people(&other));
        prop_assert_eq!(plain.questions(), other.questions());

        // The same in one batch, and with statistics taken on the way.
        let mut bulk = engine();
        for (at, record) in records.iter().enumerate().rev() {
            bulk.load(id(at), record);
        }
        if settle {
            other.settle();
        }
        plain.settle();
        other.settle();
        bulk.settle();
        prop_assert_eq!(people(&plain), people(&bulk));
        prop_assert_eq!(people(&plain), people(&other));
        prop_assert_eq!(plain.questions(), bulk.questions());
    }

    #[test]
    fn what_is_withdrawn_leaves_no_trace(records in records(), cut in any::<prop::sample::Index>(), changed in any::<bool>()) {
        let cut = cut.index(records.len());
        let mut never = engine();
        let mut withdrawn = engine();
        for (at, record) in records.iter().enumerate() {
            withdrawn.add(id(at), record);
            if at < cut {
                never.add(id(at), record);
            }
        }
        for at in cut..records.len() {
            if changed {
                withdrawn.add(id(at), &Record::default());
            }
            withdrawn.withdraw(id(at));
        }
        prop_assert_eq!(people(&never), people(&withdrawn));
        prop_assert_eq!(never.questions(), withdrawn.questions());
        never.settle();
        withdrawn.settle();
        prop_assert_eq!(people(&never), people(&withdrawn));
    }

    #[test]
    fn what_incremental_work_finds_is_what_deciding_anew_finds(records in records(), later in records()) {
        let mut live = engine();
        for (at, record) in records.iter().enumerate() {
            live.add(id(at), record);
        }
        live.settle();
        for (at, record) in later.iter().enumerate() {
            live.add(id(at + 20), record);
        }
        let found = people(&live);
        let questions = live.questions();
        live.decide_anew();
        prop_assert_eq!(found, people(&live));
        prop_assert_eq!(questions, live.questions());
    }
}

#[test]
fn a_closed_block_forgets_and_remembers_again() {
    // So many namesakes that their block closes, then few again.
    let mut grown = engine();
    let mut small = engine();
    for at in 0..150 {
        let record = Record {
            full_name: "Иван Петров".into(),
            city: "Москва".into(),
            birth_date: format!("19{:02}-01-0{}", at / 3 % 60 + 10, at % 3 + 1),
            ..Record::default()
        };
        grown.add(id(at), &record);
        if at < 30 {
            small.add(id(at), &record);
        }
    }
    for at in 30..150 {
        grown.withdraw(id(at));
    }
    assert_eq!(people(&grown), people(&small));
    assert_eq!(grown.questions(), small.questions());
}

#[test]
fn one_person_in_two_scripts_is_one() {
    let mut engine = engine();
    engine.add(id(1), &person("Иван Щукин", "8 (912) 345-67-89", "", "Москва"));
    engine.add(id(2), &person("Ivan Shchukin", "+79123456789", "", ""));
    engine.add(id(3), &person("Schukin Ivan", "", "", "Moscow"));
    assert_eq!(engine.person(id(2)), Some(id(1)));
    assert_eq!(engine.person(id(3)), Some(id(3)), "a name alone joins nobody");
}

#[test]
fn a_familys_phone_joins_nobody() {
    let mut engine = engine();
    engine.add(id(1), &person("Иван Петров", "+79123456789", "", ""));
    engine.add(id(2), &person("Мария Петрова", "+79123456789", "", ""));
    assert_ne!(engine.person(id(2)), engine.person(id(1)));
    engine.add(id(3), &person("Ваня Петров", "+79123456789", "", ""));
    assert_eq!(engine.person(id(3)), engine.person(id(1)), "name and phone join");
    engine.add(id(4), &person("", "+79123456789", "", ""));
    assert_eq!(engine.person(id(4)), Some(id(4)), "who of the family calls is not known");
    engine.withdraw(id(2));
    assert_eq!(engine.person(id(4)), engine.person(id(1)), "now the phone is one person's");
}

#[test]
fn a_rare_surname_says_nothing_of_who_of_a_household_it_is() {
    let of = |given: &str, surname: &str, birth: &str| Record {
        given_name: given.into(),
        surname: surname.into(),
        birth_date: birth.into(),
        ..person("", "+79123456789", "", "Казань")
    };
    let mut engine = engine();
    for (at, (given, surname, birth)) in [
        ("Михаил", "Калербов", "1994-03-14"),
        ("Олег", "Калербов", "1990-04-02"),
        ("Калербова", "Екатерина", ""),
        ("Калербова", "Ирина", ""),
        ("Марина", "Калербова", ""),
        ("Миша", "Калербов", ""),
        ("Ирина", "Калербова", ""),
        ("", "Калербов", ""),
    ]
    .into_iter()
    .enumerate()
    {
        engine.add(id(at), &of(given, surname, birth));
    }
    let persons: Vec<_> = (0..8).map(|at| engine.person(id(at))).collect();
    assert_eq!(persons, [0, 1, 2, 3, 4, 0, 3, 7].map(|at| Some(id(at))), "the given name tells, wherever it stands");
}

#[test]
fn a_persons_word_stands() {
    let mut engine = engine();
    engine.answer(id(1), id(2), Some(Verdict::Different));
    engine.add(id(1), &person("Иван Петров", "+79123456789", "", ""));
    engine.add(id(2), &person("Иван Петров", "+79123456789", "", ""));
    assert_ne!(engine.person(id(2)), engine.person(id(1)));
    engine.answer(id(1), id(2), None);
    assert_eq!(engine.person(id(2)), engine.person(id(1)));
    engine.add(id(3), &person("Bob Smith", "", "", ""));
    engine.answer(id(1), id(3), Some(Verdict::Same));
    assert_eq!(engine.person(id(3)), engine.person(id(1)));
}
