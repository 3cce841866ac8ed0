//! A Bitrix24 that is busy, refuses, or has no such record any more.

use bitrix24::config::{Config, Deleted, Kind};
use patchbay_schemas::command::LeadUpsert;
use patchbay_sdk::Retry;
use patchbay_tests::fake::bitrix24::Misbehave;
use serde_json::json;

use crate::common::{Server, again, deals, first, id, lead};

#[test]
fn a_deleted_record_comes_back_or_stops() {
    let server = Server::start();
    let mut config = server.config();
    let lead = lead("lead_a", "deleted", &server.phone());
    let made = server.upsert(&config, first(&lead)).expect("a record");
    server.fake.by_hand("crm.lead.add", &json!({ "fields": { "TITLE": "another" } }));
    server.fake.by_hand("crm.lead.delete", &json!({ "id": id(&made) }));
    config.deleted = Deleted::Stop;
    let failure = server.upsert(&config, again(&lead, &made)).expect_err("stopped");
    assert_eq!((failure.code.as_str(), failure.retry), ("bitrix24.deleted", Retry::Never));
    config.deleted = Deleted::Recreate;
    let receipt = server.upsert(&config, again(&lead, &made)).expect("a record");
    assert_eq!(receipt.details["result"], "created");
    assert_ne!(id(&receipt), id(&made));
}

#[test]
fn a_lead_of_before_is_not_taken_for_a_deal() {
    let server = Server::start();
    let lead = lead("lead_a", "both", &server.phone());
    let made = server.upsert(&server.config(), first(&lead)).expect("a lead");
    server.fake.by_hand("crm.deal.add", &json!({ "fields": { "TITLE": "of somebody else" } }));
    let deal = server.upsert(&deals(&server), again(&lead, &made)).expect("a deal");
    assert_eq!((id(&made), id(&deal)), ("1", "2"), "deal 1 has the number of lead 1 and is another record");
    assert_eq!(server.record("deal", "1")["TITLE"], "of somebody else");
}

#[test]
fn a_bitrix24_in_trouble_is_asked_again_and_gets_no_doubles() {
    let server = Server::start();
    let config = server.config();
    let lead = lead("lead_a", "trouble", &server.phone());
    for (how, retry) in [
        (Misbehave::Status(429), Retry::AfterMs(1_000)),
        (Misbehave::Status(502), Retry::AfterMs(1_000)),
        (Misbehave::Exception("INTERNAL_SERVER_ERROR".to_owned()), Retry::Later),
        (Misbehave::Break, Retry::Later),
        (Misbehave::LoseAnswer, Retry::Later),
    ] {
        server.fake.misbehave("crm.lead.add", how.clone());
        let failure = server.upsert(&config, first(&lead)).expect_err("it misbehaves");
        assert_eq!(failure.retry, retry, "{how:?}: {}", failure.message);
    }
    server.upsert(&config, LeadUpsert { retried: true, ..first(&lead) }).expect("the record");
    assert_eq!(server.count("lead"), 1);
    server.fake.store().exhaust(Some("crm.duplicate.findbycomm"));
    let failure = server.upsert(&config, first(&crate::common::lead("lead_b", "x", "+79120000099"))).expect_err("no time left");
    assert_eq!(
        (failure.code.as_str(), failure.retry),
        ("bitrix24.operating", Retry::AfterMs(60_000)),
        "no record is made without having looked"
    );
    assert_eq!(server.count("lead"), 1);
    *server.code.borrow_mut() = "wrong".to_owned();
    let failure = server.upsert(&config, first(&lead)).expect_err("refused");
    assert_eq!((failure.code.as_str(), failure.retry), ("bitrix24.credential", Retry::Reauthorise));
}

#[test]
fn who_asks_too_often_is_told_to_wait() {
    let server = Server::start();
    let refused = (0..60).find_map(|_| server.with(|client| client.call("scope", &patchbay_sdk::json::Object::default())).err());
    let failure = refused.expect("fifty are the most");
    assert_eq!((failure.code.as_str(), failure.retry), ("bitrix24.limit", Retry::AfterMs(2_000)));
    assert!(server.fake.counts().requests >= 51 && server.fake.counts().limited == 1);
}

#[test]
fn the_check_says_who_and_what() {
    let server = Server::start();
    let check = |config: &Config| server.with(|client| bitrix24::check::check(client, config));
    let report = check(&server.config()).expect("it works");
    assert_eq!(
        (&report["user"], &report["rights"], &report["record"]),
        (&json!("Иван Хозяинов"), &json!("crm, user_brief"), &json!("lead"))
    );
    assert!(report["stages"].to_string().contains("Квалифицирован"));
    let with = |change: fn(&mut Config)| {
        let mut config = server.config();
        change(&mut config);
        check(&config).expect_err("it does not work").code
    };
    assert_eq!(with(|it| it.stage_lead = "nowhere".to_owned()), "bitrix24.stage");
    assert_eq!(with(|it| it.default_user = "Nobody At All".to_owned()), "bitrix24.user");
    assert_eq!(with(|it| drop(it.sources.insert("form".to_owned(), "nowhere".to_owned()))), "bitrix24.source");
    assert_eq!(with(|it| (it.kind, it.pipeline) = (Kind::Deal, "9".to_owned())), "bitrix24.pipeline");
    server.fake.store().mode = 2;
    assert_eq!(with(|_| {}), "bitrix24.mode");
    server.fake.store().scopes = vec!["tasks"];
    let failure = check(&server.config()).expect_err("no right");
    assert_eq!((failure.code.as_str(), failure.retry), ("bitrix24.scope", Retry::Reauthorise));
}
