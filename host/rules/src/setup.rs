//! A connection's configuration: defaults filled in, checked against the manifest's schema, secrets taken out.

use std::collections::BTreeMap;

use patchbay_schemas::Manifest;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::delivery::DeliverySettings;
use crate::schema::{Breach, Schema};
use crate::secret::SecretValue;

/// A configuration that fits its manifest.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Everything but the secrets, defaults filled in.
    pub config: Value,
    /// The secrets by property.
    pub secrets: BTreeMap<String, SecretValue>,
}

/// What is wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Fault {
    /// JSON pointer of the value.
    pub at: String,
    /// What is wrong with it, without the value of a secret.
    pub problem: String,
    /// What is allowed there, from the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

/// Why a configuration does not fit.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Values are wrong or missing.
    #[error("the configuration does not fit: {}", list(.0))]
    Faults(Vec<Fault>),
    /// A field mapping is not one that works.
    #[error("the mapping does not fit: {}", list(.0))]
    Mapping(Vec<Fault>),
    /// The manifest's own schema is not usable: the connector's author must mend it.
    #[error("the connector's manifest has an unusable configuration schema: {0}")]
    Schema(String),
}

/// The faults in one sentence.
#[must_use]
pub fn list(faults: &[Fault]) -> String {
    let each = faults.iter().map(|it| match &it.allowed {
        Some(allowed) => format!("{}: {} (allowed: {allowed})", place(&it.at), it.problem),
        None => format!("{}: {}", place(&it.at), it.problem),
    });
    each.collect::<Vec<_>>().join("; ")
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "(the whole)" } else { pointer }
}

/// Checks a configuration with its secrets in place.
pub fn check(manifest: &Manifest, given: Map<String, Value>) -> Result<Setup, SetupError> {
    let config = with_defaults(manifest, given);
    let schema = Schema::new(&manifest.config).map_err(SetupError::Schema)?;
    let secrets = manifest.secrets();
    let faults: Vec<Fault> = schema.breaches(&config).map(|it| fault(&manifest.config, &it, &secrets)).collect();
    if !faults.is_empty() {
        return Err(SetupError::Faults(faults));
    }
    let Value::Object(mut config) = config else {
        return Err(SetupError::Faults(vec![Fault { at: String::new(), problem: "it is not an object".to_owned(), allowed: None }]));
    };
    let mut taken = BTreeMap::new();
    for name in secrets {
        if let Some(value) = config.remove(name) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            taken.insert(name.to_owned(), SecretValue::new(text));
        }
    }
    Ok(Setup { config: Value::Object(config), secrets: taken })
}

/// A connection's delivery settings after a change: what is given replaces, null goes back to the hub's setting, the rest stays.
pub fn delivery(there: &DeliverySettings, change: Map<String, Value>) -> Result<DeliverySettings, SetupError> {
    let wrong = |at: String, problem: String, allowed| SetupError::Faults(vec![Fault { at, problem, allowed }]);
    let settings = serde_json::to_value(there).map_err(|error| wrong("/delivery".to_owned(), error.to_string(), None))?;
    let Value::Object(mut settings) = settings else { return Ok(there.clone()) };
    for (name, value) in change {
        // One by one, so that the place of what is wrong is known.
        let alone = serde_json::from_value::<DeliverySettings>(Value::Object(Map::from_iter([(name.clone(), value.clone())])));
        if let Err(error) = alone {
            return Err(wrong(format!("/delivery/{name}"), error.to_string(), None));
        }
        if value.is_null() {
            settings.remove(&name)
        } else {
            settings.insert(name, value)
        };
    }
    let settings: DeliverySettings =
        serde_json::from_value(Value::Object(settings)).map_err(|error| wrong("/delivery".to_owned(), error.to_string(), None))?;
    settings
        .check()
        .map_err(|it| wrong(format!("/delivery/{}", it.name), format!("{} is not possible", it.found), Some(it.allowed.to_owned())))?;
    Ok(settings)
}

/// Whether a value may stand in a property of the configuration; the error says why not.
pub fn fits(manifest: &Manifest, property: &str, value: &Value) -> Result<(), String> {
    let Some(schema) = manifest.config.pointer(&format!("/properties/{property}")) else {
        return Err("the configuration has no such property".to_owned());
    };
    let schema = Schema::new(schema)?;
    schema.breaches(value).next().map_or(Ok(()), |it| Err(it.problem()))
}

/// The manifest with a schema under which nothing is missing.
#[must_use]
pub fn lenient(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    if let Value::Object(schema) = &mut manifest.config {
        for rule in ["required", "dependentRequired", "dependentSchemas", "if", "then", "else", "allOf", "anyOf", "oneOf", "minProperties"]
        {
            schema.remove(rule);
        }
    }
    manifest
}

/// The configuration that a connector gets where nothing is given: its defaults.
#[must_use]
pub fn defaults(manifest: &Manifest) -> Value {
    with_defaults(manifest, Map::new())
}

/// What is given, with the defaults of what is not.
#[must_use]
pub fn with_defaults(manifest: &Manifest, given: Map<String, Value>) -> Value {
    let mut config = Value::Object(given);
    fill_defaults(&manifest.config, &mut config);
    config
}

