//! Fixtures: each mail becomes what its expectation says, and what the schemas allow.

use std::fs;
use std::path::PathBuf;

use email::config::Config;
use email::map;
use patchbay_sdk::schemas::{Event, Outline};
use patchbay_testing::Schema;
use serde_json::Value;

const FACTS: [&str; 8] = ["kind", "external_user_id", "name", "phone", "email", "text", "direction", "occurred_at"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn config() -> Config {
    Config { address: "sales@patchbay.example".to_owned(), ..Config::default() }
}

fn mails() -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = fs::read_dir(folder())
        .expect("fixtures/ is there")
        .map(|it| it.expect("a file").path())
        .filter(|it| it.extension().is_some_and(|it| it == "eml"))
        .map(|it| (it.file_stem().expect("a name").to_string_lossy().into_owned(), fs::read(&it).expect("it can be read")))
        .collect();
    found.sort();
    found
}

fn clean(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |it| it.split_whitespace().collect::<Vec<_>>().join(" ").into())
}

#[test]
fn every_mail_becomes_what_its_expectation_says() {
    let mails = mails();
    assert!(mails.len() > 20, "{} mails", mails.len());
    let (schema, mut faults) = (Schema::event(), Vec::new());
    for (name, raw) in mails {
        let text = fs::read(folder().join(format!("{name}.expect.json"))).expect(&name);
        let expected: Value = serde_json::from_slice(&text).expect(&name);
        let outcome = map::event(&raw, &config());
        if let Some(failure) = expected.get("failure") {
            assert_eq!(outcome.expect_err(&name).code, failure["code"], "{name}");
            continue;
        }
        let event: Event = outcome.expect(&name);
        faults.extend(schema.faults(&event).into_iter().map(|it| format!("{name}: {it}")));
        let outline = serde_json::to_value(Outline::of(&event)).expect("an outline is JSON");
        for fact in FACTS.iter().filter(|it| expected[0].get(**it).is_some()) {
            let (came, due) = (clean(&outline[*fact]), clean(&expected[0][*fact]));
            if came != due {
                faults.push(format!("{name}: {fact} is {came}, and {due} is due"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_same_mail_by_another_way_is_the_same_event_and_another_mail_of_its_id_is_another() {
    let (_, raw) = mails().into_iter().find(|it| it.0 == "chatwoot-invalid-to").expect("it is there");
    let id = |raw: &[u8]| map::event(raw, &config()).expect("a mail").id;
    let other_way = [b"Received: from elsewhere\r\nX-Spam: no\r\n".as_slice(), &raw].concat();
    assert_eq!(id(&raw), id(&other_way));
    let other_words = String::from_utf8_lossy(&raw).replace("hey v", "hello v");
    assert_ne!(id(&raw), id(other_words.as_bytes()));
}

#[test]
fn whatever_comes_in_breaks_nothing() {
    let schema = Schema::event();
    for (name, raw) in mails() {
        for at in (0..raw.len()).step_by(raw.len() / 40 + 1) {
            let mut torn = raw.clone();
            torn.truncate(at);
            let mut bent = raw.clone();
            bent[at] ^= 0x5a;
            for body in [torn, bent] {
                if let Ok(event) = map::event(&body, &config()) {
                    assert_eq!(schema.faults(&event), Vec::<String>::new(), "{name} at {at}");
                }
            }
        }
    }
}
