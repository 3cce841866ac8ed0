//! Odoo's search domains: leaves `[field, operator, value]` in prefix notation with `&`, `|`, `!`.

use serde_json::Value;

use super::methods::Fault;
use super::store::{Kind, Row, kind_of};

/// A parsed domain.
#[derive(Debug)]
pub enum Domain {
    /// All of them.
    And(Vec<Domain>),
    /// One of two.
    Or(Box<Domain>, Box<Domain>),
    /// The opposite.
    Not(Box<Domain>),
    /// A comparison.
    Leaf(String, String, Value),
}

impl Domain {
    /// From JSON, as a model's fields allow.
    pub fn parse(model: &str, value: &Value) -> Result<Self, Fault> {
        let mut stack: Vec<Self> = Vec::new();
        for it in value.as_array().into_iter().flatten().rev() {
            let next = match it {
                Value::String(word) => {
                    let (Some(first), second) = (stack.pop(), (word != "!").then(|| stack.pop()).flatten()) else {
                        return Err(Fault::value_error("Domain is not well-formed"));
                    };
                    match (word.as_str(), second) {
                        ("!", None) => Self::Not(Box::new(first)),
                        ("&", Some(second)) => Self::And(vec![first, second]),
                        ("|", Some(second)) => Self::Or(Box::new(first), Box::new(second)),
                        _ => return Err(Fault::value_error("Domain is not well-formed")),
                    }
                }
                Value::Array(leaf) if leaf.len() == 3 => {
                    let (field, operator) = (leaf[0].as_str().unwrap_or(""), leaf[1].as_str().unwrap_or(""));
                    let (own, linked) = field.split_once('.').map_or((field, None), |(own, linked)| (own, Some(linked)));
                    let is_there = match (kind_of(model, own), linked) {
                        (Some(_), None) => true,
                        (Some(Kind::Link(to)), Some(linked)) => kind_of(to, linked).is_some(),
                        _ => field == "phone_mobile_search",
                    };
                    if !is_there {
                        let message = format!("Invalid field {model}.{field} in condition ('{field}', '{operator}', {})", leaf[2]);
                        return Err(Fault::value_error(message));
                    }
                    Self::Leaf(field.to_owned(), operator.to_owned(), leaf[2].clone())
                }
                _ => return Err(Fault::value_error("Domain is not well-formed")),
            };
            stack.push(next);
        }
        stack.reverse();
        Ok(Self::And(stack))
    }

    /// Whether a record is in it.
    pub fn holds(&self, row: &Row) -> bool {
        match self {
            Self::And(all) => all.iter().all(|it| it.holds(row)),
            Self::Or(one, other) => one.holds(row) || other.holds(row),
            Self::Not(it) => !it.holds(row),
            Self::Leaf(field, operator, value) if field == "phone_mobile_search" => {
                let plain = |it: &str| it.replace([' ', '.', '/', '(', ')', '-', '\\'], "");
                let typed = row.get("phone").and_then(Value::as_str).map(plain).unwrap_or_default();
                let sought = value.as_str().map(plain).unwrap_or_default();
                if operator == "=" { typed == sought } else { typed.contains(&sought) }
            }
            Self::Leaf(field, operator, value) => compare(row.get(field).unwrap_or(&Value::Bool(false)), operator, value),
        }
    }

    /// The fields of linked records that it speaks of: link, field.
    pub fn linked(&self) -> Vec<(&str, &str)> {
        match self {
            Self::And(all) => all.iter().flat_map(Self::linked).collect(),
            Self::Or(one, other) => [one.linked(), other.linked()].concat(),
            Self::Not(it) => it.linked(),
            Self::Leaf(name, ..) => name.split_once('.').into_iter().collect(),
        }
    }

    /// True when it speaks of a field.
    pub fn names(&self, field: &str) -> bool {
        match self {
            Self::And(all) => all.iter().any(|it| it.names(field)),
            Self::Or(one, other) => one.names(field) || other.names(field),
            Self::Not(it) => it.names(field),
            Self::Leaf(name, ..) => name == field,
        }
    }
}

fn compare(theirs: &Value, operator: &str, value: &Value) -> bool {
    let text = |it: &Value| it.as_str().unwrap_or("").to_owned();
    let lower = |it: &Value| text(it).to_lowercase();
    let order = || match (theirs.as_i64(), value.as_i64()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ if theirs.is_string() => Some(text(theirs).cmp(&text(value))),
        _ => None,
    };
    match operator {
        "=" => theirs == value,
        "!=" => theirs != value,
        "in" => value.as_array().is_some_and(|it| it.contains(theirs)),
        "not in" => !value.as_array().is_some_and(|it| it.contains(theirs)),
        ">" => order().is_some_and(std::cmp::Ordering::is_gt),
        ">=" => order().is_some_and(std::cmp::Ordering::is_ge),
        "<" => order().is_some_and(std::cmp::Ordering::is_lt),
        "<=" => order().is_some_and(std::cmp::Ordering::is_le),
        "like" => like(&text(theirs), &format!("%{}%", text(value))),
        "ilike" => like(&lower(theirs), &format!("%{}%", lower(value))),
        "=like" => like(&text(theirs), &text(value)),
        "=ilike" => like(&lower(theirs), &lower(value)),
        _ => false,
    }
}

/// SQL's LIKE: `%` is any text, `_` one character.
fn like(text: &str, pattern: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = &pattern[1..];
            rest.is_empty() || text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| like(&text[at..], rest))
        }
        Some(it) => text
            .chars()
            .next()
            .is_some_and(|first| (it == '_' || it == first) && like(&text[first.len_utf8()..], &pattern[it.len_utf8()..])),
    }
}
