//! `connector.toml` agrees with the code.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::Manifest;
use serde_json::{Value, json};
use webform::config::Config;
use webform::words::TABLE;

fn manifest() -> Manifest {
    toml::from_str(include_str!("../connector.toml")).expect("a manifest")
}

#[test]
fn every_meaning_can_be_mapped() {
    let manifest = manifest();
    let properties = manifest.config.pointer("/properties/mapping/properties").and_then(Value::as_object).expect("meanings");
    let mut known: Vec<&str> = TABLE.iter().map(|it| it.name).collect();
    known.sort_unstable();
    let mut written: Vec<&str> = properties.keys().map(String::as_str).collect();
    written.sort_unstable();
    assert_eq!(written, known);
}

#[test]
fn every_setting_is_described_and_only_two_are_secret() {
    let manifest = manifest();
    let mut secrets = manifest.secrets();
    secrets.sort_unstable();
    assert_eq!(secrets, ["signing_secret", "verify_token"]);
    let properties = manifest.config["properties"].as_object().expect("properties");
    assert!(properties.values().all(|it| it["description"].is_string() && it["title"].is_string()));
}

#[test]
fn settings_are_read_as_the_schema_allows_them() {
    let settings = json!({
        "mapping": { "phone": ["tel", "/data/tel"] }, "honeypot": ["website"], "consent_field": "ok",
        "redirect_url": "https://example.com/thanks", "require_signature": true,
    });
    let validator = jsonschema::validator_for(&manifest().config).expect("a schema");
    assert!(
        validator.is_valid(&settings) && validator.is_valid(&json!({})) && !validator.is_valid(&json!({ "mapping": { "shoe_size": [] } }))
    );
    let wanted = Config {
        mapping: vec![("phone".to_owned(), vec!["tel".to_owned(), "/data/tel".to_owned()])],
        honeypot: vec!["website".to_owned()],
        consent_field: Some("ok".to_owned()),
        redirect_url: Some("https://example.com/thanks".to_owned()),
        require_signature: true,
    };
    assert_eq!(Config::of(&Node::from(&settings)), wanted);
    assert_eq!(Config::of(&Node::Object(Object::default())), Config::default());
}
