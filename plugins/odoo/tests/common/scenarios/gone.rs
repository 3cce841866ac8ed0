//! Records that were deleted there, merged there, or are to be merged.

use odoo::client::RECORD_MISSING;
use odoo::config::{Config, Deleted, Merge};
use patchbay_schemas::command::{InteractionAdd, LeadUpsert, NewRecord, RecordsMerged};
use patchbay_sdk::Retry;
use serde_json::json;

use super::super::{Server, again, first, id, lead, merge_note, note};

pub fn a_deleted_record_comes_back_or_stops(server: &Server) {
    let (mut config, phone) = (server.config(), server.phone());
    let lead = lead(&format!("lead_{}", &phone[1..]), "deleted", &phone);
    let made = server.upsert(&config, first(&lead)).expect("a record");
    server.call("crm.lead", "unlink", json!({ "ids": [id(&made).parse::<i64>().expect("a number")] }));
    config.deleted = Deleted::Stop;
    let failure = server.upsert(&config, again(&lead, &made)).expect_err("stopped");
    assert_eq!((failure.code.as_str(), failure.retry), ("odoo.deleted", Retry::Never));
    config.deleted = Deleted::Recreate;
    let receipt = server.upsert(&config, again(&lead, &made)).expect("a record");
    assert_eq!(receipt.details["result"], "created");
    assert_ne!(id(&receipt), id(&made));
}

pub fn a_merged_record_is_followed(server: &Server) {
    let (config, phone) = (server.config(), server.phone());
    let mut lead = lead(&format!("lead_{}", &phone[1..]), "merged", &phone);
    let head = server.call("crm.lead", "create", json!({ "vals_list": [{ "name": "head", "stage_id": 3 }] }))[0].clone();
    let made = server.upsert(&config, first(&lead)).expect("a record");
    let tail: i64 = id(&made).parse().expect("a number");
    server.add(&config, note(id(&made), &format!("int_{}m", &phone[1..]), "before")).expect("a note");
    assert_eq!(server.call("crm.lead", "merge_opportunity", json!({ "ids": [head, tail] })), json!([head]));
    server.call("crm.lead", "write", json!({ "ids": [head], "vals": { "phone": false } }));
    server.call("crm.lead", "action_set_won", json!({ "ids": [head] }));
    lead.contact.city = Some("Казань".to_owned());
    let receipt = server.upsert(&config, again(&lead, &made)).expect("the head");
    assert_eq!(
        (id(&receipt), &receipt.details["result"]),
        (head.to_string().as_str(), &json!("merged")),
        "by our reference, closed and without a phone"
    );
    assert_eq!(receipt.details["merged"], json!({ "into": head.to_string(), "records": [tail.to_string()] }), "people did it");
    assert_eq!(server.lead(id(&receipt))["city"], "Казань");
}

/// Ids of the notes of a record that hold this text.
fn notes_with(server: &Server, record: &str, text: &str) -> usize {
    let record: i64 = record.parse().expect("a number");
    let domain = json!([["model", "=", "crm.lead"], ["res_id", "=", record], ["body", "ilike", text]]);
    server.call("mail.message", "search", json!({ "domain": domain })).as_array().expect("ids").len()
}

pub fn records_of_one_person_are_merged_where_the_connection_wants_it(server: &Server) {
    let mut config = server.config();
    let phones: Vec<String> = (0..3).map(|_| server.phone()).collect();
    let leads: Vec<_> = phones.iter().map(|it| lead(&format!("lead_{}", &it[1..]), "one of two", it)).collect();
    let made: Vec<_> = leads.iter().map(|it| server.upsert(&config, first(it)).expect("a record")).collect();
    let of: Vec<_> = leads.iter().zip(&made).collect();
    let int = |what: &str| format!("int_{}{what}", &phones[0][1..]);
    server.add(&config, note(id(&made[1]), &int("b"), "before")).expect("a note");

    let told = server.add(&config, merge_note(&int("n"), &of[..2])).expect("a note");
    assert_eq!(told.details.get("merged"), None, "a note and nothing else, unless it is asked for");
    config.merge = Merge::Opportunities;
    server.call("crm.lead", "action_set_won", json!({ "ids": [id(&made[2]).parse::<i64>().expect("a number")] }));
    let told = server.add(&config, merge_note(&int("m"), &of)).expect("a note");
    let merged: RecordsMerged = serde_json::from_value(told.details["merged"].clone()).expect("which records");
    let pair = [id(&made[0]), id(&made[1])];
    let gone = pair.into_iter().find(|it| *it != merged.into).expect("one of the two is gone");
    assert!(pair.contains(&merged.into.as_str()) && merged.records == [gone], "what is won is left alone: {merged:?}");
    assert_eq!(server.lead(id(&made[2]))["won_status"], "won");
    assert_eq!((notes_with(server, &merged.into, "before"), notes_with(server, &merged.into, "are of one person")), (1, 2));

    // The answer was lost, and the other lead's own note came meanwhile: both hear the same, and there is one note of each.
    let repeated = server.add(&config, InteractionAdd { retried: true, ..merge_note(&int("m"), &of) }).expect("a note");
    assert_eq!(repeated.details["merged"], told.details["merged"]);
    let other = server.add(&config, InteractionAdd { retried: true, ..merge_note(&int("o"), &[of[1], of[0]]) }).expect("a note");
    assert_eq!(other.details["merged"], told.details["merged"]);
    assert_eq!(notes_with(server, &merged.into, "are of one person"), 3);

    // Taken back: whoever lost the record gets one of their own, although a record with our reference and the phone is there.
    let (lost, phone) = if gone == id(&made[0]) { (&leads[0], &phones[0]) } else { (&leads[1], &phones[1]) };
    let own = server.upsert(&config, LeadUpsert { new_record: NewRecord::Always, retried: true, ..first(lost) }).expect("a record");
    assert_eq!(own.details["result"], "created");
    assert_eq!(server.lead(id(&own))["phone"], **phone);
    assert_ne!(id(&own), merged.into);
}

pub fn a_record_that_is_gone_before_it_is_merged_is_asked_for_anew(server: &Server) {
    let config = Config { merge: Merge::Opportunities, ..server.config() };
    let phones = [server.phone(), server.phone()];
    let leads = phones.each_ref().map(|it| lead(&format!("lead_{}", &it[1..]), "gone", it));
    let made = leads.each_ref().map(|it| server.upsert(&config, first(it)).expect("a record"));
    server.call("crm.lead", "unlink", json!({ "ids": [id(&made[0]).parse::<i64>().expect("a number")] }));
    let merge = merge_note(&format!("int_{}g", &phones[0][1..]), &[(&leads[0], &made[0]), (&leads[1], &made[1])]);
    let failure = server.add(&config, merge.clone()).expect_err("there is no record");
    assert_eq!((failure.code.as_str(), failure.retry), (RECORD_MISSING, Retry::Later), "it may be just being merged");
    let failure = server.add(&config, InteractionAdd { retried: true, ..merge }).expect_err("there is no record");
    assert_eq!((failure.code.as_str(), failure.retry), (RECORD_MISSING, Retry::Never), "the hub asks for a new one");
}
