//! Several commands in one call, against the fake Bitrix24: they cost a part of the requests, and do what they would do one by one.

use bitrix24::config::{Config, Kind};
use bitrix24::together::execute_all;
use patchbay_schemas::command::{Command, CommandBody};
use patchbay_schemas::{Lead, Receipt};
use patchbay_sdk::{Failure, Retry};
use patchbay_tests::fake::bitrix24::Misbehave;
use serde_json::json;

use crate::common::{Server, first, id, lead, message};

fn upsert(lead: &Lead) -> Command {
    let body = CommandBody::LeadUpsert(Box::new(first(lead)));
    Command { idempotency_key: lead.id.clone(), body }
}

fn comment(record: &str, interaction: &str) -> Command {
    let body = CommandBody::InteractionAdd(Box::new(message(record, interaction, "hello & [b]")));
    Command { idempotency_key: interaction.to_owned(), body }
}

fn together(server: &Server, config: &Config, commands: &[Command]) -> Vec<Result<Receipt, Failure>> {
    execute_all(&|ask| server.send(&ask), config, commands)
}

fn leads(server: &Server, count: usize) -> Vec<Lead> {
    (0..count)
        .map(|number| {
            let mut lead = lead(&format!("lead_{number}"), &format!("wish {number} $result[x]"), &server.phone());
            lead.contact.company = Some(format!("Company {number}"));
            lead.next_contact_at = Some("2026-11-30T22:30:00Z".parse().expect("a time"));
            lead
        })
        .collect()
}

/// All records, without the times at which they were made.
fn records(server: &Server) -> Vec<serde_json::Value> {
    let tables = ["lead", "deal", "contact", "company", "activity", "comment"];
    let mut all: Vec<_> = tables.into_iter().flat_map(|it| server.fake.store().all(it)).collect();
    for it in &mut all {
        for field in ["ID", "DATE_CREATE", "DATE_MODIFY", "CREATED", "LAST_UPDATED"] {
            it.as_object_mut().expect("a record").remove(field);
        }
    }
    all.sort_by_key(ToString::to_string);
    all
}

#[test]
fn sixteen_leads_with_a_comment_each_cost_a_tenth_and_are_the_same_as_one_by_one() {
    for (kind, most) in [(Kind::Lead, 4), (Kind::Deal, 6)] {
        let (apart, server) = (Server::start(), Server::start());
        let of = |server: &Server| Config { kind, base_url: "https://company.example".to_owned(), ..server.config() };
        let (config, alike) = (of(&server), of(&apart));
        let upserts: Vec<Command> = leads(&server, 16).iter().map(upsert).collect();
        let comments = |made: &[Result<Receipt, Failure>]| -> Vec<Command> {
            let made = made.iter().map(|it| id(it.as_ref().expect("a record")).to_owned());
            made.enumerate().map(|(number, it)| comment(&it, &format!("int_{number}"))).collect()
        };

        let one_by_one = |commands: &[Command]| -> Vec<_> {
            commands.iter().flat_map(|it| together(&apart, &alike, std::slice::from_ref(it))).collect()
        };
        let made = one_by_one(&upserts);
        assert!(one_by_one(&comments(&made)).iter().all(Result::is_ok));
        assert_eq!(apart.asked.borrow().len(), 48, "two requests for a lead, one for a comment");

        let made = together(&server, &config, &upserts);
        let noted = together(&server, &config, &comments(&made));
        assert!(noted.iter().all(Result::is_ok), "{noted:?}");
        let requests = server.asked.borrow().len();
        assert!(requests <= most, "{kind:?}: {requests} requests");
        assert_eq!(records(&server), records(&apart), "{kind:?}");
    }
}

#[test]
fn the_same_person_twice_in_one_call_gets_one_record() {
    let server = Server::start();
    let phone = server.phone();
    let (one, other) = (lead("lead_a", "first", &phone), lead("lead_b", "second", &phone));
    let made = together(&server, &server.config(), &[upsert(&one), upsert(&lead("lead_c", "else", &server.phone())), upsert(&other)]);
    let ids: Vec<&str> = made.iter().map(|it| id(it.as_ref().expect("a record"))).collect();
    assert_eq!((ids[0], server.count("lead")), (ids[2], 2), "{ids:?}");
}

#[test]
fn one_that_is_refused_costs_no_other_one_its_own_result() {
    let server = Server::start();
    let config = server.config();
    let made = together(&server, &config, &leads(&server, 3).iter().map(upsert).collect::<Vec<_>>());
    let ids: Vec<String> = made.iter().map(|it| id(it.as_ref().expect("a record")).to_owned()).collect();
    server.fake.by_hand("crm.lead.delete", &json!({ "id": ids[1] }));
    let noted = together(&server, &config, &[comment(&ids[0], "int_0"), comment(&ids[1], "int_1"), comment(&ids[2], "int_2")]);
    assert_eq!(noted[1].as_ref().expect_err("its record is gone").code, "sink.record_missing");
    assert!(noted[0].is_ok() && noted[2].is_ok(), "{noted:?}");
    assert_eq!(server.count("comment"), 2);
}

#[test]
fn a_new_record_that_bitrix24_refuses_stops_only_itself() {
    let server = Server::start();
    let leads = leads(&server, 4);
    server.fake.store().refuse("wish 1 $ result[x]");
    let made = together(&server, &server.config(), &leads.iter().map(upsert).collect::<Vec<_>>());
    let refused: Vec<bool> = made.iter().map(Result::is_err).collect();
    assert_eq!((refused, server.count("lead")), (vec![false, true, false, false], 3), "{made:?}");
    assert_eq!(server.count("activity"), 3, "a to-do for each record, and none without one");
}

#[test]
fn what_stops_all_of_them_is_told_of_each() {
    let server = Server::start();
    let upserts: Vec<Command> = leads(&server, 3).iter().map(upsert).collect();
    server.fake.store().exhaust(Some("crm.duplicate.findbycomm"));
    for it in together(&server, &server.config(), &upserts) {
        assert_eq!(it.expect_err("no time left").retry, Retry::AfterMs(60_000));
    }
    server.fake.store().exhaust(None);
    for how in [Misbehave::Status(502), Misbehave::Break] {
        server.fake.misbehave("batch", how);
        assert!(together(&server, &server.config(), &upserts).iter().all(|it| it.as_ref().is_err_and(|it| it.retry != Retry::Never)));
    }
    assert_eq!(server.count("lead"), 0);
    assert!(together(&server, &server.config(), &upserts).iter().all(Result::is_ok));
    assert_eq!(server.count("lead"), 3);
}
