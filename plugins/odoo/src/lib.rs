#![doc = include_str!("../README.md")]

pub mod ask;
pub mod check;
pub mod client;
pub mod config;
pub mod create;
pub mod fields;
pub mod hook;
pub mod html;
pub mod import;
pub mod lead;
pub mod map;
pub mod merge;
pub mod next;
pub mod note;
pub mod payload;
pub mod plan;
pub mod poll;
pub mod time;
pub mod upsert;

use patchbay_sdk::http::{Answer, Call};
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::{Command, CommandBody, LeadUpsert};
use patchbay_sdk::serde_json::Value;
use patchbay_sdk::{CommandKind, Connector, Failure, Page, Reply, Request, host};

use client::{Ask, Client};
use config::{Config, Merge};

/// The connector.
pub struct Odoo;

impl Connector for Odoo {
    const COMMANDS: &'static [CommandKind] =
        &[CommandKind::LeadUpsert, CommandKind::InteractionAdd, CommandKind::LeadPlan, CommandKind::FieldsList];

    fn webhook(request: Request) -> Result<Reply, Failure> {
        Ok(Reply::ok(hook::events(&request)?))
    }

    fn poll(cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        poll::poll(Client::new(&send), &config()?, cursor.as_deref(), limit, host::now())
    }

    fn execute(command: Command) -> Result<Receipt, Failure> {
        execute_all(Client::new(&send), &config()?, &[command]).pop().unwrap_or_else(|| Err(Failure::unsupported("commands")))
    }

    fn execute_batch(batch: Vec<Command>) -> Vec<Result<Receipt, Failure>> {
        match config() {
            Ok(config) => execute_all(Client::new(&send), &config, &batch),
            Err(failure) => batch.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    fn check() -> Result<Value, Failure> {
        check::check(Client::new(&send), &config()?)
    }
}

/// Carries out commands, one result each: upserts together, then notes.
#[must_use]
pub fn execute_all(client: Client<'_>, config: &Config, batch: &[Command]) -> Vec<Result<Receipt, Failure>> {
    let upserts: Vec<&LeadUpsert> = batch
        .iter()
        .filter_map(|it| match &it.body {
            CommandBody::LeadUpsert(it) => Some(&**it),
            _ => None,
        })
        .collect();
    let mut upserted = upsert::upsert_all(client, config, &upserts).into_iter();
    batch
        .iter()
        .map(|it| match &it.body {
            CommandBody::LeadUpsert(_) => upserted.next().unwrap_or_else(|| Err(Failure::later("odoo.answer", "no result"))),
            CommandBody::InteractionAdd(it) if config.merge == Merge::Opportunities && !it.same_person.is_empty() => merge::add(client, it),
            CommandBody::InteractionAdd(it) => note::add(client, it),
            CommandBody::LeadPlan(it) => plan::plan(client, config, it),
            CommandBody::FieldsList(_) => fields::list(client),
            other => Err(Failure::unsupported(other.kind())),
        })
        .collect()
}

fn config() -> Result<Config, Failure> {
    host::settings(Config::read)
}

fn send(ask: Ask) -> Result<Answer, Failure> {
    let call = Call::new(ask.method, "api", ask.path);
    if ask.body.is_empty() { call.send() } else { call.body("application/json", ask.body).send() }
}
