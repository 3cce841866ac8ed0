//! One CEL expression: parsed within bounds, held against what there is, evaluated in a bounded number of steps.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, operators};
use cel::{Context, Env, ExecutionError};
use serde_json::Value;

use super::variables::{ROOTS, Shape, Variables};

/// Longest expression, characters.
const LONGEST: usize = 2_000;
/// Most opening brackets: the parser needs a hundred kilobytes of stack for each level, and its own limit does not count them.
const MOST_BRACKETS: usize = 100;
/// Deepest tree of a parsed expression: sums and calls in a row make a tree deep too.
const DEEPEST: usize = 64;
/// Most turns of all loops (`map`, `filter`, `exists`, …) of one evaluation.
const MOST_STEPS: u32 = 10_000;
/// Counts a turn. No expression can name it, since it is no identifier of CEL.
const STEP: &str = "@step";
/// Names of types, which an expression may compare with.
const TYPES: [&str; 10] = ["int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type"];

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A parsed expression.
#[derive(Debug)]
pub struct Expression {
    tree: IdedExpr,
}

/// Why an expression gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// What it asks for is not there, in this lead.
    NotThere,
    /// It cannot be evaluated; the reason holds no value of the lead.
    Wrong(String),
}

impl Expression {
    /// Reads an expression. The error says what is wrong, and what would be right where that can be listed.
    pub fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        if text.chars().count() > LONGEST {
            return Err(("the expression is too long".to_owned(), Some(format!("{LONGEST} characters"))));
        }
        if text.matches(['(', '[', '{']).count() > MOST_BRACKETS {
            return Err(("the expression has too many brackets".to_owned(), Some(MOST_BRACKETS.to_string())));
        }
        let mut tree = ENV.parser().parse(text).map_err(|errors| (said(&errors.to_string()), None))?;
        if depth(&tree) > DEEPEST {
            return Err(("the expression is too deep: too many operators or calls in a row".to_owned(), Some(format!("{DEEPEST} levels"))));
        }
        look(&tree, &mut Vec::new())?;
        count_turns(&mut tree);
        Ok(Self { tree })
    }

    /// True where its value is the same for every lead.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        matches!(self.tree.expr, Expr::Literal(_))
    }

    /// Its value for one lead.
    pub fn evaluate(&self, variables: &Variables) -> Result<Value, Absent> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        for (name, value) in variables.values() {
            context.add_variable_from_value(*name, value.clone());
        }
        let steps = AtomicU32::new(0);
        let step = move || -> Result<bool, ExecutionError> {
            if steps.fetch_add(1, Ordering::Relaxed) < MOST_STEPS { Ok(true) } else { Err(ExecutionError::function_error(STEP, "")) }
        };
        context.add_function(STEP, step).map_err(|_| Absent::Wrong("steps cannot be counted".to_owned()))?;
        let value = cel::Value::resolve(&self.tree, &context).map_err(|error| absent(&error))?;
        value.json().map_err(|_| Absent::Wrong("it gives something that is no value of a field".to_owned()))
    }
}

/// The parser's own words, on one line: `1:9: Syntax error: …`.
fn said(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('|'));
    let first = lines.next().unwrap_or("it is no expression of CEL");
    first.strip_prefix("ERROR: ").unwrap_or(first).replace("<input>:", "").chars().take(300).collect()
}

fn absent(error: &ExecutionError) -> Absent {
    let wrong = |text: String| Absent::Wrong(text);
    match error {
        ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_) => Absent::NotThere,
        ExecutionError::NoSuchOverload(it) if it.argument_types().iter().any(|it| it.contains("null")) => Absent::NotThere,
        ExecutionError::NoSuchOverload(it) => {
            wrong(format!("`{}` does not take ({})", operator(it.function()), it.argument_types().join(", ")))
        }
        ExecutionError::UnsupportedBinaryOperator(_, one, other) | ExecutionError::ValuesNotComparable(one, other)
            if [one, other].iter().any(|it| matches!(it, cel::Value::Null)) =>
        {
            Absent::NotThere
        }
        ExecutionError::UnsupportedBinaryOperator(name, one, other) => {
            wrong(format!("`{}` does not take ({}, {})", operator(name), one.type_of(), other.type_of()))
        }
        ExecutionError::ValuesNotComparable(one, other) => {
            wrong(format!("a {} cannot be compared with a {}", one.type_of(), other.type_of()))
        }
        ExecutionError::UndeclaredReference(name) => wrong(format!("there is no `{name}`")),
        ExecutionError::InvalidArgumentCount { expected, actual } => wrong(format!("a function takes {expected} arguments, not {actual}")),
        ExecutionError::UnexpectedType { got, want } => wrong(format!("a {want} is due, not a {got}")),
        ExecutionError::FunctionError { function, .. } if function == STEP => wrong(format!("it takes more than {MOST_STEPS} steps")),
        ExecutionError::FunctionError { function, .. } => wrong(format!("`{function}` cannot do this with these values")),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => wrong("it divides by zero".to_owned()),
        ExecutionError::Overflow(..) => wrong("a number becomes too large".to_owned()),
        // Their own texts show values.
        _ => wrong("the values do not fit what is done with them".to_owned()),
    }
}

/// `_+_` and `add` as people write it.
fn operator(name: &str) -> &str {
    match name {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        name => name.trim_matches('_'),
    }
}

