//! Bitrix24: the real connector in the real hub, beside a Bitrix24 that limits requests and tells each change once, or never.

use patchbay_tests::api::Connection;
use patchbay_tests::bodies;
use patchbay_tests::database::Engine;
use patchbay_tests::fake::bitrix24::{FakeBitrix24, Misbehave, Moment, Telling};
use patchbay_tests::hub::Hub;
use patchbay_tests::wait::{until, until_equal};
use reqwest::Method;
use serde_json::{Value, json};

async fn connected(engine: Engine) -> (Hub, FakeBitrix24, Connection, Connection) {
    let (hub, crm) = (Hub::start(engine).await, FakeBitrix24::start().expect("a free port"));
    hub.folder().install("bitrix24", "bitrix24");
    let sink = hub.connect("bitrix24", crm.config()).await;
    let form = hub.connect("webform", json!({})).await;
    (hub, crm, sink, form)
}

async fn send(form: &Connection, id: &str, phone: &str, text: &str) {
    assert_eq!(form.post(&bodies::form(id, phone, text)).await.status, 200);
}

async fn lead_of(hub: &Hub) -> Value {
    let leads = hub.api().all("/leads").await;
    assert_eq!(leads.len(), 1, "{leads:?}");
    leads[0].clone()
}

#[tokio::test]
async fn a_form_is_a_lead_and_a_second_message_a_comment() {
    for engine in Engine::each() {
        let (hub, crm, _sink, form) = connected(engine).await;
        send(&form, "f-1", bodies::PHONE, "hello").await;
        hub.api().until_delivered().await;
        send(&form, "f-2", bodies::PHONE, "are you there?").await;
        hub.api().until_delivered().await;
        let store = crm.store();
        let leads = store.all("lead");
        assert_eq!(leads.len(), 1, "{leads:?}");
        assert_eq!((&leads[0]["PHONE"][0]["VALUE"], &leads[0]["SOURCE_ID"]), (&json!(bodies::PHONE_E164), &json!("WEBFORM")));
        let comments = store.comments("lead", "1");
        assert!(comments.len() == 2 && comments[0].contains("hello") && comments[1].contains("are you there?"), "{comments:?}");
        assert_eq!(store.open_activities("1").len(), 1, "one to-do");
    }
}

#[tokio::test]
async fn somebody_whom_bitrix24_knows_gets_no_second_record() {
    for engine in Engine::each() {
        let (hub, crm, _sink, form) = connected(engine).await;
        let fields = json!({ "TITLE": "by hand", "PHONE": [{ "VALUE": "8 (912) 345-67-89", "VALUE_TYPE": "WORK" }] });
        crm.by_hand("crm.lead.add", &json!({ "fields": fields }));
        send(&form, "f-1", bodies::PHONE, "hello").await;
        hub.api().until_delivered().await;
        let store = crm.store();
        assert_eq!((store.all("lead").len(), store.comments("lead", "1").len()), (1, 1));
        assert_eq!(store.all("lead")[0]["TITLE"], "by hand");
    }
}

#[tokio::test]
async fn a_change_in_bitrix24_comes_back_by_webhook_once_and_is_no_reason_to_write() {
    for engine in Engine::each() {
        let (hub, crm, sink, form) = connected(engine).await;
        send(&form, "f-1", bodies::PHONE, "hello").await;
        hub.api().until_delivered().await;
        crm.tell(&sink.url(), Telling::Twice);
        crm.by_hand("crm.lead.update", &json!({ "id": "1", "fields": { "ASSIGNED_BY_ID": "7", "STATUS_ID": "UC_DEAR" } }));
        let lead = until("the change is back", async || Some(lead_of(&hub).await).filter(|it| it["stage"]["name"] == "refused")).await;
        assert_eq!((&lead["stage"]["reason"], &lead["responsible"]["name"]), (&json!("Слишком дорого"), &json!("Анна Ли")));
        until("both were taken", async || Some(sink.deliveries().await).filter(|it| it.len() >= 2)).await;
        let outcomes: Vec<Value> = sink.deliveries().await.iter().map(|it| it["outcome"].clone()).collect();
        assert_eq!(outcomes.iter().filter(|it| **it == "duplicate").count(), 1, "{outcomes:?}");
        hub.api().until_delivered().await;
        let written = crm.counts().methods.iter().filter(|it| *it == "crm.lead.update").count();
        assert_eq!(written, 0, "what Bitrix24 said is not written back to it");
    }
}

#[tokio::test]
async fn a_change_that_the_webhook_lost_comes_back_by_the_poll() {
    let (mut hub, crm, sink, form) = connected(Engine::Sqlite).await;
    let polled = async || crm.counts().methods.contains(&"crm.activity.list".to_owned()).then_some(());
    until("the poll has begun", polled).await;
    send(&form, "f-1", bodies::PHONE, "hello").await;
    hub.api().until_delivered().await;
    crm.tell(&sink.url(), Telling::Never);
    crm.store().pass(5);
    crm.by_hand("crm.lead.update", &json!({ "id": "1", "fields": { "STATUS_ID": "CONVERTED" } }));
    // A hub that starts polls at once.
    hub.kill();
    hub.serve().await;
    until_equal("the poll brings it", json!("client"), async || lead_of(&hub).await["stage"]["name"].clone()).await;
}

