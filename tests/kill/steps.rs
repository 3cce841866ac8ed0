//! kill -9 at each named step between claiming a lane and finishing it: the CRM has the record and the note once, whatever the step.
//!
//! ```text
//! claimed ─ asked ─ the vendor has written ─ the vendor has answered ─ committed
//!         A                                 B                         C           D    kill -9
//! ```
//! The fake CRM holds its call at A and B and says so. At C the test holds the database against writers and lets the answer through.

use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::odoo::{self, FakeOdoo, Moment};
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::until_equal;
use serde_json::json;

/// The two calls that make something: the record, the note.
const CALLS: [&str; 2] = ["crm.lead/load", "crm.lead/message_post"];

struct World {
    crm: FakeOdoo,
    hub: Hub,
}

impl World {
    /// A hub with a sink; somebody has turned to it and waits to be told of.
    async fn open(engine: Engine, arrange: impl FnOnce(&FakeOdoo)) -> Self {
        let crm = FakeOdoo::start().unwrap();
        arrange(&crm);
        let hub = Hub::start(engine).await;
        hub.connect("odoo", json!({ "base_url": crm.url(), "database": odoo::DATABASE, "api_key": odoo::KEY })).await;
        let form = hub.connect("webform", json!({})).await;
        assert_eq!(form.post(&bodies::form("f-1", bodies::PHONE, "hello")).await.status, 200);
        Self { crm, hub }
    }

    async fn kill_and_serve(&mut self) {
        self.hub.kill();
        self.hub.serve().await;
    }

    /// What the hub heard to be carried out, whether or not that is committed.
    async fn answered(&self) -> u64 {
        self.hub.api().metric("patchbay_commands_total").await
    }

    async fn everything_is_there_once(&self, when: &str) {
        self.hub.api().until_delivered().await;
        let store = self.crm.store();
        assert_eq!((store.created(), store.all("crm.lead").count()), (1, 1), "{when}: records");
        let record = store.all("crm.lead").next().expect("it is there");
        assert_eq!(store.notes(record["id"].as_i64().unwrap()).len(), 1, "{when}: notes");
    }
}

#[tokio::test]
async fn killed_while_the_vendor_was_asked_or_had_written_but_not_answered() {
    for engine in Engine::each() {
        for call in CALLS {
            for moment in [Moment::Asked, Moment::Worked] {
                let mut held = None;
                let mut world = World::open(engine, |crm| held = Some(crm.hold(call, moment))).await;
                held.as_mut().expect("it was arranged").reached().await;
                world.kill_and_serve().await;
                world.everything_is_there_once(&format!("{engine:?}, {call}, {moment:?}")).await;
            }
        }
    }
}

#[tokio::test]
async fn killed_when_the_vendor_had_answered_and_nothing_was_committed() {
    for engine in Engine::each() {
        for (before, call) in CALLS.into_iter().enumerate() {
            let mut held = None;
            let mut world = World::open(engine, |crm| held = Some(crm.hold(call, Moment::Worked))).await;
            let mut held = held.expect("it was arranged");
            held.reached().await;
            let standstill = world.hub.standstill().await;
            let before = before as u64;
            assert_eq!(world.answered().await, before);
            drop(held);
            until_equal("the hub has the answer", before + 1, async || world.answered().await).await;
            world.hub.kill();
            standstill.end().await;
            world.hub.serve().await;
            world.everything_is_there_once(&format!("{engine:?}, {call}, answered")).await;
        }
    }
}

#[tokio::test]
async fn killed_right_after_the_commit() {
    for engine in Engine::each() {
        // The note is held, so that the record is committed and nothing more.
        let mut held = None;
        let mut world = World::open(engine, |crm| held = Some(crm.hold(CALLS[1], Moment::Asked))).await;
        held.as_mut().expect("it was arranged").reached().await;
        let delivered = world.hub.api().get("/outbox?state=delivered").await;
        assert_eq!(delivered["items"][0]["kind"], "lead.upsert", "{delivered}");
        world.kill_and_serve().await;
        world.everything_is_there_once(&format!("{engine:?}, committed")).await;
        // Everything is committed: nothing is sent again.
        world.kill_and_serve().await;
        world.everything_is_there_once(&format!("{engine:?}, all committed")).await;
        assert_eq!(world.answered().await, 0, "the new process asked nothing");
    }
}