/// Levels of a tree.
fn depth(it: &IdedExpr) -> usize {
    let deepest = match &it.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => 0,
        Expr::Select(select) => depth(&select.operand),
        Expr::Call(call) => call.target.iter().map(|it| &**it).chain(&call.args).map(depth).max().unwrap_or(0),
        Expr::List(list) => list.elements.iter().map(depth).max().unwrap_or(0),
        Expr::Map(map) => {
            let of = |it: &EntryExpr| match it {
                EntryExpr::MapEntry(it) => depth(&it.key).max(depth(&it.value)),
                EntryExpr::StructField(it) => depth(&it.value),
            };
            map.entries.iter().map(|it| of(&it.expr)).max().unwrap_or(0)
        }
        Expr::Comprehension(it) => {
            [&it.iter_range, &it.accu_init, &it.loop_cond, &it.loop_step, &it.result].into_iter().map(depth).max().unwrap_or(0)
        }
    };
    deepest + 1
}

/// Every name that the expression uses is there. `scope`: names that loops bring along.
fn look(it: &IdedExpr, scope: &mut Vec<String>) -> Result<(), (String, Option<String>)> {
    match &it.expr {
        Expr::Unspecified | Expr::Literal(_) => Ok(()),
        Expr::Ident(_) | Expr::Select(_) => shape(it, scope).map(drop),
        Expr::Call(CallExpr { target, args, .. }) => target.iter().map(|it| &**it).chain(args).try_for_each(|it| look(it, scope)),
        Expr::List(list) => list.elements.iter().try_for_each(|it| look(it, scope)),
        Expr::Map(map) => entries(map.entries.iter().map(|it| &it.expr), scope),
        Expr::Struct(it) => Err((format!("there is no `{}` to be made", it.type_name), None)),
        Expr::Comprehension(it) => {
            let ComprehensionExpr { iter_range, iter_var, iter_var2, accu_var, accu_init, loop_cond, loop_step, result } = &**it;
            look(iter_range, scope)?;
            look(accu_init, scope)?;
            let depth = scope.len();
            scope.extend([iter_var.clone(), accu_var.clone()]);
            scope.extend(iter_var2.clone());
            let looked = [loop_cond, loop_step, result].into_iter().try_for_each(|it| look(it, scope));
            scope.truncate(depth);
            looked
        }
    }
}

fn entries<'a>(mut of: impl Iterator<Item = &'a EntryExpr>, scope: &mut Vec<String>) -> Result<(), (String, Option<String>)> {
    of.try_for_each(|it| match it {
        EntryExpr::MapEntry(it) => look(&it.key, scope).and_then(|()| look(&it.value, scope)),
        EntryExpr::StructField(it) => look(&it.value, scope),
    })
}

/// What a path leads to.
fn shape(it: &IdedExpr, scope: &mut Vec<String>) -> Result<&'static Shape, (String, Option<String>)> {
    match &it.expr {
        Expr::Ident(name) if scope.contains(name) || TYPES.contains(&name.as_str()) => Ok(&Shape::Any),
        Expr::Ident(name) => ROOTS.iter().find(|(it, _)| it == name).map(|(_, shape)| shape).ok_or_else(|| {
            (format!("there is no `{name}`; a text as it stands is written in quotes inside: \"'{name}'\""), Some(listed(ROOTS)))
        }),
        Expr::Select(select) => match shape(&select.operand, scope)? {
            Shape::Object(members) => members.iter().find(|(it, _)| *it == select.field).map(|(_, shape)| shape).ok_or_else(|| {
                let of = path(&select.operand).unwrap_or_default();
                (format!("there is no `{of}.{}`", select.field), Some(listed(members)))
            }),
            Shape::Open | Shape::Any => Ok(&Shape::Any),
            Shape::Flat => {
                let of = path(&select.operand).unwrap_or_default();
                Err((format!("`{of}` is a single value: there is no `{}` in it", select.field), None))
            }
            Shape::List => {
                let of = path(&select.operand).unwrap_or_default();
                Err((format!("`{of}` is a list: `{of}[0]` is its first item, and `{of}.size()` their number"), None))
            }
        },
        _ => look(it, scope).map(|()| &Shape::Any),
    }
}

fn path(it: &IdedExpr) -> Option<String> {
    match &it.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) => Some(format!("{}.{}", path(&select.operand)?, select.field)),
        _ => None,
    }
}

fn listed(members: &[(&str, Shape)]) -> String {
    members.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Has each turn of each loop counted: its condition becomes `@step() && condition`.
fn count_turns(it: &mut IdedExpr) {
    match &mut it.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => {}
        Expr::Select(select) => count_turns(&mut select.operand),
        Expr::Call(call) => call.target.iter_mut().map(|it| &mut **it).chain(&mut call.args).for_each(count_turns),
        Expr::List(list) => list.elements.iter_mut().for_each(count_turns),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(it) = &mut entry.expr {
                    count_turns(&mut it.key);
                    count_turns(&mut it.value);
                }
            }
        }
        Expr::Comprehension(it) => {
            for part in [&mut it.iter_range, &mut it.accu_init, &mut it.loop_cond, &mut it.loop_step, &mut it.result] {
                count_turns(part);
            }
            let condition = std::mem::take(&mut it.loop_cond);
            let id = condition.id;
            let call = |func_name: &str, args| Expr::Call(CallExpr { func_name: func_name.to_owned(), target: None, args });
            let step = IdedExpr { id, expr: call(STEP, Vec::new()) };
            it.loop_cond = IdedExpr { id, expr: call(operators::LOGICAL_AND, vec![step, condition]) };
        }
    }
}
