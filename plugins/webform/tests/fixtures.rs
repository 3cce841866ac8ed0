//! Every body in `fixtures/` becomes what its `.expect.json` says, and every event obeys the schemas.

use std::fs;
use std::path::{Path, PathBuf};

use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::{Event, Outline};
use patchbay_testing::Schema;
use serde_json::Value;
use webform::config::Config;
use webform::decode::decode;
use webform::map::{Around, map};

const FACTS: [&str; 8] = ["kind", "external_user_id", "name", "phone", "email", "text", "direction", "occurred_at"];

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
    let settings = fs::read_to_string(path.with_extension("case.toml")).unwrap_or_default();
    let settings: toml::Table = settings.parse().expect("the settings of a case");
    let config = settings.get("config").map(|it| serde_json::to_string(it).expect("JSON"));
    let config = config.map_or_else(Config::default, |it| Config::of(&Node::parse(it.as_bytes()).expect("a configuration")));
    let body = decode(content_type, &body).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
    map(body, Around::default(), &config).into_iter().map(|it| it.event).collect()
}

#[test]
fn fixtures_become_what_they_say() {
    let mut wrong = Vec::new();
    let mut played = 0;
    let mut paths: Vec<PathBuf> = fs::read_dir(folder()).expect("the fixtures").map(|it| it.expect("an entry").path()).collect();
    paths.sort();
    for path in paths.iter().filter(|it| it.to_string_lossy().ends_with(".expect.json")) {
        let stem = path.to_string_lossy().replace(".expect.json", "");
        // A check has no body: `patchbay connector test` plays it.
        let body = ["json", "form", "multipart"].iter().map(|it| PathBuf::from(format!("{stem}.{it}"))).find(|it| it.exists());
        let Some(body) = body else { continue };
        let expectation: Value = serde_json::from_slice(&fs::read(path).expect("an expectation")).expect("JSON");
        let wanted = expectation.as_array().expect("a list of events");
        let found = events(&body);
        played += 1;
        if wanted.len() != found.len() {
            wrong.push(format!("{}: {} events instead of {}", body.display(), found.len(), wanted.len()));
            continue;
        }
        for (wanted, event) in wanted.iter().zip(&found) {
            let outline = serde_json::to_value(Outline::of(event)).expect("an outline");
            let facts = FACTS.into_iter().map(|fact| (fact, &wanted[fact], &outline[fact]));
            let event = serde_json::to_value(event).expect("JSON");
            let checks = wanted["check"].as_object().into_iter().flatten();
            let checks = checks.map(|(key, value)| (key.as_str(), value, event.pointer(key).unwrap_or(&Value::Null)));
            for (what, wanted, found) in facts.chain(checks).filter(|(_, wanted, found)| wanted != found) {
                wrong.push(format!("{}: {what} is {found} instead of {wanted}", body.display()));
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
        if [".expect.json", ".case.toml", ".check.json"].iter().any(|it| name.ends_with(it)) {
            continue;
        }
        for event in events(&path) {
            assert_eq!(schema.faults(&event), Vec::<String>::new(), "{name}");
        }
    }
}
