//! JSON Schemas: what a document may hold, and where one that does not fit breaks which rule.
//!
//! The only place that calls the library, which is compiled anew by every crate that does.

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use crate::setup::Fault;

/// What documents may hold. Compiling one takes milliseconds: keep it.
#[derive(Debug)]
pub struct Schema(jsonschema::Validator);

/// One rule that a document breaks. What it says is written when it is asked for: it may quote a document of megabytes.
#[derive(Debug)]
pub struct Breach<'a>(jsonschema::ValidationError<'a>);

impl Breach<'_> {
    /// JSON pointer of the value.
    #[must_use]
    pub fn at(&self) -> &str {
        self.0.instance_path().as_str()
    }

    /// The rule, beside the value that breaks it.
    #[must_use]
    pub fn problem(&self) -> String {
        self.0.to_string()
    }

    /// The rule, without the value: for what is secret, or people's.
    #[must_use]
    pub fn masked(&self) -> String {
        self.0.masked().to_string()
    }

    /// The property that is not there and must be.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        let ValidationErrorKind::Required { property } = self.0.kind() else { return None };
        property.as_str()
    }
}

impl Schema {
    /// One that somebody wrote (draft 2020-12). The error says what is wrong with it.
    pub fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::draft202012::new(schema).map(Self).map_err(|error| error.to_string())
    }

    /// One definition of schemas/, by its absolute address with a JSON pointer.
    ///
    /// # Panics
    /// Where there is no such definition: addresses are written in the code.
    #[must_use]
    pub fn ours(address: &str) -> Self {
        let validator = jsonschema::draft202012::options()
            .with_registry(&OURS)
            .should_validate_formats(true)
            .build(&serde_json::json!({ "$ref": address }))
            .expect("the schemas are tested to be valid");
        Self(validator)
    }

    /// Whether a document fits.
    #[must_use]
    pub fn allows(&self, document: &Value) -> bool {
        self.0.is_valid(document)
    }

    /// Every rule that a document breaks; none where it fits.
    pub fn breaches<'a>(&'a self, document: &'a Value) -> impl Iterator<Item = Breach<'a>> {
        self.0.iter_errors(document).map(Breach)
    }

    /// The same of what people wrote, which is not quoted.
    #[must_use]
    pub fn masked_faults(&self, document: &Value) -> Vec<Fault> {
        self.breaches(document).map(|it| Fault { at: it.at().to_owned(), problem: it.masked(), allowed: None }).collect()
    }
}

static OURS: LazyLock<jsonschema::Registry<'static>> = LazyLock::new(|| {
    let resources = patchbay_schemas::V1.iter().map(|(_, text)| {
        let schema: Value = serde_json::from_str(text).expect("the schemas are tested to be JSON");
        let id = schema["$id"].as_str().expect("the schemas are tested to have ids").to_owned();
        (id, jsonschema::Resource::from_contents(schema))
    });
    jsonschema::Registry::new()
        .extend(resources)
        .and_then(jsonschema::RegistryBuilder::prepare)
        .expect("the schemas are tested to be valid")
});
