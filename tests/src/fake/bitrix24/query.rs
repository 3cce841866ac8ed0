//! Query strings as PHP reads them: `fields[PHONE][0][VALUE]=…` is nested. Every value is a text.

use serde_json::{Map, Value};

/// The parameters of a command of a batch, with the results of earlier ones in the place of `$result[…]`.
pub fn parameters(query: &str, results: &Map<String, Value>) -> Value {
    let mut all = Value::Object(Map::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let (head, rest) = name.split_once('[').map_or((&*name, ""), |(head, rest)| (head, rest));
        let keys = std::iter::once(head).chain(rest.split('[').map(|it| it.trim_end_matches(']')).filter(|it| !it.is_empty()));
        let mut place = &mut all;
        for key in keys {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = place.as_object_mut().expect("it was made one").entry(key.to_owned()).or_insert(Value::Null);
        }
        *place = referred(&value, results);
    }
    listed(all)
}

/// What `$result[record][0][ID]` stands for; nothing where there is no such result.
fn referred(value: &str, results: &Map<String, Value>) -> Value {
    let Some(path) = value.strip_prefix("$result[") else { return Value::from(value) };
    let mut place = &Value::Object(results.clone());
    for key in path.split('[').map(|it| it.trim_end_matches(']')) {
        place = match place {
            Value::Object(fields) => fields.get(key).unwrap_or(&Value::Null),
            Value::Array(items) => key.parse::<usize>().ok().and_then(|it| items.get(it)).unwrap_or(&Value::Null),
            _ => &Value::Null,
        };
    }
    match place {
        Value::Null => Value::from(""),
        Value::Number(it) => Value::from(it.to_string()),
        it => it.clone(),
    }
}

/// Keys 0, 1, 2 make a list.
fn listed(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let is_list = !fields.is_empty() && (0..fields.len()).all(|it| fields.contains_key(&it.to_string()));
    let mut entries: Vec<(String, Value)> = fields.into_iter().map(|(key, it)| (key, listed(it))).collect();
    if is_list {
        entries.sort_by_key(|(key, _)| key.parse::<usize>().unwrap_or(0));
        return entries.into_iter().map(|(_, it)| it).collect();
    }
    Value::Object(entries.into_iter().collect())
}