#[tokio::test]
async fn what_people_correct_in_a_deals_contact_is_shown_of_the_person_and_what_the_hub_wrote_is_nobodys_word() {
    for engine in Engine::each() {
        let (hub, crm) = (Hub::start(engine).await, FakeBitrix24::start().expect("a free port"));
        hub.folder().install("bitrix24", "bitrix24");
        let mut config = crm.config();
        config["record_type"] = json!("deal");
        let sink = hub.connect("bitrix24", config).await;
        let form = hub.connect("webform", json!({})).await;
        crm.tell(&sink.url(), Telling::Once);
        send(&form, "f-1", bodies::PHONE, "hello").await;
        hub.api().until_delivered().await;
        let lead = lead_of(&hub).await;
        let why = format!("/contacts/{}/why", lead["contact"]["id"].as_str().expect("an id"));
        let sources = async || hub.api().get(&why).await["sources"].as_array().map_or(0, Vec::len);
        // Something that changes neither: the deal tells its person too, as the hub wrote it.
        crm.by_hand("crm.deal.update", &json!({ "id": "1", "fields": { "TITLE": "A roof" } }));
        until_equal("the deal was heard", json!("A roof"), async || lead_of(&hub).await["title"].clone()).await;
        assert_eq!(sources().await, 1, "the form alone says who it is");

        let typed = json!({ "NAME": "Анна", "LAST_NAME": "Ли", "PHONE": [{ "VALUE": "8 912 300-00-77", "VALUE_TYPE": "WORK" }] });
        crm.by_hand("crm.contact.update", &json!({ "id": "1", "fields": typed }));
        let shown = async || lead_of(&hub).await["contact"]["name"].clone();
        until_equal("the person is called so", json!("Анна Ли"), shown).await;
        let phones = lead_of(&hub).await["contact"]["identities"].to_string();
        assert!(phones.contains("+79123000077") && phones.contains(bodies::PHONE_E164), "{phones}");
        assert_eq!(sources().await, 2);
        hub.api().until_delivered().await;
        let store = crm.store();
        assert_eq!((&store.all("contact")[0]["LAST_NAME"], store.all("contact").len(), store.all("deal").len()), (&json!("Ли"), 1, 1));
    }
}

#[tokio::test]
async fn an_event_without_the_token_is_refused() {
    let (_hub, _crm, sink, _form) = connected(Engine::Sqlite).await;
    for body in ["event=ONCRMLEADADD&data%5BFIELDS%5D%5BID%5D=1", "event=ONCRMLEADADD&auth%5Bapplication_token%5D=wrong"] {
        let answer = sink.deliver("", &[("content-type", "application/x-www-form-urlencoded")], body).await.expect("an answer");
        assert_eq!(answer.status, 401);
    }
    assert_eq!(sink.deliveries().await, Vec::<Value>::new());
}

