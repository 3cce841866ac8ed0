//! Lists: filters with their prefixes, one order, pages of 50.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::store::Row;

/// Records of a page.
pub const PAGE: usize = 50;

/// The records that fit, in their order; all of them.
pub fn fitting(rows: Vec<Row>, parameters: &Value) -> Vec<Row> {
    let filter = parameters["filter"].as_object().or_else(|| parameters["FILTER"].as_object()).cloned().unwrap_or_default();
    let mut found: Vec<Row> = rows.into_iter().filter(|row| filter.iter().all(|(key, wanted)| fits(row, key, wanted))).collect();
    if let Some((field, direction)) = parameters["order"].as_object().and_then(|it| it.iter().next()) {
        found.sort_by(|one, other| compare(&text(&one[field.as_str()]), &text(&other[field.as_str()])));
        if direction.as_str().is_some_and(|it| it.eq_ignore_ascii_case("desc")) {
            found.reverse();
        }
    }
    found
}

/// A record with the fields that were selected. Multiple fields come only when they are named.
pub fn selected(row: &Row, parameters: &Value) -> Value {
    let select: Vec<&str> = parameters["select"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is_multiple = |field: &str| matches!(field, "PHONE" | "EMAIL" | "WEB" | "IM");
    let wanted = |field: &str| {
        if select.is_empty() { !is_multiple(field) } else { select.contains(&field) || (select.contains(&"*") && !is_multiple(field)) }
    };
    Value::Object(row.iter().filter(|(field, _)| wanted(field)).map(|(field, it)| (field.clone(), it.clone())).collect::<Map<_, _>>())
}

/// As the real one does, a condition on a field that there is not, and an empty one, is passed over: everything fits.
fn fits(row: &Row, key: &str, wanted: &Value) -> bool {
    let prefixes = [">=", "<=", "!@", ">", "<", "@", "=", "!", "%"];
    let prefix = prefixes.into_iter().find(|it| key.starts_with(it)).unwrap_or("");
    let field = &key[prefix.len()..];
    let Some(value) = row.get(field) else { return !is_known(field) };
    let value = text(value);
    let any = |is: fn(Ordering) -> bool| is(compare(&value, &text(wanted)));
    let among = || match wanted {
        Value::Array(items) => items.iter().any(|it| text(it) == value),
        it => text(it) == value,
    };
    if matches!(wanted, Value::String(it) if it.is_empty()) {
        return true;
    }
    match prefix {
        ">=" => any(Ordering::is_ge),
        "<=" => any(Ordering::is_le),
        ">" => any(Ordering::is_gt),
        "<" => any(Ordering::is_lt),
        "!" | "!@" => !among(),
        "%" => value.to_lowercase().contains(&text(wanted).to_lowercase()),
        _ => among(),
    }
}

/// Fields that a record may lack and that are filtered by all the same.
fn is_known(field: &str) -> bool {
    matches!(field, "ORIGIN_ID" | "ORIGINATOR_ID" | "CONTACT_ID" | "TITLE" | "PROVIDER_ID" | "SUBJECT")
}

/// A value as a text; numbers and texts are one.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(it) => it.clone(),
        Value::Null => String::new(),
        it => it.to_string(),
    }
}

fn compare(one: &str, other: &str) -> Ordering {
    if let (Ok(one), Ok(other)) = (one.parse::<i64>(), other.parse::<i64>()) {
        return one.cmp(&other);
    }
    if let (Ok(one), Ok(other)) = (one.parse::<jiff::Timestamp>(), other.parse::<jiff::Timestamp>()) {
        return one.cmp(&other);
    }
    one.cmp(other)
}
