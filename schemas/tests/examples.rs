//! The example documents: what is accepted, what is refused and where, and that they show everything that there is.

use std::collections::BTreeSet;

use patchbay_schemas::payload_ref;
use serde_json::{Value, json};

use crate::documents::{Accepted, accepted, refused};
use crate::kinds::{Defaults, reread};
use crate::validators::{BASE, compile, documents, faults, schemas, strict, validator};

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
fn accepted_examples_show_every_kind_of_event() {
    let kinds: BTreeSet<String> = accepted("event.json").iter().filter_map(|it| it.document["kind"].as_str().map(str::to_owned)).collect();
    for definition in ["message", "call", "form", "mail", "comment", "rating", "status", "record", "person", "other"] {
        assert!(kinds.contains(definition), "no event of the kind {definition}");
        assert!(payload_ref(definition).is_some(), "no schema for the payload of {definition}");
    }
}

/// Takes each value out of its `enum` in turn: some accepted example must miss it.
#[test]
fn accepted_examples_show_every_value_of_every_enum() {
    let examples: Vec<Accepted> = documents().flat_map(accepted).collect();
    let files = schemas();
    let mut taken = 0;
    for (file, (name, schema)) in files.iter().enumerate() {
        for pointer in enums(schema, "") {
            let values = schema.pointer(&pointer).and_then(Value::as_array).expect("an enum is a list");
            for value in values {
                let without: Vec<&Value> = values.iter().filter(|it| *it != value).collect();
                let mut narrowed = files.clone();
                *narrowed[file].1.pointer_mut(&pointer).expect("it was there") = json!(without);
                assert!(missed(&narrowed, &examples), "{name}#{pointer}: no accepted example shows {value}");
                taken += 1;
            }
        }
    }
    assert!(taken > 50, "only {taken} values found");
}

fn missed(files: &[(&str, Value)], examples: &[Accepted]) -> bool {
    documents().any(|schema| {
        let validator = compile(files, &format!("{BASE}{schema}"), false);
        examples.iter().filter(|it| it.schema == schema).any(|it| !validator.is_valid(&it.document))
    })
}

/// JSON pointers to all enums but those of conditions.
fn enums(schema: &Value, at: &str) -> Vec<String> {
    let Some(members) = schema.as_object() else {
        return schema.as_array().into_iter().flatten().enumerate().flat_map(|(n, it)| enums(it, &format!("{at}/{n}"))).collect();
    };
    let below = |(key, it): (&String, &Value)| match key.as_str() {
        "enum" => vec![format!("{at}/enum")],
        "if" | "examples" | "default" => vec![],
        _ => enums(it, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))),
    };
    members.iter().flat_map(below).collect()
}
