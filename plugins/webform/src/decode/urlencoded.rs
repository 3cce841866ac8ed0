//! `application/x-www-form-urlencoded`, with PHP's brackets: `data[name]`, `fields[0][value]`, `tags[]`.

use std::borrow::Cow;

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::Extra;
use percent_encoding::percent_decode;
use serde_json::Value;

use super::{MOST_FIELDS, charset};

/// Deeper brackets than this are one name.
const DEPTH: usize = 12;

/// Reads a whole body.
pub fn decode_body(body: &[u8]) -> Result<Extra, Failure> {
    tree(pairs(body))
}

/// Reads `text/plain` as browsers send it: a line for each field.
pub fn lines(body: &[u8]) -> Result<Extra, Failure> {
    let text = charset::text(body);
    tree(text.lines().filter_map(|it| it.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// Names and values in order.
pub fn pairs(body: &[u8]) -> impl Iterator<Item = (String, String)> + '_ {
    body.split(|it| *it == b'&').filter(|it| !it.is_empty()).map(|pair| {
        let at = pair.iter().position(|it| *it == b'=').unwrap_or(pair.len());
        (decode(&pair[..at]), decode(pair.get(at + 1..).unwrap_or_default()))
    })
}

/// Undoes `%41` and `+`.
#[must_use]
pub fn decode(text: &[u8]) -> String {
    let spaced: Vec<u8> = text.iter().map(|it| if *it == b'+' { b' ' } else { *it }).collect();
    charset::text(&Cow::from(percent_decode(&spaced)))
}

/// Builds the document that the brackets describe.
pub fn tree(pairs: impl Iterator<Item = (String, String)>) -> Result<Extra, Failure> {
    let mut fields = Extra::new();
    for (count, (name, value)) in pairs.enumerate() {
        if count >= MOST_FIELDS {
            return Err(Failure::never("body.fields", format!("the body has more than {MOST_FIELDS} fields")));
        }
        if !name.is_empty() {
            insert(&mut fields, &segments(&name), Value::String(value));
        }
    }
    for value in fields.values_mut() {
        *value = listed(value.take());
    }
    Ok(fields)
}

/// `data[name][]` → `data`, `name` and an empty segment: the next of a list.
fn segments(name: &str) -> Vec<&str> {
    let Some(open) = name.find('[').filter(|it| *it > 0 && name.ends_with(']')) else { return vec![name] };
    let parts: Vec<&str> = std::iter::once(&name[..open]).chain(name[open + 1..name.len() - 1].split("][")).collect();
    if parts.len() > DEPTH || parts[1..].iter().any(|it| it.contains(['[', ']'])) { vec![name] } else { parts }
}

fn insert(fields: &mut Extra, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    let next = fields.len().to_string();
    let key = if first.is_empty() { next.as_str() } else { first };
    if rest.is_empty() {
        match fields.get_mut(key) {
            None => {
                fields.insert(key.to_owned(), value);
            }
            Some(Value::Array(items)) => items.push(value),
            Some(Value::Object(object)) => insert(object, &[""], value),
            Some(there) => *there = Value::Array(vec![there.take(), value]),
        }
        return;
    }
    let there = fields.entry(key).or_insert_with(|| Value::Object(Extra::new()));
    if !there.is_object() {
        let before = there.take();
        let mut object = Extra::new();
        object.insert("0".to_owned(), before);
        *there = Value::Object(object);
    }
    if let Value::Object(object) = there {
        insert(object, rest, value);
    }
}

/// Objects with the keys 0, 1, 2 … are lists.
fn listed(value: Value) -> Value {
    match value {
        Value::Object(mut object) => {
            for value in object.values_mut() {
                *value = listed(value.take());
            }
            if !object.is_empty() && (0..object.len()).all(|it| object.contains_key(&it.to_string())) {
                Value::Array((0..object.len()).filter_map(|it| object.remove(&it.to_string())).collect())
            } else {
                Value::Object(object)
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn brackets_become_a_document() {
        let cases = [
            ("a=1&b=%D0%90+b", json!({"a": "1", "b": "А b"})),
            ("data[name]=Anna&data[phone]=1", json!({"data": {"name": "Anna", "phone": "1"}})),
            ("fields[0][name]=a&fields[0][value]=1&fields[1][name]=b", json!({"fields": [{"name": "a", "value": "1"}, {"name": "b"}]})),
            ("tags[]=x&tags[]=y", json!({"tags": ["x", "y"]})),
            ("a=1&a=2&a=3", json!({"a": ["1", "2", "3"]})),
            ("a=1&a[b]=2", json!({"a": {"0": "1", "b": "2"}})),
            ("wpforms[fields][2][first]=A", json!({"wpforms": {"fields": {"2": {"first": "A"}}}})),
            ("a[=1&[b]=2&c]=3", json!({"a[": "1", "[b]": "2", "c]": "3"})),
            ("%zz=%4&=x&&k", json!({"%zz": "%4", "k": ""})),
        ];
        for (body, wanted) in cases {
            assert_eq!(decode_body(body.as_bytes()).map(Value::Object), Ok(wanted), "{body}");
        }
    }

    #[test]
    fn a_body_with_too_many_fields_is_refused() {
        let body = "a=1&".repeat(MOST_FIELDS + 1);
        assert_eq!(decode_body(body.as_bytes()).unwrap_err().code, "body.fields");
    }
}
