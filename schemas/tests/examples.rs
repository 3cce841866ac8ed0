//! The example documents: what is accepted, what is refused and where, and that they show everything that there is.

use patchbay_schemas::payload_ref;
use serde_json::{Value, json};

use crate::documents::{Accepted, accepted, refused};
use crate::kinds::{Defaults, EVENTS, reread};
use crate::validators::{BASE, compile, documents, faults, schema, schemas, strict, validator};

#[test]
fn accepted_examples_validate_and_survive_the_rust_type() {
    let defaults = Defaults::of_v1();
    for schema in documents() {
        let (contract, hub) = (validator(schema), strict(schema));
        let examples = accepted(schema);
        assert!(examples.len() >= 4, "{schema}: {} accepted examples", examples.len());
        for Accepted { path, document, .. } in examples {
            let name = path.display();
            assert_eq!(faults(&contract, &document), [""; 0], "{name}");
            assert_eq!(faults(&hub, &document), [""; 0], "{name}");
            let written = reread(schema, &document).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(defaults.difference(&document, &written), None, "{name}");
            assert_eq!(faults(&contract, &written), [""; 0], "{name}, as written back");
        }
    }
}

#[test]
fn refused_examples_fail_where_they_say() {
    for schema in documents() {
        let contract = validator(schema);
        let examples = refused(schema);
        assert!(examples.len() >= 6, "{schema}: {} refused examples", examples.len());
        for (path, refused) in examples {
            let name = path.display();
            assert!(!refused.why.is_empty(), "{name} does not say why");
            let found: Vec<String> = contract.iter_errors(&refused.document).map(|error| error.instance_path().to_string()).collect();
            assert!(found.contains(&refused.at), "{name}: wanted {:?}, found {:?}", refused.at, faults(&contract, &refused.document));
        }
    }
}

#[test]
fn every_kind_of_event_has_its_schema_and_an_accepted_example() {
    let event = schema("event.json");
    let branches = event["allOf"].as_array().into_iter().flatten();
    let described: Vec<&Value> = branches.map(|it| &it["if"]["properties"]["kind"]["const"]).collect();
    assert_eq!(described, EVENTS);
    let examples = accepted("event.json");
    for kind in EVENTS {
        assert!(examples.iter().any(|it| it.document["kind"] == kind), "no event of the kind {kind}");
        assert_eq!(payload_ref(kind), Some(format!("{BASE}event.json#/$defs/{kind}").as_str()));
    }
}

/// Narrows the schemas in turn: a value taken out of its `enum`, a property forbidden. Some accepted example must miss it; with
/// that, a property that the Rust type lacks is found by the round trip.
#[test]
fn accepted_examples_show_every_property_and_every_value() {
    let examples: Vec<Accepted> = documents().flat_map(accepted).collect();
    let mut files = schemas();
    let mut checked = 0;
    for file in 0..files.len() {
        for narrowing in narrowings(&files[file].1, "") {
            let name = files[file].0;
            let place = files[file].1.pointer_mut(&narrowing.at).expect("it was found there");
            let whole = std::mem::replace(place, narrowing.narrowed);
            assert!(missed(&files, name, &examples), "{name}#{}: no accepted example shows {}", narrowing.at, narrowing.without);
            *files[file].1.pointer_mut(&narrowing.at).expect("it was found there") = whole;
            checked += 1;
        }
    }
    assert!(checked > 200, "only {checked} properties and values found");
}

/// The documents of the narrowed file come first, for they tell most.
fn missed(files: &[(&str, Value)], first: &str, examples: &[Accepted]) -> bool {
    documents().filter(|it| *it == first).chain(documents().filter(|it| *it != first)).any(|schema| {
        let validator = compile(files, &format!("{BASE}{schema}"), false);
        examples.iter().filter(|it| it.schema == schema).any(|it| !validator.is_valid(&it.document))
    })
}

struct Narrowing {
    /// JSON pointer to what is narrowed.
    at: String,
    /// What stands there instead.
    narrowed: Value,
    /// What is no longer accepted.
    without: Value,
}

/// Every narrowing of a schema, outside of conditions.
fn narrowings(schema: &Value, at: &str) -> Vec<Narrowing> {
    let mut found = Vec::new();
    for (key, part) in schema.as_object().into_iter().flatten() {
        let at = format!("{at}/{key}");
        match key.as_str() {
            "enum" => found.extend(without_each(&at, part)),
            "properties" | "$defs" => {
                for (name, part) in part.as_object().into_iter().flatten().filter(|(_, part)| part.is_object()) {
                    let at = format!("{at}/{name}");
                    if key == "properties" {
                        found.push(Narrowing { at: at.clone(), narrowed: json!(false), without: json!(name) });
                    }
                    found.extend(narrowings(part, &at));
                }
            }
            "items" | "additionalProperties" => found.extend(narrowings(part, &at)),
            _ => {}
        }
    }
    found
}

fn without_each(at: &str, values: &Value) -> Vec<Narrowing> {
    let values = values.as_array().expect("an enum is a list");
    let narrow = |value: &Value| {
        let rest: Vec<&Value> = values.iter().filter(|it| *it != value).collect();
        Narrowing { at: at.to_owned(), narrowed: json!(rest), without: value.clone() }
    };
    values.iter().map(narrow).collect()
}
