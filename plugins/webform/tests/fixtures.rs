//! Every body in `fixtures/` becomes what its `.expect.json` says, and every event obeys the schemas.

use std::fs;
use std::path::{Path, PathBuf};

use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::{Event, Outline, Timestamp};
use patchbay_testing::Schema;
use serde_json::Value;
use webform::config::Config;
use webform::decode::decode;
use webform::map::{Around, map};

const FACTS: [&str; 7] = ["external_user_id", "name", "phone", "email", "text", "direction", "occurred_at"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn events(path: &Path) -> Vec<Event> {
    let body = fs::read(path).expect("a readable fixture");
    let content_type = match path.extension().and_then(|it| it.to_str()) {
        Some("form") => "application/x-www-form-urlencoded",
        Some("multipart") => "multipart/form-data",
        _ => "application/json",
    };
    let config = fs::read_to_string(path.with_extension("config.json"))
        .map_or_else(|_| Config::default(), |it| Config::of(&Node::parse(it.as_bytes()).expect("a configuration")));
    let body = decode(content_type, &body).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
    map(body, Around::default(), &config).into_iter().map(|it| it.event).collect()
}

/// White space is of no account; of a phone only the digits are, of an address the case is not, of a time the moment is.
fn same(fact: &str, wanted: &Value, found: &Value) -> bool {
    let text = |it: &Value| {
        let text = it.as_str().map_or_else(|| if it.is_null() { String::new() } else { it.to_string() }, str::to_owned);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let (wanted, found) = (text(wanted), text(found));
    match fact {
        "phone" => wanted.chars().filter(char::is_ascii_digit).eq(found.chars().filter(char::is_ascii_digit)),
        "email" => wanted.to_lowercase() == found.to_lowercase(),
        "occurred_at" if !wanted.is_empty() && !found.is_empty() => {
            let at = |it: &str| it.parse::<Timestamp>().expect("a time").as_millisecond();
            (at(&wanted) - at(&found)).abs() < 1000
        }
        _ => wanted == found,
    }
}

fn differences(wanted: &Value, found: &Value) -> Vec<String> {
    let kinds = wanted.get("accept_kinds").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![wanted["kind"].clone()]);
    let mut differences = Vec::new();
    if !kinds.contains(&found["kind"]) {
        differences.push(format!("kind {} instead of {kinds:?}", found["kind"]));
    }
    for fact in FACTS {
        let mut good = vec![wanted[fact].clone()];
        good.extend(wanted["accept"][fact].as_array().into_iter().flatten().cloned());
        good.extend(wanted["optional_null"].as_array().filter(|it| it.iter().any(|it| it == fact)).map(|_| Value::Null));
        good.extend(wanted["optional"].get(fact).cloned());
        if !good.iter().any(|it| same(fact, it, &found[fact])) {
            differences.push(format!("{fact} {} instead of {good:?}", found[fact]));
        }
    }
    differences
}

fn is_needed(wanted: &Value) -> bool {
    wanted["kind"] != "ignored"
}

fn may_be_missing(wanted: &Value) -> bool {
    wanted["accept_kinds"].as_array().is_some_and(|it| it.iter().any(|it| it == "ignored"))
}

#[test]
fn fixtures_become_what_they_say() {
    let mut wrong = Vec::new();
    let mut played = 0;
    let mut paths: Vec<PathBuf> = fs::read_dir(folder()).expect("the fixtures").map(|it| it.expect("an entry").path()).collect();
    paths.sort();
    for path in paths.iter().filter(|it| it.to_string_lossy().ends_with(".expect.json")) {
        let stem = path.to_string_lossy().replace(".expect.json", "");
        let body = ["json", "form", "multipart"]
            .iter()
            .map(|it| PathBuf::from(format!("{stem}.{it}")))
            .find(|it| it.exists())
            .expect("a body beside the expectation");
        let expectation: Value = serde_json::from_slice(&fs::read(path).expect("an expectation")).expect("JSON");
        let mut wanted = vec![expectation.clone()];
        wanted.extend(expectation["more"].as_array().into_iter().flatten().cloned());
        let found: Vec<Value> = events(&body).iter().map(|it| serde_json::to_value(Outline::of(it)).expect("an outline")).collect();
        played += 1;
        let needed: Vec<&Value> = wanted.iter().filter(|it| is_needed(it)).collect();
        let strict: Vec<&Value> = needed.iter().copied().filter(|it| !may_be_missing(it)).collect();
        let wide: Vec<&Value> = wanted.iter().filter(|it| is_needed(it) || may_be_missing(it)).collect();
        let Some(pairs) = [needed, strict, wide].into_iter().find(|it| it.len() == found.len()) else {
            wrong.push(format!("{}: {} events instead of {}", body.display(), found.len(), wanted.len()));
            continue;
        };
        for (wanted, found) in pairs.iter().zip(&found) {
            wrong.extend(differences(wanted, found).iter().map(|it| format!("{}: {it}", body.display())));
            for (key, value) in wanted["check"].as_object().into_iter().flatten() {
                let event =
                    serde_json::to_value(events(&body).remove(pairs.iter().position(|it| it == wanted).expect("the same"))).expect("JSON");
                if event.pointer(key).unwrap_or(&Value::Null) != value {
                    wrong.push(format!("{}: {key} is {} instead of {value}", body.display(), event.pointer(key).unwrap_or(&Value::Null)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(played > 60, "only {played} fixtures");
}

#[test]
fn events_obey_the_schemas() {
    let schema = Schema::event();
    for path in fs::read_dir(folder()).expect("the fixtures").map(|it| it.expect("an entry").path()) {
        let name = path.to_string_lossy().into_owned();
        if name.ends_with(".expect.json") || name.ends_with(".config.json") {
            continue;
        }
        for event in events(&path) {
            assert_eq!(schema.faults(&event), Vec::<String>::new(), "{name}");
        }
    }
}
