//! The manifest, and that nothing of an event's tokens leaves the raw delivery.

use bitrix24::client::Client;
use bitrix24::config::Config;
use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::Manifest;
use patchbay_sdk::{Failure, Request};
use patchbay_testing::Schema;
use serde_json::Value;

#[test]
fn the_manifest_is_valid_and_agrees_with_the_code() {
    let manifest: Manifest = toml::from_str(include_str!("../connector.toml")).expect("a manifest");
    assert_eq!(Schema::manifest().faults(&manifest), Vec::<String>::new());
    assert_eq!(manifest.secrets(), ["application_token", "client_secret", "webhook_code"]);
    let properties = manifest.config["properties"].as_object().expect("properties");
    let defaults = properties.iter().filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone()))).collect();
    let written = Config::read(&Node::from(&Value::Object(defaults))).expect("a configuration");
    assert_eq!(format!("{written:?}"), format!("{:?}", Config::default()), "defaults stand in the manifest and in the code alike");
    let wrong = Value::Object([("record_type".to_owned(), Value::from("task"))].into_iter().collect());
    assert_eq!(Config::read(&Node::from(&wrong)).expect_err("no such kind").code, "bitrix24.config");
}

#[test]
fn every_delivery_fits_the_schemas_and_shows_no_token() {
    let nobody = |_| Err(Failure::later("http.failed", "there is no network"));
    let mut seen = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")).expect("fixtures") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|it| it != "form") {
            continue;
        }
        let body = std::fs::read(&path).expect("a fixture");
        let request = Request { method: "POST".to_owned(), body, ..Request::default() };
        for event in bitrix24::hook::events(Client::new(&nobody), &Config::default(), &request).unwrap_or_default() {
            assert_eq!(Schema::event().faults(&event), Vec::<String>::new(), "{}", path.display());
            let text = serde_json::to_string(&event).expect("JSON");
            for secret in [
                "51856fefc120afa4b628cc82d3935cce",
                "s6p6eclrvim6da22ft9ch94ekreb52lv",
                "secret-of-the-bot",
                "831c76b092f9f135d9b6b36c3a720757",
            ] {
                assert!(!text.contains(secret), "{}: {text}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen} events");
}