/// Turns what stands on a command line into the type that the schema wants there: `true`, `12`, `a,b` for a list, or JSON.
#[must_use]
pub fn typed(manifest: &Manifest, property: &str, text: &str) -> Value {
    let plain = || Value::String(text.to_owned());
    let kind = manifest.config.pointer(&format!("/properties/{property}/type")).and_then(Value::as_str);
    match kind {
        Some("boolean" | "integer" | "number" | "object") => serde_json::from_str(text).unwrap_or_else(|_| plain()),
        Some("array") if !text.trim_start().starts_with('[') => {
            Value::from(text.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect::<Vec<_>>())
        }
        Some("array") => serde_json::from_str(text).unwrap_or_else(|_| plain()),
        _ => plain(),
    }
}

fn fill_defaults(schema: &Value, config: &mut Value) {
    let (Some(properties), Value::Object(config)) = (schema.get("properties").and_then(Value::as_object), config) else { return };
    for (name, property) in properties {
        if let Some(default) = property.get("default") {
            config.entry(name.as_str()).or_insert_with(|| default.clone());
        }
        if let Some(value) = config.get_mut(name) {
            fill_defaults(property, value);
        }
    }
}

fn fault(schema: &Value, breach: &Breach<'_>, secrets: &[&str]) -> Fault {
    let at = breach.at().to_owned();
    let is_secret = secrets.iter().any(|it| at.strip_prefix('/') == Some(it));
    // The message quotes the value: a secret's must not be.
    let problem = if is_secret { breach.masked() } else { breach.problem() };
    let property = at.split('/').nth(1).and_then(|it| schema.pointer(&format!("/properties/{it}")));
    Fault { problem, allowed: property.and_then(allowed), at }
}

fn allowed(property: &Value) -> Option<String> {
    let text = |name: &str| property.get(name).map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned));
    let parts = [
        property.get("enum").and_then(Value::as_array).map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        text("type"),
        text("pattern").map(|it| format!("pattern {it}")),
        text("minimum").map(|it| format!("at least {it}")),
        text("maximum").map(|it| format!("at most {it}")),
        text("description"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest() -> Manifest {
        toml::from_str(
            "id = 'x'\nversion = '1.0.0'\ncontract = '0.1.0'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['source']\n\
             [config]\ntype = 'object'\nrequired = ['token']\nadditionalProperties = false\n\
             [config.properties.token]\ntype = 'string'\nwriteOnly = true\npattern = '^[0-9]+$'\n\
             [config.properties.mode]\nenum = ['a', 'b']\ndefault = 'a'\n\
             [config.properties.count]\ntype = 'integer'\nminimum = 1\n\
             [config.properties.tags]\ntype = 'array'",
        )
        .unwrap()
    }

    fn faults(given: &Value) -> Vec<Fault> {
        match check(&manifest(), given.as_object().unwrap().clone()) {
            Err(SetupError::Faults(faults)) => faults,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn defaults_are_filled_in_and_secrets_taken_out() {
        let setup = check(&manifest(), json!({ "token": "123" }).as_object().unwrap().clone()).unwrap();
        assert_eq!(setup.config, json!({ "mode": "a" }));
        assert_eq!(setup.secrets["token"].reveal(), "123");
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed() {
        let found = faults(&json!({ "token": "123", "mode": "c" }));
        assert_eq!(found[0].at, "/mode");
        assert!(found[0].problem.contains("\"c\"") && found[0].allowed.as_deref().unwrap().contains("\"a\", \"b\""), "{found:?}");
        assert!(faults(&json!({}))[0].problem.contains("token"));
        assert!(faults(&json!({ "token": "1", "tokn": "2" }))[0].problem.contains("tokn"));
    }

    #[test]
    fn delivery_settings_change_one_by_one_and_a_wrong_one_is_named() {
        let change = |there: &DeliverySettings, json: Value| delivery(there, json.as_object().unwrap().clone());
        let set = change(&DeliverySettings::default(), json!({ "tries": 3, "first_wait_ms": 10 })).unwrap();
        assert_eq!(
            change(&set, json!({ "tries": null })).unwrap(),
            DeliverySettings { first_wait_ms: Some(10), ..DeliverySettings::default() }
        );
        for (json, at, problem) in [
            (json!({ "tries": 0 }), "/delivery/tries", "0"),
            (json!({ "trys": 1 }), "/delivery/trys", "unknown field"),
            (json!({ "tries": "many" }), "/delivery/tries", "many"),
        ] {
            let Err(SetupError::Faults(faults)) = change(&set, json) else { panic!("{at} was taken") };
            assert!(faults[0].at == at && faults[0].problem.contains(problem), "{faults:?}");
        }
    }

    #[test]
    fn a_wrong_secret_is_not_quoted() {
        let found = faults(&json!({ "token": "hunter2" }));
        assert_eq!(found[0].at, "/token");
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }

    #[test]
    fn a_word_of_the_command_line_gets_the_type_that_is_due() {
        let manifest = manifest();
        assert_eq!(typed(&manifest, "count", "12"), json!(12));
        assert_eq!(typed(&manifest, "count", "many"), json!("many"));
        assert_eq!(typed(&manifest, "tags", "a, b"), json!(["a", "b"]));
        assert_eq!(typed(&manifest, "token", "12"), json!("12"));
    }
}