#[tokio::test]
async fn killed_between_answer_and_commit_nothing_is_there_twice() {
    for engine in Engine::each() {
        for call in ["crm.lead.add", "crm.timeline.comment.add"] {
            let (mut hub, crm, _sink, form) = connected(engine).await;
            let mut held = crm.hold(call, Moment::Worked);
            send(&form, "f-1", bodies::PHONE, "hello").await;
            held.reached().await;
            hub.kill();
            drop(held);
            hub.serve().await;
            hub.api().until_delivered().await;
            let store = crm.store();
            let found = (store.all("lead").len(), store.comments("lead", "1").len(), store.all("activity").len());
            assert_eq!(found, (1, 1, 1), "{engine:?} {call}: leads, comments, to-dos");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_record() {
    for engine in Engine::each() {
        let (hub, crm, _sink, form) = connected(engine).await;
        for method in ["crm.lead.add", "crm.timeline.comment.add", "*"] {
            crm.misbehave(method, Misbehave::LoseAnswer);
        }
        crm.misbehave("*", Misbehave::Status(503));
        for number in 0..3 {
            send(&form, &format!("f-{number}"), &format!("+7 912 100-00-0{number}"), "hello").await;
        }
        hub.api().until_delivered().await;
        let store = crm.store();
        assert_eq!((store.all("lead").len(), store.all("comment").len()), (3, 3));
    }
}

#[tokio::test]
async fn bitrix24_never_has_to_say_that_it_is_asked_too_often() {
    let (hub, crm, sink, form) = connected(Engine::Sqlite).await;
    for number in 0..20 {
        send(&form, &format!("f-{number}"), &format!("+7 912 200-00-{number:02}"), "hello").await;
        // What waits goes together; one by one each costs its own requests.
        hub.api().until_delivered().await;
    }
    let counts = crm.counts();
    assert!(counts.requests > 50, "more than the bucket holds: {}", counts.requests);
    assert_eq!((crm.store().all("lead").len(), counts.limited), (20, 0), "{} requests", counts.requests);
    assert_eq!(hub.api().sums(&sink.id).await["outbox_dead"], 0);
}

#[tokio::test]
async fn what_waits_goes_together() {
    for engine in Engine::each() {
        let (hub, crm, _sink, form) = connected(engine).await;
        // While the first one's look is under way, the others come in.
        let mut held = crm.hold("crm.duplicate.findbycomm", Moment::Asked);
        send(&form, "f-0", "+7 912 300-00-00", "hello").await;
        held.reached().await;
        for number in 1..16 {
            send(&form, &format!("f-{number}"), &format!("+7 912 300-00-{number:02}"), "hello").await;
        }
        let before = crm.counts().requests;
        drop(held);
        hub.api().until_delivered().await;
        let (asked, store) = (crm.counts().requests - before, crm.store());
        assert_eq!((store.all("lead").len(), store.all("comment").len()), (16, 16));
        assert!(asked < 40, "{asked} requests for sixteen leads with a comment each, instead of 47");
    }
}

/// Somebody lets the hub in as an application.
pub async fn authorise(hub: &Hub, crm: &FakeBitrix24, sink: &Connection) {
    let link = hub.api().post(&format!("/connections/{}/authorise", sink.id), &Value::Null).await.expect(200);
    let link = link["link"].as_str().expect("a link");
    assert!(link.starts_with(&format!("{}/oauth/authorize/?", crm.url())), "{link}");
    let state = link.split(['?', '&']).find(|it| it.starts_with("state=")).expect("a link has a state");
    let page = hub.api().outside(&format!("/oauth/callback?code=c0de&{state}&domain=company.bitrix24.example")).await.expect("a page");
    assert_eq!(page.status, 200, "{}", page.text);
}

#[tokio::test]
async fn an_application_gets_in_by_a_token_that_the_hub_renews() {
    let (hub, crm) = (Hub::start(Engine::Sqlite).await, FakeBitrix24::start().expect("a free port"));
    hub.folder().install("bitrix24", "bitrix24");
    let sink = hub.connect("bitrix24", crm.application()).await;
    let form = hub.connect("webform", json!({})).await;
    authorise(&hub, &crm, &sink).await;
    send(&form, "f-1", bodies::PHONE, "hello").await;
    hub.api().until_delivered().await;
    crm.forget_access();
    send(&form, "f-2", bodies::PHONE, "and again").await;
    hub.api().until_delivered().await;
    let store = crm.store();
    assert_eq!((store.all("lead").len(), store.comments("lead", "1").len()), (1, 2));
}

#[tokio::test]
async fn a_mapping_is_checked_by_bitrix24s_fields_planned_and_written() {
    let (hub, crm, sink, form) = connected(Engine::Sqlite).await;
    let path = format!("/connections/{}", sink.id);
    let put = async |fields: Value| {
        let document = json!({ "document": { "fields": fields } });
        let answer = hub.api().ask(Method::PUT, &format!("{path}/mapping"), Some(&document)).await;
        (answer.status, answer.text)
    };
    let (status, faults) = put(json!({ "UF_CRM_ROFF": "'x'", "UF_CRM_ROOF": "'Круглая'", "UF_CRM_FLOORS": "contact.name" })).await;
    assert_eq!(status, 422, "{faults}");
    for said in ["UF_CRM_ROOF", "80 (Плоская)", "a whole number"] {
        assert!(faults.contains(said), "{said}: {faults}");
    }
    let (status, faults) = put(json!({ "UF_CRM_ROOF": "'Плоская'", "OPPORTUNITY": "250.0 * 1000.0", "STATUS_ID": "'В работе'" })).await;
    assert_eq!(status, 200, "{faults}");
    hub.api().post(&format!("{path}/pause"), &Value::Null).await.expect(200);
    send(&form, "f-1", bodies::PHONE, "hello").await;
    let plan = hub.api().post(&format!("{path}/plan"), &json!({})).await.expect(200);
    assert_eq!(plan["sums"], json!({ "create": 1 }), "{plan}");
    let change = plan["items"][0]["changes"].as_array().expect("changes").iter().find(|it| it["field"] == "UF_CRM_ROOF").cloned();
    assert_eq!(change, Some(json!({ "field": "UF_CRM_ROOF", "to": "Плоская" })), "{plan}");
    assert_eq!(crm.store().all("lead").len(), 0, "a plan writes nothing");
    hub.api().post(&format!("{path}/resume"), &Value::Null).await.expect(200);
    hub.api().until_delivered().await;
    let lead = crm.store().all("lead").remove(0);
    assert_eq!((&lead["UF_CRM_ROOF"], &lead["OPPORTUNITY"], &lead["STATUS_ID"]), (&json!("80"), &json!("250000.00"), &json!("IN_PROCESS")));
}
