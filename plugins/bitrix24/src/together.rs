//! Several commands of the hub in as few requests as each has steps: Bitrix24 counts requests, and a `batch` of fifty calls is one.
//!
//! Each command is carried out as if it were alone, over a transport that gives the answers which are known and notes the first question
//! that is not. What all of them ask next goes out in one `batch`; then each is carried out anew with one answer more. So no command's code
//! knows of the others, and together they do what they would do one by one.
//!
//! Two commands that may be about one record, person or company go one after the other: looking side by side, both would make it.

use std::cell::{Cell, RefCell};

use patchbay_sdk::http::Answer;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::{Command, CommandBody};
use patchbay_sdk::{Failure, json};
use serde_json::{Map, Value};

use crate::ask::{self, parameters};
use crate::client::{Ask, Client, Transport, strange, text};
use crate::config::{Config, Kind};
use crate::lead::wanted;

/// The most calls that a `batch` takes.
const MOST: usize = 50;

/// What a reference to an earlier call begins with, as `batch` gets it.
const REFERENCE: &str = "%24result%5B";

/// A command and how far it is.
struct Case<'a> {
    command: &'a Command,
    /// What it may make or change.
    about: Vec<String>,
    answers: Vec<Result<Answer, Failure>>,
    result: Option<Result<Receipt, Failure>>,
}

/// What a command asks next.
struct Part {
    case: usize,
    ask: Ask,
    /// The first call that fails is the end of it.
    halts: bool,
    /// One call that is no batch.
    single: bool,
    /// Its calls as `batch` takes them, by its own names for them.
    calls: Vec<(String, String)>,
}

/// Carries out commands, one result each.
#[must_use]
pub fn execute_all(transport: Transport<'_>, config: &Config, commands: &[Command]) -> Vec<Result<Receipt, Failure>> {
    if let [one] = commands {
        return vec![crate::execute(Client::new(transport), config, one)];
    }
    let case = |command| Case { command, about: about(command, config), answers: Vec::new(), result: None };
    let mut cases: Vec<Case<'_>> = commands.iter().map(case).collect();
    loop {
        let mut asked = Vec::new();
        for at in 0..cases.len() {
            if cases[at].result.is_none()
                && !waits(&cases, at)
                && let Some(ask) = cases[at].go_on(config)
            {
                asked.push(Part::read(at, ask));
            }
        }
        if asked.is_empty() {
            break;
        }
        let (halting, others): (Vec<Part>, Vec<Part>) = asked.into_iter().partition(|it| it.halts);
        for packet in packets(others).into_iter().chain(packets(halting)) {
            send(transport, &mut cases, &packet);
        }
    }
    let none = || Err(strange("a result for each command"));
    cases.into_iter().map(|it| it.result.unwrap_or_else(none)).collect()
}

impl Case<'_> {
    /// Carries the command out as far as its answers reach. Some: what it asks next.
    fn go_on(&mut self, config: &Config) -> Option<Ask> {
        let (turn, next) = (Cell::new(0), RefCell::new(None));
        let transport = |ask: Ask| {
            let turn = turn.replace(turn.get() + 1);
            self.answers.get(turn).cloned().unwrap_or_else(|| {
                next.borrow_mut().get_or_insert(ask);
                Err(Failure::later("bitrix24.unanswered", "this is asked together with what other commands ask"))
            })
        };
        let result = crate::execute(Client::new(&transport), config, self.command);
        let next = next.into_inner();
        if next.is_none() {
            self.result = Some(result);
        }
        next
    }
}

