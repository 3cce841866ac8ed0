//! Events are checked by the schemas, as the hub does it.

use jsonschema::{Registry, Validator};
use patchbay_sdk::schemas::{Event, V1};
use serde_json::{Value, json};

/// The validator of events.
pub fn validator() -> Validator {
    let base = "https://patchbay.dev/schemas/v1/";
    let files: Vec<(String, Value)> =
        V1.iter().map(|(file, text)| (format!("{base}{file}"), serde_json::from_str(text).expect(file))).collect();
    let files = files.iter().map(|(uri, schema)| (uri, schema));
    let registry = Registry::new().extend(files).expect("every $id is a URI").prepare().expect("every reference leads somewhere");
    jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .offline()
        .build(&json!({ "$ref": format!("{base}event.json") }))
        .expect("the schema compiles")
}

/// What is wrong with an event, one line each.
pub fn faults(validator: &Validator, event: &Event) -> Vec<String> {
    let document = serde_json::to_value(event).expect("an event is JSON");
    validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}
