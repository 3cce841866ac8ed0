//! The schema files themselves.

use patchbay_schemas::{Event, V1, payload_ref};
use serde_json::{Value, json};

use crate::validators::{BASE, faults, schema, schemas, validator};

#[test]
fn every_file_is_valid_draft_2020_12_under_its_own_address() {
    for (file, schema) in schemas() {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{file}");
        assert_eq!(schema["$id"], format!("{BASE}{file}"), "{file}");
        if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
            panic!("{file}{}: {error}", error.instance_path());
        }
    }
}

#[test]
fn every_file_on_disk_is_part_of_v1() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("v1");
    let mut on_disk: Vec<String> = std::fs::read_dir(folder)
        .expect("the schemas are there")
        .map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned())
        .collect();
    let mut listed = V1.map(|(file, _)| file);
    on_disk.sort();
    listed.sort_unstable();
    assert_eq!(on_disk, listed);
}

#[test]
fn every_example_inside_a_schema_validates() {
    let mut checked = 0;
    for (file, schema) in schemas() {
        each(&schema, "", &mut |at, part| {
            let validator = validator(&format!("{file}#{at}"));
            for example in part.get("examples").and_then(Value::as_array).into_iter().flatten() {
                assert_eq!(faults(&validator, example), [""; 0], "{file}#{at}: {example}");
                checked += 1;
            }
        });
    }
    assert!(checked > 40, "only {checked} examples found");
}

#[test]
fn every_part_has_a_title_and_every_property_a_description() {
    for (file, schema) in schemas() {
        let definitions = schema["$defs"].as_object().into_iter().flatten().map(|(_, it)| it);
        for part in definitions.chain([&schema]) {
            assert!(part["title"].is_string() && part["description"].is_string(), "{file}: {part}");
        }
        each(&schema, "", &mut |at, part| {
            for (name, property) in part["properties"].as_object().into_iter().flatten().filter(|(_, it)| it.is_object()) {
                assert!(property["description"].is_string(), "{file}#{at}: {name} has no description");
            }
        });
    }
}

/// A place that takes any property says so in its own name.
#[test]
fn objects_are_closed_but_for_the_known_places() {
    let open = ["extra", "fields", "details", "known", "config", "payload", "when", "origin"];
    for (file, schema) in schemas() {
        each(&schema, "", &mut |at, part| {
            let closed = part.get("additionalProperties").or(part.get("unevaluatedProperties")).is_some();
            let known = at.rsplit('/').next().is_some_and(|name| open.contains(&name));
            assert!(part["type"] != "object" || closed || known, "{file}#{at} takes any property");
        });
    }
}

#[test]
fn payloads_are_checked_alone() {
    for event in schema("event.json")["examples"].as_array().expect("there are examples") {
        let kind = event["kind"].as_str().expect("an event has a kind");
        let Some(place) = payload_ref(kind) else { continue };
        let alone = validator(place.strip_prefix(BASE).expect("it is one of ours"));
        assert_eq!(faults(&alone, &event["payload"]), [""; 0], "{kind}");
        assert!(!alone.is_valid(&json!({ "direction": "in" })), "{kind} takes anything");
    }
}

#[test]
fn unknown_kinds_pass_the_schema_and_are_beyond_the_rust_type() {
    let event = json!({ "id": "poll:9", "kind": "poll_answer", "payload": { "any": ["thing"] } });
    assert_eq!(payload_ref("poll_answer"), None);
    assert_eq!(faults(&validator("event.json"), &event), [""; 0]);
    assert!(serde_json::from_value::<Event>(event).is_err());
}

#[test]
fn the_longest_text_is_counted_in_characters() {
    let validator = validator("event.json");
    let event = |text: String| json!({ "id": "1", "kind": "message", "payload": { "direction": "in", "text": text, "message": {} } });
    assert_eq!(faults(&validator, &event("Ы".repeat(65_536))), [""; 0]);
    let refused = event("Ы".repeat(65_537));
    let places: Vec<String> = validator.iter_errors(&refused).map(|error| error.instance_path().to_string()).collect();
    assert_eq!(places, ["/payload/text"]);
}

/// Calls `see` with every subschema outside of conditions, and its JSON pointer.
fn each(schema: &Value, at: &str, see: &mut impl FnMut(&str, &Value)) {
    if !schema.is_object() {
        return;
    }
    see(at, schema);
    for keyword in ["properties", "$defs"] {
        for (name, part) in schema[keyword].as_object().into_iter().flatten() {
            each(part, &format!("{at}/{keyword}/{name}"), see);
        }
    }
    for keyword in ["items", "additionalProperties", "propertyNames"] {
        if let Some(part) = schema.get(keyword) {
            each(part, &format!("{at}/{keyword}"), see);
        }
    }
}