/// True while an earlier command is under way that may be about the same.
fn waits(cases: &[Case<'_>], at: usize) -> bool {
    cases[..at].iter().any(|it| it.result.is_none() && it.about.iter().any(|it| cases[at].about.contains(it)))
}

fn about(command: &Command, config: &Config) -> Vec<String> {
    let record = |id: &str| ["record:", id].concat();
    match &command.body {
        CommandBody::LeadUpsert(it) => {
            let wanted = wanted(&it.lead, config);
            let mut about = [wanted.phones, wanted.emails].concat();
            about.push(it.lead.contact.id.clone());
            about.extend(it.remote_id.as_deref().map(record));
            if config.kind == Kind::Deal && !wanted.company.is_empty() {
                about.push(wanted.company.to_lowercase());
            }
            about
        }
        CommandBody::InteractionAdd(it) => vec![record(&it.lead_remote_id)],
        _ => Vec::new(),
    }
}

impl Part {
    fn read(case: usize, ask: Ask) -> Self {
        let method = ask.path.trim_start_matches('/');
        let mut body = Node::parse(&ask.body).ok().and_then(Node::object).unwrap_or_default();
        let single = method != "batch";
        let (halts, calls) = if single {
            (false, vec![(String::new(), ask::written(&ask::command("", method, body)))])
        } else {
            let calls = body.object("cmd").unwrap_or_default();
            let read = calls.names().map(|it| (it.to_owned(), calls.peek_text(it).unwrap_or_default().to_owned()));
            (body.int("halt") == Some(1), read.collect())
        };
        Self { case, ask, halts, single, calls }
    }

    /// True where a call refers to another one's result, or another one to its.
    fn refers(&self, name: &str, call: &str) -> bool {
        let own = [REFERENCE, name, "%5D"].concat();
        call.contains(REFERENCE) || self.calls.iter().any(|(_, it)| it.contains(&own))
    }
}

/// As many parts in one request as it takes.
fn packets(parts: Vec<Part>) -> Vec<Vec<Part>> {
    let (mut packets, mut size): (Vec<Vec<Part>>, usize) = (Vec::new(), 0);
    for part in parts {
        size += part.calls.len();
        if let Some(last) = packets.last_mut().filter(|_| size <= MOST) {
            last.push(part);
        } else {
            size = part.calls.len();
            packets.push(vec![part]);
        }
    }
    packets
}

/// Asks what several commands ask, and gives each its answer. What was not carried out, because a call before it failed, stays unanswered:
/// it is asked with the next request.
fn send(transport: Transport<'_>, cases: &mut [Case<'_>], packet: &[Part]) {
    if let [alone] = packet {
        cases[alone.case].answers.push(transport(alone.ask.clone()));
        return;
    }
    let mut calls = Object::default();
    let mut keys: Vec<Vec<(&str, String)>> = Vec::new();
    let mut lists: Vec<(&str, String)> = Vec::new();
    for (number, part) in packet.iter().enumerate() {
        let mut names = Vec::new();
        for (name, call) in &part.calls {
            // Several ask for the same list of stages, or for the same fields: once is enough.
            let verb = call.split('?').next().and_then(|it| it.rsplit('.').next());
            let is_list = !part.halts && verb.is_some_and(|it| matches!(it, "list" | "fields" | "time")) && !part.refers(name, call);
            if let Some((_, key)) = lists.iter().find(|(it, _)| is_list && it == call) {
                names.push((name.as_str(), key.clone()));
                continue;
            }
            let prefix = format!("c{number}_");
            let key = [&*prefix, name].concat();
            calls.put(key.clone(), call.replace(REFERENCE, &[REFERENCE, &*prefix].concat()));
            if is_list {
                lists.push((call, key.clone()));
            }
            names.push((name.as_str(), key));
        }
        keys.push(names);
    }
    let halt = i64::from(packet.iter().any(|it| it.halts));
    let body = text(&parameters([("halt", halt.into()), ("cmd", calls.into())])).into_bytes();
    let answer = transport(Ask { path: "/batch".to_owned(), body });
    let body = answer.as_ref().ok().filter(|it| it.status == 200).and_then(|it| json::parse(&it.body).ok());
    let Some(body) = body.filter(|it| !it["error"].is_string()) else {
        for it in packet {
            cases[it.case].answers.push(answer.clone());
        }
        return;
    };
    let (results, errors) = (&body["result"]["result"], &body["result"]["result_error"]);
    let is_answered = |names: &[(&str, String)]| names.iter().any(|(_, key)| results.get(key).is_some() || errors.get(key).is_some());
    let nobody = !keys.iter().any(|it| is_answered(it));
    for (part, names) in packet.iter().zip(&keys) {
        if nobody {
            cases[part.case].answers.push(Err(strange("the results of a batch")));
        } else if is_answered(names) {
            cases[part.case].answers.push(Ok(own(part, names, results, errors)));
        }
    }
}

/// The answer that a part would have had alone.
fn own(part: &Part, names: &[(&str, String)], results: &Value, errors: &Value) -> Answer {
    let answer = |status, value: &Value| Answer { status, headers: Vec::new(), body: text(value).into_bytes() };
    let wrapped = |value: Value| Value::Object(Map::from_iter([("result".to_owned(), value)]));
    if part.single {
        let key = names.first().map_or("", |(_, key)| key);
        return match errors.get(key) {
            Some(error) => answer(400, error),
            None => answer(200, &wrapped(results.get(key).cloned().unwrap_or_default())),
        };
    }
    let of =
        |all: &Value| Value::Object(names.iter().filter_map(|(name, key)| Some(((*name).to_owned(), all.get(key)?.clone()))).collect());
    let both = Map::from_iter([("result".to_owned(), of(results)), ("result_error".to_owned(), of(errors))]);
    answer(200, &wrapped(Value::Object(both)))
}
