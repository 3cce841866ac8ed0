#![doc = include_str!("../README.md")]

pub mod answer;
pub mod application;
pub mod ask;
pub mod bbcode;
pub mod check;
pub mod client;
pub mod config;
pub mod create;
pub mod fields;
pub mod find;
pub mod form;
pub mod hook;
pub mod import;
pub mod lead;
pub mod line;
pub mod map;
pub mod mapped;
pub mod next;
pub mod note;
pub mod offline;
pub mod payload;
pub mod plan;
pub mod poll;
pub mod stage;
pub mod stored;
pub mod together;
pub mod upsert;
pub mod user;

use patchbay_sdk::http::Call;
use patchbay_sdk::schemas::Receipt;
use patchbay_sdk::schemas::command::{Command, CommandBody};
use patchbay_sdk::serde_json::Value;
use patchbay_sdk::{CommandKind, Connector, Failure, Page, Reply, Request, host};

use client::{Ask, Client};
use config::Config;

/// How long a delivery waits for the record that it tells of: Bitrix24 calls slow handlers less often.
const HOOK_MS: u32 = 2_000;

/// The connector.
pub struct Bitrix24;

impl Connector for Bitrix24 {
    const COMMANDS: &'static [CommandKind] =
        &[CommandKind::LeadUpsert, CommandKind::InteractionAdd, CommandKind::MessageStatus, CommandKind::LeadPlan, CommandKind::FieldsList];

    fn webhook(request: Request) -> Result<Reply, Failure> {
        let config = config()?;
        let soon = |ask| call(&config, ask).timeout_ms(HOOK_MS).send();
        Ok(Reply::ok(hook::events(Client::new(&soon), &config, &request)?))
    }

    fn poll(cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        let config = config()?;
        application::poll(Client::new(&|ask| call(&config, ask).send()), &config, cursor.as_deref(), limit, host::now())
    }

    fn execute(command: Command) -> Result<Receipt, Failure> {
        let config = config()?;
        execute(Client::new(&|ask| call(&config, ask).send()), &config, &command)
    }

    fn execute_batch(batch: Vec<Command>) -> Vec<Result<Receipt, Failure>> {
        match config() {
            Ok(config) => together::execute_all(&|ask| call(&config, ask).send(), &config, &batch),
            Err(failure) => batch.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    fn check() -> Result<Value, Failure> {
        let config = config()?;
        check::check(Client::new(&|ask| call(&config, ask).send()), &config)
    }
}

/// Carries out one command.
pub fn execute(client: Client<'_>, config: &Config, command: &Command) -> Result<Receipt, Failure> {
    match &command.body {
        CommandBody::LeadUpsert(it) => upsert::upsert(client, config, it),
        CommandBody::InteractionAdd(it) => note::add(client, config, it),
        CommandBody::MessageStatus(it) => answer::show(client, config, it),
        CommandBody::LeadPlan(it) => plan::plan(client, config, it),
        CommandBody::FieldsList(_) => fields::list(client, config),
        other => Err(Failure::unsupported(other.kind())),
    }
}

fn config() -> Result<Config, Failure> {
    host::settings(Config::read)
}

fn call(config: &Config, ask: Ask) -> Call {
    Call::new("POST", config.endpoint, ask.path).body("application/json", ask.body)
}
