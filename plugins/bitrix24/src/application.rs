//! What a connection can do that gets in as an application: the queue of offline events, and open lines. Both want to be set up, which the
//! poll does, and again whenever the configuration asks for something else than the cursor says.

use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::Timestamp;
use patchbay_sdk::schemas::manifest::IMPORT;
use patchbay_sdk::{Failure, Page, Retry};
use serde_json::Value;

use crate::ask::{Command, command, parameters};
use crate::client::{Client, text};
use crate::config::Config;
use crate::{line, offline, poll};

/// Where the poll of an application stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cursor {
    /// What is set up; None: nothing.
    set_up: Option<String>,
    /// Whether Bitrix24 keeps a queue for it: its plan may have none, or who let it in is no administrator.
    queue: bool,
    /// What was fetched last, and is to be cleared.
    processes: Vec<String>,
    /// Where the reconcile poll stands.
    rest: Option<String>,
}

impl Cursor {
    /// A cursor of a time before, without an application's part, is the rest.
    fn parse(cursor: Option<&str>) -> Self {
        let value = cursor.and_then(|it| patchbay_sdk::json::parse(it.as_bytes()).ok()).unwrap_or_default();
        let app = &value["app"];
        if app.is_null() {
            return Self { rest: cursor.map(str::to_owned), ..Self::default() };
        }
        let texts = app["processes"].as_array().into_iter().flatten();
        Self {
            set_up: app["set_up"].as_str().map(str::to_owned),
            queue: app["queue"] == true,
            processes: texts.filter_map(Value::as_str).map(str::to_owned).collect(),
            rest: app["rest"].as_str().map(str::to_owned),
        }
    }

    fn written(&self) -> String {
        let or_null = |it: &Option<String>| it.clone().map_or(Node::Null, Node::from);
        let app = parameters([
            ("set_up", or_null(&self.set_up)),
            ("queue", self.queue.into()),
            ("processes", offline::written(&self.processes)),
            ("rest", or_null(&self.rest)),
        ]);
        text(&parameters([("app", app.into())]))
    }
}

/// One page: what the queue holds first, then what [`poll()`] finds besides.
pub fn poll(client: Client<'_>, config: &Config, cursor: Option<&str>, limit: u32, now: Timestamp) -> Result<Page, Failure> {
    let is_import = cursor.is_some_and(|it| it == IMPORT || it.contains("\"import\""));
    if !config.is_application() || is_import {
        return poll::poll(client, config, cursor, limit, now);
    }
    let mut at = Cursor::parse(cursor);
    let events: Vec<String> = offline::events(config).collect();
    let wanted = [&events.join(" "), " ", &config.open_line, " ", &config.hub_address].concat();
    if at.set_up.as_deref() != Some(&*wanted) {
        at.queue = set_up(client, config)?;
        at.set_up = Some(wanted);
    }
    if at.queue {
        let fetched = offline::fetch(client, config, &at.processes)?;
        at.processes = fetched.processes;
        if !at.processes.is_empty() {
            return Ok(Page { events: fetched.events, next_cursor: Some(at.written()), more: true });
        }
    }
    let page = poll::poll(client, config, at.rest.as_deref(), limit, now)?;
    at.rest = page.next_cursor.or(at.rest);
    Ok(Page { events: page.events, next_cursor: Some(at.written()), more: page.more })
}

/// Binds what is not bound yet, and makes the hub a connector of the open line. True: Bitrix24 keeps a queue of events for the hub.
fn set_up(client: Client<'_>, config: &Config) -> Result<bool, Failure> {
    let extended = parameters([("CODE", "rest_offline_extended".into())]);
    let answers = client.batch(
        false,
        &[command("feature", "feature.get", extended), command("bound", "event.get", patchbay_sdk::json::Object::default())],
    )?;
    let bound = answers.get("bound")?;
    let mut commands: Vec<Command<'_>> = Vec::new();
    // With one confirmed fetch after the other nothing is lost; without confirmation a fetch might be.
    let has_queue = answers.found("feature").is_some_and(|it| it["value"] == "Y");
    let queue = if has_queue { offline::bindings(config, bound) } else { Vec::new() };
    for (name, it) in ["created", "updated", "deleted", "contacts"].into_iter().zip(queue) {
        commands.push(command(name, "event.bind", it));
    }
    let asked = commands.len();
    if !config.open_line.is_empty() {
        commands.extend(line::set_up(config));
        for (name, it) in ["answers"].into_iter().zip(line::bindings(config, bound)) {
            commands.push(command(name, "event.bind", it));
        }
    }
    if commands.is_empty() {
        return Ok(has_queue);
    }
    let answers = client.batch(false, &commands)?;
    for it in &commands[asked..] {
        let said = answers.get(it.name).map_err(of_the_line)?;
        if said["result"] == false {
            let why = said["error_description"].as_str().unwrap_or("it does not say why");
            return Err(of_the_line(Failure::never("bitrix24.line", format!("Bitrix24 did not register the hub as a connector: {why}"))));
        }
    }
    let mut is_kept = has_queue;
    for it in &commands[..asked] {
        match answers.get(it.name) {
            Ok(_) => {}
            // Who let the application in is no administrator: the poll goes on without the queue.
            Err(failure) if matches!(failure.retry, Retry::Never | Retry::Reauthorise) => is_kept = false,
            Err(failure) => return Err(failure),
        }
    }
    Ok(is_kept)
}

/// An open line that cannot be set up is a matter of its configuration, and no reason to stop asking for changes for ever.
fn of_the_line(failure: Failure) -> Failure {
    match failure.retry {
        Retry::Never | Retry::Reauthorise => Failure::reauthorise(
            "bitrix24.line",
            format!(
                "{}: the application needs the rights imopenlines and imconnector, and open_line the number of an open line",
                failure.message
            ),
        ),
        _ => failure,
    }
}
