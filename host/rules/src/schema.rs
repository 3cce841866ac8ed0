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

/// One rule that a document breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// JSON pointer of the value.
    pub at: String,
    /// The rule, beside the value that breaks it.
    pub problem: String,
    /// The rule, without the value: for what is secret, or people's.
    pub masked: String,
    /// The property that is not there and must be.
    pub missing: Option<String>,
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
    #[must_use]
    pub fn breaches(&self, document: &Value) -> Vec<Breach> {
        let breach = |error: jsonschema::ValidationError<'_>| Breach {
            at: error.instance_path().as_str().to_owned(),
            problem: error.to_string(),
            masked: error.masked().to_string(),
            missing: match error.kind() {
                ValidationErrorKind::Required { property } => property.as_str().map(str::to_owned),
                _ => None,
            },
        };
        self.0.iter_errors(document).map(breach).collect()
    }

    /// The same of what people wrote, which is not quoted.
    #[must_use]
    pub fn masked_faults(&self, document: &Value) -> Vec<Fault> {
        self.breaches(document).into_iter().map(|it| Fault { at: it.at, problem: it.masked, allowed: None }).collect()
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
