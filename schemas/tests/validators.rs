//! Validators of the schemas, compiled as the hub compiles them: against a registry, nothing fetched.

use jsonschema::{Registry, Validator};
use patchbay_schemas::V1;
use serde_json::{Value, json};

/// The folder that every `$id` begins with.
pub const BASE: &str = "https://patchbay.dev/schemas/v1/";

/// The schemas that documents are checked against; `common.json` has only parts of them.
pub fn documents() -> impl Iterator<Item = &'static str> {
    V1.iter().map(|(file, _)| *file).filter(|file| *file != "common.json")
}

/// A schema file as JSON.
pub fn schema(file: &str) -> Value {
    let (_, text) = V1.iter().find(|(name, _)| *name == file).expect(file);
    serde_json::from_str(text).expect(file)
}

/// All schema files, by name.
pub fn schemas() -> Vec<(&'static str, Value)> {
    V1.iter().map(|(file, _)| (*file, schema(file))).collect()
}

/// The validator of one place in the schemas: `event.json`, `event.json#/$defs/message`.
pub fn validator(place: &str) -> Validator {
    compile(&schemas(), &format!("{BASE}{place}"), false)
}

/// The same, with `format` asserted as the hub does: days that are on no calendar are refused too.
pub fn strict(place: &str) -> Validator {
    compile(&schemas(), &format!("{BASE}{place}"), true)
}

/// Compiles the schema at an address against the given files.
pub fn compile(files: &[(&str, Value)], uri: &str, formats: bool) -> Validator {
    let files = files.iter().map(|(file, schema)| (format!("{BASE}{file}"), schema));
    let registry = Registry::new().extend(files).expect("every $id is a URI").prepare().expect("every reference leads somewhere");
    jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(formats)
        .offline()
        .build(&json!({ "$ref": uri }))
        .unwrap_or_else(|error| panic!("{uri}: {error}"))
}

/// What is wrong with a document, one line each: JSON pointer and reason.
pub fn faults(validator: &Validator, document: &Value) -> Vec<String> {
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}
