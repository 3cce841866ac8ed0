//! Field mapping: which value of the lead goes into which field of the sink.
//!
//! ```toml
//! [fields]
//! city = "contact.city"                                        # a CEL expression
//! x_priority = 3                                               # anything but a text is a value as it stands
//! comment = { value = "last.text", when = "lead.temperature == 'hot'" }
//! stage_id = { value = "lead.stage.name", table = { interest = "New", lead = "Qualified" }, otherwise = "New" }
//! ```
//! `expression` parses and evaluates, `variables` says what an expression sees, `check` holds a mapping against the sink's fields.

mod check;
mod expression;
mod variables;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use self::check::faults;
pub use self::expression::{Absent, Expression};
pub use self::variables::{ROOTS, Said, Variables};
use crate::setup::Fault;

/// Most fields of a mapping.
pub const MOST_FIELDS: usize = 200;
/// Longest text that goes into a field, characters.
const LONGEST_TEXT: usize = 65_536;
/// Most items of a list that goes into a field.
const MOST_ITEMS: usize = 100;
/// Stack of the thread that works with expressions, bytes. What is not touched costs no memory.
const STACK: usize = 32 << 20;
/// What a rule may have.
const PARTS: [&str; 4] = ["value", "when", "table", "otherwise"];

/// A mapping that was read: the rules by the sink's fields.
#[derive(Debug)]
pub struct Mapping {
    rules: BTreeMap<String, Rule>,
}

/// What goes into one field.
#[derive(Debug)]
struct Rule {
    value: Source,
    when: Option<Expression>,
    table: Option<BTreeMap<String, Value>>,
    otherwise: Option<Value>,
}

/// Where a value comes from.
#[derive(Debug)]
enum Source {
    Constant(Value),
    Expression(Expression),
}

/// What became of one field for one lead.
#[derive(Debug, Clone, PartialEq)]
pub enum Mapped {
    /// This is written.
    Value(Value),
    /// The field is left alone: what the rule needs is not there, or its condition does not hold.
    Nothing,
    /// The rule failed, for this reason; the field is left alone. The reason holds no value of the lead.
    Failed(String),
}

impl Mapping {
    /// Reads a document. The faults name the place, and nothing of it is taken where there is one.
    pub fn read(document: &Value) -> Result<Self, Vec<Fault>> {
        deep(|| Self::read_here(document))
    }

    fn read_here(document: &Value) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let Some(whole) = document.as_object() else { return Err(vec![fault("", "it is not an object", "{ \"fields\": … }")]) };
        for name in whole.keys().filter(|it| *it != "fields") {
            faults.push(fault(&format!("/{}", escaped(name)), "there is no such part", "fields"));
        }
        let nothing = Map::new();
        let fields = match whole.get("fields") {
            None => &nothing,
            Some(Value::Object(fields)) => fields,
            Some(_) => return Err(vec![fault("/fields", "it is not an object", "the sink's fields with their rules")]),
        };
        if fields.len() > MOST_FIELDS {
            faults.push(fault("/fields", &format!("there are {} fields", fields.len()), &format!("{MOST_FIELDS} at most")));
        }
        let mut rules = BTreeMap::new();
        for (name, rule) in fields {
            if let Some(rule) = Rule::read(&format!("/fields/{}", escaped(name)), rule, &mut faults) {
                rules.insert(name.clone(), rule);
            }
        }
        if faults.is_empty() { Ok(Self { rules }) } else { Err(faults) }
    }

    /// The fields that it fills.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.rules.keys().map(String::as_str)
    }

    /// True for a mapping that fills nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What goes into each field for one lead.
    #[must_use]
    pub fn evaluate(&self, variables: &Variables) -> BTreeMap<String, Mapped> {
        deep(|| self.rules.iter().map(|(name, rule)| (name.clone(), rule.evaluate(variables))).collect())
    }
}

