//! The same lead is changed in the CRM and here at one time: both words are kept, one is shown, and both systems agree.

use std::time::{SystemTime, UNIX_EPOCH};

use patchbay_tests::api::Connection;
use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::odoo::FakeOdoo;
use patchbay_tests::hub::Hub;
use patchbay_tests::odoo::Odoo;
use patchbay_tests::wait::{until, until_equal};
use serde_json::{Value, json};

use crate::intake::odoo_config;

/// A lead of a form that stands in Odoo.
struct Scene {
    hub: Hub,
    sink: Connection,
    lead: String,
}

impl Scene {
    async fn new(engine: Engine, config: Value, phone: &str) -> Self {
        let hub = Hub::start(engine).await;
        let form = hub.connect("webform", json!({})).await;
        let sink = hub.connect("odoo", config).await;
        let path = format!("/connections/{}", sink.id);
        until("the sink was asked for the first time", async || hub.api().get(&path).await["cursor"].as_str().map(drop)).await;
        assert_eq!(form.post(&bodies::form("f-1", phone, "How much is it?")).await.status, 200);
        hub.api().until_delivered().await;
        let lead = hub.api().all("/leads").await[0]["id"].as_str().unwrap().to_owned();
        Self { hub, sink, lead }
    }

    async fn turn(&self, to: &str) {
        self.hub.api().post(&format!("/connections/{}/{to}", self.sink.id), &Value::Null).await.expect(200);
    }

    async fn put_stage(&self, stage: Value) {
        let path = format!("/leads/{}/stage", self.lead);
        self.hub.api().ask(reqwest::Method::PUT, &path, Some(&stage)).await.expect(200);
    }

    /// Title and stage.
    async fn shown(&self) -> (Value, Value) {
        let lead = self.hub.api().get(&format!("/leads/{}", self.lead)).await;
        (lead["title"].clone(), lead["stage"]["name"].clone())
    }

    /// Who said what of a field: the last word first.
    async fn said(&self, field: &str) -> Vec<(Value, Value)> {
        let why = self.hub.api().get(&format!("/leads/{}/why", self.lead)).await;
        let said = why["said"].as_array().cloned().unwrap_or_default();
        said.iter().filter(|it| it["field"] == field).map(|it| (it["source"].clone(), it["value"].clone())).collect()
    }
}

/// Odoo tells whole seconds: what follows is later than what was before, also there.
#[expect(clippy::disallowed_methods, reason = "Odoo has the machine's clock, which a test does not move")]
async fn next_second() {
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let before = second();
    until("a second is over", async || (second() > before).then_some(())).await;
}

/// What Odoo's people and ours do at one time, and what must come of it. `odoo` names and loses the record, whatever stage it is in; `record` shows
/// its name and whether it is won or lost.
async fn play(scene: &Scene, odoo: impl AsyncFn(&str), record: impl AsyncFn() -> (Value, Value)) {
    scene.turn("pause").await;
    odoo("Theirs").await;
    next_second().await;
    scene.put_stage(json!({ "name": "client" })).await;
    scene.turn("resume").await;
    until_equal("their title and our stage are shown", (json!("Theirs"), json!("client")), async || scene.shown().await).await;
    until_equal("Odoo shows the same", (json!("Theirs"), json!("won")), async || record().await).await;
    let stages = scene.said("stage").await;
    assert_eq!(stages[0], (json!("hub"), json!({ "name": "client" })), "{stages:?}");
    assert_eq!((&stages[1].1["name"], stages.len()), (&json!("refused"), 2), "theirs is kept: {stages:?}");
    scene.hub.api().until_delivered().await;

    // Whoever speaks last is shown, whether the hub writes first or asks first.
    scene.turn("pause").await;
    scene.put_stage(json!({ "name": "lead" })).await;
    next_second().await;
    odoo("Theirs again").await;
    scene.turn("resume").await;
    until_equal("theirs is shown", (json!("Theirs again"), json!("refused")), async || scene.shown().await).await;
    until_equal("it stays in Odoo", (json!("Theirs again"), json!("lost")), async || record().await).await;
    scene.hub.api().until_delivered().await;
    assert_eq!(record().await, (json!("Theirs again"), json!("lost")));
    let stages = scene.said("stage").await;
    assert_eq!(stages[1], (json!("hub"), json!({ "name": "lead" })), "ours is kept: {stages:?}");
    let told = scene.hub.cli(&["lead", "why", &scene.lead]);
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success() && text.contains("Theirs again") && text.contains("hub"), "{text}");
}

#[tokio::test]
async fn what_the_fake_odoo_and_the_hub_change_at_one_time_ends_alike_field_by_field() {
    for engine in Engine::each() {
        let crm = FakeOdoo::start().unwrap();
        let scene = Scene::new(engine, odoo_config(&crm), "+79123000001").await;
        let odoo = async |name: &str| {
            let lost = json!({ "name": name, "stage_id": 1, "active": false, "probability": 0 });
            assert!(crm.store().update("crm.lead", 1, lost.as_object().cloned().unwrap()));
        };
        let record = async || {
            let record = crm.store().get("crm.lead", 1).cloned().unwrap();
            (record["name"].clone(), record["won_status"].clone())
        };
        play(&scene, odoo, record).await;
    }
}

#[tokio::test]
async fn what_the_real_odoo_and_the_hub_change_at_one_time_ends_alike_field_by_field() {
    let odoo = Odoo::named();
    for engine in Engine::each() {
        let phone = Odoo::phone();
        let scene = Scene::new(engine, odoo.config(), &phone).await;
        let ids = json!([odoo.leads(&phone).await[0]["id"]]);
        let change = async |name: &str| {
            odoo.call("crm.lead", "write", json!({ "ids": ids, "vals": { "name": name, "stage_id": 1 } })).await;
            odoo.call("crm.lead", "action_set_lost", json!({ "ids": ids })).await;
        };
        let record = async || {
            let record = odoo.leads(&phone).await[0].clone();
            (record["name"].clone(), record["won_status"].clone())
        };
        play(&scene, change, record).await;
        assert!(!scene.hub.log().contains(odoo.key()), "the key stands in the log");
    }
}
