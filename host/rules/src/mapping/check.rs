//! A mapping against the sink's own fields: what would never work is said when it is saved.

use patchbay_schemas::command::{Field, FieldKind};
use patchbay_schemas::time;
use serde_json::Value;

use super::{Mapped, Mapping, Rule, Source, Variables, deep, escaped, fault, plain};
use crate::setup::Fault;

/// Most names that are offered instead of an unknown one.
const MOST_SIMILAR: usize = 5;
/// The least likeness of two names, from 0 (nothing in common) to 1, at which one may be a slip for the other.
const SIMILAR: f64 = 0.5;

/// What is wrong with a mapping: rules that fail for every lead, and, where the sink's fields are known, unknown ones and wrong types.
#[must_use]
pub fn faults(mapping: &Mapping, fields: Option<&[Field]>) -> Vec<Fault> {
    deep(|| faults_here(mapping, fields))
}

fn faults_here(mapping: &Mapping, fields: Option<&[Field]>) -> Vec<Fault> {
    let (sample, bare) = (Variables::sample(), Variables::bare());
    let mut faults = Vec::new();
    for (name, rule) in &mapping.rules {
        let at = format!("/fields/{}", escaped(name));
        let known = rule.try_out(&sample);
        let failed = [&known, &rule.try_out(&bare)]
            .into_iter()
            .find_map(|it| if let Mapped::Failed(reason) = it { Some(reason.clone()) } else { None });
        if let Some(problem) = failed {
            faults.push(Fault { at, problem, allowed: None });
            continue;
        }
        let Some(fields) = fields else { continue };
        let Some(field) = fields.iter().find(|it| it.name == *name) else {
            let similar = similar(name, fields);
            let allowed = if similar.is_empty() { "`patchbay mapping fields` lists them".to_owned() } else { similar.join(", ") };
            faults.push(Fault { at, problem: "the sink has no such field".to_owned(), allowed: Some(allowed) });
            continue;
        };
        for (at, value) in rule.written(&at, &known) {
            if let Some((problem, allowed)) = misfit(field, value, rule.is_fixed(value)) {
                faults.push(fault(&at, &problem, &allowed));
            }
        }
    }
    faults
}

/// The names of fields that might have been meant, the likeliest first.
fn similar<'a>(name: &str, fields: &'a [Field]) -> Vec<&'a str> {
    let likeness = |it: &'a Field| (rapidfuzz::fuzz::ratio(name.chars(), it.name.chars()), it.name.as_str());
    let mut alike: Vec<(f64, &str)> = fields.iter().map(likeness).filter(|(likeness, _)| *likeness >= SIMILAR).collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    alike.into_iter().take(MOST_SIMILAR).map(|(_, name)| name).collect()
}

impl Rule {
    /// As for a lead, but whatever its condition and its table say.
    fn try_out(&self, variables: &Variables) -> Mapped {
        if let Some(when) = &self.when {
            match when.evaluate(variables) {
                Ok(Value::Bool(_) | Value::Null) | Err(super::Absent::NotThere) => {}
                Ok(_) => return Mapped::Failed("its condition gives neither true nor false".to_owned()),
                Err(super::Absent::Wrong(reason)) => return Mapped::Failed(format!("its condition: {reason}")),
            }
        }
        match &self.value {
            Source::Constant(value) => Mapped::Value(value.clone()),
            Source::Expression(it) => match it.evaluate(variables) {
                Ok(Value::Null) | Err(super::Absent::NotThere) => Mapped::Nothing,
                Ok(value) if self.table.is_none() => super::fitting(value),
                Ok(value) => Mapped::Value(value),
                Err(super::Absent::Wrong(reason)) => Mapped::Failed(reason),
            },
        }
    }

    /// The values that it is known to write, each with its place.
    fn written<'a>(&'a self, at: &str, known: &'a Mapped) -> Vec<(String, &'a Value)> {
        if let Some(table) = &self.table {
            let cells = table.iter().map(|(key, value)| (format!("{at}/table/{}", escaped(key)), value));
            return cells.chain(self.otherwise.iter().map(|it| (format!("{at}/otherwise"), it))).collect();
        }
        if let Mapped::Value(value) = known { vec![(at.to_owned(), value)] } else { Vec::new() }
    }

    /// True where the value is the same for every lead.
    fn is_fixed(&self, value: &Value) -> bool {
        let constant = match &self.value {
            Source::Constant(_) => true,
            Source::Expression(it) => it.is_constant(),
        };
        self.table.is_some() || (constant && !value.is_null())
    }
}

/// Why a value has no place in a field, and what has. `fixed`: it is this very value, not one of its type.
fn misfit(field: &Field, value: &Value, fixed: bool) -> Option<(String, String)> {
    let text = plain(value);
    let is_text = value.is_string();
    let no = |allowed: &str| {
        let given = match value {
            _ if fixed => format!("`{}`", text.chars().take(60).collect::<String>()),
            Value::String(_) => "a text".to_owned(),
            Value::Number(_) => "a number".to_owned(),
            Value::Bool(_) => "true or false".to_owned(),
            _ => "a list".to_owned(),
        };
        Some((
            format!("`{}` ({}) is a field of type {}; this gives {given}", field.name, field.label, field.kind.as_str()),
            allowed.to_owned(),
        ))
    };
    let list = value.is_array();
    match field.kind {
        FieldKind::List | FieldKind::Text => None,
        _ if list => no("a single value"),
        FieldKind::Number if is_text && text.trim().parse::<f64>().is_err() => no("a number"),
        FieldKind::Integer if text.trim().parse::<i64>().is_err() => no("a whole number"),
        FieldKind::Number if value.is_boolean() => no("a number"),
        FieldKind::Boolean if !matches!(text.as_str(), "true" | "false" | "1" | "0") => no("true or false"),
        FieldKind::Date if !is_day(&text) => no("a day, 2026-03-14, or a moment"),
        FieldKind::Datetime if time::parse(&text).is_none() => no("a moment, 2026-03-14T09:26:53Z"),
        FieldKind::Choice if fixed && !field.options.iter().any(|it| it.value == text || it.label == text) => {
            let choices: Vec<String> = field.options.iter().map(|it| format!("{} ({})", it.value, it.label)).collect();
            no(&choices.join(", "))
        }
        FieldKind::Link if fixed && !field.options.is_empty() && !field.options.iter().any(|it| it.value == text || it.label == text) => {
            let names: Vec<&str> = field.options.iter().map(|it| it.label.as_str()).collect();
            no(&names.join(", "))
        }
        _ => None,
    }
}

fn is_day(text: &str) -> bool {
    time::parse(text).is_some() || time::parse(&format!("{text}T00:00:00Z")).is_some()
}