impl Rule {
    fn read(at: &str, rule: &Value, faults: &mut Vec<Fault>) -> Option<Self> {
        let mut expression = |at: &str, text: &str| match Expression::parse(text) {
            Ok(expression) => Some(expression),
            Err((problem, allowed)) => {
                faults.push(Fault { at: at.to_owned(), problem, allowed });
                None
            }
        };
        let parts = match rule {
            Value::Object(parts) => parts,
            Value::String(text) => {
                let value = Source::Expression(expression(at, text)?);
                return Some(Self { value, when: None, table: None, otherwise: None });
            }
            constant if is_flat(constant) => {
                return Some(Self { value: Source::Constant(constant.clone()), when: None, table: None, otherwise: None });
            }
            _ => {
                faults.push(fault(at, "it is no rule", "an expression as text, a value, or { value, when, table, otherwise }"));
                return None;
            }
        };
        let value = match parts.get("value") {
            Some(Value::String(text)) => expression(&format!("{at}/value"), text).map(Source::Expression),
            Some(constant) if is_flat(constant) => Some(Source::Constant(constant.clone())),
            Some(_) => {
                faults.push(fault(&format!("{at}/value"), "it is no value", "an expression as text, a number, true or false"));
                None
            }
            None => {
                faults.push(fault(at, "`value` is missing", "an expression as text, a number, true or false"));
                None
            }
        };
        let when = match parts.get("when") {
            None => None,
            Some(Value::String(text)) => match Expression::parse(text) {
                Ok(when) => Some(when),
                Err((problem, allowed)) => {
                    faults.push(Fault { at: format!("{at}/when"), problem, allowed });
                    None
                }
            },
            Some(_) => {
                faults.push(fault(&format!("{at}/when"), "it is no condition", "an expression as text that gives true or false"));
                None
            }
        };
        let table = match parts.get("table") {
            None => None,
            Some(Value::Object(table)) => {
                for (key, _) in table.iter().filter(|(_, it)| !is_flat(it)) {
                    faults.push(fault(&format!("{at}/table/{}", escaped(key)), "it is no value", "a text, a number, true or false"));
                }
                Some(table.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
            }
            Some(_) => {
                faults.push(fault(&format!("{at}/table"), "it is no table", "{ what the value says = what is written, … }"));
                None
            }
        };
        if let Some(otherwise) = parts.get("otherwise") {
            if parts.get("table").is_none() {
                faults.push(fault(
                    &format!("{at}/otherwise"),
                    "it needs a `table`",
                    "only beside `table`: what is written for other values",
                ));
            } else if !is_flat(otherwise) {
                faults.push(fault(&format!("{at}/otherwise"), "it is no value", "a text, a number, true or false"));
            }
        }
        for name in parts.keys().filter(|it| !PARTS.contains(&it.as_str())) {
            faults.push(fault(&format!("{at}/{}", escaped(name)), "a rule has no such part", &PARTS.join(", ")));
        }
        Some(Self { value: value?, when, table, otherwise: parts.get("otherwise").cloned() })
    }

    fn evaluate(&self, variables: &Variables) -> Mapped {
        if let Some(when) = &self.when {
            match when.evaluate(variables) {
                Ok(Value::Bool(true)) => {}
                Ok(Value::Bool(false) | Value::Null) | Err(Absent::NotThere) => return Mapped::Nothing,
                Ok(_) => return Mapped::Failed("its condition gives neither true nor false".to_owned()),
                Err(Absent::Wrong(reason)) => return Mapped::Failed(format!("its condition: {reason}")),
            }
        }
        let value = match &self.value {
            Source::Constant(value) => value.clone(),
            Source::Expression(expression) => match expression.evaluate(variables) {
                Ok(Value::Null) | Err(Absent::NotThere) => return Mapped::Nothing,
                Ok(value) => value,
                Err(Absent::Wrong(reason)) => return Mapped::Failed(reason),
            },
        };
        let value = match &self.table {
            None => value,
            Some(table) => match table.get(&plain(&value)).or(self.otherwise.as_ref()) {
                Some(value) => value.clone(),
                None => return Mapped::Nothing,
            },
        };
        fitting(value)
    }
}

/// Works with expressions on a thread with room for them: parser and interpreter need up to 100 kB of stack for each level.
fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("mapping".to_owned()).stack_size(STACK).spawn_scoped(scope, work);
        let joined = thread.expect("the system has a thread to give, as the hub's own workers need them too").join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A value that a field can take.
fn fitting(value: Value) -> Mapped {
    let failed = |reason: &str| Mapped::Failed(reason.to_owned());
    match &value {
        Value::Object(_) => failed("it gives an object; a field takes a text, a number, true, false or a list of them"),
        Value::Array(items) if items.len() > MOST_ITEMS => failed("it gives a list of more than 100 items"),
        Value::Array(items) if !items.iter().all(is_flat) => failed("it gives a list of lists or objects"),
        _ if plain(&value).chars().count() > LONGEST_TEXT => failed("it gives a text of more than 65536 characters"),
        _ => Mapped::Value(value),
    }
}

/// A value as text, as a table's keys are written.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_flat(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
}

/// A member's name in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn fault(at: &str, problem: &str, allowed: &str) -> Fault {
    Fault { at: at.to_owned(), problem: problem.to_owned(), allowed: Some(allowed.to_owned()) }
}

#[cfg(test)]
mod tests;
