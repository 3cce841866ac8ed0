//! A mapped value as Bitrix24 stores it, and what stands in a record. In a `batch` all of it travels as text.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::{Timestamp, time};
use patchbay_sink::same;
use serde_json::Value;

use crate::ask::parameters;
use crate::client::text;
use crate::fields::About;
use crate::mapped::Lists;
use crate::payload::Record;

/// A mapped value as Bitrix24 stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// One, or as many as the field takes.
    values: Vec<String>,
    /// How it is written and compared.
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A text, a choice, a yes.
    One,
    /// A number, which may come back with other digits behind the point.
    Number,
    /// A moment, which comes back in another zone.
    Moment,
    /// A day, which comes back with an hour.
    Day,
    /// Values that are added to those that stand there.
    Several,
    /// Contacts' addresses: only what is missing is sent.
    Multifield(&'static str),
}

impl Stored {
    /// What Bitrix24 stores. The error says why the value has no place in this field.
    pub fn of(about: About<'_>, name: &str, value: &Value, lists: &Lists) -> Result<Self, String> {
        let one = std::slice::from_ref(value);
        let all = value.as_array().map_or(one, Vec::as_slice);
        let form = match about.bitrix() {
            "crm_multifield" => Form::Multifield(if name.ends_with("IM") { "OTHER" } else { "WORK" }),
            _ if about.takes_several() => Form::Several,
            "integer" | "double" => Form::Number,
            "datetime" => Form::Moment,
            "date" => Form::Day,
            _ => Form::One,
        };
        let single = !matches!(form, Form::Several | Form::Multifield(_));
        if single && all.len() != 1 {
            return Err(format!("{name}: it takes a single value"));
        }
        let mut values: Vec<String> = Vec::new();
        for it in all {
            let given = plain(it);
            let stored = one_of(about, given.trim(), lists);
            let stored = stored.map_err(|what| format!("{name}: `{}` is {what}", given.chars().take(60).collect::<String>()))?;
            if single || !(stored.is_empty() || values.contains(&stored)) {
                values.push(stored);
            }
        }
        Ok(Self { values, form })
    }

    /// What has to be written over what stands in the record. None: it says so already.
    #[must_use]
    pub fn change(&self, record: Option<&Record>, field: &str) -> Option<Node<'static>> {
        let theirs = record.map(|it| standing(it, field)).unwrap_or_default();
        let one = self.values.first().map_or("", |it| it);
        let there = theirs.first().map_or("", |it| it);
        let missing = || self.values.iter().filter(|it| !theirs.contains(it));
        let agrees = match self.form {
            Form::One => one == there,
            Form::Number => decimal(one).is_some() && decimal(one) == decimal(there),
            Form::Moment => time::parse(one).map(Timestamp::as_second) == time::parse(there).map(Timestamp::as_second),
            Form::Day => there.get(..10) == Some(one),
            Form::Several | Form::Multifield(_) => missing().next().is_none(),
        };
        if agrees && record.is_some() || self.values.is_empty() {
            return None;
        }
        Some(match self.form {
            Form::Several => Node::List(theirs.iter().chain(missing()).map(|it| it.clone().into()).collect()),
            Form::Multifield(kind) => {
                let item = |it: &String| -> Object<'static> { parameters([("VALUE", it.clone().into()), ("VALUE_TYPE", kind.into())]) };
                Node::List(missing().map(|it| item(it).into()).collect())
            }
            _ => one.to_owned().into(),
        })
    }
}

/// True for a field in which nobody wrote anything.
#[must_use]
pub fn is_empty(record: &Record, field: &str, about: About<'_>) -> bool {
    standing(record, field).iter().all(|it| match about.bitrix() {
        "integer" | "double" | "user" | "employee" => decimal(it).is_none_or(|it| it == "0"),
        "boolean" | "char" => matches!(it.as_str(), "0" | "N"),
        "money" => it.split('|').next().and_then(decimal).is_none_or(|it| it == "0"),
        _ => it.is_empty(),
    })
}

/// What stands in a field, value by value.
#[must_use]
pub fn standing(record: &Record, field: &str) -> Vec<String> {
    let one = |it: &Value| match it {
        Value::String(it) => it.trim().to_owned(),
        Value::Number(_) => text(it),
        Value::Bool(yes) => String::from(if *yes { "1" } else { "0" }),
        Value::Object(it) => it.get("VALUE").and_then(Value::as_str).unwrap_or("").trim().to_owned(),
        _ => String::new(),
    };
    let all = match &record.0[field] {
        Value::Array(items) => items.iter().map(one).collect(),
        it => vec![one(it)],
    };
    all.into_iter().filter(|it| !it.is_empty()).collect()
}

/// The fingerprint of a mapped value.
#[must_use]
pub fn print(value: &Value) -> String {
    same::print(&plain(value))
}

/// A value as a text; a list with commas.
fn plain(value: &Value) -> String {
    match value {
        Value::String(it) => it.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        it => text(it),
    }
}

/// One value as it is stored. The error says what it is not.
fn one_of(about: About<'_>, given: &str, lists: &Lists) -> Result<String, &'static str> {
    match about.bitrix() {
        "integer" | "iblock_element" | "iblock_section" => decimal(given).filter(|it| !it.contains('.')).ok_or("no whole number"),
        "double" => decimal(given).ok_or("no number"),
        "money" => match given.split_once('|') {
            Some((amount, currency)) => decimal(amount).map(|it| [&it, "|", currency.trim()].concat()).ok_or("no amount"),
            None if lists.currency.is_empty() => Err("an amount without its currency: write 300|RUB"),
            None => decimal(given).map(|it| [&it, "|", &*lists.currency].concat()).ok_or("no amount"),
        },
        "boolean" => yes(given).map(|it| String::from(if it { "1" } else { "0" })).ok_or("neither true nor false"),
        "char" => yes(given).map(|it| String::from(if it { "Y" } else { "N" })).ok_or("neither true nor false"),
        "date" => lists.day(given).ok_or("no day"),
        "datetime" => time::parse(given).map(time::written).ok_or("no moment"),
        "enumeration" => about.item(given).map(str::to_owned).ok_or("none of its choices"),
        "crm_status" => lists.entry(about.list(), given).map(|it| it.code.clone()).ok_or("none of its choices"),
        "crm_currency" => Some(given.to_uppercase()).filter(|it| it.len() == 3).ok_or("no currency: write RUB"),
        "user" | "employee" => lists.user(given).map(|it| it.to_string()).ok_or("nobody who works there"),
        _ => Ok(given.to_owned()),
    }
}

fn yes(given: &str) -> Option<bool> {
    match given {
        "true" | "1" | "Y" => Some(true),
        "false" | "0" | "N" => Some(false),
        _ => None,
    }
}

/// A number without what says nothing: `250000.0` and `+250000.00` are `250000`. By its digits, since reading and writing an `f64` would be
/// a tenth of this connector.
fn decimal(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.strip_prefix('+').unwrap_or(text)), |it| ("-", it));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let part = part.trim_end_matches('0');
    let sign = if whole == "0" && part.is_empty() { "" } else { sign };
    Some(if part.is_empty() { [sign, whole].concat() } else { [sign, whole, ".", part].concat() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        for (text, wanted) in
            [("250000.0", "250000"), ("+007.50", "7.5"), ("-0.00", "0"), ("0", "0"), ("-12.05", "-12.05"), ("15000.00", "15000")]
        {
            assert_eq!(decimal(text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["", "-", ".5", "1,5", "1e3", "12 000", "many"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }
}
