use patchbay_schemas::Lead;
use patchbay_schemas::command::{Field, FieldKind, FieldOption};
use serde_json::{Value, json};

use super::*;

fn lead() -> Lead {
    serde_json::from_value(json!({
        "id": "lead_1", "title": "Заявка", "stage": { "name": "lead" }, "temperature": "hot", "tags": ["vip", "expo"],
        "contact": {
            "id": "con_1", "name": "Анна", "created_at": "2026-01-01T00:00:00Z",
            "identities": [{ "kind": "phone", "value": "+79120000000" }, { "kind": "phone", "value": "+79120000001" }],
        },
        "source": { "channel": "form", "connection": "cxn_1", "utm": { "source": "yandex" } },
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

fn variables() -> Variables {
    let form = json!({ "direction": "in", "form": { "fields": { "Бюджет": "250000", "rooms": 3 } }, "extra": { "tariff": "old" } });
    let message = json!({ "direction": "in", "text": "Когда?", "message": {}, "extra": { "tariff": "gold" }, "person": { "extra": { "vip": true } } });
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    Variables::of(&lead(), &[Said { at, kind: "message", payload: &message }, Said { at, kind: "form", payload: &form }])
}

/// What one rule gives for the lead above.
fn mapped(rule: impl Into<Value>) -> Mapped {
    let rule: Value = rule.into();
    let mapping = Mapping::read(&json!({ "fields": { "x": rule } })).unwrap_or_else(|faults| panic!("{faults:?}"));
    mapping.evaluate(&variables()).remove("x").unwrap()
}

fn value(it: impl Into<Value>) -> Mapped {
    Mapped::Value(it.into())
}

#[test]
fn an_expression_sees_the_canonical_lead() {
    for (rule, expected) in [
        ("lead.title", value("Заявка")),
        ("lead.stage.name", value("lead")),
        ("contact.phone", value("+79120000000")),
        ("lead.contact.phones.size()", value(2)),
        ("lead.tags", value(json!(["vip", "expo"]))),
        ("source.utm.source + '/' + source.channel", value("yandex/form")),
        ("last.text", value("Когда?")),
        ("last.kind", value("message")),
        ("last.at", value("2026-01-02T03:04:05Z")),
        ("form['Бюджет']", value("250000")),
        ("int(form['Бюджет']) * 2", value(500_000)),
        ("form.rooms + 1", value(4)),
        ("extra.tariff", value("gold")),
        ("extra.vip", value(true)),
        ("lead.tags.exists(it, it == 'vip') ? 'yes' : 'no'", value("yes")),
        ("lead.tags.map(it, it + '!')", value(json!(["vip!", "expo!"]))),
        ("lead.title.matches('^За')", value(true)),
    ] {
        assert_eq!(mapped(rule), expected, "{rule}");
    }
}

#[test]
fn what_is_not_there_leaves_the_field_alone() {
    for rule in [
        "contact.city",
        "contact.city + '!'",
        "source.utm.campaign",
        "form.none",
        "lead.responsible.name",
        "lead.tags[7]",
        "last.call.result",
    ] {
        assert_eq!(mapped(rule), Mapped::Nothing, "{rule}");
    }
    assert_eq!(mapped(json!({ "value": "lead.title", "when": "lead.temperature == 'cold'" })), Mapped::Nothing);
    assert_eq!(mapped(json!({ "value": "lead.title", "when": "source.utm.campaign == 'a'" })), Mapped::Nothing);
    assert_eq!(mapped(json!({ "value": "lead.title", "when": "lead.temperature == 'hot'" })), value("Заявка"));
}

#[test]
fn constants_and_tables_need_no_expression() {
    assert_eq!(mapped(json!(5)), value(5));
    assert_eq!(mapped(json!(true)), value(true));
    assert_eq!(mapped("'as it stands'"), value("as it stands"));
    let table = |otherwise: Option<&str>| {
        let mut rule = json!({ "value": "lead.stage.name", "table": { "interest": "New", "client": 4 } });
        if let Some(otherwise) = otherwise {
            rule["otherwise"] = otherwise.into();
        }
        mapped(rule)
    };
    assert_eq!(table(None), Mapped::Nothing);
    assert_eq!(table(Some("Qualified")), value("Qualified"));
    assert_eq!(mapped(json!({ "value": "form.rooms", "table": { "3": "three" } })), value("three"));
}

#[test]
fn a_rule_that_fails_says_why_without_a_value_of_the_lead() {
    for (rule, says) in [
        ("int(last.text)", "`int`"),
        ("form['Бюджет'] * 2", "`*` does not take (string, int)"),
        ("1 / 0", "zero"),
        ("contact.identities[0]", "object"),
        ("[[1]]", "list of lists"),
    ] {
        let Mapped::Failed(reason) = mapped(rule) else { panic!("{rule}") };
        assert!(reason.contains(says) && !reason.contains("Когда") && !reason.contains("250000"), "{rule}: {reason}");
    }
    let Mapped::Failed(reason) = mapped(json!({ "value": "1", "when": "lead.title" })) else { panic!("it is no condition") };
    assert!(reason.contains("neither true nor false"), "{reason}");
}

#[test]
fn an_expression_is_bounded_in_length_depth_and_steps() {
    let turns = |inner: usize| {
        let list = format!("[{}]", vec!["1"; inner].join(","));
        mapped(format!("{list}.map(a, {list}.map(b, {list}.exists(c, c > 1))).size()"))
    };
    assert_eq!(turns(20), value(20), "8,420 turns");
    assert_eq!(turns(40), Mapped::Failed("it takes more than 10000 steps".to_owned()));

    let read = |text: &str| Mapping::read(&json!({ "fields": { "x": text } })).map_err(|faults| faults[0].problem.clone());
    assert!(read(&format!("'{}'", "a".repeat(2_000))).unwrap_err().contains("too long"));
    assert!(read(&format!("'{}'", "a".repeat(1_998))).is_ok());
    let nested = |number: usize| "(".repeat(number) + "1" + &")".repeat(number);
    assert!(read(&nested(90)).is_ok());
    assert!(read(&nested(101)).unwrap_err().contains("brackets"));
    assert!(read(&vec!["1"; 64].join("+")).is_ok());
    assert!(read(&vec!["1"; 65].join("+")).unwrap_err().contains("too deep"));
    // What is refused or not: it comes to an end, and the process is still there.
    for text in [
        nested(990),
        "!".repeat(1_900) + "true",
        "-".repeat(1_900) + "1",
        "[".repeat(100) + &"]".repeat(100),
        "size(".repeat(100) + "'a'" + &")".repeat(100),
        "[1].map(a, ".repeat(50) + "1" + &")".repeat(50),
        "{1:".repeat(100) + "1" + &"}".repeat(100),
        vec!["true"; 330].join("?1:"),
        vec!["true"; 500].join("=="),
        "lead".to_owned() + &".size()".repeat(90),
        "lead.tags".to_owned() + &"[0]".repeat(90),
        "lead".to_owned() + &".x".repeat(900),
        "1".repeat(1_900),
        "'((((((((((".repeat(180),
    ] {
        if let Ok(mapping) = Mapping::read(&json!({ "fields": { "x": text } })) {
            drop(mapping.evaluate(&variables()));
        }
    }
}

#[test]
fn what_is_wrong_with_a_document_is_named_with_its_place() {
    for (document, at, says, allowed) in [
        (json!([]), "", "not an object", "fields"),
        (json!({ "field": {} }), "/field", "no such part", "fields"),
        (json!({ "fields": { "a/b": [1] } }), "/fields/a~1b", "no rule", "expression"),
        (json!({ "fields": { "a": "lead.titel" } }), "/fields/a", "`lead.titel`", "title"),
        (json!({ "fields": { "a": "client.name" } }), "/fields/a", "`client`", "contact"),
        (json!({ "fields": { "a": "lead.title.name" } }), "/fields/a", "single value", ""),
        (json!({ "fields": { "a": "lead.tags.first" } }), "/fields/a", "is a list", ""),
        (json!({ "fields": { "a": "lead.title +" } }), "/fields/a", "Syntax", ""),
        (json!({ "fields": { "a": { "when": "true" } } }), "/fields/a", "`value` is missing", "expression"),
        (json!({ "fields": { "a": { "value": "1", "whne": "true" } } }), "/fields/a/whne", "no such part", "when"),
        (json!({ "fields": { "a": { "value": "1", "when": 1 } } }), "/fields/a/when", "no condition", "true or false"),
        (json!({ "fields": { "a": { "value": "1", "otherwise": 1 } } }), "/fields/a/otherwise", "`table`", "table"),
        (json!({ "fields": { "a": { "value": "1", "table": { "x": [] } } } }), "/fields/a/table/x", "no value", "text"),
    ] {
        let faults = Mapping::read(&document).expect_err("it is refused");
        let fault = &faults[0];
        assert_eq!(fault.at, at, "{faults:?}");
        assert!(fault.problem.contains(says), "{fault:?}");
        assert!(fault.allowed.clone().unwrap_or_default().contains(allowed), "{fault:?}");
    }
    let many = |number: usize| json!({ "fields": (0..number).map(|it| (format!("f{it}"), json!(1))).collect::<Map<_, _>>() });
    assert!(Mapping::read(&many(MOST_FIELDS)).is_ok());
    assert_eq!(Mapping::read(&many(MOST_FIELDS + 1)).expect_err("one too many")[0].at, "/fields");
}

#[test]
fn a_mapping_is_held_against_the_sinks_fields() {
    let field = |name: &str, kind| Field { name: name.to_owned(), label: name.to_uppercase(), kind, required: false, options: Vec::new() };
    let option = |value: &str, label: &str| FieldOption { value: value.to_owned(), label: label.to_owned() };
    let fields = [
        field("city", FieldKind::Text),
        field("revenue", FieldKind::Number),
        field("rooms", FieldKind::Integer),
        field("vip", FieldKind::Boolean),
        field("day", FieldKind::Date),
        field("at", FieldKind::Datetime),
        field("tags", FieldKind::List),
        Field { options: vec![option("1", "Low"), option("2", "High")], ..field("priority", FieldKind::Choice) },
        Field { options: vec![option("7", "New")], ..field("stage", FieldKind::Link) },
    ];
    let said = |name: &str, rule: Value| {
        let mapping = Mapping::read(&json!({ "fields": { name: rule } })).unwrap_or_else(|faults| panic!("{faults:?}"));
        faults(&mapping, Some(&fields))
            .into_iter()
            .map(|it| format!("{} {} {}", it.at, it.problem, it.allowed.unwrap_or_default()))
            .collect::<Vec<_>>()
            .concat()
    };
    for (name, rule) in [
        ("city", json!("contact.city")),
        ("city", json!(5)),
        ("revenue", json!("form.budget")),
        ("revenue", json!("2.5")),
        ("rooms", json!("lead.tags.size()")),
        ("vip", json!("lead.temperature == 'hot'")),
        ("day", json!("lead.next_contact_at")),
        ("day", json!("'2026-03-14'")),
        ("at", json!("lead.created_at")),
        ("tags", json!("lead.tags")),
        ("tags", json!("'one'")),
        ("priority", json!({ "value": "lead.temperature", "table": { "hot": "High", "cold": "1" } })),
        ("priority", json!("lead.temperature")),
        ("stage", json!("'New'")),
    ] {
        assert_eq!(said(name, rule.clone()), "", "{name} = {rule}");
    }
    for (name, rule, at, says) in [
        ("citi", json!("contact.city"), "/fields/citi", "city"),
        ("revenue", json!("contact.city"), "/fields/revenue", "a text"),
        ("revenue", json!(true), "/fields/revenue", "a number"),
        ("rooms", json!(2.5), "/fields/rooms", "whole"),
        ("vip", json!("lead.title"), "/fields/vip", "true or false"),
        ("day", json!("contact.name"), "/fields/day", "2026-03-14"),
        ("at", json!("'2026-03-14'"), "/fields/at", "moment"),
        ("revenue", json!("lead.tags"), "/fields/revenue", "single value"),
        ("priority", json!({ "value": "lead.temperature", "table": { "hot": "Highest" } }), "/fields/priority/table/hot", "2 (High)"),
        ("priority", json!({ "value": "'x'", "table": { "a": 1 }, "otherwise": "3" }), "/fields/priority/otherwise", "1 (Low)"),
        ("stage", json!("'Old'"), "/fields/stage", "New"),
        ("city", json!("contact.city + 1"), "/fields/city", "`+` does not take"),
        ("city", json!({ "value": "lead.title", "when": "lead.title" }), "/fields/city", "neither true nor false"),
        ("city", json!("nonsense(lead.title)"), "/fields/city", "nonsense"),
    ] {
        let found = said(name, rule.clone());
        assert!(found.starts_with(&format!("{at} ")) && found.contains(says), "{name} = {rule}: {found}");
    }
}
